/* dns_answer.c - DNS messages by ldns: making a question, understanding an answer. */
#include "reference/resolver/dns.h"

#include "base/mem.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

#define UDP_SIZE 1232            /* what passes everywhere without fragments */
#define CHAIN_MAX 8              /* CNAMEs in one answer */
#define RECORDS_MAX 256          /* of one answer that are looked at */

void dns_answer_free(struct dns_answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->v[i].text);
    free(a->v);
    free(a->alias);
    *a = (struct dns_answer){0};
}

static ldns_rdf *name_of(const char *text)
{
    /* A backslash would be ldns' own escape, not part of any name that we can be asked for. */
    return *text && !strchr(text, '\\') ? ldns_dname_new_frm_str(text) : NULL;
}

bool dns_write_question(const struct dns_question *q, bool edns, uint8_t **wire, size_t *n)
{
    ldns_rdf *name = name_of(q->name);
    if (!name)
        return false;
    ldns_pkt *p = ldns_pkt_query_new(name, q->type, LDNS_RR_CLASS_IN, LDNS_RD);
    if (!p) {
        ldns_rdf_deep_free(name);
        return false;
    }
    ldns_pkt_set_id(p, q->id);
    if (edns)
        ldns_pkt_set_edns_udp_size(p, UDP_SIZE);
    bool good = ldns_pkt2wire(wire, p, n) == LDNS_STATUS_OK;
    ldns_pkt_free(p);
    return good;
}

/* A name as text without the final dot; "" for the root. */
static char *name_text(const ldns_rdf *name)
{
    char *text = ldns_rdf2str(name);
    if (!text)
        return xstrdup("");
    size_t n = strlen(text);
    if (n > 0 && text[n - 1] == '.')
        text[n - 1] = 0;
    return text;
}

/* The strings of a TXT record joined (RFC 1035 3.3.14: each has its length before it). */
static char *txt_text(const ldns_rr *rr)
{
    struct buf all = {0};
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        ldns_rdf *string = ldns_rr_rdf(rr, i);
        size_t n = ldns_rdf_size(string);
        if (n > 0)
            buf_add(&all, ldns_rdf_data(string) + 1, n - 1);
    }
    return buf_take(&all);
}

static bool read_address(const ldns_rdf *rdf, struct netaddr *a)
{
    *a = (struct netaddr){0};
    if (ldns_rdf_size(rdf) == 4) {
        a->in.sin_family = AF_INET;
        a->len = sizeof a->in;
        memcpy(&a->in.sin_addr, ldns_rdf_data(rdf), 4);
    } else if (ldns_rdf_size(rdf) == 16) {
        a->in6.sin6_family = AF_INET6;
        a->len = sizeof a->in6;
        memcpy(&a->in6.sin6_addr, ldns_rdf_data(rdf), 16);
    } else {
        return false;
    }
    return true;
}

/* False when the record's data is not what its type must have. */
static bool read_record(const ldns_rr *rr, uint16_t type, struct dns_record *out)
{
    const ldns_rdf *first = ldns_rr_rdf(rr, 0);
    *out = (struct dns_record){0};
    if (!first)
        return false;
    if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
        return ldns_rdf_size(first) == (type == DNS_TYPE_A ? 4u : 16u)
            && read_address(first, &out->addr);
    if (type == DNS_TYPE_TXT) {
        out->text = txt_text(rr);
    } else if (type == DNS_TYPE_MX) {
        if (ldns_rr_rd_count(rr) != 2 || ldns_rdf_size(first) != 2)
            return false;
        out->preference = ldns_rdf2native_int16(first);
        out->text = name_text(ldns_rr_rdf(rr, 1));
    } else {
        out->text = name_text(first);
    }
    return true;
}

/* Follows the chain of CNAMEs from *name as far as the answer section has it (RFC 1034 3.6.2).
 * The order of records means nothing, so each link is looked for anew. False: a loop. */
static bool follow_chain(const ldns_rr_list *rrs, const ldns_rdf **name, int *links,
                         uint32_t *ttl)
{
    for (*links = 0; *links <= CHAIN_MAX; ++*links) {
        const ldns_rdf *next = NULL;
        for (size_t i = 0; i < ldns_rr_list_rr_count(rrs) && !next; i++) {
            const ldns_rr *rr = ldns_rr_list_rr(rrs, i);
            if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME && ldns_rr_rdf(rr, 0)
                && ldns_dname_compare(ldns_rr_owner(rr), *name) == 0) {
                next = ldns_rr_rdf(rr, 0);
                *ttl = ldns_rr_ttl(rr) < *ttl ? ldns_rr_ttl(rr) : *ttl;
            }
        }
        if (!next)
            return true;
        *name = next;
    }
    return false;
}

static bool has_type(const ldns_rr_list *rrs, ldns_rr_type type)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(rrs); i++)
        if (ldns_rr_get_type(ldns_rr_list_rr(rrs, i)) == type)
            return true;
    return false;
}

/* How long "there is none" stays true: RFC 2308 5, the lesser of the SOA's TTL and its MINIMUM; not
 * at all without a SOA. */
