/* recipient.h - may this client send to this recipient?
 *
 *   the recipient                          anybody            trusted client
 *   postmaster, of a local domain or none  accepted           accepted
 *   somebody of a local domain             if he exists       if he exists
 *   a local domain, route inside           relay refused      if he exists
 *   a relay domain                         accepted           accepted
 *   a relay domain, route inside           relay refused      accepted
 *   elsewhere                              relay refused      accepted
 *
 * A "route inside" is a local part that an obliging server might send on: user%other.test,
 * other.test!user, "user@other.test" (RFC 2505 2.1, RFC 5321 3.6.1). No part of Postroad ever
 * follows one; a relay domain's own exchanger might, and trusts us. */
#ifndef REFERENCE_POLICY_RECIPIENT_H
#define REFERENCE_POLICY_RECIPIENT_H

#include "reference/auth/auth.h"
#include "reference/config.h"
#include "reference/message/address.h"
#include "reference/policy/verdict.h"

/* Is there such a local address? The answers of auth_lookup. */
typedef enum auth_status account_lookup(void *arg, const char *address);
/* Does a back end have this domain? The answers of auth_domain. */
typedef enum auth_status domain_lookup(void *arg, struct slice domain);

struct recipient_check {
    const struct config *config;
    const struct netaddr *local;     /* our end of the connection: its literal is local too */
    bool trusted;                    /* the client may send anywhere (relay-from) */
    bool submission;                 /* RFC 6409: domains must be fully qualified */
    account_lookup *lookup;
    domain_lookup *domain;           /* NULL: none but those of the configuration */
    void *lookup_arg;                /* of both */
};

/* Decides about `to`. When the verdict accepts, *address (appended to) is the forward-path for the
 * envelope: local ones with the least quoting and a domain of ours, others as they were given. */
void policy_recipient(const struct recipient_check *c, const struct path *to, struct buf *address,
                      struct verdict *v);

#endif
