/* message.h - DNS messages (RFC 1035 4.1): reading a query, writing a reply. */
#ifndef DNS_SIM_MESSAGE_H
#define DNS_SIM_MESSAGE_H

#include "dns-sim/record.h"
#include "dns-sim/zone.h"

enum {
    HEADER_LEN = 12,
    FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_RA = 0x0080,
    FLAG_AD = 0x0020, FLAG_CD = 0x0010,
    OPCODE_QUERY = 0, OPCODE_UPDATE = 5,
    MESSAGE_MAX = 65535,            /* what the length prefix of TCP can say */
    UDP_PLAIN_MAX = 512,            /* RFC 1035 4.2.1: without EDNS */
    UDP_EDNS_MAX = 1232,            /* what is offered and accepted with EDNS: no fragments */
};

enum rcode {
    NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5, YXDOMAIN = 6,
    YXRRSET = 7, NXRRSET = 8, NOTAUTH = 9, NOTZONE = 10, BADVERS = 16,
};
const char *rcode_text(int rcode);              /* "NXDOMAIN" */
/* The reverse, letters of any case; -1 when unknown. */
int rcode_parse(struct slice text);

enum section { SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

struct query {
    struct slice packet;            /* borrowed */
    uint16_t id, flags;
    int opcode;
    uint16_t counts[4];             /* by enum section */
    bool has_question;              /* the question below was read */
    uint8_t name[NAME_MAX_LEN];     /* as asked, case and all */
    uint16_t type, class;
    size_t question_end;
    bool edns, dnssec_ok, tsig;     /* RFC 6891 6.1; RFC 3225; RFC 8945 */
    int edns_version;
    size_t edns_size;
};

/* Reads a whole message. *q is filled as far as it was readable. NOERROR; FORMERR; or -1 when it
 * must not be answered at all: no whole header, or a response (RFC 1035 4.1.1: QR). */
int query_parse(struct slice packet, struct query *q);

/* One RR of a message, RDATA by position. */
struct wire_rr {
    uint8_t name[NAME_MAX_LEN];
    uint16_t type, class;
    uint32_t ttl;
    size_t start, rdata;
    uint16_t len;
};
bool wire_rr_read(struct slice packet, size_t *pos, struct wire_rr *rr);

/* Writing. The message is appended to `out`; it never grows over `limit` octets. */
enum { WRITER_NAMES = 64 };
struct writer {
    struct buf *out;
    size_t start;                   /* of the message in out */
    size_t limit;
    bool truncated;
    uint16_t counts[4];
    int names;                      /* where earlier names stand, for compression */
    uint16_t offsets[WRITER_NAMES];
};

/* Begins a message with a header of this id and these flags. */
void writer_begin(struct writer *w, struct buf *out, size_t limit, uint16_t id, unsigned flags);
void writer_question(struct writer *w, const uint8_t *name, uint16_t type, uint16_t class);
/* All of a set, or of its signatures that cover `covered` when that is not 0, under the owner
 * name. A set that does not fit leaves no trace; the result is false then. */
bool writer_set(struct writer *w, enum section s, const uint8_t *owner, const struct rrset *set,
                uint16_t covered);
bool writer_record(struct writer *w, enum section s, const uint8_t *owner,
                   const struct record *r, uint32_t ttl);
/* The EDNS record of a reply, for which 11 octets were left by a lower limit. */
void writer_opt(struct writer *w, int extended_rcode, bool dnssec_ok);
/* Sets bits in the header's flags; counts are filled in as sections grow. */
void writer_flags(struct writer *w, unsigned set, unsigned clear);

/* The id, flags and rcode that a reply to q begins with: opcode, RD and CD echoed. */
unsigned reply_flags(const struct query *q, int rcode);

#endif
