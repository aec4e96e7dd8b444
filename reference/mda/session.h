/* session.h - inside the delivery agent: a session, as its commands (session.c) and the end of a
 * message (data.c) see it. */
#ifndef REFERENCE_MDA_SESSION_H
#define REFERENCE_MDA_SESSION_H

#include "reference/mda/mda.h"

/* What smtpd puts before a message of exactly the announced size (RFC 5321 4.4, RFC 6409 8). */
enum { MDA_OWN_FIELDS_MAX = 16 * 1024 };

enum phase { GREETED = 1, READY = 2, MAIL = 4, ANY = 7 };

enum to_what {
    TO_MAILBOX,
    TO_ALIAS,                  /* the commands and files of an alias */
    TO_FORWARD,                /* those of the account's .forward */
};

struct to {
    char *address;             /* as given at RCPT */
    struct account account;
    enum to_what what;
};

struct session {
    struct stream *io;
    const struct mda_ctx *ctx;
    const struct config *config;
    const struct mda_accounts *accounts;
    int64_t number;
    enum phase phase;
    char *sender;              /* reverse-path of the transaction */
    struct to *to;
    size_t to_count;
    int errors;
    bool closing;
};

/* One line of a reply. */
__attribute__((format(printf, 2, 3))) void mda_reply(struct session *s, const char *fmt, ...);
/* RFC 5321 4.1.1.5: the transaction is over. */
void mda_reset(struct session *s);
/* RFC 1870 5: a size counts all that comes here, so our own fields must not make it too large.
 * 0: no limit. */
uint64_t mda_size_max(const struct session *s);

/* data.c: DATA, and a reply for each recipient (RFC 2033 4.2). */
void mda_run_data(struct session *s, struct slice argument);

#endif
