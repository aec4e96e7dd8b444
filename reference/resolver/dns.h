/* dns.h - inside the resolver: a question, its answer, and the way between. Not for others. */
#ifndef REFERENCE_DNS_H
#define REFERENCE_DNS_H

#include "reference/resolver/resolver.h"

/* The types that we ask for (RFC 1035 3.2.2, RFC 3596 2.1). */
enum { DNS_TYPE_A = 1, DNS_TYPE_PTR = 12, DNS_TYPE_MX = 15, DNS_TYPE_TXT = 16, DNS_TYPE_AAAA = 28 };

struct dns_question {
    const char *name;            /* text, without the final dot */
    uint16_t type;
    uint16_t id;
};

struct dns_record {
    uint16_t preference;         /* MX */
    char *text;                  /* MX, PTR: name without the final dot; TXT: strings joined */
    struct netaddr addr;         /* A, AAAA; port 0 */
};

struct dns_answer {
    enum dns_status status;
    struct dns_record *v;
    size_t n;
    uint32_t ttl;                /* seconds that all of it stays true; of "none": RFC 2308 5 */
    char *alias;                 /* the CNAME chain ended here, outside of the answer; or NULL */
    char why[80];                /* of a DNS_TEMPFAIL */
};

enum dns_reading {
    READ_ANSWER,                 /* *out is filled */
    READ_OTHER,                  /* not an answer to this question: wait for the right one */
    READ_TRUNCATED,              /* ask again over TCP (RFC 1035 4.2.1) */
    READ_NO_EDNS,                /* the server does not know EDNS: ask again without */
    READ_USELESS,                /* the server cannot answer; out->why says why */
};

void dns_answer_free(struct dns_answer *a);

/* The question as octets; the caller frees *wire. False when the name cannot be a domain name. */
bool dns_write_question(const struct dns_question *q, bool edns, uint8_t **wire, size_t *n);
/* Reads what a server sent. *out is only to be freed after READ_ANSWER. */
enum dns_reading dns_read_answer(struct slice wire, const struct dns_question *q,
                                 struct dns_answer *out);
/* Asks one server, over UDP and where needed TCP, for at most timeout_ms. READ_ANSWER or
 * READ_USELESS. */
enum dns_reading dns_ask(const struct netaddr *server, const struct dns_question *q,
                         int64_t timeout_ms, struct dns_answer *out);

#endif
