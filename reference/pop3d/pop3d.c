/* pop3d.c - the role: a POP3 service over the listeners that the master opened. */
#include "reference/pop3d/pop3d.h"

#include "base/mem.h"
#include "reference/roles.h"
#include "reference/store/store.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <stdlib.h>


static enum auth_status ask_auth(void *client, const char *user, const char *password,
                                 const char *peer, struct account *out)
{
    return auth_verify(client, user, password, peer, out);
}

/* RFC 8314 3.2: on port 995 TLS comes first. */
static bool begin_tls(struct stream *io, const struct session_info *info,
                      const struct pop3_ctx *pop3, const char *client)
{
    const struct role_listener *listener = info->listener_arg;
    if (!config_is_implicit_tls(listener->kind))
        return true;
    enum io r = tls_accept(io, pop3->tls);
    if (r != IO_OK)
        pop3_tls_failed(io, client, info->number, r);
    return r == IO_OK;
}

static void serve(struct stream *io, const struct session_info *info, void *ctx)
{
    const struct pop3_ctx *pop3 = ctx;
    char client[64];
    netaddr_host(&info->peer, client);
    if (!begin_tls(io, info, pop3, client)) {
        stream_close(io);
        return;
    }
    struct auth_client *auth = auth_client_new(pop3->config);
    const struct sasl_backend sasl = auth_sasl_backend(auth);
    if (pop3_session(io, pop3, &(struct pop3_accounts){ask_auth, auth, &sasl}, client,
                     info->number))
        stream_close(io);
    else
        stream_abort(io);
    auth_client_free(auth);
}

int pop3d_main(const struct config *c, const struct role_listener *l, size_t n)
{
    if (store_prepare(c) != 0)
        die(73, "%s: mail_dir %s cannot be made: %s; make it, writable for user %s", c->path,
            c->mail_dir, strerror(errno), c->mda_user ? c->mda_user : "that runs postroad");
    struct pop3_ctx ctx = {.config = c, .tls = tls_server_context(),
                           .login_delay = login_delay_new(c->pop3_login_delay)};
    struct service *service = service_new(&(struct service_conf){
        .name = "pop3d",
        .max_sessions = c->sessions,
        .max_sessions_per_client = c->sessions_per_client,
        .stop_grace_ms = c->timeout_stop * 3 / 4, /* the master kills after timeout_stop */
        .session = serve,
        .busy_line = "-ERR [SYS/TEMP] too many connections, try later",
        .ctx = &ctx,
    });
    ctx.service = service;
    for (size_t i = 0; i < n; i++)
        service_add_listener(service, l[i].fd, (void *)(uintptr_t)&l[i]);
    roles_stop_service(service);
    service_run(service);
    roles_stop_service(NULL);
    service_free(service);
    login_delay_free(ctx.login_delay);
    return 0;
}
