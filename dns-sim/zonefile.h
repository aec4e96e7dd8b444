/* zonefile.h - master files (RFC 1035 5): $ORIGIN, $TTL (RFC 2308 4), $INCLUDE, records over
 * several lines; the text of each record is ldns's business. */
#ifndef DNS_SIM_ZONEFILE_H
#define DNS_SIM_ZONEFILE_H

#include "dns-sim/zone.h"

enum {
    ZONE_TEXT_MAX = 64 << 20,   /* octets of one file */
    ZONE_LINE_MAX = 128 << 10,  /* octets of one record, all its lines together */
    INCLUDE_DEPTH_MAX = 8,
    PROBLEMS_MAX = 50,          /* messages about one zone; then reading stops */
};

/* What was wrong, one message a line: "file:line: reason". Warnings say "warning: " behind the
 * place. A zone with errors is not served; one with warnings is. */
struct problems {
    struct buf text;
    int errors, warnings;
};
void problem(struct problems *p, bool error, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Reads a zone from text. Its origin is the owner of the SOA; NULL when there were errors.
 * `origin` is what relative names stand under until $ORIGIN says otherwise. With `complete` a
 * missing SOA or NS is made up (zone_complete) and the zone's name is `origin`. */
struct zone *zone_read(struct slice text, const char *file, const uint8_t *origin, bool complete,
                       struct problems *problems);
/* The same from a file; its name without directory and ".zone" is the origin to begin with. */
struct zone *zone_load(const char *path, struct problems *problems);

/* Gives a zone the SOA and NS that it lacks: for worlds in which only mail matters. */
void zone_complete(struct zone *z);

/* zonecheck.c: what must hold over all records of a zone; messages name `file`. */
void zone_check(const struct zone *z, const char *file, struct problems *problems);

#endif
