/* transfer.c - AXFR over TCP (RFC 5936), so that "dig axfr" shows what is being served. */
#include "dns-sim/sim.h"

#include <stdlib.h>

enum { TRANSFER_MESSAGE = 16000 };      /* octets of a message before the next one is begun; below
                                           0x4000 so that compression pointers reach all of it */

struct transfer {
    const struct query *q;
    struct buf *out;
    struct writer w;
    bool begun;
};

static void end_message(struct transfer *t)
{
    if (t->begun)
        put16((uint8_t *)t->out->data + t->w.start - 2, (unsigned)(t->out->len - t->w.start));
    t->begun = false;
}

static void begin_message(struct transfer *t, size_t limit)
{
    buf_add(t->out, "\0\0", 2);
    writer_begin(&t->w, t->out, limit, t->q->id, reply_flags(t->q, NOERROR) | FLAG_AA);
    writer_question(&t->w, t->q->name, t->q->type, t->q->class);
    t->begun = true;
}

static void send_record(struct transfer *t, const uint8_t *owner, const struct record *r)
{
    if (t->begun && writer_record(&t->w, SECTION_ANSWER, owner, r, r->ttl))
        return;
    end_message(t);
    begin_message(t, TRANSFER_MESSAGE);
    if (writer_record(&t->w, SECTION_ANSWER, owner, r, r->ttl))
        return;
    /* A record larger than a usual message gets one of its own. */
    t->w.limit = MESSAGE_MAX;
    writer_record(&t->w, SECTION_ANSWER, owner, r, r->ttl);
    end_message(t);
}

int answer_transfer(struct dns_sim *sim, const struct query *q, struct buf *out)
{
    struct transfer t = {.q = q, .out = out};
    pthread_rwlock_rdlock(&sim->lock);
    const struct zone *z = sim_zone(sim, q->name);
    const struct record *soa = z ? zone_soa(z) : NULL;
    if (!soa) {
        pthread_rwlock_unlock(&sim->lock);
        return NOTAUTH;                 /* RFC 5936 2.2.1: not authoritative for such a zone */
    }
    struct node **nodes = zone_sorted(z);
    send_record(&t, z->origin, soa);    /* RFC 5936 2.2: the SOA comes first and again last */
    for (size_t i = 0; i < z->nodes.count; i++)
        for (size_t s = 0; s < nodes[i]->count; s++)
            for (size_t k = 0; k < nodes[i]->sets[s].count; k++)
                if (nodes[i]->sets[s].type != TYPE_SOA)
                    send_record(&t, nodes[i]->name, &nodes[i]->sets[s].records[k]);
    send_record(&t, z->origin, soa);
    pthread_rwlock_unlock(&sim->lock);
    end_message(&t);
    free(nodes);
    return NOERROR;
}
