/* auth.h - what other roles may ask the auth process, the only one that reads the users file.
 *
 * Requests and answers are one JSON object a line over the Unix socket config->auth_socket. An
 * auth_client is one connection, made again when it broke; it serves one thread at a time. */
#ifndef REFERENCE_AUTH_H
#define REFERENCE_AUTH_H

#include "base/buf.h"
#include "reference/config.h"

enum auth_status {
    AUTH_OK,        /* verify: right; lookup: there is such an account */
    AUTH_ALIAS,     /* lookup: an alias; see targets */
    AUTH_NO,        /* verify: wrong password or no such user (never told apart); lookup: unknown */
    AUTH_TEMPFAIL,  /* nobody could be asked: 4xx, never "wrong" (RFC 4954 4: 454 4.7.0) */
};

struct account {
    char *user;                  /* canonical name, the file name of the mailbox */
    char *home;                  /* "" when none */
    int64_t uid, gid;            /* -1: the mda's own */
    int64_t quota;               /* octets of all its mail; 0: no limit */
    char *groups;                /* with spaces between, for access rights; NULL or "" when none */
    char **targets;              /* AUTH_ALIAS: the aliases(5) items: addresses, users, "|cmd",
                                    "/file" (:include: is already read in), and "\\user", the
                                    account whatever the aliases say; auth_lookup takes that too */
    size_t target_count;
};

void account_free(struct account *a);        /* the members; a zeroed one is fine */
void account_copy(struct account *to, const struct account *from);

struct auth_client;
/* Connects when first used. c is borrowed. */
struct auth_client *auth_client_new(const struct config *c);
void auth_client_free(struct auth_client *a);
/* Nothing will be asked for a while: the connection, and the thread that it has in the auth process, end. */
void auth_client_rest(struct auth_client *a);

/* Does the password fit? `peer` (address text) is for the event and throttling. */
enum auth_status auth_verify(struct auth_client *a, const char *user, const char *password,
                             const char *peer, struct account *out);
/* Who is this local address ("tom@hehuan.test" of a local domain, or a bare user name)? The local
 * part is looked up as an alias first, then as an account, then without "+detail"; postmaster
 * always exists (RFC 5321 4.5.1). */
enum auth_status auth_lookup(struct auth_client *a, const char *address, struct account *out);
/* Is mail of this domain delivered here: one of `domains` (config_is_local), or of a back end's own
 * (AUTH_OK)? AUTH_NO, or AUTH_TEMPFAIL when a back end cannot be asked. Without such back ends
 * nobody is asked. */
enum auth_status auth_domain(struct auth_client *a, struct slice domain);

/* The role: serves the socket until told to stop. */
struct role_listener;
int auth_main(const struct config *c, const struct role_listener *l, size_t n);

#endif
