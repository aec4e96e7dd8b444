/* record.h - one resource record, and all that this program asks of ldns: the text and the wire
 * format of every RR type. */
#ifndef DNS_SIM_RECORD_H
#define DNS_SIM_RECORD_H

#include "dns-sim/name.h"

/* RR types and codes by the RFC's numbers; ldns's enumerations are used in record.c only. */
enum {
    TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = 12,
    TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_DNAME = 39, TYPE_OPT = 41,
    TYPE_DS = 43, TYPE_RRSIG = 46, TYPE_NSEC = 47, TYPE_KEY = 25, TYPE_TSIG = 250,
    TYPE_IXFR = 251, TYPE_AXFR = 252, TYPE_MAILB = 253, TYPE_MAILA = 254, TYPE_ANY = 255,
    CLASS_IN = 1, CLASS_NONE = 254, CLASS_ANY = 255,
    TTL_MAX = 0x7fffffff,           /* RFC 2181 8 */
};

struct record {
    uint16_t type;
    uint16_t len;                   /* of rdata */
    uint32_t ttl;                   /* seconds */
    int line;                       /* of the zone file; 0: it came another way */
    int64_t expires;                /* mono_ms() at which the record vanishes; 0: never */
    uint8_t *rdata;                 /* wire form, names uncompressed; owned */
    char *text;                     /* "MX 5 mail.hehuan.test.", for logs and listings; owned */
};

void record_free(struct record *r);             /* what it points to */
struct record record_clone(const struct record *r);
bool record_same_data(const struct record *a, const struct record *b);

/* The record "TYPE RDATA..." (one line, parentheses and comments gone), relative names under
 * origin. `owner` and `ttl` only complete the line. False with *error telling why. */
bool record_parse(struct slice type_and_rdata, const uint8_t *owner, const uint8_t *origin,
                  uint32_t ttl, struct record *out, struct buf *error);
/* The record that stands at `start` in a DNS message, as record_parse; false when its RDATA does
 * not follow its type's format. */
bool record_from_packet(struct slice packet, size_t start, struct record *out);

bool type_parse(struct slice text, uint16_t *type);        /* "MX", "TYPE65280", "ANY" */
void buf_add_type(struct buf *b, uint16_t type);

/* Where domain names stand in the RDATA of the types of RFC 1035, the only ones whose names may be
 * compressed (RFC 3597 4): `skip` octets, then `names` names. False for all other types. */
bool type_names(uint16_t type, int *skip, int *names);
/* The name in the record's RDATA for which an answer may carry addresses along (MX, NS, SRV and
 * the target of a CNAME, PTR or DNAME); NULL when the type has none. */
const uint8_t *record_target(const struct record *r);

uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void put16(uint8_t *p, unsigned v);
void put32(uint8_t *p, uint32_t v);

#endif
