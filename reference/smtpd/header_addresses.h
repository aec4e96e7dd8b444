/* header_addresses.h - the addresses in the header of a submitted message (RFC 6409 4.2): a server that
 * completes headers answers for it that their domains are whole names. */
#ifndef REFERENCE_SMTPD_HEADER_ADDRESSES_H
#define REFERENCE_SMTPD_HEADER_ADDRESSES_H

#include "base/buf.h"

struct header_addresses {
    struct buf field;          /* one with addresses, from the name on; its lines joined */
    char *wrong;               /* the first address with a name that is not whole; NULL: none */
};

/* A line of the header without its line end; an empty one, or header_addresses_end, ends it. */
void header_addresses_line(struct header_addresses *h, struct slice line);
void header_addresses_end(struct header_addresses *h);
void header_addresses_free(struct header_addresses *h);

#endif
