/* virtual_db.h - virtual accounts in an SQLite file: domains, users and aliases that no system
 * account stands behind. The auth process reads it (backend_sqlite.c), `postroad user`, `domain`
 * and `alias` change it. Addresses are kept in lower case. */
#ifndef REFERENCE_AUTH_VIRTUAL_DB_H
#define REFERENCE_AUTH_VIRTUAL_DB_H

#include "reference/auth/backend.h"

#include <sqlite3.h>

enum {
    VIRTUAL_ADDRESS_MAX = 128,      /* octets: an address is the name of a mailbox file */
    VIRTUAL_TARGETS_MAX = 1000,     /* of one alias */
};

/* The file, made with its tables when `write` is set and it is missing. NULL with a line in
 * *errors. wait_ms: how long to wait for another writer. */
sqlite3 *virtual_db_open(const char *path, bool write, int wait_ms, struct buf *errors);

/* "local@domain" with a local part that may be a mailbox's name (letters, digits, ". - _ = &"), in
 * lower case into *out (a new text); catch_all: "@domain" too. The problem (static), or NULL. */
const char *virtual_address(struct slice text, bool catch_all, char **out);

/* Each of these: true, or false with a line in *errors. All in one transaction each. */
bool virtual_add_domain(sqlite3 *db, const char *domain, struct buf *errors);
bool virtual_remove_domain(sqlite3 *db, const char *domain, struct buf *errors);
/* replace: the user may be there, and becomes this. r->account.user is the address. */
bool virtual_put_user(sqlite3 *db, const struct record *r, bool replace, struct buf *errors);
bool virtual_remove_user(sqlite3 *db, const char *address, struct buf *errors);
bool virtual_add_target(sqlite3 *db, const char *alias, const char *target, struct buf *errors);
/* target NULL: the whole alias. */
bool virtual_remove_alias(sqlite3 *db, const char *alias, const char *target, struct buf *errors);

/* Calls each() for the domains. */
bool virtual_list_domains(sqlite3 *db, void (*each)(void *arg, const char *domain, int users),
                          void *arg, struct buf *errors);
/* The user or alias of this address. AUTH_OK, AUTH_ALIAS, AUTH_NO, AUTH_TEMPFAIL with *why. */
enum auth_status virtual_user(sqlite3 *db, const char *address, struct record *out,
                              struct buf *why);
enum auth_status virtual_alias(sqlite3 *db, const char *address, struct record *out,
                               struct buf *why);
enum auth_status virtual_domain(sqlite3 *db, const char *domain, struct buf *why);
/* All users, then all aliases. */
enum auth_status virtual_list(sqlite3 *db, void (*each)(void *arg, const struct record *r),
                              void *arg, struct buf *why);

#endif
