/* querylog.h - which queries were asked: in memory for the control socket, and as events. */
#ifndef DNS_SIM_QUERYLOG_H
#define DNS_SIM_QUERYLOG_H

#include "base/buf.h"
#include "base/net.h"

#include <pthread.h>

enum transport { OVER_UDP, OVER_TCP };

/* Who asks. */
struct asker {
    struct netaddr client;
    enum transport transport;
};

enum { QUERYLOG_KEEP = 32768 };     /* the newest queries, kept in memory */

struct query_log {
    pthread_mutex_t lock;
    struct log_entry *ring;         /* QUERYLOG_KEEP of them */
    uint64_t next;                  /* the number of the next query; counts from 1 for ever */
    uint64_t first;                 /* the oldest number that is kept */
};

void querylog_init(struct query_log *log);
void querylog_free(struct query_log *log);

/* Notes a query, and emits the event dns.query. `fault` NULL or "": none; rcode NULL: no answer. */
void querylog_add(struct query_log *log, const struct asker *from, const uint8_t *name,
                  uint16_t type, const char *rcode, const char *answer, const char *fault);
/* Appends the queries with a number over `since` as JSON lines; how many. */
size_t querylog_list(struct query_log *log, uint64_t since, struct buf *out);
/* How often this was asked; type 255 (ANY): whatever the type; name NULL: whatever the name. */
size_t querylog_count(struct query_log *log, const uint8_t *name, uint16_t type);
void querylog_reset(struct query_log *log);         /* forgets the queries, not the numbering */
uint64_t querylog_last(struct query_log *log);      /* the number of the newest; 0: none yet */

#endif
