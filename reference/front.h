/* front.h - what the servers that people log in to have in common: TLS before or within a session, who
 * checks passwords, and the service of POP3 and IMAP. */
#ifndef REFERENCE_FRONT_H
#define REFERENCE_FRONT_H

#include "base/service.h"
#include "reference/auth/sasl.h"
#include "reference/roles.h"

#include <openssl/ssl.h>

/* Who checks passwords: auth_verify, or a test's own. */
struct login_accounts {
    enum auth_status (*verify)(void *arg, const char *user, const char *password,
                               const char *peer, struct account *out);
    void (*done)(void *arg);           /* the client has logged in, for hours maybe; NULL: nothing is to be done */
    void *arg;
    const struct sasl_backend *sasl;   /* carries AUTH out; NULL: no mechanism is offered */
};

/* Who a party of a session is, for events. */
struct front_peer { int64_t session; const char *client; };

/* What the stream now tells the mechanisms, in ch and store; with TLS also the event `name`. */
void front_tls_began(const char *name, const struct front_peer *peer, struct stream *io,
                     struct sasl_channel *ch, struct buf *store);
/* The event `name` of a handshake that failed. */
void front_tls_failed(const char *name, const struct front_peer *peer, struct stream *io, enum io how);
/* RFC 8314 3.2: where the listener's port has TLS from the first octet, the handshake, with the event
 * `failed` when there is none. False: the stream is of no use. */
bool front_tls_first(const char *failed, struct stream *io, const struct session_info *info,
                     SSL_CTX *tls);

/* A server of mailboxes. */
struct front {
    const char *name;                  /* "imapd" */
    const char *tls_failed;            /* the event of a handshake that failed */
    const char *busy_line;
    const struct config *config;
    SSL_CTX *tls;                      /* NULL: none is offered */
    void *ctx;                         /* of the session */
    const struct service **service;    /* where the session looks whether it is to stop */
    /* False: it ended amid something, and the stream is aborted. */
    bool (*session)(void *ctx, struct stream *io, const struct login_accounts *accounts,
                    const char *client, uint64_t number);
};
/* Serves on the listeners until the process is told to stop. An exit status. */
int front_run(const struct front *f, const struct role_listener *l, size_t n);
/* The same for any service, which is freed. */
void front_serve(struct service *service, const struct role_listener *l, size_t n);

#endif
