/* update.c - DNS UPDATE (RFC 2136): prerequisites, then changes, all of them or none. */
#include "dns-sim/sim.h"

#include "base/event.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    PREREQUISITES_MAX = 500,        /* comparing them is quadratic */
    SUMMARY_MAX = 1000,             /* octets of the changes in words */
};

/* One RR of the prerequisite or the update section. */
struct change {
    struct wire_rr rr;
    struct record data;             /* of an RR that carries data; rdata NULL otherwise */
};

struct update {
    struct zone *zone;
    struct change *changes;         /* the prerequisites, then the updates */
    size_t prerequisites, total;
    struct buf *summary;
};

static bool meta_type(uint16_t type)
{
    return (type >= 128 && type <= TYPE_ANY) || type == TYPE_OPT || type == 0;   /* RFC 6895 3.1 */
}

/* Class ANY and NONE without RDATA say something about a set or a name; the rest carry data. */
static bool carries_data(const struct wire_rr *rr, bool prerequisite)
{
    return rr->class == CLASS_IN || (rr->class == CLASS_NONE && !prerequisite);
}

static int read_changes(const struct query *q, struct update *u)
{
    size_t pos = q->question_end;
    u->prerequisites = q->counts[SECTION_ANSWER];
    u->total = u->prerequisites + q->counts[SECTION_AUTHORITY];
    if (u->prerequisites > PREREQUISITES_MAX)
        return REFUSED;
    u->changes = xcalloc(u->total + 1, sizeof *u->changes);
    for (size_t i = 0; i < u->total; i++) {
        struct change *c = &u->changes[i];
        if (!wire_rr_read(q->packet, &pos, &c->rr))
            return FORMERR;
        if (carries_data(&c->rr, i < u->prerequisites)
            && (meta_type(c->rr.type) || !record_from_packet(q->packet, c->rr.start, &c->data)))
            return FORMERR;
    }
    return NOERROR;
}

/* RFC 2136 3.2.3: the zone's set must be the very set that the prerequisites make up. */
static bool set_matches(const struct update *u, const struct change *c)
{
    const struct rrset *set = node_set(zone_node(u->zone, c->rr.name), c->rr.type);
    size_t wanted = 0;
    for (size_t i = 0; i < u->prerequisites; i++) {
        const struct change *other = &u->changes[i];
        if (other->rr.class != CLASS_IN || other->rr.type != c->rr.type
            || !name_equal(other->rr.name, c->rr.name))
            continue;
        bool there = false;
        for (size_t k = 0; set && k < set->count; k++)
            there = there || record_same_data(&set->records[k], &other->data);
        if (!there)
            return false;
        bool repeated = false;
        for (size_t k = 0; k < i; k++)
            repeated = repeated || (name_equal(u->changes[k].rr.name, other->rr.name)
                                    && u->changes[k].rr.class == CLASS_IN
                                    && record_same_data(&u->changes[k].data, &other->data));
        wanted += !repeated;
    }
    return set && set->count == wanted;
}

/* RFC 2136 3.2.5, one prerequisite. */
static int check_prerequisite(const struct update *u, const struct change *c)
{
    const struct wire_rr *rr = &c->rr;
    const struct node *n = zone_node(u->zone, rr->name);
    bool name_in_use = n && n->count > 0;       /* an empty non-terminal is not: 2.4.4 */
    if (rr->ttl != 0)
        return FORMERR;
    if (!name_is_under(rr->name, u->zone->origin))
        return NOTZONE;
    if (rr->class == CLASS_IN)
        return set_matches(u, c) ? NOERROR : NXRRSET;
    if ((rr->class != CLASS_ANY && rr->class != CLASS_NONE) || rr->len != 0)
        return FORMERR;
    bool there = rr->type == TYPE_ANY ? name_in_use : node_set(n, rr->type) != NULL;
    if (rr->class == CLASS_ANY)
        return there ? NOERROR : rr->type == TYPE_ANY ? NXDOMAIN : NXRRSET;
    return !there ? NOERROR : rr->type == TYPE_ANY ? YXDOMAIN : YXRRSET;
}

/* RFC 2136 3.4.1.3, one update: what would be wrong is found before anything is changed. */
static int prescan(const struct update *u, const struct wire_rr *rr)
{
    if (!name_is_under(rr->name, u->zone->origin))
        return NOTZONE;
    if (rr->class == CLASS_IN)
        return NOERROR;                             /* its type was looked at when it was read */
    if (rr->ttl != 0 || (rr->class != CLASS_ANY && rr->class != CLASS_NONE))
        return FORMERR;
    if (rr->class == CLASS_ANY && (rr->len != 0 || (meta_type(rr->type) && rr->type != TYPE_ANY)))
        return FORMERR;
    return NOERROR;
}

