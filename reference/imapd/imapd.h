/* imapd.h - the IMAP server (RFC 3501, RFC 9051), as connections, tests and fuzzers drive it. */
#ifndef REFERENCE_IMAPD_H
#define REFERENCE_IMAPD_H

#include "base/service.h"
#include "base/stream.h"
#include "reference/config.h"
#include "reference/front.h"

/* What all sessions share. */
struct imap_ctx {
    const struct config *config;
    const struct service *service;     /* asked whether it stops; NULL: it never does */
    SSL_CTX *tls;                      /* for STARTTLS; NULL: not offered */
};

/* Runs one session from the greeting to LOGOUT, autologout or a lost connection. The stream is flushed
 * but not closed; after an error in the midst of a literal it is to be aborted instead (false). `client`
 * is the client's address for events, `session` its number. */
bool imap_session(struct stream *io, const struct imap_ctx *ctx,
                  const struct login_accounts *accounts, const char *client, uint64_t session);

#endif
