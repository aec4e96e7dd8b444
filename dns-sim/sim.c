#include "dns-sim/sim.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "dns-sim/zonefile.h"

#include <stdlib.h>

struct dns_sim *dns_sim_new(const struct dns_options *options)
{
    struct dns_sim *sim = xcalloc(1, sizeof *sim);
    sim->options = *options;
    pthread_rwlock_init(&sim->lock, NULL);
    atomic_init(&sim->next_expiry, INT64_MAX);
    faults_init(&sim->faults);
    querylog_init(&sim->log);
    if (options->root_nxdomain) {
        struct zone *root = zone_new((const uint8_t *)"");
        zone_complete(root);
        sim_put_zone(sim, root);
    }
    return sim;
}

void dns_sim_free(struct dns_sim *sim)
{
    struct table_slot *slot;
    while ((slot = table_next(&sim->zones, NULL)))
        sim_drop_zone(sim, slot->name);
    table_free(&sim->zones);
    faults_clear(&sim->faults, (struct slice){0});
    pthread_mutex_destroy(&sim->faults.lock);
    querylog_free(&sim->log);
    pthread_rwlock_destroy(&sim->lock);
    free(sim);
}

struct zone *sim_zone(const struct dns_sim *sim, const uint8_t *origin)
{
    return table_get(&sim->zones, origin);
}

struct zone *sim_zone_for(const struct dns_sim *sim, const uint8_t *name)
{
    for (;; name += *name + 1) {
        struct zone *z = table_get(&sim->zones, name);
        if (z || *name == 0)
            return z;
    }
}

void sim_put_zone(struct dns_sim *sim, struct zone *zone)
{
    sim_drop_zone(sim, zone->origin);
    table_put(&sim->zones, zone->origin, zone);
}

bool sim_drop_zone(struct dns_sim *sim, const uint8_t *origin)
{
    struct zone *z = sim_zone(sim, origin);
    if (!z)
        return false;
    table_remove(&sim->zones, z->origin);
    zone_free(z);
    return true;
}

void sim_note_expiry(struct dns_sim *sim, int64_t mono)
{
    if (mono < atomic_load(&sim->next_expiry))
        atomic_store(&sim->next_expiry, mono);
}

void sim_expire(struct dns_sim *sim)
{
    int64_t now = mono_ms(), next = INT64_MAX;
    if (now < atomic_load(&sim->next_expiry))
        return;
    pthread_rwlock_wrlock(&sim->lock);
    for (struct table_slot *s = table_next(&sim->zones, NULL); s; s = table_next(&sim->zones, s))
        if (zone_expire(s->value, now, &next) > 0)
            zone_bump_serial(s->value);
    atomic_store(&sim->next_expiry, next);
    pthread_rwlock_unlock(&sim->lock);
}

/* What is not even a query with a question gets a header, or nothing. */
static bool answer_unreadable(const struct query *q, int parsed, const struct asker *from,
                              struct buf *out)
{
    char client[64];
    int rcode = parsed == FORMERR ? FORMERR : NOTIMP;
    netaddr_host(&from->client, client);
    event("dns.malformed", EV_STR("client", client), EV_INT("size", (int64_t)q->packet.n),
          EV_STR("rcode", parsed < 0 ? NULL : rcode_text(rcode)));
    if (parsed < 0)
        return false;
    struct writer w;
    writer_begin(&w, out, UDP_PLAIN_MAX, q->id, reply_flags(q, rcode));
    return true;
}

static size_t size_limit(const struct query *q, enum transport transport)
{
    if (transport == OVER_TCP)
        return MESSAGE_MAX;
    if (!q->edns || q->edns_size < UDP_PLAIN_MAX)
        return UDP_PLAIN_MAX;           /* RFC 6891 6.2.3: values below 512 count as 512 */
    return q->edns_size < UDP_EDNS_MAX ? q->edns_size : UDP_EDNS_MAX;
}

