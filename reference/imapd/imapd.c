/* imapd.c - the role: an IMAP service over the listeners that the master opened. */
#include "reference/imapd/imapd.h"

#include "reference/tls/tls.h"

#include <malloc.h>

enum { HEAPS_MAX = 4 };

static bool session(void *ctx, struct stream *io, const struct login_accounts *accounts,
                    const char *client, uint64_t number)
{
    return imap_session(io, ctx, accounts, client, number);
}

int imapd_main(const struct config *c, const struct role_listener *l, size_t n)
{
    struct imap_ctx ctx = {.config = c, .tls = tls_server_context()};
    /* Threads beyond a few gain nothing from a heap of their own, and each keeps what was freed. */
    mallopt(M_ARENA_MAX, HEAPS_MAX);
    return front_run(&(struct front){
        .name = "imapd",
        .tls_failed = "imapd.tls-failed",
        .busy_line = "* BYE [UNAVAILABLE] too many connections, try later",
        .config = c,
        .tls = ctx.tls,
        .ctx = &ctx,
        .service = &ctx.service,
        .session = session,
    }, l, n);
}
