/* malformed.c - replies that are wrong on purpose. ldns and the zones only make well-formed
 * messages, so these are put together octet by octet. */
#include "dns-sim/sim.h"

static void add16(struct buf *b, unsigned v)
{
    uint8_t bytes[2];
    put16(bytes, v);
    buf_add(b, bytes, 2);
}

/* Header and question of a reply that announces one answer; the caller writes it. */
static void begin_one_answer(const struct query *q, struct buf *out)
{
    struct writer w;
    writer_begin(&w, out, MESSAGE_MAX, q->id, reply_flags(q, NOERROR) | FLAG_AA);
    writer_question(&w, q->name, q->type, q->class);
    put16((uint8_t *)out->data + w.start + 6, 1);
}

/* Owner (a pointer to `owner`), type as asked, class, TTL 60, RDLENGTH. */
static void add_rr_head(const struct query *q, struct buf *out, size_t owner, unsigned rdlength)
{
    add16(out, 0xc000u | (unsigned)owner);
    add16(out, q->type);
    add16(out, CLASS_IN);
    add16(out, 0);
    add16(out, 60);
    add16(out, rdlength);
}

static void short_rdata(const struct query *q, struct buf *out)
{
    begin_one_answer(q, out);
    add_rr_head(q, out, HEADER_LEN, 1);     /* one octet is too short for A, AAAA, MX, SOA ... */
    buf_add_byte(out, 10);
}

static void pointer_loop(const struct query *q, size_t start, struct buf *out)
{
    int skip, names;
    begin_one_answer(q, out);
    if (type_names(q->type, &skip, &names)) {
        /* The name in the RDATA leads to itself. */
        add_rr_head(q, out, HEADER_LEN, (unsigned)(skip + 2 * names));
        for (int i = 0; i < skip; i++)
            buf_add_byte(out, 0);
        for (int i = 0; i < names; i++)
            add16(out, 0xc000u | (unsigned)(out->len - start));
        return;
    }
    add_rr_head(q, out, out->len - start, 4);   /* the owner does */
    add16(out, 0xc000);
    add16(out, 0x0201);
}

/* Noise, but the same for the same question, so that a failure can be seen again. */
static void garbage(const struct query *q, struct buf *out)
{
    uint64_t x = name_hash(q->name) ^ q->type;
    add16(out, q->id);
    add16(out, FLAG_QR | FLAG_AA);
    for (int i = 0; i < 96; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;    /* Knuth's MMIX generator */
        buf_add_byte(out, (char)(x >> 56));
    }
}

/* RFC 1912 2.8: a server that was delegated to and knows nothing points back to the root. */
static void lame(const struct query *q, struct buf *out)
{
    static uint8_t server[] = "\1a\14root-servers\3net";
    static const uint8_t root[1] = {0};
    struct record ns = {.type = TYPE_NS, .len = sizeof server, .rdata = server};
    struct writer w;
    writer_begin(&w, out, UDP_PLAIN_MAX, q->id, reply_flags(q, NOERROR));
    writer_question(&w, q->name, q->type, q->class);
    writer_record(&w, SECTION_AUTHORITY, root, &ns, 518400);
}

static void truncate_reply(struct dns_sim *sim, const struct query *q, struct buf *out)
{
    size_t start = out->len;
    answer_rcode(sim, q, NOERROR, out);
    out->data[start + 2] |= (FLAG_AA | FLAG_TC) >> 8;
}

/* Changes the first letter of the question's name, or its type when the name is the root. */
static void change_question(const struct query *q, struct buf *out, size_t start)
{
    char *name = out->data + start + HEADER_LEN;
    if (*q->name == 0)
        name[2] ^= 2;
    else
        name[1] = (name[1] | 32) == 'x' ? 'y' : 'x';
}

void answer_malformed(struct dns_sim *sim, const struct query *q, const struct fault_plan *plan,
                      size_t limit, struct buf *out, struct buf *summary)
{
    size_t start = out->len;
    switch (plan->kind) {
    case FAULT_TRUNCATE:
        truncate_reply(sim, q, out);
        return;
    case FAULT_LAME:
        lame(q, out);
        return;
    case FAULT_SHORT_RDATA:
        short_rdata(q, out);
        return;
    case FAULT_LOOP:
        pointer_loop(q, start, out);
        return;
    case FAULT_GARBAGE:
        garbage(q, out);
        return;
    case FAULT_RAW:
    case FAULT_RAW_EXACT:
        buf_add_slice(out, buf_slice(&plan->raw));
        if (plan->kind == FAULT_RAW && plan->raw.len >= 2)
            put16((uint8_t *)out->data + start, q->id);
        return;
    default:
        break;
    }
    /* The rest spoil the real answer. */
    answer_query(sim, q, limit, plan->authentic, out, summary);
    if (plan->kind == FAULT_WRONG_ID)
        put16((uint8_t *)out->data + start, q->id ^ 0x5555u);
    else if (plan->kind == FAULT_WRONG_QUESTION)
        change_question(q, out, start);
    else if (plan->kind == FAULT_CUT) {
        size_t body = out->len - start - HEADER_LEN - name_len(q->name) - 4;
        buf_truncate(out, out->len - body / 2 - (body % 2));
    }
}
