/* lookup.h - many questions at once, with one deadline, and answers kept for their TTL. */
#ifndef REFERENCE_LOOKUP_H
#define REFERENCE_LOOKUP_H

#include "reference/resolver/resolver.h"

enum lookup_type { LOOKUP_A, LOOKUP_AAAA, LOOKUP_PTR, LOOKUP_TXT, LOOKUP_MX };

struct lookup {
    char name[256];              /* without the final dot */
    enum lookup_type type;
    enum dns_status status;      /* the answer: DNS_TEMPFAIL also when the deadline passed */
    struct addr_list addresses;  /* A, AAAA */
    struct name_list texts;      /* PTR, MX: names; TXT: texts */
    uint32_t ttl;                /* seconds */
    char why[80];                /* of DNS_TEMPFAIL */
    bool cached;                 /* answered from memory */
};

struct dns_cache;
/* At most `entries` answers are kept. */
struct dns_cache *dns_cache_new(size_t entries);
void dns_cache_free(struct dns_cache *c);

/* Answers all n questions, in parallel, until `deadline` (mono_ms) at the latest. `cache` (may be
 * NULL; shared between threads) is asked first and gets what is good: temporary failures are never
 * kept, and nothing for longer than its TTL or an hour. Free each with lookup_free. */
void resolver_lookups(struct resolver *r, struct dns_cache *cache, struct lookup *q, size_t n,
                      int64_t deadline);
void lookup_free(struct lookup *q);
/* Makes *q the question; false (and the answer "no such name") when the name is too long. */
bool lookup_set(struct lookup *q, enum lookup_type type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The labels of a's address in reverse (RFC 1035 3.5, RFC 3596 2.5) without the tree's own name:
 * "7.100.51.198", nibbles for IPv6. */
void lookup_reversed(const struct netaddr *a, struct buf *out);

/* Between lookup.c and cache.c: true when *q was answered. */
bool dns_cache_get(struct dns_cache *c, struct lookup *q);
void dns_cache_put(struct dns_cache *c, const struct lookup *q);

#endif
