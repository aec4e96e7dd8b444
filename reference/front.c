/* front.c - TLS and the service of the servers that people log in to. */
#include "reference/front.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/store/store.h"
#include "reference/tls/tls.h"

#include <errno.h>

/* ---- TLS ------------------------------------------------------------------------------------- */

void front_tls_began(const char *name, const struct front_peer *peer, struct stream *io,
                     struct sasl_channel *ch, struct buf *store)
{
    SSL *ssl = stream_ssl(io);
    sasl_channel_fill(ch, io, store);
    if (ssl)
        event(name, EV_INT("session", peer->session), EV_STR("client", peer->client),
              EV_STR("version", SSL_get_version(ssl)), EV_STR("cipher", tls_cipher(ssl)),
              EV_STR("certificate", ch->external));
}

void front_tls_failed(const char *name, const struct front_peer *peer, struct stream *io, enum io how)
{
    const char *why = how == IO_TIMEOUT ? "time-out" : how == IO_EOF ? "lost" : stream_error(io);
    event(name, EV_INT("session", peer->session), EV_STR("client", peer->client),
          EV_STR("why", why));
}

bool front_tls_first(const char *failed, struct stream *io, const struct session_info *info,
                     SSL_CTX *tls)
{
    const struct role_listener *listener = info->listener_arg;
    char client[64];
    if (!config_is_implicit_tls(listener->kind))
        return true;
    enum io r = tls_accept(io, tls);
    netaddr_host(&info->peer, client);
    if (r != IO_OK)
        front_tls_failed(failed, &(struct front_peer){(int64_t)info->number, client}, io, r);
    return r == IO_OK;
}

/* ---- the service of POP3 and IMAP ------------------------------------------------------------ */

static enum auth_status ask_auth(void *client, const char *user, const char *password,
                                 const char *peer, struct account *out)
{
    return auth_verify(client, user, password, peer, out);
}

static void rest(void *client)
{
    auth_client_rest(client);
}

static void session(struct stream *io, const struct session_info *info, void *arg)
{
    const struct front *f = arg;
    char client[64];
    netaddr_host(&info->peer, client);
    if (!front_tls_first(f->tls_failed, io, info, f->tls)) {
        stream_close(io);
        return;
    }
    struct auth_client *auth = auth_client_new(f->config);
    const struct sasl_backend sasl = auth_sasl_backend(auth);
    if (f->session(f->ctx, io, &(struct login_accounts){ask_auth, rest, auth, &sasl}, client,
                   info->number))
        stream_close(io);
    else
        stream_abort(io);
    auth_client_free(auth);
}

void front_serve(struct service *service, const struct role_listener *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        service_add_listener(service, l[i].fd, (void *)(uintptr_t)&l[i]);
    roles_stop_service(service);
    service_run(service);
    roles_stop_service(NULL);
    service_free(service);
}

int front_run(const struct front *f, const struct role_listener *l, size_t n)
{
    const struct config *c = f->config;
    if (store_prepare(c) != 0)
        die(73, "%s: mail_dir %s cannot be made: %s; make it, writable for user %s", c->path,
            c->mail_dir, strerror(errno), c->mda_user ? c->mda_user : "that runs postroad");
    struct service *service = service_new(&(struct service_conf){
        .name = f->name,
        .max_sessions = c->sessions,
        .max_sessions_per_client = c->sessions_per_client,
        .stop_grace_ms = c->timeout_stop * 3 / 4, /* the master kills after timeout_stop */
        .session = session,
        .busy_line = f->busy_line,
        .ctx = (void *)(uintptr_t)f,
    });
    *f->service = service;
    front_serve(service, l, n);
    return 0;
}
