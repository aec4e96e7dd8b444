/* mda.c - the role: an LMTP service over the listeners that the master opened. */
#include "reference/mda/mda.h"

#include "base/mem.h"
#include "reference/roles.h"
#include "reference/store/store.h"

#include <errno.h>
#include <stdlib.h>


static enum auth_status ask_auth(void *client, const char *address, struct account *out)
{
    return auth_lookup(client, address, out);
}

static void serve(struct stream *io, const struct session_info *info, void *ctx)
{
    const struct mda_ctx *mda = ctx;
    struct auth_client *auth = auth_client_new(mda->config);
    mda_session(io, mda, &(struct mda_accounts){ask_auth, auth}, info->number);
    stream_close(io);
    auth_client_free(auth);
}

int mda_main(const struct config *c, const struct role_listener *l, size_t n)
{
    if (store_prepare(c) != 0)
        die(73, "%s: mail_dir %s cannot be made: %s; make it, writable for user %s", c->path,
            c->mail_dir, strerror(errno), c->mda_user ? c->mda_user : "that runs postroad");
    struct mda_ctx ctx = {.config = c, .deliver = mda_deliver};
    char *busy = xasprintf("421 4.3.2 %s too many connections, try later", c->hostname);
    struct service *service = service_new(&(struct service_conf){
        .name = "mda",
        .max_sessions = c->sessions,
        .stop_grace_ms = c->timeout_stop * 3 / 4, /* the master kills after timeout_stop */
        .session = serve,
        .busy_line = busy,
        .ctx = &ctx,
    });
    ctx.service = service;
    for (size_t i = 0; i < n; i++)
        service_add_listener(service, l[i].fd, NULL);
    roles_stop_service(service);
    service_run(service);
    roles_stop_service(NULL);
    service_free(service);
    free(busy);
    return 0;
}
