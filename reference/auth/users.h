/* users.h - the users file: who has a mailbox here. Format: docs/postroad.conf.5.md. */
#ifndef REFERENCE_AUTH_USERS_H
#define REFERENCE_AUTH_USERS_H

#include "base/buf.h"

enum { USERS_FILE_MAX = 16 * 1024 * 1024, USER_NAME_MAX = 64 };

struct user_entry {
    char *name;          /* lower case */
    char *secret;        /* in a form of secret.h; begins with '!' or '*' when nobody may log in */
    int64_t uid, gid;    /* -1: not given */
    char *home;          /* "" when not given */
    unsigned line;
};

struct users { struct user_entry *v; size_t n; };   /* sorted by name */

/* Replaces *out by what `text` says. False when a line is wrong: every problem is in *errors as
 * "file:line: what; remedy", and *out is empty. */
bool users_parse(struct users *out, struct slice text, const char *file, struct buf *errors);
/* The same from a file; one that cannot be read is an error too. */
bool users_load(struct users *out, const char *file, struct buf *errors);
void users_free(struct users *u);                   /* wipes the secrets */
/* NULL when there is none; ASCII case does not matter. */
const struct user_entry *users_find(const struct users *u, struct slice name);
/* Fit to be a mailbox's file name: letters, digits, ". - _", not beginning with "." or "-", not
 * ending in ".lock" (the dot-lock of another mailbox), 1 to USER_NAME_MAX octets. */
bool user_name_valid(struct slice name);

#endif
