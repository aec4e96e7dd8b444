/* imapd.h - the IMAP server (RFC 3501, RFC 9051), as connections, tests and fuzzers drive it. */
#ifndef REFERENCE_IMAPD_H
#define REFERENCE_IMAPD_H

#include "base/service.h"
#include "base/stream.h"
#include "reference/auth/sasl.h"
#include "reference/config.h"

/* What all sessions share. */
struct imap_ctx {
    const struct config *config;
    const struct service *service;     /* asked whether it stops; NULL: it never does */
    SSL_CTX *tls;                      /* for STARTTLS; NULL: not offered */
};

/* Who checks passwords: auth_verify, or a test's own. */
struct imap_accounts {
    enum auth_status (*verify)(void *arg, const char *user, const char *password,
                               const char *peer, struct account *out);
    void (*done)(void *arg);           /* the client has logged in, for hours maybe; NULL: nothing is to be done */
    void *arg;
    const struct sasl_backend *sasl;   /* carries AUTHENTICATE out; NULL: no mechanism is offered */
};

/* The event of a handshake that failed. */
void imap_tls_failed(struct stream *io, const char *client, uint64_t session, enum io how);

/* Runs one session from the greeting to LOGOUT, autologout or a lost connection. The stream is flushed
 * but not closed; after an error in the midst of a literal it is to be aborted instead (false). `client`
 * is the client's address for events, `session` its number. */
bool imap_session(struct stream *io, const struct imap_ctx *ctx,
                  const struct imap_accounts *accounts, const char *client, uint64_t session);

#endif
