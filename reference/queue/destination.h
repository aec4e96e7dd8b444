/* destination.h - inside the scheduler: a destination, its waiting jobs, its open connections. */
#ifndef REFERENCE_DESTINATION_H
#define REFERENCE_DESTINATION_H

#include "reference/queue/scheduler.h"

struct kept {                    /* a connection without work */
    struct client *client;
    struct kept *next;
};

struct destination {
    char *name;
    struct { struct job *first, *last; } jobs[PRIORITIES]; /* waiting */
    int running;
    bool listed[PRIORITIES];     /* stands in a ready list for its jobs of this priority */
    bool down;                   /* nobody could be spoken to in the last attempt */
    int64_t dead_until_ms;       /* mono_ms */
    char *why;                   /* it is dead */
    struct kept *kept;           /* the last used one first */
    struct destination *next_ready[PRIORITIES], *next;
};

#define PRIORITY_TURNS 8         /* so that nobody waits for ever behind urgent mail */

struct ready {                   /* destinations that take turns */
    struct { struct destination *first, *last; } turn[PRIORITIES];
    unsigned turns;
};

struct destinations {
    void *by_name;               /* of tsearch(3) */
    struct destination *all;
};

static inline bool destination_is_local(const struct destination *d)
{
    return d->name[0] == 0;
}

/* Made when it is new. */
struct destination *destination_get(struct destinations *all, const char *name);
/* Connections idle for too long go to *old. Destinations that nothing is to be remembered of are
 * freed: a dead one is remembered for remember_ms longer than it is left alone. */
void destinations_tidy(struct destinations *all, int64_t now_ms, int64_t remember_ms,
                       struct kept **old);
/* All of them, with everything. */
void destinations_free(struct destinations *all);

/* At the end of the turn of the most urgent job that it has; it may stand in several. */
void ready_add(struct ready *r, struct destination *d);
struct destination *ready_pop(struct ready *r);    /* NULL when empty */
bool ready_any(const struct ready *r);

void destination_add_job(struct destination *d, struct job *j);
struct job *destination_pop_job(struct destination *d);    /* the most urgent; NULL: there is none */
/* The priority of that one; PRIORITIES: none waits. */
enum priority destination_waiting(const struct destination *d);
bool destination_listed(const struct destination *d);

#endif
