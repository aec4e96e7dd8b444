#include "dns-sim/record.h"

#include "base/mem.h"

#include <ldns/ldns.h>

void record_free(struct record *r)
{
    free(r->rdata);
    free(r->text);
    r->rdata = NULL;
    r->text = NULL;
}

struct record record_clone(const struct record *r)
{
    struct record copy = *r;
    copy.rdata = xmalloc(r->len + 1u);
    memcpy(copy.rdata, r->rdata, r->len);
    copy.text = xstrdup(r->text);
    return copy;
}

/* RFC 2136 1.1.1: RRs are the same when type and RDATA are; names inside are compared as names. */
bool record_same_data(const struct record *a, const struct record *b)
{
    if (a->type != b->type || a->len != b->len)
        return false;
    int skip, names;
    if (!type_names(a->type, &skip, &names))
        return memcmp(a->rdata, b->rdata, a->len) == 0;
    const uint8_t *p = a->rdata, *q = b->rdata;
    if (memcmp(p, q, (size_t)skip) != 0)
        return false;
    for (p += skip, q += skip; names > 0; names--) {
        if (!name_equal(p, q))
            return false;
        p += name_len(p);
        q += name_len(q);
    }
    return memcmp(p, q, (size_t)(a->rdata + a->len - p)) == 0;
}

/* RDATA that ends inside a name would make every later reader run over its end. */
static bool names_are_whole(const struct record *r)
{
    int skip, names;
    uint8_t name[NAME_MAX_LEN];
    if (!type_names(r->type, &skip, &names) && r->type != TYPE_SRV && r->type != TYPE_DNAME)
        return true;
    if (r->type == TYPE_SRV || r->type == TYPE_DNAME) {
        skip = r->type == TYPE_SRV ? 6 : 0;
        names = 1;
    }
    size_t pos = (size_t)skip;
    for (; names > 0; names--) {
        size_t start = pos;
        if (!name_read(slice_of(r->rdata, r->len), &pos, name)
            || pos - start != name_len(name))       /* a pointer has no meaning here */
            return false;
    }
    return pos + (r->type == TYPE_SOA ? 20 : 0) == r->len;
}

/* Takes the RDATA and the text out of an ldns record. False when it is not complete. */
static bool from_ldns(ldns_rr *rr, struct record *out)
{
    const ldns_rr_descriptor *type = ldns_rr_descript(ldns_rr_get_type(rr));
    if (type && ldns_rr_rd_count(rr) < ldns_rr_descriptor_minimum(type))
        return false;
    ldns_buffer *wire = ldns_buffer_new(512);
    ldns_buffer *text = ldns_buffer_new(512);
    bool ok = wire && text && ldns_rr_rdata2buffer_wire(wire, rr) == LDNS_STATUS_OK
              && ldns_buffer_position(wire) <= UINT16_MAX;
    for (size_t i = 0; ok && i < ldns_rr_rd_count(rr); i++) {
        if (i > 0)
            ldns_buffer_printf(text, " ");
        ok = ldns_rdf2buffer_str(text, ldns_rr_rdf(rr, i)) == LDNS_STATUS_OK;
    }
    if (ok) {
        struct buf b = {0};
        out->type = (uint16_t)ldns_rr_get_type(rr);
        out->ttl = ldns_rr_ttl(rr);
        out->expires = 0;
        out->line = 0;
        out->len = (uint16_t)ldns_buffer_position(wire);
        out->rdata = xmalloc(out->len + 1u);
        memcpy(out->rdata, ldns_buffer_begin(wire), out->len);
        buf_add_type(&b, out->type);
        buf_add_byte(&b, ' ');
        /* RFC 3597 5: what has no format of its own is written as \# length hex */
        if (ldns_buffer_position(text) > 0)
            buf_add(&b, ldns_buffer_begin(text), ldns_buffer_position(text));
        else
            buf_add_str(&b, "\\# 0");
        out->text = buf_take(&b);
        ok = names_are_whole(out);
        if (!ok)
            record_free(out);
    }
    ldns_buffer_free(wire);
    ldns_buffer_free(text);
    return ok;
}

static ldns_rdf *rdf_of_name(const uint8_t *name)
{
    return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name_len(name), name);
}

