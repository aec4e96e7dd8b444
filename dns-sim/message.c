#include "dns-sim/message.h"

static const struct { int code; const char *text; } rcodes[] = {
    {NOERROR, "NOERROR"}, {FORMERR, "FORMERR"}, {SERVFAIL, "SERVFAIL"}, {NXDOMAIN, "NXDOMAIN"},
    {NOTIMP, "NOTIMP"}, {REFUSED, "REFUSED"}, {YXDOMAIN, "YXDOMAIN"}, {YXRRSET, "YXRRSET"},
    {NXRRSET, "NXRRSET"}, {NOTAUTH, "NOTAUTH"}, {NOTZONE, "NOTZONE"}, {BADVERS, "BADVERS"},
};

const char *rcode_text(int rcode)
{
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
        if (rcodes[i].code == rcode)
            return rcodes[i].text;
    return "RESERVED";
}

int rcode_parse(struct slice text)
{
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
        if (slice_ieq_str(text, rcodes[i].text))
            return rcodes[i].code;
    return -1;
}

bool wire_rr_read(struct slice packet, size_t *pos, struct wire_rr *rr)
{
    const uint8_t *wire = (const uint8_t *)packet.p;
    rr->start = *pos;
    if (!name_read(packet, pos, rr->name) || packet.n - *pos < 10)
        return false;
    rr->type = get16(wire + *pos);
    rr->class = get16(wire + *pos + 2);
    rr->ttl = get32(wire + *pos + 4);
    rr->len = get16(wire + *pos + 8);
    rr->rdata = *pos + 10;
    if (packet.n - rr->rdata < rr->len)
        return false;
    *pos = rr->rdata + rr->len;
    return true;
}

/* RFC 6891 6.1.1: at most one OPT, in the additional section, owned by the root. */
static bool read_opt(struct query *q, const struct wire_rr *rr, enum section s)
{
    if (q->edns || s != SECTION_ADDITIONAL || *rr->name != 0)
        return false;
    q->edns = true;
    q->edns_size = rr->class;
    q->edns_version = rr->ttl >> 16 & 0xff;
    q->dnssec_ok = rr->ttl & 0x8000;
    return true;
}

int query_parse(struct slice packet, struct query *q)
{
    const uint8_t *wire = (const uint8_t *)packet.p;
    memset(q, 0, sizeof *q);
    q->packet = packet;
    if (packet.n < HEADER_LEN)
        return -1;
    q->id = get16(wire);
    q->flags = get16(wire + 2);
    q->opcode = q->flags >> 11 & 15;
    if (q->flags & FLAG_QR)
        return -1;
    for (int s = 0; s < 4; s++)
        q->counts[s] = get16(wire + 4 + 2 * s);
    if (q->opcode != OPCODE_QUERY && q->opcode != OPCODE_UPDATE)
        return NOERROR;         /* to be answered NOTIMP: the rest may mean anything */
    size_t pos = HEADER_LEN;
    if (q->counts[SECTION_QUESTION] != 1 || !name_read(packet, &pos, q->name)
        || packet.n - pos < 4)
        return FORMERR;
    q->type = get16(wire + pos);
    q->class = get16(wire + pos + 2);
    q->question_end = pos += 4;
    q->has_question = true;
    for (int s = SECTION_ANSWER; s <= SECTION_ADDITIONAL; s++) {
        struct wire_rr rr;
        for (int i = 0; i < q->counts[s]; i++) {
            if (!wire_rr_read(packet, &pos, &rr))
                return FORMERR;
            if (rr.type == TYPE_OPT && !read_opt(q, &rr, s))
                return FORMERR;
            q->tsig = q->tsig || rr.type == TYPE_TSIG;
        }
    }
    return pos == packet.n ? NOERROR : FORMERR;
}

unsigned reply_flags(const struct query *q, int rcode)
{
    return FLAG_QR | (q->flags & (0x7800u | FLAG_RD | FLAG_CD)) | ((unsigned)rcode & 15);
}

/* ---- writing ---- */

static uint8_t *message(const struct writer *w)
{
    return (uint8_t *)w->out->data + w->start;
}

static size_t written(const struct writer *w)
{
    return w->out->len - w->start;
}

void writer_begin(struct writer *w, struct buf *out, size_t limit, uint16_t id, unsigned flags)
{
    uint8_t header[HEADER_LEN] = {0};
    memset(w, 0, sizeof *w);
    w->out = out;
    w->start = out->len;
    w->limit = limit;
    put16(header, id);
    put16(header + 2, flags);
    buf_add(out, header, sizeof header);
}

