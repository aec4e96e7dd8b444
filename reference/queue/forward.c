/* forward.c - a small client of LMTP that asks only EXPN (RFC 5321 4.1.1.7). */
#include "reference/queue/forward.h"

#include "base/mem.h"
#include "base/net.h"
#include "base/stream.h"

#include <stdlib.h>

enum { CONNECT_MS = 5000, ANSWER_MS = 30000, LINE_OCTETS_MAX = 1000, LINES_MAX = 1000,
       LMTP_PORT = 24 };

struct forward_client {
    const struct config *c;
    struct stream *stream;       /* NULL: not connected */
};

struct forward_client *forward_client_new(const struct config *c)
{
    struct forward_client *f = xcalloc(1, sizeof *f);
    f->c = c;
    return f;
}

static void disconnect(struct forward_client *f)
{
    stream_close(f->stream);
    f->stream = NULL;
}

void forward_client_free(struct forward_client *f)
{
    if (f)
        disconnect(f);
    free(f);
}

/* A reply: its code, and each line's text (owned by *lines) when that is wanted. 0: the connection is
 * lost. */
static int read_reply(struct forward_client *f, struct string_list *lines)
{
    struct buf line = {0};
    enum line_end end;
    int code = 0;
    for (int n = 0; n < LINES_MAX; n++) {
        buf_clear(&line);
        uint64_t number;
        if (stream_read_line(f->stream, &line, LINE_OCTETS_MAX, &end) != IO_OK || line.len < 3 ||
            !slice_number(slice_sub(buf_slice(&line), 0, 3), 999, &number))
            break;
        if (lines && line.len > 4) {
            lines->v = xreallocarray(lines->v, lines->n + 1, sizeof *lines->v);
            lines->v[lines->n++] = slice_dup(slice_sub(buf_slice(&line), 4, line.len));
        }
        if (line.len == 3 || line.data[3] == ' ') {
            code = (int)number;
            break;
        }
    }
    buf_free(&line);
    return code;
}

static bool connected(struct forward_client *f)
{
    struct netaddr address;
    if (f->stream)
        return true;
    int fd = config_parse_endpoint(&address, slice_str(f->c->mda_socket), LMTP_PORT)
        ? net_connect(&address, NULL, CONNECT_MS) : -1;
    if (fd < 0)
        return false;
    f->stream = stream_new_fd(fd);
    stream_set_timeout(f->stream, ANSWER_MS);
    stream_printf(f->stream, "LHLO %s\r\n", f->c->hostname);
    if (read_reply(f, NULL) == 220 && read_reply(f, NULL) == 250)
        return true;
    disconnect(f);
    return false;
}

static int exchange(struct forward_client *f, const char *address, struct string_list *lines)
{
    if (!connected(f))
        return 0;
    stream_printf(f->stream, "EXPN %s\r\n", address);
    int code = read_reply(f, lines);
    if (code == 0 || code == 421)
        disconnect(f);
    return code;
}

/* "2.1.5 item" of each line. AUTH_OK when there is the mailbox alone. */
static enum auth_status take_items(const struct string_list *lines, struct account *out)
{
    bool mailbox_alone = lines->n == 1;
    out->targets = xcalloc(lines->n + 1, sizeof *out->targets);
    for (size_t i = 0; i < lines->n; i++) {
        struct slice text = slice_str(lines->v[i]), status;
        if (!slice_word(&text, &status))
            continue;
        text = slice_trim(text);
        mailbox_alone &= text.n > 1 && text.p[0] == '\\' && text.p[1] != '"';
        if (text.n > 0)
            out->targets[out->target_count++] = slice_dup(text);
    }
    return mailbox_alone ? AUTH_OK : AUTH_ALIAS;
}

enum auth_status forward_ask(void *forward_client, const char *address, struct account *out)
{
    struct forward_client *f = forward_client;
    struct string_list lines = {0};
    *out = (struct account){.uid = -1, .gid = -1};
    bool kept = f->stream != NULL;
    int code = exchange(f, address, &lines);
    if (kept && code == 0)       /* the agent was started anew, or had waited for long enough */
        code = exchange(f, address, &lines);
    enum auth_status status = code == 250 ? take_items(&lines, out)
        : code == 550 ? AUTH_OK  /* the delivery itself will say so */
        : AUTH_TEMPFAIL;
    for (size_t i = 0; i < lines.n; i++)
        free(lines.v[i]);
    free(lines.v);
    return status;
}
