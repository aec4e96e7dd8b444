/* access_remote.h - access lists in a database or a directory: sections `list NAME { }` of the
 * configuration. All patterns that would have a subject go out in one question. */
#ifndef REFERENCE_POLICY_ACCESS_REMOTE_H
#define REFERENCE_POLICY_ACCESS_REMOTE_H

#include "reference/policy/access_list.h"

/* Texts are NULL when not given. */
struct list_conf {
    char *name, *type;           /* "mysql", "ldap" */
    char *server;                /* host or socket; URI of a directory */
    int port;
    char *database, *user, *password_file;
    char *query;                 /* SQL; $patterns stands for the patterns: "... in ($patterns)" */
    char *base, *filter;         /* "(mailBlocked=$pattern)" */
    char *reason_attribute;
    int64_t timeout;             /* ms, for connecting and for an answer */
};

/* What a kind of list can do. A state belongs to one list and is used by one thread at a time; it
 * connects when it is first asked, and anew after trouble. */
struct access_remote {
    const char *type;
    /* Which keys are missing or useless: a line each into *errors. */
    void (*check)(const struct list_conf *conf, struct buf *errors);
    void *(*open)(const struct list_conf *conf);            /* conf is borrowed */
    void (*close)(void *state);
    /* Is one of the n patterns there? LIST_YES with the reason, LIST_UNKNOWN with *trouble. */
    enum list_answer (*find)(void *state, char *const *patterns, size_t n, struct buf *found,
                             struct buf *reason, struct buf *trouble);
};

/* NULL when this build has no such type. */
const struct access_remote *access_remote_find(const char *type);

extern const struct access_remote access_mysql, access_ldap;    /* where built */

/* An access list of this section; conf is borrowed. */
struct access_list *access_list_remote(const struct list_conf *conf);

#endif
