/* answer.c - the reply to a query for data: RFC 1034 4.3.2, with negative answers (RFC 2308),
 * wildcards (RFC 4592), DNAME (RFC 6672), EDNS (RFC 6891) and truncation (RFC 2181 9). */
#include "dns-sim/sim.h"

enum {
    CHAIN_MAX = 16,         /* CNAMEs and DNAMEs followed in one answer */
    SETS_MAX = 256,         /* record sets in one answer that additional ones are looked up for */
    SUMMARY_MAX = 400,      /* octets of the answer in words */
};

struct answering {
    struct dns_sim *sim;
    const struct query *q;
    struct writer w;
    struct buf *summary;
    int rcode;
    bool authoritative;
    int sets;               /* what is in the message already */
    const struct rrset *have[SETS_MAX];
};

static void say(struct buf *summary, const char *text)
{
    if (summary->len > SUMMARY_MAX)
        return;
    if (summary->len > 0)
        buf_add_str(summary, "; ");
    buf_add_str(summary, strlen(text) > SUMMARY_MAX ? "(long record)" : text);
    if (summary->len > SUMMARY_MAX)
        buf_add_str(summary, "; ...");
}

static bool have(const struct answering *a, const struct rrset *set)
{
    for (int i = 0; i < a->sets; i++)
        if (a->have[i] == set)
            return true;
    return false;
}

/* Adds a set, and its signatures when the client wants DNSSEC (RFC 4035 3.1.1). */
static bool add_set(struct answering *a, enum section s, const uint8_t *owner,
                    const struct node *n, const struct rrset *set)
{
    if (a->sets == SETS_MAX)
        return s == SECTION_ADDITIONAL;
    const struct rrset *signatures = node_set(n, TYPE_RRSIG);
    if (!writer_set(&a->w, s, owner, set, 0))
        return false;
    a->have[a->sets++] = set;
    if (s == SECTION_ANSWER)
        for (size_t i = 0; i < set->count; i++)
            say(a->summary, set->records[i].text);
    if (signatures && a->q->dnssec_ok && set->type != TYPE_RRSIG)
        return writer_set(&a->w, s, owner, signatures, set->type);
    return true;
}

/* Data that was asked for or that the answer cannot do without did not fit (RFC 2181 9). */
static void truncated(struct answering *a)
{
    if (!a->w.truncated)
        say(a->summary, "(truncated)");
    a->w.truncated = true;
    writer_flags(&a->w, FLAG_TC, 0);
}

/* RFC 2308 3: the SOA goes along with the lesser of its own TTL and its MINIMUM field. */
static void add_negative_soa(struct answering *a, const struct zone *z)
{
    const struct record *soa = zone_soa(z);
    if (!soa)
        return;
    uint32_t ttl = soa_minimum(soa) < soa->ttl ? soa_minimum(soa) : soa->ttl;
    const struct rrset *signatures = node_set(z->apex, TYPE_RRSIG);
    if (!writer_record(&a->w, SECTION_AUTHORITY, z->origin, soa, ttl)
        || (signatures && a->q->dnssec_ok
            && !writer_set(&a->w, SECTION_AUTHORITY, z->origin, signatures, TYPE_SOA)))
        truncated(a);
}

static void add_data(struct answering *a, const uint8_t *owner, const struct found *f)
{
    if (f->set) {
        if (!add_set(a, SECTION_ANSWER, owner, f->node, f->set))
            truncated(a);
        return;
    }
    for (size_t i = 0; i < f->node->count; i++)             /* ANY */
        if (!add_set(a, SECTION_ANSWER, owner, f->node, &f->node->sets[i]))
            return truncated(a);
}

static void add_referral(struct answering *a, const struct found *f)
{
    const struct rrset *ds = node_set(f->node, TYPE_DS);
    if (!add_set(a, SECTION_AUTHORITY, f->node->name, f->node, f->set))
        return truncated(a);
    if (ds && a->q->dnssec_ok && !add_set(a, SECTION_AUTHORITY, f->node->name, f->node, ds))
        truncated(a);
    for (size_t i = 0; a->summary->len == 0 && i < f->set->count; i++) {
        say(a->summary, "referral");
        say(a->summary, f->set->records[i].text);
    }
}

