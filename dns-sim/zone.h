/* zone.h - a zone in memory: names (nodes), their record sets, and look-up by RFC 1034 4.3.2. */
#ifndef DNS_SIM_ZONE_H
#define DNS_SIM_ZONE_H

#include "dns-sim/record.h"
#include "dns-sim/table.h"

/* All records of one name and type; never empty. */
struct rrset {
    uint16_t type;
    size_t count;
    struct record *records;
};

/* A name that exists: it has records, or a name below it has (an empty non-terminal, RFC 4592
 * 2.2.2). */
struct node {
    uint8_t *name;              /* owned; the case of its first appearance */
    struct node *parent;        /* one label less; NULL at the apex */
    size_t children;
    size_t count;
    struct rrset *sets;
};

struct zone {
    uint8_t *origin;
    struct node *apex;
    struct table nodes;         /* name -> struct node * */
    size_t records;
};

struct zone *zone_new(const uint8_t *origin);
void zone_free(struct zone *z);

struct node *zone_node(const struct zone *z, const uint8_t *name);     /* NULL: does not exist */
struct rrset *node_set(const struct node *n, uint16_t type);           /* NULL when n is NULL too */

enum added { ADDED, ADDED_DUPLICATE, ADDED_CNAME_CONFLICT, ADDED_OUT_OF_ZONE };
/* Adds a record and takes over what it points to, whatever the result. A duplicate only renews TTL
 * and expiry (RFC 2136 3.4.2.2). All records of a set get the TTL of the newest (RFC 2181 5.2). A
 * CNAME beside other data is refused (RFC 1034 3.6.2), DNSSEC's own types apart (RFC 4035 2.5);
 * a second CNAME and a second SOA replace the first when `replace` is set, else conflict. */
enum added zone_add(struct zone *z, const uint8_t *name, struct record r, bool replace);

/* Remove and tell how many records went. A name without records and without names below it
 * ceases to exist. */
size_t zone_remove_set(struct zone *z, const uint8_t *name, uint16_t type);
size_t zone_remove_name(struct zone *z, const uint8_t *name);
size_t zone_remove_record(struct zone *z, const uint8_t *name, const struct record *same);
/* Removes what has expired at `now`; *next becomes the earliest later expiry if that is sooner. */
size_t zone_expire(struct zone *z, int64_t now, int64_t *next);

const struct record *zone_soa(const struct zone *z);    /* NULL when there is none */
uint32_t soa_serial(const struct record *soa);
uint32_t soa_minimum(const struct record *soa);
void zone_bump_serial(struct zone *z);                  /* RFC 1982: to the next one */

/* True when serial a comes after b (RFC 1982 3.2). */
static inline bool serial_after(uint32_t a, uint32_t b)
{
    return a != b && (uint32_t)(a - b) < 0x80000000u;
}

/* What a zone says about a name and type. */
enum found_kind {
    FOUND_DATA,         /* set: the records (or, for ANY, node with at least one) */
    FOUND_CNAME,        /* set: the CNAME to follow */
    FOUND_DNAME,        /* set: the DNAME of a name above */
    FOUND_NODATA,       /* the name exists, not so the type */
    FOUND_NXDOMAIN,
    FOUND_REFERRAL,     /* set: the NS of the cut, node its name */
};

struct found {
    enum found_kind kind;
    const struct node *node;
    const struct rrset *set;
};

struct found zone_find(const struct zone *z, const uint8_t *name, uint16_t type);

/* The nodes in the canonical order of their names (RFC 4034 6.1); the caller frees the array. */
struct node **zone_sorted(const struct zone *z);

#endif
