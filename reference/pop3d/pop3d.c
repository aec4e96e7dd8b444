/* pop3d.c - the role: a POP3 service over the listeners that the master opened. */
#include "reference/pop3d/pop3d.h"

#include "reference/tls/tls.h"

static bool session(void *ctx, struct stream *io, const struct login_accounts *accounts,
                    const char *client, uint64_t number)
{
    return pop3_session(io, ctx, accounts, client, number);
}

int pop3d_main(const struct config *c, const struct role_listener *l, size_t n)
{
    struct pop3_ctx ctx = {.config = c, .tls = tls_server_context(),
                           .login_delay = login_delay_new(c->pop3_login_delay)};
    int status = front_run(&(struct front){
        .name = "pop3d",
        .tls_failed = "pop3d.tls-failed",
        .busy_line = "-ERR [SYS/TEMP] too many connections, try later",
        .config = c,
        .tls = ctx.tls,
        .ctx = &ctx,
        .service = &ctx.service,
        .session = session,
    }, l, n);
    login_delay_free(ctx.login_delay);
    return status;
}
