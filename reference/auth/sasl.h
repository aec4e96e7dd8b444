/* sasl.h - SASL (RFC 4422) as sessions see it: what a mechanism may know about the connection,
 * which mechanisms are offered, and an exchange of opaque messages that ends in an account or not.
 * The exchange itself takes place in the auth process (sasl_exchange.h). */
#ifndef REFERENCE_AUTH_SASL_H
#define REFERENCE_AUTH_SASL_H

#include "base/stream.h"
#include "reference/auth/auth.h"

enum {
    /* RFC 4954 4: a line of an exchange may have this many octets, Base64. */
    SASL_LINE_MAX = 12288,
    SASL_MESSAGE_MAX = SASL_LINE_MAX / 4 * 3,
    SASL_STEPS_MAX = 8,          /* messages of the client in one exchange */
};

enum sasl_status {
    SASL_OK,          /* the account is in *out */
    SASL_CONTINUE,    /* *challenge is for the client, who answers */
    SASL_NO,          /* not him; the reasons are never told apart */
    SASL_TEMPFAIL,    /* nobody could be asked: 454 4.7.0, never "wrong" */
};

/* The connection, as far as mechanisms care. */
struct sasl_channel {
    const char *service;         /* "smtp" (submission too), "pop" */
    const char *peer;            /* the client's address, for events and throttling */
    bool tls;
    struct slice exporter, unique;   /* channel bindings (RFC 9266, RFC 5929); empty: none */
    const char *external;        /* who the verified client certificate names; NULL: nobody */
};

/* Fills what the stream tells: tls, the bindings, the certificate's name. They lie in *store, which
 * must stay as long as *ch. Again after TLS was started. */
void sasl_channel_fill(struct sasl_channel *ch, struct stream *io, struct buf *store);

/* Is this mechanism one that we offer on such a connection? ASCII case does not matter. */
bool sasl_offered(const struct config *c, const struct sasl_channel *ch, struct slice mechanism);
/* Do we know it at all, whatever the connection? Tells "not over this connection" from "never". */
bool sasl_known(struct slice mechanism);
/* May the client send a message with AUTH? False for those whose server begins. */
bool sasl_client_first(struct slice mechanism);
/* Appends the names of those offered, strongest first, each with a space in front. */
void sasl_mechanisms(const struct config *c, const struct sasl_channel *ch, struct buf *out);

/* ---- asking the auth process (auth.h) -------------------------------------------------------- */

/* Begins an exchange; the auth_client is taken up by it until another status than SASL_CONTINUE.
 * initial NULL: the client sent no initial response, which is not the same as an empty one. The
 * challenge (octets, appended) may be empty. *out is for account_free in any case. */
enum sasl_status auth_sasl_begin(struct auth_client *a, const struct sasl_channel *ch,
                                 const char *mechanism, const struct slice *initial,
                                 struct buf *challenge, struct account *out);
enum sasl_status auth_sasl_step(struct auth_client *a, struct slice response,
                                struct buf *challenge, struct account *out);
/* The client gave up, or is gone. */
void auth_sasl_cancel(struct auth_client *a);

/* ---- the dialogue of SMTP and POP3 (RFC 4954 4, RFC 5034 4) --------------------------------- */

/* Who carries the exchange out: the three functions above, or a test's own. */
struct sasl_backend {
    enum sasl_status (*begin)(void *arg, const struct sasl_channel *ch, const char *mechanism,
                              const struct slice *initial, struct buf *challenge,
                              struct account *out);
    enum sasl_status (*step)(void *arg, struct slice response, struct buf *challenge,
                             struct account *out);
    void (*cancel)(void *arg);
    void *arg;
};

/* arg: a struct auth_client. */
struct sasl_backend auth_sasl_backend(struct auth_client *a);

enum sasl_outcome {
    SASL_ACCEPTED,          /* 235, +OK */
    SASL_REFUSED,           /* 535 5.7.8 */
    SASL_UNAVAILABLE,       /* 454 4.7.0 */
    SASL_CANCELLED,         /* 501 5.7.0: "*" */
    SASL_NOT_BASE64,        /* 501 5.5.2 */
    SASL_LINE_TOO_LONG,     /* 500 5.5.6 */
    SASL_NOT_OFFERED,       /* 504 5.5.4; 538 5.7.11 when only TLS is missing */
    SASL_SERVER_FIRST,      /* 501 5.7.0: an initial response where the server begins */
    SASL_LOST,              /* the connection ended or timed out; nothing is to be said */
};

/* Runs one exchange after "AUTH mechanism [initial-response]": `argument` is what follows AUTH.
 * Challenges are lines that begin with `prompt` ("334 " or "+ "). Each wait is bounded by the
 * stream's time-out. *out is for account_free in any case. */
enum sasl_outcome sasl_dialogue(struct stream *io, const struct config *c,
                                const struct sasl_channel *ch, const struct sasl_backend *b,
                                struct slice argument, const char *prompt, struct account *out);

#endif
