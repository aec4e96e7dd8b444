/* fault.h - what goes wrong on demand: faults by name and type, in the order of their making. */
#ifndef DNS_SIM_FAULT_H
#define DNS_SIM_FAULT_H

#include "dns-sim/querylog.h"
#include "dns-sim/record.h"

#include <pthread.h>
#include <stdatomic.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_RCODE,            /* an rcode and nothing else */
    FAULT_NXDOMAIN,         /* with the zone's SOA, as if the name were not there */
    FAULT_NODATA,
    FAULT_SILENCE,
    FAULT_CLOSE,            /* TCP: closed without an answer; UDP: silence */
    FAULT_TRUNCATE,         /* UDP: TC and no data; TCP is answered */
    FAULT_LAME,             /* no authority here: an upward referral */
    FAULT_WRONG_ID,         /* the real answer under another id */
    FAULT_WRONG_QUESTION,   /* the real answer with another name in the question */
    FAULT_SHORT_RDATA,      /* an answer whose RDATA is too short for its type */
    FAULT_CUT,              /* the real answer, ending in the middle of its records */
    FAULT_LOOP,             /* compression pointers that lead to themselves */
    FAULT_GARBAGE,          /* the id, then noise (the same for the same question) */
    FAULT_RAW,              /* given bytes, with the query's id */
    FAULT_RAW_EXACT,        /* given bytes */
    FAULT_DELAY,            /* later; what else applies still does */
    FAULT_AUTHENTIC,        /* the AD bit set; what else applies still does */
};

struct fault;               /* one entry of the list */

struct faults {
    pthread_mutex_t lock;
    struct fault *first;
    atomic_size_t count;
};

void faults_init(struct faults *f);
/* Adds what `words` says, in the words of the control command after "fault":
 *     NAME|*|*.SUFFIX TYPE|ANY ACTION [ARGUMENT] [times N] [over udp|tcp]
 * False with *error when that cannot be understood. */
bool faults_add(struct faults *f, struct slice words, struct buf *error);
/* Removes all, or those that were made for this very name text when name.n > 0; how many. */
size_t faults_clear(struct faults *f, struct slice name);
/* One line each: the words, then " (hits N)". The number of lines. */
size_t faults_list(struct faults *f, struct buf *out);

/* What is to be done to one query. */
struct fault_plan {
    enum fault_kind kind;
    int rcode;              /* of FAULT_RCODE */
    struct buf raw;         /* of FAULT_RAW and FAULT_RAW_EXACT; owned */
    int64_t delay_ms;
    bool authentic;
    struct buf words;       /* the actions taken, for the log; owned */
};

/* Looks up and counts the faults for a query: at most one delay, one AD bit, one other. */
void faults_take(struct faults *f, const uint8_t *name, uint16_t type, enum transport transport,
                 struct fault_plan *plan);
void fault_plan_free(struct fault_plan *plan);

#endif