void writer_flags(struct writer *w, unsigned set, unsigned clear)
{
    uint8_t *flags = message(w) + 2;
    put16(flags, (get16(flags) & ~clear) | set);
}

/* True when the name at `offset` of the message is this one, letter by letter: a name is not
 * compressed into one of another case, so the case of the zone survives. */
static bool stands_at(const struct writer *w, size_t offset, const uint8_t *name)
{
    const uint8_t *m = message(w);
    size_t end = written(w);
    for (;;) {
        while (offset + 1 < end && m[offset] >= 0xc0)
            offset = (size_t)(m[offset] & 0x3f) << 8 | m[offset + 1];
        if (offset + *name >= end || memcmp(m + offset, name, *name + 1u) != 0)
            return false;
        if (*name == 0)
            return true;
        offset += *name + 1u;
        name += *name + 1;
    }
}

static void add_name(struct writer *w, const uint8_t *name, bool compress)
{
    for (; compress && *name; name += *name + 1) {
        for (int i = 0; i < w->names; i++) {
            if (stands_at(w, w->offsets[i], name)) {
                uint8_t pointer[2];
                put16(pointer, 0xc000u | w->offsets[i]);
                buf_add(w->out, pointer, 2);
                return;
            }
        }
        if (w->names < WRITER_NAMES && written(w) < 0x4000)
            w->offsets[w->names++] = (uint16_t)written(w);
        buf_add(w->out, name, *name + 1u);
    }
    buf_add(w->out, name, name_len(name));
}

void writer_question(struct writer *w, const uint8_t *name, uint16_t type, uint16_t class)
{
    uint8_t fixed[4];
    put16(fixed, type);
    put16(fixed + 2, class);
    add_name(w, name, true);
    buf_add(w->out, fixed, 4);
    put16(message(w) + 4, ++w->counts[SECTION_QUESTION]);
}

static void add_rdata(struct writer *w, const struct record *r)
{
    int skip, names;
    const uint8_t *p = r->rdata;
    if (type_names(r->type, &skip, &names)) {
        buf_add(w->out, p, (size_t)skip);
        for (p += skip; names > 0; names--, p += name_len(p))
            add_name(w, p, true);
    }
    buf_add(w->out, p, (size_t)(r->rdata + r->len - p));
}

/* Everything is appended first and taken back when it went over the limit. */
static bool over_limit(struct writer *w, size_t len_before, int names_before)
{
    if (written(w) <= w->limit)
        return false;
    buf_truncate(w->out, len_before);
    w->names = names_before;
    return true;
}

bool writer_record(struct writer *w, enum section s, const uint8_t *owner,
                   const struct record *r, uint32_t ttl)
{
    uint8_t fixed[10];
    size_t before = w->out->len;
    int names = w->names;
    put16(fixed, r->type);
    put16(fixed + 2, CLASS_IN);
    put32(fixed + 4, ttl);
    add_name(w, owner, true);
    buf_add(w->out, fixed, sizeof fixed);
    size_t rdata = w->out->len;
    add_rdata(w, r);
    put16((uint8_t *)w->out->data + rdata - 2, (unsigned)(w->out->len - rdata));
    if (over_limit(w, before, names))
        return false;
    put16(message(w) + 4 + 2 * s, ++w->counts[s]);
    return true;
}

bool writer_set(struct writer *w, enum section s, const uint8_t *owner, const struct rrset *set,
                uint16_t covered)
{
    size_t before = w->out->len;
    int names = w->names;
    uint16_t count = w->counts[s];
    for (size_t i = 0; i < set->count; i++) {
        const struct record *r = &set->records[i];
        if (covered && (r->len < 2 || get16(r->rdata) != covered))
            continue;
        if (!writer_record(w, s, owner, r, r->ttl)) {
            buf_truncate(w->out, before);
            w->names = names;
            w->counts[s] = count;
            put16(message(w) + 4 + 2 * s, count);
            return false;
        }
    }
    return true;
}

void writer_opt(struct writer *w, int extended_rcode, bool dnssec_ok)
{
    uint8_t opt[11] = {0, 0, TYPE_OPT};
    put16(opt + 3, UDP_EDNS_MAX);
    opt[5] = (uint8_t)(extended_rcode >> 4);    /* RFC 6891 6.1.3: the upper eight bits */
    opt[7] = dnssec_ok ? 0x80 : 0;
    buf_add(w->out, opt, sizeof opt);
    put16(message(w) + 4 + 2 * SECTION_ADDITIONAL, ++w->counts[SECTION_ADDITIONAL]);
}
