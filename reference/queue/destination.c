/* destination.c - destinations by name. */
#include "reference/queue/destination.h"

#include "base/mem.h"

#include <search.h>
#include <stdlib.h>

/* The delivery agent's connections are ours; other people's servers are not to be held. */
#define KEEP_LOCAL_MS 30000
#define KEEP_REMOTE_MS 3000

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct destination *)a)->name, ((const struct destination *)b)->name);
}

struct destination *destination_get(struct destinations *all, const char *name)
{
    struct destination key = {.name = (char *)name};
    struct destination **found = tfind(&key, &all->by_name, by_name);
    if (found)
        return *found;
    struct destination *d = xcalloc(1, sizeof *d);
    d->name = xstrdup(name);
    d->next = all->all;
    all->all = d;
    if (!tsearch(d, &all->by_name, by_name))
        die(70, "out of memory for destinations");
    return d;
}

static void destination_free(struct destinations *all, struct destination *d)
{
    tdelete(d, &all->by_name, by_name);
    for (struct job *j; (j = destination_pop_job(d)); )
        job_free(j);
    while (d->kept) {
        struct kept *k = d->kept;
        d->kept = k->next;
        client_quit(k->client, false);
        free(k);
    }
    free(d->name);
    free(d->why);
    free(d);
}

void destinations_free(struct destinations *all)
{
    while (all->all) {
        struct destination *d = all->all;
        all->all = d->next;
        destination_free(all, d);
    }
}

static void tidy_kept(struct destination *d, int64_t now_ms, struct kept **old)
{
    int64_t most = destination_is_local(d) ? KEEP_LOCAL_MS : KEEP_REMOTE_MS;
    for (struct kept **at = &d->kept; *at; ) {
        struct kept *k = *at;
        if (now_ms - k->client->idle_since_ms < most) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        k->next = *old;
        *old = k;
    }
}

void destinations_tidy(struct destinations *all, int64_t now_ms, int64_t remember_ms,
                       struct kept **old)
{
    for (struct destination **at = &all->all; *at; ) {
        struct destination *d = *at;
        tidy_kept(d, now_ms, old);
        if (destination_waiting(d) != PRIORITIES || d->running || destination_listed(d) || d->kept
            || (d->down && d->dead_until_ms + remember_ms > now_ms)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        destination_free(all, d);
    }
}

bool destination_listed(const struct destination *d)
{
    for (int p = 0; p < PRIORITIES; p++)
        if (d->listed[p])
            return true;
    return false;
}

enum priority destination_waiting(const struct destination *d)
{
    int p = 0;
    while (p < PRIORITIES && !d->jobs[p].first)
        p++;
    return (enum priority)p;
}

void ready_add(struct ready *r, struct destination *d)
{
    enum priority p = destination_waiting(d);
    if (p == PRIORITIES || d->listed[p])
        return;
    d->listed[p] = true;
    d->next_ready[p] = NULL;
    if (r->turn[p].last)
        r->turn[p].last->next_ready[p] = d;
    else
        r->turn[p].first = d;
    r->turn[p].last = d;
}

bool ready_any(const struct ready *r)
{
    for (int p = 0; p < PRIORITIES; p++)
        if (r->turn[p].first)
            return true;
    return false;
}

struct destination *ready_pop(struct ready *r)
{
    bool lowest = ++r->turns % PRIORITY_TURNS == 0;
    for (int i = 0; i < PRIORITIES; i++) {
        int p = lowest ? PRIORITIES - 1 - i : i;
        struct destination *d = r->turn[p].first;
        if (!d)
            continue;
        r->turn[p].first = d->next_ready[p];
        if (!r->turn[p].first)
            r->turn[p].last = NULL;
        d->listed[p] = false;
        return d;
    }
    return NULL;
}

void destination_add_job(struct destination *d, struct job *j)
{
    enum priority p = j->message->priority;
    j->next = NULL;
    if (d->jobs[p].last)
        d->jobs[p].last->next = j;
    else
        d->jobs[p].first = j;
    d->jobs[p].last = j;
}

struct job *destination_pop_job(struct destination *d)
{
    enum priority p = destination_waiting(d);
    if (p == PRIORITIES)
        return NULL;
    struct job *j = d->jobs[p].first;
    d->jobs[p].first = j->next;
    if (!d->jobs[p].first)
        d->jobs[p].last = NULL;
    j->next = NULL;
    return j;
}
