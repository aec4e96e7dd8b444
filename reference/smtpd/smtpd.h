/* smtpd.h - the SMTP server's session (RFC 5321), as connections, tests and fuzzers drive it. */
#ifndef REFERENCE_SMTPD_H
#define REFERENCE_SMTPD_H

#include "base/service.h"
#include "base/stream.h"
#include "reference/auth/sasl.h"
#include "reference/config.h"
#include "reference/policy/recipient.h"
#include "reference/policy/policy.h"
#include "reference/queue/queue.h"

/* Who is at the other end. */
struct smtpd_peer {
    struct netaddr client;
    struct netaddr local;          /* the address that it connected to */
    enum service_kind service;     /* SERVICE_SMTP, SERVICE_SUBMISSION, SERVICE_SUBMISSIONS */
    uint64_t session;              /* number for the events */
    const struct sasl_backend *sasl; /* carries log-ins out; NULL: AUTH is not known */
};

/* Where messages go: the functions of queue/queue.h, or a test's own with the same promises. */
struct smtpd_spool {
    struct queue_writer *(*create)(const struct config *c, struct envelope *e);
    int (*write)(struct queue_writer *w, const void *p, size_t n);
    int (*commit)(struct queue_writer *w);
    void (*abandon)(struct queue_writer *w);
    /* For filters; never called when the configuration has none. */
    int (*hold)(struct queue_writer *w);
    ssize_t (*read)(struct queue_writer *w, void *p, size_t n, int64_t at);
    struct queue_writer *(*again)(struct queue_writer *w, struct envelope *e);
};

extern const struct smtpd_spool smtpd_queue_spool;

/* What all sessions share. Nothing in it changes while sessions run. */
struct smtpd_ctx {
    const struct config *config;
    const struct service *service;     /* asked whether it stops; NULL: it never does */
    const struct smtpd_spool *spool;
    account_lookup *lookup;
    /* The whole answer of auth_lookup, for EXPN and the sender of a log-in; NULL in tests without. */
    enum auth_status (*account)(void *arg, const char *address, struct account *out);
    domain_lookup *domain;
    void *lookup_arg;
    struct policy *policy;             /* the operator's rules; NULL: none */
    SSL_CTX *tls;                      /* for STARTTLS; NULL: not offered */
};

/* Runs one session from greeting to QUIT, time-out or a lost connection. The stream is flushed
 * but not closed. */
void smtpd_session(struct stream *io, const struct smtpd_peer *peer, const struct smtpd_ctx *ctx);

#endif