static void say(struct update *u, char sign, const struct wire_rr *rr, const char *what)
{
    if (u->summary->len > SUMMARY_MAX)
        return;
    buf_printf(u->summary, "%s%c", u->summary->len ? "; " : "", sign);
    buf_add_name(u->summary, rr->name);
    buf_add_byte(u->summary, ' ');
    if (what)
        buf_add_str(u->summary, what);
    else
        buf_add_type(u->summary, rr->type);
}

static bool add(struct update *u, struct change *c)
{
    const struct record *soa = zone_soa(u->zone);
    if (c->rr.type == TYPE_SOA && (!soa || !name_equal(c->rr.name, u->zone->origin)
                                   || !serial_after(soa_serial(&c->data), soa_serial(soa))))
        return false;               /* RFC 2136 3.4.2.2: an older SOA is silently ignored */
    say(u, '+', &c->rr, c->data.text);
    enum added result = zone_add(u->zone, c->rr.name, c->data, true);
    c->data = (struct record){0};
    return result == ADDED || result == ADDED_DUPLICATE;
}

/* RFC 2136 3.4.2.3: the apex keeps its SOA and NS whatever is deleted. */
static bool delete_name(struct update *u, const struct wire_rr *rr)
{
    if (!name_equal(rr->name, u->zone->origin))
        return zone_remove_name(u->zone, rr->name) > 0;
    bool changed = false;
    struct node *apex = u->zone->apex;
    for (size_t i = apex->count; i-- > 0;)
        if (apex->sets[i].type != TYPE_SOA && apex->sets[i].type != TYPE_NS)
            changed = zone_remove_set(u->zone, rr->name, apex->sets[i].type) > 0 || changed;
    return changed;
}

/* RFC 2136 3.4.2.7, one update; true when the zone is another one now. */
static bool apply(struct update *u, struct change *c)
{
    const struct wire_rr *rr = &c->rr;
    bool apex = name_equal(rr->name, u->zone->origin);
    if (rr->class == CLASS_IN)
        return add(u, c);
    if (rr->class == CLASS_ANY && rr->type == TYPE_ANY) {
        say(u, '-', rr, "*");
        return delete_name(u, rr);
    }
    if (apex && rr->type == TYPE_SOA)
        return false;
    if (rr->class == CLASS_ANY) {
        if (apex && rr->type == TYPE_NS)
            return false;
        say(u, '-', rr, NULL);
        return zone_remove_set(u->zone, rr->name, rr->type) > 0;
    }
    const struct rrset *set = node_set(zone_node(u->zone, rr->name), rr->type);
    if (apex && rr->type == TYPE_NS && set && set->count == 1)
        return false;               /* 3.4.2.4: the last NS stays */
    say(u, '-', rr, c->data.text);
    return zone_remove_record(u->zone, rr->name, &c->data) > 0;
}

static int update_locked(struct update *u)
{
    for (size_t i = 0; i < u->prerequisites; i++) {
        int rcode = check_prerequisite(u, &u->changes[i]);
        if (rcode != NOERROR)
            return rcode;
    }
    for (size_t i = u->prerequisites; i < u->total; i++) {
        int rcode = prescan(u, &u->changes[i].rr);
        if (rcode != NOERROR)
            return rcode;
    }
    const struct record *soa = zone_soa(u->zone);
    uint32_t serial = soa ? soa_serial(soa) : 0;
    bool changed = false;
    for (size_t i = u->prerequisites; i < u->total; i++)
        changed = apply(u, &u->changes[i]) || changed;
    soa = zone_soa(u->zone);
    if (changed && soa && soa_serial(soa) == serial)
        zone_bump_serial(u->zone);                  /* RFC 2136 3.6 */
    return NOERROR;
}

int update_apply(struct dns_sim *sim, const struct query *q, struct buf *summary)
{
    struct update u = {.summary = summary};
    if (q->edns_version > 0)
        return BADVERS;
    if (q->tsig)
        return NOTAUTH;             /* no key is known here */
    if (q->type != TYPE_SOA)
        return FORMERR;             /* RFC 2136 3.1.1 */
    int rcode = read_changes(q, &u);
    if (rcode == NOERROR) {
        pthread_rwlock_wrlock(&sim->lock);
        u.zone = q->class == CLASS_IN ? sim_zone(sim, q->name) : NULL;
        rcode = u.zone ? update_locked(&u) : NOTAUTH;
        pthread_rwlock_unlock(&sim->lock);
    }
    for (size_t i = 0; u.changes && i < u.total; i++)
        record_free(&u.changes[i].data);
    free(u.changes);
    return rcode;
}

void update_log(const struct query *q, const struct asker *from, const char *rcode,
                const char *changes)
{
    char client[64];
    struct buf zone = {0};
    netaddr_host(&from->client, client);
    buf_add_name(&zone, q->name);
    event("dns.update", EV_STR("client", client), EV_STR("zone", buf_str(&zone)),
          EV_STR("rcode", rcode), EV_STR("changes", changes));
    buf_free(&zone);
}
