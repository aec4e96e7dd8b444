/* relay.h - one attempt to hand a message over to the next host: for a domain, its exchangers in
 * order (RFC 5321 5.1); for local mail, the delivery agent over LMTP (RFC 2033). */
#ifndef REFERENCE_RELAY_H
#define REFERENCE_RELAY_H

#include "reference/relay/client.h"
#include "reference/relay/route.h"
#include "reference/transport.h"

struct relay;                    /* serves one thread at a time */

struct relay *relay_new(const struct config *c);
void relay_free(struct relay *relay);
/* From another thread: ends the conversation under way, and every later one. */
void relay_interrupt(struct relay *relay);

/* Tries r[0..n), all of one domain, and gives each a verdict. Exchangers are tried until nobody is
 * left without an answer that is final: refused or silent hosts, a greeting that is no welcome and
 * every 4yz lead to the next one; a 5yz to RCPT or later is the answer.
 * *kept: a connection to use first and the one to keep for the next message, or NULL; owned by the
 * caller. False when no exchanger could be spoken to at all: the destination is down. */
bool relay_deliver(struct relay *relay, const char *domain, const struct relay_message *m,
                   struct relay_recipient *r, size_t n, struct client **kept);

/* The same with the delivery agent at config->mda_socket. */
bool relay_deliver_local(struct relay *relay, const struct relay_message *m,
                         struct relay_recipient *r, size_t n, struct client **kept);
/* The same with the content filter at config->content_filter, by SMTP; server_failed tells its failure
 * from its wish to see a message later. */
bool relay_deliver_filter(struct relay *relay, const struct relay_message *m,
                          struct relay_recipient *r, size_t n, struct client **kept);

/* The same as a transport of the configuration says; `domain` is asked for where it says "mx". */
bool relay_deliver_by(struct relay *relay, const struct transport *t, const char *domain,
                      const struct relay_message *m, struct relay_recipient *r, size_t n,
                      struct client **kept);

#endif
