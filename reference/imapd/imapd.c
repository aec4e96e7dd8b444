/* imapd.c - the role: an IMAP service over the listeners that the master opened. */
#include "reference/imapd/imapd.h"

#include "base/mem.h"
#include "reference/roles.h"
#include "reference/store/store.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

enum { HEAPS_MAX = 4 };

static enum auth_status ask_auth(void *client, const char *user, const char *password,
                                 const char *peer, struct account *out)
{
    return auth_verify(client, user, password, peer, out);
}

static void rest(void *client)
{
    auth_client_rest(client);
}

/* RFC 8314 3.2: on port 993 TLS comes first. */
static bool begin_tls(struct stream *io, const struct session_info *info,
                      const struct imap_ctx *imap, const char *client)
{
    const struct role_listener *listener = info->listener_arg;
    if (!config_is_implicit_tls(listener->kind))
        return true;
    enum io r = tls_accept(io, imap->tls);
    if (r != IO_OK)
        imap_tls_failed(io, client, info->number, r);
    return r == IO_OK;
}

static void serve(struct stream *io, const struct session_info *info, void *ctx)
{
    const struct imap_ctx *imap = ctx;
    char client[64];
    netaddr_host(&info->peer, client);
    if (!begin_tls(io, info, imap, client)) {
        stream_close(io);
        return;
    }
    struct auth_client *auth = auth_client_new(imap->config);
    const struct sasl_backend sasl = auth_sasl_backend(auth);
    if (imap_session(io, imap, &(struct imap_accounts){ask_auth, rest, auth, &sasl}, client,
                     info->number))
        stream_close(io);
    else
        stream_abort(io);
    auth_client_free(auth);
}

int imapd_main(const struct config *c, const struct role_listener *l, size_t n)
{
    if (store_prepare(c) != 0)
        die(73, "%s: mail_dir %s cannot be made: %s; make it, writable for user %s", c->path,
            c->mail_dir, strerror(errno), c->mda_user ? c->mda_user : "that runs postroad");
    struct imap_ctx ctx = {.config = c, .tls = tls_server_context()};
    /* Threads beyond a few gain nothing from a heap of their own, and each keeps what was freed. */
    mallopt(M_ARENA_MAX, HEAPS_MAX);
    struct service *service = service_new(&(struct service_conf){
        .name = "imapd",
        .max_sessions = c->sessions,
        .max_sessions_per_client = c->sessions_per_client,
        .stop_grace_ms = c->timeout_stop * 3 / 4, /* the master kills after timeout_stop */
        .session = serve,
        .busy_line = "* BYE [UNAVAILABLE] too many connections, try later",
        .ctx = &ctx,
    });
    ctx.service = service;
    for (size_t i = 0; i < n; i++)
        service_add_listener(service, l[i].fd, (void *)(uintptr_t)&l[i]);
    roles_stop_service(service);
    service_run(service);
    roles_stop_service(NULL);
    service_free(service);
    return 0;
}
