/* accounts.h - who is who: the aliases file, then the back ends (chain.h). Thread-safe. The auth
 * process answers from it; the operator's commands use it directly. */
#ifndef REFERENCE_AUTH_ACCOUNTS_H
#define REFERENCE_AUTH_ACCOUNTS_H

#include "reference/auth/chain.h"
#include "reference/auth/secret.h"

struct accounts;

/* errors NULL: nobody is asked yet. Otherwise each file is looked at, with a line for each problem. The result is never NULL; what cannot be read gives AUTH_TEMPFAIL until
 * it can be. c is borrowed. */
struct accounts *accounts_new(const struct config *c, struct buf *errors);
void accounts_free(struct accounts *a);
/* Asks the back ends that are other programs: a line for each problem. */
void accounts_probe(struct accounts *a, struct buf *errors);
/* As auth_lookup, auth_domain and auth_verify (auth.h). A file that has become wrong is reported as
 * event auth.file-wrong and its last good content stays in force. */
enum auth_status accounts_lookup(struct accounts *a, const char *address, struct account *out);
enum auth_status accounts_domain(struct accounts *a, const char *domain);
enum auth_status accounts_verify(struct accounts *a, const char *user, const char *password,
                                 struct account *out);

/* What a mechanism must know to check somebody who calls himself `user`. */
struct login {
    char *name;                  /* in lower case, without a domain of ours; of nobody too */
    char *secret;                /* NULL: of nobody, locked, or checked by the back end itself */
    struct secret_costs costs;   /* of the accounts here */
    struct account account;      /* filled when there is such an account */
    const char *why;             /* AUTH_NO: the reason, for events only (static) */
    struct pool *checker;        /* the back end that checks the password by itself; NULL: none */
    char *address;               /* as it is asked there */
};

/* AUTH_OK, AUTH_NO (unknown, locked, disabled, expired) or AUTH_TEMPFAIL; *out is for login_free
 * in any case. */
enum auth_status accounts_login(struct accounts *a, const char *user, struct login *out);
/* Is this the password of a login that gave `found`? The time spent does not depend on `found`. */
enum auth_status accounts_check(struct accounts *a, struct login *l, enum auth_status found,
                                const char *password);
void login_free(struct login *l);    /* wipes the secret; a zeroed one is fine */

#endif
