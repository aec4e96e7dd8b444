/* auth_client.c - asking the auth process. */
#include "reference/auth/protocol.h"

#include "base/mem.h"
#include "base/net.h"
#include "base/stream.h"

#include <stdlib.h>

enum { CONNECT_MS = 5000, ANSWER_MS = 30000 };

struct auth_client {
    const struct config *config;
    struct netaddr address;
    bool reachable;            /* the address is one */
    struct stream *stream;     /* NULL: not connected */
};

struct auth_client *auth_client_new(const struct config *c)
{
    struct auth_client *a = xcalloc(1, sizeof *a);
    a->config = c;
    char *text = xasprintf("unix:%s", c->auth_socket);
    a->reachable = netaddr_parse(&a->address, slice_str(text), 0);
    free(text);
    return a;
}

static void disconnect(struct auth_client *a)
{
    stream_close(a->stream);
    a->stream = NULL;
}

void auth_client_rest(struct auth_client *a)
{
    disconnect(a);
}

void auth_client_free(struct auth_client *a)
{
    if (!a)
        return;
    disconnect(a);
    free(a);
}

static bool connected(struct auth_client *a)
{
    if (a->stream)
        return true;
    int fd = a->reachable ? net_connect(&a->address, NULL, CONNECT_MS) : -1;
    if (fd < 0)
        return false;
    a->stream = stream_new_fd(fd);
    stream_set_timeout(a->stream, ANSWER_MS);
    return true;
}

static bool exchange(struct auth_client *a, const struct buf *request, struct buf *line)
{
    enum line_end end;
    buf_clear(line);
    if (!connected(a))
        return false;
    if (stream_write(a->stream, request->data, request->len) == IO_OK &&
        stream_flush(a->stream) == IO_OK &&
        stream_read_line(a->stream, line, AUTH_ANSWER_MAX, &end) == IO_OK) {
        stream_wipe(a->stream);
        return true;
    }
    disconnect(a);
    return false;
}

static void wipe(struct buf *b)
{
    if (b->cap)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

/* An old connection may have ended with the process at its other end: once more, on a new one. */
static bool exchange_anew(struct auth_client *a, const struct buf *request, struct buf *line)
{
    bool was_connected = a->stream != NULL;
    return exchange(a, request, line) || (was_connected && exchange(a, request, line));
}

static enum auth_status ask(struct auth_client *a, struct buf *request, struct account *out)
{
    struct buf line = {0};
    enum auth_status status = AUTH_TEMPFAIL;
    if (exchange_anew(a, request, &line))
        status = auth_read_answer(buf_slice(&line), out);
    else
        *out = (struct account){.uid = -1, .gid = -1};
    buf_free(&line);
    wipe(request);
    stack_wipe();
    return status;
}

enum auth_status auth_verify(struct auth_client *a, const char *user, const char *password,
                             const char *peer, struct account *out)
{
    struct buf request = {0};
    buf_reserve(&request, AUTH_REQUEST_MAX);   /* no copy of the password is left by growing */
    auth_write_verify(&request, user, password, peer);
    return ask(a, &request, out);
}

enum auth_status auth_lookup(struct auth_client *a, const char *address, struct account *out)
{
    struct buf request = {0};
    auth_write_lookup(&request, address);
    return ask(a, &request, out);
}

enum auth_status auth_domain(struct auth_client *a, struct slice domain)
{
    struct buf request = {0};
    struct account none;
    if (config_is_local(a->config, domain))
        return AUTH_OK;
    if (!a->config->virtual_domains)
        return AUTH_NO;
    auth_write_domain(&request, domain);
    enum auth_status status = ask(a, &request, &none);
    account_free(&none);
    return status;
}

/* ---- SASL (sasl.h) --------------------------------------------------------------------------- */

static enum sasl_status sasl_ask(struct auth_client *a, struct buf *request, bool begins,
                                 struct buf *challenge, struct account *out)
{
    struct buf line = {0};
    enum sasl_status status = SASL_TEMPFAIL;
    *out = (struct account){.uid = -1, .gid = -1};
    /* What follows the beginning makes sense on that connection only. */
    if (begins ? exchange_anew(a, request, &line) : a->stream && exchange(a, request, &line))
        status = sasl_read_answer(buf_slice(&line), challenge, out);
    wipe(&line);
    wipe(request);
    stack_wipe();
    return status;
}

enum sasl_status auth_sasl_begin(struct auth_client *a, const struct sasl_channel *ch,
                                 const char *mechanism, const struct slice *initial,
                                 struct buf *challenge, struct account *out)
{
    struct buf request = {0};
    buf_reserve(&request, AUTH_REQUEST_MAX);
    sasl_write_start(&request, ch, mechanism, initial);
    return sasl_ask(a, &request, true, challenge, out);
}

enum sasl_status auth_sasl_step(struct auth_client *a, struct slice response,
                                struct buf *challenge, struct account *out)
{
    struct buf request = {0};
    buf_reserve(&request, AUTH_REQUEST_MAX);
    sasl_write_step(&request, response);
    return sasl_ask(a, &request, false, challenge, out);
}

void auth_sasl_cancel(struct auth_client *a)
{
    struct buf request = {0}, challenge = {0};
    struct account none;
    sasl_write_cancel(&request);
    sasl_ask(a, &request, false, &challenge, &none);
    buf_free(&challenge);
    account_free(&none);
}

static enum sasl_status begin(void *a, const struct sasl_channel *ch, const char *mechanism,
                              const struct slice *initial, struct buf *challenge,
                              struct account *out)
{
    return auth_sasl_begin(a, ch, mechanism, initial, challenge, out);
}

static enum sasl_status step(void *a, struct slice response, struct buf *challenge,
                             struct account *out)
{
    return auth_sasl_step(a, response, challenge, out);
}

static void cancel(void *a) { auth_sasl_cancel(a); }

struct sasl_backend auth_sasl_backend(struct auth_client *a)
{
    return (struct sasl_backend){begin, step, cancel, a};
}
