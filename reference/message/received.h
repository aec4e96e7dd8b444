/* received.h - the trace line that every server puts at the top (RFC 5321 4.4). */
#ifndef REFERENCE_RECEIVED_H
#define REFERENCE_RECEIVED_H

#include "base/buf.h"
#include "base/net.h"

struct received {
    const char *helo;             /* as the client named itself: a domain or an address literal */
    const struct netaddr *client; /* where the connection came from */
    const char *client_name;      /* of that address, verified; NULL: none */
    const char *by;               /* our name */
    const char *protocol;         /* SMTP, ESMTP, ... (RFC 3848) */
    const char *id;               /* queue id, an atom */
    const char *recipient;        /* forward-path without <>; NULL: no FOR clause */
    const char *cipher;           /* registered name of the TLS cipher suite; NULL: no TLS */
    int64_t time_us;              /* when it was received, microseconds since 1970 */
};

/* Appends the field, folded, with its final CRLF. */
void buf_add_received(struct buf *b, const struct received *r);

/* Appends the address literal of a: "[192.0.2.25]", "[IPv6:2001:db8::25]" (RFC 5321 4.1.3). */
void buf_add_address_literal(struct buf *b, const struct netaddr *a);

#endif
