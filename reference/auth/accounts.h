/* accounts.h - the users and aliases files in memory, read again when they change. Thread-safe.
 * The auth process answers from it; the operator's commands use it directly. */
#ifndef REFERENCE_AUTH_ACCOUNTS_H
#define REFERENCE_AUTH_ACCOUNTS_H

#include "reference/auth/auth.h"
#include "reference/auth/secret.h"

struct accounts;

/* Reads both files. Problems are in *errors; the result is never NULL, and what could not be read
 * gives AUTH_TEMPFAIL until it can be. c is borrowed. */
struct accounts *accounts_new(const struct config *c, struct buf *errors);
void accounts_free(struct accounts *a);
/* As auth_lookup and auth_verify (auth.h). A file that has become wrong is reported as event
 * auth.file-wrong and its last good content stays in force. */
enum auth_status accounts_lookup(struct accounts *a, const char *address, struct account *out);
enum auth_status accounts_verify(struct accounts *a, const char *user, const char *password,
                                 struct account *out);

/* What a mechanism must know to check somebody who calls himself `user`. */
struct login {
    char *name;                  /* in lower case, without a domain of ours; of nobody too */
    char *secret;                /* NULL: of nobody, or locked */
    struct secret_costs costs;   /* of the accounts here */
    struct account account;      /* filled when there is such an account */
};

/* AUTH_OK, AUTH_NO (unknown or locked) or AUTH_TEMPFAIL; *out is for login_free in any case. */
enum auth_status accounts_login(struct accounts *a, const char *user, struct login *out);
void login_free(struct login *l);    /* wipes the secret; a zeroed one is fine */

#endif
