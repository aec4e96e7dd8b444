/* backend.h - a place where accounts live, as the auth process sees it: one file each (backend_*.c),
 * a table of functions. The pool (pool.h) calls them in threads of their own with a deadline, the
 * chain (chain.h) asks one after another.
 *
 * A state is made for each thread, used by that thread alone, and connects when it is first asked.
 * Functions that cannot tell give AUTH_TEMPFAIL with the reason in *why (not for the client), and
 * find their way back by themselves the next time. They bound their own waits by conf->timeout. */
#ifndef REFERENCE_AUTH_BACKEND_H
#define REFERENCE_AUTH_BACKEND_H

#include "reference/auth/auth.h"

/* Who is asked for: an address, or the bare name of a log-in. All in ASCII lower case, without
 * quotes. */
struct account_query {
    const char *address;       /* "jerry@magedu.test", "tom"; "@magedu.test" for the catch-all */
    const char *local;         /* "" for the catch-all */
    const char *domain;        /* "" when none was given */
    bool system;               /* no domain, or one of `domains`: bare names count */
    bool account_only;         /* aliases are not asked for */
};

/* What a back end knows of somebody. */
struct record {
    struct account account;
    char *secret;              /* a form of secret.h; NULL when the back end checks by itself */
    bool disabled;             /* mail is taken, nobody can log in */
    int64_t expires;           /* seconds since 1970; 0: never. After it as if disabled */
};
void record_free(struct record *r);                          /* wipes the secret; zeroed: fine */
void record_copy(struct record *to, const struct record *from);

struct backend_type {
    const char *name;          /* `type` in the configuration */
    bool remote;               /* another program answers: it may be away when we start */
    bool at_once;              /* answers from memory: asked in the caller's own thread, one at a time */
    int workers;               /* threads when the configuration names no number; 0: 4 */
    /* Keys that must be there or do not fit: a line each, with the remedy, into *errors. */
    void (*check)(const struct accounts_conf *conf, struct buf *errors);
    void *(*open)(const struct accounts_conf *conf);         /* conf is borrowed */
    void (*close)(void *state);
    /* Can it be asked now? Each problem a line with its remedy into *errors. */
    void (*probe)(void *state, struct buf *errors);
    /* AUTH_OK, AUTH_ALIAS or AUTH_NO; *out is zeroed before, for record_free in any case. */
    enum auth_status (*look_up)(void *state, const struct account_query *q, struct record *out,
                                struct buf *why);
    /* Does the password fit? AUTH_OK with *out filled, AUTH_NO. NULL: look_up gives the secret. */
    enum auth_status (*verify)(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why);
    /* Does this domain live here (AUTH_OK) or not (AUTH_NO)? NULL: it has none of its own. */
    enum auth_status (*domain)(void *state, const char *domain, struct buf *why);
    /* Gives the secrets of some accounts, so that what is spent on nobody is what is spent on
     * them. NULL: it has none to give. */
    void (*sample)(void *state, void (*each)(void *arg, const char *secret), void *arg);
    /* Gives all accounts and aliases. NULL: it cannot be listed. */
    enum auth_status (*list)(void *state, void (*each)(void *arg, const struct record *r),
                             void *arg, struct buf *why);
};

extern const struct backend_type backend_file, backend_sqlite, backend_passwd, backend_saslauthd,
    backend_authdaemon;
extern const struct backend_type backend_pam, backend_mysql, backend_ldap;   /* where built */

/* The type of this name; NULL when there is none in this build. */
const struct backend_type *backend_find(const char *name);
/* The names of all types in this build, with ", " between. */
void backend_names(struct buf *out);

#endif
