/* filter.h - programs that look into messages: spamd, clamd and milters, asked in the order in which
 * the configuration names them.
 *
 * A filter is asked while the client waits, so that what it refuses was never accepted (RFC 5321 7.8)
 * and nobody gets a bounce for it. Milters hear each step of the session (milter.h); all filters see
 * the message once it is complete in the spool, each as the one before left it. A filter that is
 * down, slow, or answers nonsense means what its `on-failure` says, and never a lost message. */
#ifndef REFERENCE_FILTER_H
#define REFERENCE_FILTER_H

#include "reference/filter/changes.h"
#include "reference/policy/verdict.h"

/* What a filter may be told about the session; smtpd keeps it up to date. Texts are borrowed, ""
 * or NULL when not known. */
struct filter_facts {
    const struct config *config;
    const struct netaddr *client, *local;
    const char *client_name;       /* the confirmed name of the client's address */
    const char *service;           /* "smtp", "submission", ... */
    const char *helo;
    const char *user, *mechanism;  /* of the log-in */
    const char *tls_version, *cipher;
    int cipher_bits;
    uint64_t session;              /* for the events */
};

/* A complete message that has not been accepted yet. */
struct filter_mail {
    struct envelope *envelope;     /* a filter's changes to it are made by filters_message */
    int64_t size;                  /* octets, CRLF line ends */
    int64_t trace;                 /* of them the Received field that we have put on top */
    /* n octets at offset `at`, fewer only at the end: the number, or -1 with errno. */
    ssize_t (*read)(void *arg, void *p, size_t n, int64_t at);
    void *arg;
};

enum filter_action {
    FILTER_PASS,                   /* go on with the next one */
    FILTER_REFUSE,                 /* the verdict has the reply, 4xx or 5xx */
    FILTER_DISCARD,                /* answered 250 and thrown away */
    FILTER_QUARANTINE,             /* answered 250 and held for the operator */
    FILTER_FAILED,                 /* no answer, or nonsense: `why` of the result says what */
};

struct filter_result {
    enum filter_action action;
    struct verdict verdict;        /* of FILTER_REFUSE */
    char why[200];                 /* of the others, for the event: a signature, a score, an error */
};

/* --- one session's filters ------------------------------------------------------------------- */

struct filters;

/* NULL when this service has none; every function below takes NULL then, and passes. */
struct filters *filters_new(const struct config *c, struct filter_facts *facts);
void filters_free(struct filters *f);

/* The steps of a session, for milters. False: *v has the refusal of this step. */
bool filters_connect(struct filters *f, struct verdict *v);
bool filters_helo(struct filters *f, struct verdict *v);
/* `parameters` is what the client said after the path. */
bool filters_mail(struct filters *f, const struct envelope *e, struct slice parameters,
                  struct verdict *v);
bool filters_rcpt(struct filters *f, const char *address, struct slice parameters,
                  struct verdict *v);
bool filters_data(struct filters *f, struct verdict *v);
/* The transaction is over without a message. */
void filters_abort(struct filters *f);

/* How a changed message comes into being: begin a new one with the envelope as it is now, write it,
 * and let it take the place of the old one. */
struct filter_writer {
    bool (*begin)(void *arg);                              /* false with errno */
    int (*write)(void *arg, const void *p, size_t n);      /* -1 with errno */
    bool (*end)(void *arg);        /* from now on filter_mail.read reads the new one */
    void *arg;
};

/* Asks each filter, making its changes before the next one is asked. FILTER_PASS, _DISCARD and
 * _QUARANTINE mean 250; otherwise FILTER_REFUSE with *v. */
enum filter_action filters_message(struct filters *f, struct filter_mail *mail,
                                   const struct filter_writer *writer, struct verdict *v);

/* --- the kinds -------------------------------------------------------------------------------- */

/* Each asks one filter about a whole message; its changes are added to *changes. */
void spamd_ask(const struct filter_conf *c, const struct filter_facts *facts,
               const struct filter_mail *mail, struct filter_changes *changes,
               struct filter_result *out);
void clamd_ask(const struct filter_conf *c, const struct filter_facts *facts,
               const struct filter_mail *mail, struct filter_changes *changes,
               struct filter_result *out);

/* Sets FILTER_FAILED with the reason. */
void filter_failed(struct filter_result *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Connects, with every wait together bounded by the filter's time-out; NULL: *out says why. */
struct stream *filter_connect(const struct filter_conf *c, struct filter_result *out);
/* Reads mail->size octets in portions and gives them to the stream, each after give()'s framing when
 * that is not NULL. False: *out says why. */
bool filter_send_mail(struct stream *io, const struct filter_mail *mail, bool framed,
                      struct filter_result *out);

#endif