/* RFC 6672 3.1: the part of the name above the DNAME's owner is replaced by its target, and the
 * CNAME that says so is synthesised. False when the new name is too long. */
static bool add_dname(struct answering *a, uint8_t name[NAME_MAX_LEN], const struct found *f)
{
    const struct record *dname = &f->set->records[0];
    uint8_t target[NAME_MAX_LEN];
    size_t keep = name_len(name) - name_len(f->node->name);
    if (!add_set(a, SECTION_ANSWER, f->node->name, f->node, f->set)) {
        truncated(a);
        return true;
    }
    if (keep + dname->len > NAME_MAX_LEN)
        return false;
    memcpy(target, name, keep);
    memcpy(target + keep, dname->rdata, dname->len);
    struct record cname = {.type = TYPE_CNAME, .len = (uint16_t)(keep + dname->len),
                           .rdata = target};
    if (!writer_record(&a->w, SECTION_ANSWER, name, &cname, dname->ttl))
        truncated(a);
    memcpy(name, target, cname.len);
    return true;
}

static const struct zone *zone_to_ask(const struct answering *a, const uint8_t *name)
{
    const struct zone *z = sim_zone_for(a->sim, name);
    /* RFC 4035 3.1.4.1: the parent side answers for DS where both are served. */
    if (z && a->q->type == TYPE_DS && *name && name_equal(name, z->origin)) {
        const struct zone *parent = sim_zone_for(a->sim, name_suffix(name, 1));
        if (parent)
            return parent;
    }
    return z;
}

/* One step for the name: true when the chain goes on with the name that was put in its place. */
static bool step(struct answering *a, uint8_t name[NAME_MAX_LEN], bool first)
{
    const struct zone *z = zone_to_ask(a, name);
    if (!z) {
        if (first) {
            a->rcode = REFUSED;
            a->authoritative = false;
        }
        return false;
    }
    struct found f = zone_find(z, name, a->q->type);
    switch (f.kind) {
    case FOUND_DATA:
        add_data(a, name, &f);
        return false;
    case FOUND_CNAME:
        if (have(a, f.set))             /* a loop: what there is of it was given */
            return false;
        if (!add_set(a, SECTION_ANSWER, name, f.node, f.set))
            truncated(a);
        memcpy(name, f.set->records[0].rdata, f.set->records[0].len);
        return !a->w.truncated;
    case FOUND_DNAME:
        if (!add_dname(a, name, &f)) {
            a->rcode = YXDOMAIN;
            return false;
        }
        return !a->w.truncated;
    case FOUND_REFERRAL:
        a->authoritative = a->authoritative && !first;
        add_referral(a, &f);
        return false;
    default:
        /* RFC 6604 3: after a chain the rcode tells of its last name. */
        a->rcode = f.kind == FOUND_NXDOMAIN ? NXDOMAIN : NOERROR;
        add_negative_soa(a, z);
        return false;
    }
}

/* The addresses of one name that the answer or a referral mentions. Glue comes from under the cut
 * and is needed (RFC 9471); everything else is a courtesy (RFC 1034 4.3.2 step 6). */
static void add_addresses(struct answering *a, const uint8_t *target, bool referral)
{
    static const uint16_t types[] = {TYPE_A, TYPE_AAAA};
    const struct zone *z = sim_zone_for(a->sim, target);
    if (!z)
        return;
    struct found f = zone_find(z, target, TYPE_ANY);
    const struct node *n = f.kind == FOUND_REFERRAL ? zone_node(z, target)
                         : f.kind == FOUND_DATA ? f.node : NULL;
    for (int i = 0; i < 2; i++) {
        const struct rrset *set = node_set(n, types[i]);
        if (set && !have(a, set) && !add_set(a, SECTION_ADDITIONAL, target, n, set) && referral
            && f.kind == FOUND_REFERRAL)
            truncated(a);
    }
}

