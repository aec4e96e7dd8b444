/* sasl_oauth.h - bearer tokens: the messages of OAUTHBEARER (RFC 7628) and XOAUTH2, and asking the
 * authorization server about a token (RFC 7662). */
#ifndef REFERENCE_AUTH_SASL_OAUTH_H
#define REFERENCE_AUTH_SASL_OAUTH_H

#include "base/buf.h"
#include "reference/config.h"

enum { OAUTH_TOKEN_MAX = 8192, OAUTH_ANSWER_MAX = 64 * 1024 };

/* The two in the client's message; both malloc'ed, for oauth_message_free. */
struct oauth_message { char *user; char *token; };    /* user "": none was named */

/* False when the message is not of the mechanism's form. */
bool oauth_read(bool xoauth2, struct slice message, struct oauth_message *out);
void oauth_message_free(struct oauth_message *m);     /* wipes the token */

enum oauth_verdict {
    OAUTH_GOOD,             /* *user (malloc'ed) is whose token it is */
    OAUTH_INVALID_TOKEN,    /* RFC 6750 3.1: unknown, expired, revoked */
    OAUTH_INSUFFICIENT_SCOPE,
    OAUTH_UNAVAILABLE,      /* the server gives no usable answer */
};

/* Asks within config->oauth_timeout, in the thread of the caller. *why: of OAUTH_UNAVAILABLE. */
enum oauth_verdict oauth_introspect(const struct config *c, const char *token, char **user,
                                    struct buf *why);
/* What the server's answer (RFC 7662 2.2) says of the token. */
enum oauth_verdict oauth_judge(const struct config *c, struct slice answer, char **user,
                               struct buf *why);
/* The error message for the client (RFC 7628 3.2.2), which it has to answer before it fails. */
void oauth_error(const struct config *c, enum oauth_verdict v, struct buf *challenge);

#endif
