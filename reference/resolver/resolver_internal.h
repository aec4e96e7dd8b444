/* resolver_internal.h - between resolver.c and lookup.c only. */
#ifndef REFERENCE_RESOLVER_INTERNAL_H
#define REFERENCE_RESOLVER_INTERNAL_H

#include "reference/resolver/resolver.h"

struct resolver {
    struct netaddr *server;
    size_t server_count;
    int64_t timeout_ms;          /* of one try */
    int tries;                   /* rounds over all servers */
};

uint16_t resolver_random_id(void);

#endif
