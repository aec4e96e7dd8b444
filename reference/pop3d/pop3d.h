/* pop3d.h - the POP3 server (RFC 1939, RFC 2449), as connections, tests and fuzzers drive it. */
#ifndef REFERENCE_POP3D_H
#define REFERENCE_POP3D_H

#include "base/service.h"
#include "base/stream.h"
#include "reference/config.h"
#include "reference/front.h"
#include "reference/pop3d/login_delay.h"

/* What all sessions share. */
struct pop3_ctx {
    const struct config *config;
    const struct service *service;     /* asked whether it stops; NULL: it never does */
    struct login_delay *login_delay;   /* NULL: none */
    SSL_CTX *tls;                      /* for STLS; NULL: not offered */
};

/* Runs one session from greeting to QUIT, time-out or a lost connection. The stream is flushed but
 * not closed; after an error in the midst of a message it is aborted instead (false). `client` is
 * the client's address for events, `session` its number. */
bool pop3_session(struct stream *io, const struct pop3_ctx *ctx,
                  const struct login_accounts *accounts, const char *client, uint64_t session);

#endif
