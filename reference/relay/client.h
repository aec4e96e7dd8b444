/* client.h - the SMTP and LMTP client: one connection to one server, one transaction after the
 * other (RFC 5321, RFC 2033, RFC 2920, RFC 1870, RFC 6152). It knows a stream, not a socket. */
#ifndef REFERENCE_CLIENT_H
#define REFERENCE_CLIENT_H

#include "reference/config.h"
#include "reference/message/dsn.h"
#include "reference/relay/reply.h"

/* What became of a recipient. */
enum verdict {
    VERDICT_NONE,                /* not yet tried */
    VERDICT_DELIVERED,           /* the server has taken it over */
    VERDICT_DEFER,               /* not now: another exchanger, or another time */
    VERDICT_FAIL,                /* never */
};

struct relay_recipient {
    const char *to;              /* forward-path without <>; borrowed */
    size_t index;                /* the caller's */
    enum verdict verdict;
    char status[STATUS_MAX];     /* RFC 3463, always set with a verdict */
    char *reply;                 /* the server's reply in a line, or our own words; owned */
    char *host;                  /* that said so; "" when it was ourselves; owned */
    char address[64];
    bool take;                   /* takes part in the next transaction */
    bool accepted;               /* in the last one RCPT got 2yz */
    unsigned notify;             /* NOTIFY to pass on (enum notify); 0: none */
    const char *orcpt;           /* ORCPT to pass on; NULL: none; borrowed */
    bool dsn_taken;              /* its server offers DSN: notices are its business now */
    bool over;                   /* left out of the last one, which was full (RFC 9422) */
    bool server_failed;          /* deferred, and not because the server said so: it was silent, gone,
                                    or made no sense */
    bool too_many;               /* in the last one RCPT got 452 or 552: may fit into another */
};

struct relay_message {
    const char *id;
    const char *reverse_path;
    bool eight_bit;              /* BODY=8BITMIME was declared */
    bool binary;                 /* BODY=BINARYMIME was */
    bool utf8;                   /* SMTPUTF8 was asked for (RFC 6531) */
    bool high_octets;            /* there are octets over 127 */
    bool dots;                   /* there are lines that begin with a dot */
    const char *envid;           /* ENVID to pass on; NULL: none */
    enum dsn_return ret;         /* RET to pass on */
    int fd;                      /* the message is size octets of this file from offset on */
    int64_t offset, size;
    /* Called in the moment that a recipient's verdict is final (delivered or failed), so that it
     * can be written down before anything else can go wrong; may be NULL. */
    void (*settled)(void *arg, const struct relay_recipient *r);
    void *settled_arg;
};

struct client {
    const struct config *c;
    struct stream *s;
    bool lmtp;
    char *host;                  /* name as the route has it */
    char address[64];
    const char *id;              /* of the message at hand, for events; borrowed */
    bool pipelining, size, eight_bit, chunking, binary, dsn, utf8, starttls; /* what EHLO offered */
    uint64_t rcpt_max;           /* LIMITS RCPTMAX (RFC 9422); 0: none was told */
    uint64_t size_limit;         /* 0: none was told */
    SSL_CTX *tls;                /* for STARTTLS; NULL: not to be used; borrowed */
    enum relay_tls tls_policy;   /* what is asked of it */
    const char *tls_name;        /* that a verified certificate must have; NULL: host; borrowed */
    bool tls_failed;             /* STARTTLS was agreed on, but came to nothing */
    bool broken;                 /* of no more use */
    bool dirty;                  /* a transaction is open: RSET first */
    struct reply reply;          /* the last one */
    int transactions;
    int64_t opened_ms, idle_since_ms; /* mono_ms; for whoever keeps it open */
    bool best;                   /* an exchanger of the best preference */
};

/* Takes the stream. */
struct client *client_new(const struct config *c, struct stream *s, bool lmtp, const char *host,
                          const char *address);
/* Without a word; NULL is fine. */
void client_free(struct client *cl);
/* QUIT; with `wait` its answer is waited for, shortly; frees. */
void client_quit(struct client *cl, bool wait);

/* The greeting, then EHLO, HELO where that is not known (RFC 5321 3.2), or LHLO, then STARTTLS
 * where cl->tls is set. False when the server does not take mail now; cl->reply tells. */
bool client_greet(struct client *cl);

/* One transaction for those of r[0..n) with `take` set; gives each of them a verdict. False
 * when the connection was lost before the server had said anything about it, as happens with one
 * that was kept open too long: nothing was decided then. */
bool client_transact(struct client *cl, const struct relay_message *m, struct relay_recipient *r,
                     size_t n);

/* Sets a verdict by what the server said (or by our own words, cl NULL). */
void recipient_settle(struct relay_recipient *r, const struct relay_message *m,
                      enum verdict verdict, const char *status, const char *reply,
                      const struct client *cl);
void recipients_free(struct relay_recipient *r, size_t n);

#endif