/* What a field of RDATA looks like in words; the rarer forms are left to their RFC. */
static const char *field_form(ldns_rdf_type type)
{
    switch (type) {
    case LDNS_RDF_TYPE_A: return "IPv4 address";
    case LDNS_RDF_TYPE_AAAA: return "IPv6 address";
    case LDNS_RDF_TYPE_DNAME: return "domain name";
    case LDNS_RDF_TYPE_INT8: case LDNS_RDF_TYPE_INT16: case LDNS_RDF_TYPE_INT32: return "number";
    case LDNS_RDF_TYPE_PERIOD: return "seconds";
    case LDNS_RDF_TYPE_STR: case LDNS_RDF_TYPE_LONG_STR: return "text";
    case LDNS_RDF_TYPE_HEX: return "hex";
    case LDNS_RDF_TYPE_B64: return "base64";
    case LDNS_RDF_TYPE_TYPE: return "RR type";
    default: return "value";
    }
}

/* ldns says only that it could not read the data; what it should be helps more. */
static void explain(struct buf *error, ldns_status status, struct slice type_and_rdata)
{
    struct slice rest = type_and_rdata, word = {0};
    uint16_t type;
    slice_word(&rest, &word);
    if (!type_parse(word, &type)) {
        buf_printf(error, "\"%.*s\" is no RR type", SLICE_ARG(word));
        return;
    }
    buf_add_str(error, ldns_get_errorstr_by_id(status));
    const ldns_rr_descriptor *form = ldns_rr_descript(type);
    size_t least = form ? ldns_rr_descriptor_minimum(form) : 0;
    for (size_t i = 0; i < least; i++)
        buf_printf(error, "%s%s", i ? ", " : "; its data should be: ",
                   field_form(ldns_rr_descriptor_field_type(form, i)));
}

bool record_parse(struct slice type_and_rdata, const uint8_t *owner, const uint8_t *origin,
                  uint32_t ttl, struct record *out, struct buf *error)
{
    struct buf line = {0};
    ldns_rr *rr = NULL;
    ldns_rdf *base = rdf_of_name(origin);
    buf_add_name_absolute(&line, owner);
    buf_printf(&line, " %u IN ", ttl);
    buf_add_slice(&line, type_and_rdata);
    ldns_status status = ldns_rr_new_frm_str(&rr, buf_str(&line), ttl, base, NULL);
    bool ok = false;
    if (status != LDNS_STATUS_OK)
        explain(error, status, type_and_rdata);
    else if (!(ok = from_ldns(rr, out)))
        buf_add_str(error, "the RDATA is not complete for its type");
    ldns_rr_free(rr);
    ldns_rdf_deep_free(base);
    buf_free(&line);
    return ok;
}

bool record_from_packet(struct slice packet, size_t start, struct record *out)
{
    ldns_rr *rr = NULL;
    if (ldns_wire2rr(&rr, (const uint8_t *)packet.p, packet.n, &start, LDNS_SECTION_ANSWER)
        != LDNS_STATUS_OK)
        return false;
    bool ok = from_ldns(rr, out);
    ldns_rr_free(rr);
    return ok;
}

bool type_parse(struct slice text, uint16_t *type)
{
    char word[32] = {0};
    if (text.n == 0 || text.n >= sizeof word)
        return false;
    memcpy(word, text.p, text.n);
    ldns_rr_type t = ldns_get_rr_type_by_name(word);
    *type = (uint16_t)t;
    return t != 0;
}

void buf_add_type(struct buf *b, uint16_t type)
{
    char *text = ldns_rr_type2str((ldns_rr_type)type);
    if (text)
        buf_add_str(b, text);
    else
        buf_printf(b, "TYPE%u", type);
    free(text);
}

bool type_names(uint16_t type, int *skip, int *names)
{
    enum { MD = 3, MF = 4, MB = 7, MG = 8, MR = 9, MINFO = 14 };
    *skip = type == TYPE_MX ? 2 : 0;
    switch (type) {
    case TYPE_NS: case TYPE_CNAME: case TYPE_PTR: case TYPE_MX:
    case MD: case MF: case MB: case MG: case MR:
        *names = 1;
        return true;
    case TYPE_SOA: case MINFO:
        *names = 2;
        return true;
    default:
        *names = 0;
        return false;
    }
}

const uint8_t *record_target(const struct record *r)
{
    switch (r->type) {
    case TYPE_MX:
        return r->rdata + 2;
    case TYPE_SRV:
        return r->rdata + 6;
    case TYPE_NS: case TYPE_CNAME: case TYPE_PTR: case TYPE_DNAME:
        return r->rdata;
    default:
        return NULL;
    }
}

uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}