static bool is_transfer(const struct query *q, const struct asker *from)
{
    return from->transport == OVER_TCP && q->class == CLASS_IN && !q->tsig && q->edns_version == 0
        && (q->type == TYPE_AXFR || q->type == TYPE_IXFR);
}

/* The reply according to plan. The rcode for the log, NULL when there is no reply. */
static const char *answer_planned(struct dns_sim *sim, const struct query *q,
                                  const struct fault_plan *plan, const struct asker *from,
                                  struct reply *out, struct buf *summary)
{
    size_t limit = size_limit(q, from->transport);
    switch (plan->kind) {
    case FAULT_SILENCE:
        return NULL;
    case FAULT_CLOSE:
        out->close = true;
        return NULL;
    case FAULT_RCODE:
        answer_rcode(sim, q, plan->rcode, &out->bytes);
        return rcode_text(plan->rcode);
    case FAULT_NXDOMAIN:
    case FAULT_NODATA: {
        int rcode = plan->kind == FAULT_NXDOMAIN ? NXDOMAIN : NOERROR;
        answer_negative(sim, q, rcode, &out->bytes);
        return rcode_text(rcode);
    }
    case FAULT_NONE:
        return rcode_text(answer_query(sim, q, limit, plan->authentic, &out->bytes, summary));
    default:
        answer_malformed(sim, q, plan, limit, &out->bytes, summary);
        return rcode_text(NOERROR);
    }
}

/* Over TCP two octets before the message tell its length (RFC 1035 4.2.2). */
static void set_length(struct reply *out, enum transport transport)
{
    if (transport == OVER_TCP)
        put16((uint8_t *)out->bytes.data, (unsigned)(out->bytes.len - 2));
}

/* Answers what has a question; as answer_planned. */
static const char *answer_question(struct dns_sim *sim, const struct query *q,
                                   const struct fault_plan *plan, const struct asker *from,
                                   struct reply *out, struct buf *summary)
{
    int rcode;
    if (plan->kind == FAULT_NONE && is_transfer(q, from)) {
        buf_clear(&out->bytes);                 /* each message brings its own length */
        rcode = answer_transfer(sim, q, &out->bytes);
        if (rcode == NOERROR)
            return rcode_text(rcode);
        buf_add(&out->bytes, "\0\0", 2);
        answer_rcode(sim, q, rcode, &out->bytes);
    } else if (plan->kind == FAULT_NONE && q->opcode == OPCODE_UPDATE) {
        rcode = update_apply(sim, q, summary);
        answer_rcode(sim, q, rcode, &out->bytes);
    } else {
        const char *text = answer_planned(sim, q, plan, from, out, summary);
        set_length(out, from->transport);
        return text;
    }
    set_length(out, from->transport);
    return rcode_text(rcode);
}

bool dns_answer(struct dns_sim *sim, struct slice packet, const struct asker *from,
                struct reply *out)
{
    struct query q;
    struct buf summary = {0};
    struct fault_plan plan;
    int parsed = query_parse(packet, &q);
    buf_clear(&out->bytes);
    out->delay_ms = 0;
    out->close = false;
    if (from->transport == OVER_TCP)
        buf_add(&out->bytes, "\0\0", 2);
    if (parsed != NOERROR || !q.has_question) {
        bool answered = answer_unreadable(&q, parsed, from, &out->bytes);
        set_length(out, from->transport);
        return answered;
    }
    sim_expire(sim);
    faults_take(&sim->faults, q.name, q.type, from->transport, &plan);
    const char *rcode = answer_question(sim, &q, &plan, from, out, &summary);
    out->delay_ms = plan.delay_ms;
    if (q.opcode == OPCODE_QUERY)
        querylog_add(&sim->log, from, q.name, q.type, rcode, buf_str(&summary),
                     buf_str(&plan.words));
    else
        update_log(&q, from, rcode, buf_str(&summary));
    buf_free(&summary);
    fault_plan_free(&plan);
    return rcode != NULL;
}