static void add_additional(struct answering *a)
{
    int sets = a->sets;             /* those of answer and authority; more are added meanwhile */
    bool referral = a->w.counts[SECTION_ANSWER] == 0;
    for (int i = 0; i < sets && !a->w.truncated; i++) {
        uint16_t type = a->have[i]->type;
        if (type != TYPE_MX && type != TYPE_NS && type != TYPE_SRV)
            continue;
        for (size_t k = 0; k < a->have[i]->count; k++)
            add_addresses(a, record_target(&a->have[i]->records[k]), referral);
    }
}

static int unanswerable(const struct query *q)
{
    if (q->edns_version > 0)
        return BADVERS;                             /* RFC 6891 6.1.3 */
    if (q->tsig)
        return NOTAUTH;                             /* no key is known here: RFC 8945 5.2 */
    if (q->class != CLASS_IN && q->class != CLASS_ANY)
        return REFUSED;
    if (q->type == TYPE_OPT || q->type == 0)
        return FORMERR;
    if (q->type == TYPE_AXFR || q->type == TYPE_IXFR)
        return REFUSED;                             /* zone transfers go over TCP */
    if (q->type >= 128 && q->type < TYPE_ANY)
        return NOTIMP;                              /* meta types: RFC 6895 3.1 */
    return NOERROR;
}

static unsigned base_flags(const struct dns_sim *sim, const struct query *q, int rcode)
{
    return reply_flags(q, rcode) | (sim->options.recursion_available ? FLAG_RA : 0u);
}

void answer_rcode(struct dns_sim *sim, const struct query *q, int rcode, struct buf *out)
{
    struct writer w;
    writer_begin(&w, out, MESSAGE_MAX, q->id, base_flags(sim, q, rcode));
    if (q->has_question)
        writer_question(&w, q->name, q->type, q->class);
    if (q->edns)
        writer_opt(&w, rcode, q->dnssec_ok);
}

void answer_negative(struct dns_sim *sim, const struct query *q, int rcode, struct buf *out)
{
    struct answering a = {.sim = sim, .q = q};
    struct buf unused = {0};
    a.summary = &unused;
    writer_begin(&a.w, out, UDP_PLAIN_MAX, q->id, base_flags(sim, q, rcode) | FLAG_AA);
    writer_question(&a.w, q->name, q->type, q->class);
    pthread_rwlock_rdlock(&sim->lock);
    const struct zone *z = sim_zone_for(sim, q->name);
    if (z)
        add_negative_soa(&a, z);
    pthread_rwlock_unlock(&sim->lock);
    if (q->edns)
        writer_opt(&a.w, rcode, q->dnssec_ok);
    buf_free(&unused);
}

int answer_query(struct dns_sim *sim, const struct query *q, size_t limit, bool authentic,
                 struct buf *out, struct buf *summary)
{
    struct answering a = {.sim = sim, .q = q, .summary = summary, .authoritative = true};
    uint8_t name[NAME_MAX_LEN];
    a.rcode = unanswerable(q);
    if (a.rcode != NOERROR) {
        answer_rcode(sim, q, a.rcode, out);
        return a.rcode;
    }
    memcpy(name, q->name, name_len(q->name));
    writer_begin(&a.w, out, limit - (q->edns ? 11 : 0), q->id, base_flags(sim, q, NOERROR));
    writer_question(&a.w, q->name, q->type, q->class);
    pthread_rwlock_rdlock(&sim->lock);
    for (int hops = 0; hops <= CHAIN_MAX && step(&a, name, hops == 0); hops++)
        ;
    add_additional(&a);
    pthread_rwlock_unlock(&sim->lock);
    writer_flags(&a.w, (a.authoritative ? FLAG_AA : 0u) | (authentic ? FLAG_AD : 0u)
                       | (unsigned)a.rcode, 0);
    if (q->edns)
        writer_opt(&a.w, a.rcode, q->dnssec_ok);
    return a.rcode;
}
