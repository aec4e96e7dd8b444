/* sim.h - the simulated DNS: zones, faults, query log, and the one function that turns a query
 * into a reply. Sockets, unit tests and the fuzzer all drive dns_answer(). */
#ifndef DNS_SIM_SIM_H
#define DNS_SIM_SIM_H

#include "base/net.h"
#include "dns-sim/fault.h"
#include "dns-sim/message.h"
#include "dns-sim/querylog.h"
#include "dns-sim/zone.h"

#include <pthread.h>
#include <stdatomic.h>

struct dns_options {
    bool recursion_available;   /* set RA in every reply: some stub resolvers insist */
    bool root_nxdomain;         /* names of no zone: NXDOMAIN (a made-up root), not REFUSED */
};

struct dns_sim {
    struct dns_options options;
    pthread_rwlock_t lock;              /* of the zones and all in them */
    struct table zones;                 /* origin -> struct zone * */
    _Atomic int64_t next_expiry;        /* mono_ms of the first record to vanish; INT64_MAX: none */
    struct faults faults;               /* these two have their own locks */
    struct query_log log;
};

struct dns_sim *dns_sim_new(const struct dns_options *options);
void dns_sim_free(struct dns_sim *sim);

/* ---- zones; the caller holds sim->lock, for writing where something changes ---- */

/* The zone of exactly this name; the closest one at or above a name. NULL: none. */
struct zone *sim_zone(const struct dns_sim *sim, const uint8_t *origin);
struct zone *sim_zone_for(const struct dns_sim *sim, const uint8_t *name);
/* Takes the zone over; it replaces one of its name. */
void sim_put_zone(struct dns_sim *sim, struct zone *zone);
bool sim_drop_zone(struct dns_sim *sim, const uint8_t *origin);
/* A record with an expiry time was added. */
void sim_note_expiry(struct dns_sim *sim, int64_t mono);

/* Takes the lock itself: removes the records whose time has come. */
void sim_expire(struct dns_sim *sim);

/* ---- answering ---- */

struct reply {
    struct buf bytes;       /* as they go on the transport: over TCP with their length prefixes */
    int64_t delay_ms;       /* to be waited before they are sent */
    bool close;             /* close the TCP connection instead of answering */
};

/* Answers the message `packet` (over TCP: without its length prefix), writes the query log. False
 * when nothing must be sent. out->bytes is cleared first and may be used again. Thread-safe. */
bool dns_answer(struct dns_sim *sim, struct slice packet, const struct asker *from,
                struct reply *out);

/* ---- the parts of it ---- */

/* answer.c: the reply of RFC 1034 4.3.2 to a query for data, within `limit` octets, appended to
 * out. The rcode; the answer in words goes to *summary. */
int answer_query(struct dns_sim *sim, const struct query *q, size_t limit, bool authentic,
                 struct buf *out, struct buf *summary);
/* answer.c: the reply that says an rcode and nothing else; OPT when the query had it. */
void answer_rcode(struct dns_sim *sim, const struct query *q, int rcode, struct buf *out);
/* answer.c: NXDOMAIN or NOERROR without data, with the SOA of the zone when there is one. */
void answer_negative(struct dns_sim *sim, const struct query *q, int rcode, struct buf *out);
/* transfer.c: all messages of an AXFR over TCP, each with its length prefix (RFC 5936). */
int answer_transfer(struct dns_sim *sim, const struct query *q, struct buf *out);
/* malformed.c: the bytes of the faults that no zone could answer with. */
void answer_malformed(struct dns_sim *sim, const struct query *q, const struct fault_plan *plan,
                      size_t limit, struct buf *out, struct buf *summary);
/* update.c: RFC 2136, all of it or nothing. The rcode; what was changed goes to *summary. */
int update_apply(struct dns_sim *sim, const struct query *q, struct buf *summary);
void update_log(const struct query *q, const struct asker *from, const char *rcode,
                const char *changes);

#endif