static uint32_t negative_ttl(const ldns_pkt *p)
{
    const ldns_rr_list *rrs = ldns_pkt_authority(p);
    for (size_t i = 0; i < ldns_rr_list_rr_count(rrs); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(rrs, i);
        if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) != 7)
            continue;
        uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));
        return minimum < ldns_rr_ttl(rr) ? minimum : ldns_rr_ttl(rr);
    }
    return 0;
}

static enum dns_reading useless(struct dns_answer *out, const char *why)
{
    dns_answer_free(out);
    out->status = DNS_TEMPFAIL;
    snprintf(out->why, sizeof out->why, "%s", why);
    return READ_USELESS;
}

/* The records of the answer that belong to the name at the end of the chain. */
static enum dns_reading collect(const ldns_pkt *p, const ldns_rdf *asked, uint16_t type,
                                struct dns_answer *out)
{
    const ldns_rr_list *rrs = ldns_pkt_answer(p);
    const ldns_rdf *name = asked;
    int links;
    out->ttl = UINT32_MAX;
    if (!follow_chain(rrs, &name, &links, &out->ttl))
        return useless(out, "CNAME loop");
    for (size_t i = 0; i < ldns_rr_list_rr_count(rrs) && out->n < RECORDS_MAX; i++) {
        const ldns_rr *rr = ldns_rr_list_rr(rrs, i);
        struct dns_record record;
        if (ldns_rr_get_type(rr) != (ldns_rr_type)type
            || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN
            || ldns_dname_compare(ldns_rr_owner(rr), name) != 0)
            continue;
        if (!read_record(rr, type, &record))
            return useless(out, "broken record");
        out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
        out->v[out->n++] = record;
        out->ttl = ldns_rr_ttl(rr) < out->ttl ? ldns_rr_ttl(rr) : out->ttl;
    }
    if (!out->n) {
        uint32_t none = negative_ttl(p);
        out->ttl = none < out->ttl ? none : out->ttl;
    }
    bool soa = has_type(ldns_pkt_authority(p), LDNS_RR_TYPE_SOA);
    out->status = out->n ? DNS_OK : DNS_NODATA;
    if (!out->n && ldns_pkt_get_rcode(p) == LDNS_RCODE_NXDOMAIN)
        out->status = DNS_NXDOMAIN;
    else if (!out->n && links > 0 && !soa)
        out->alias = name_text(name);
    else if (!out->n && !soa && !ldns_pkt_aa(p)
             && has_type(ldns_pkt_authority(p), LDNS_RR_TYPE_NS))
        return useless(out, "referral: the server does not serve the zone"); /* RFC 2308 2.2 */
    return READ_ANSWER;
}

static bool asks_the_same(const ldns_pkt *p, const ldns_rdf *name, uint16_t type)
{
    const ldns_rr_list *questions = ldns_pkt_question(p);
    if (ldns_rr_list_rr_count(questions) != 1)
        return false;
    const ldns_rr *q = ldns_rr_list_rr(questions, 0);
    return ldns_rr_get_type(q) == (ldns_rr_type)type
        && ldns_dname_compare(ldns_rr_owner(q), name) == 0;
}

static enum dns_reading read_packet(const ldns_pkt *p, const ldns_rdf *name,
                                    const struct dns_question *q, struct dns_answer *out)
{
    ldns_pkt_rcode rcode = ldns_pkt_get_rcode(p);
    /* A server that cannot read EDNS may answer FORMERR without any question (RFC 6891 7). */
    if (rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_NOTIMPL)
        return READ_NO_EDNS;
    if (!asks_the_same(p, name, q->type))
        return READ_OTHER;
    if (ldns_pkt_tc(p))
        return READ_TRUNCATED;
    if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN) {
        char *text = ldns_pkt_rcode2str(rcode);
        useless(out, text ? text : "error code");
        free(text);
        return READ_USELESS;
    }
    return collect(p, name, q->type, out);
}

enum dns_reading dns_read_answer(struct slice wire, const struct dns_question *q,
                                 struct dns_answer *out)
{
    const uint8_t *octets = (const uint8_t *)wire.p;
    *out = (struct dns_answer){0};
    /* RFC 5452 9.1: only an answer with our id can be one to our question. */
    if (wire.n < 12 || octets[0] != q->id >> 8 || octets[1] != (q->id & 255)
        || !(octets[2] & 0x80))
        return READ_OTHER;
    ldns_rdf *name = name_of(q->name);
    ldns_pkt *p = NULL;
    enum dns_reading reading;
    if (!name)
        reading = READ_OTHER;
    else if (ldns_wire2pkt(&p, octets, wire.n) != LDNS_STATUS_OK)
        /* Cut short where the server says so: the rest can be had over TCP. */
        reading = octets[2] & 0x02 ? READ_TRUNCATED : useless(out, "answer cannot be read");
    else
        reading = read_packet(p, name, q, out);
    ldns_pkt_free(p);
    ldns_rdf_deep_free(name);
    return reading;
}
