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
        if (d->first || d->running || d->listed || d->kept
            || (d->down && d->dead_until_ms + remember_ms > now_ms)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        destination_free(all, d);
    }
}

void ready_add(struct ready *r, struct destination *d)
{
    d->listed = true;
    d->next_ready = NULL;
    if (r->last)
        r->last->next_ready = d;
    else
        r->first = d;
    r->last = d;
}

struct destination *ready_pop(struct ready *r)
{
    struct destination *d = r->first;
    if (!d)
        return NULL;
    r->first = d->next_ready;
    if (!r->first)
        r->last = NULL;
    d->listed = false;
    return d;
}

void destination_add_job(struct destination *d, struct job *j)
{
    j->next = NULL;
    if (d->last)
        d->last->next = j;
    else
        d->first = j;
    d->last = j;
}

struct job *destination_pop_job(struct destination *d)
{
    struct job *j = d->first;
    if (!j)
        return NULL;
    d->first = j->next;
    if (!d->first)
        d->last = NULL;
    j->next = NULL;
    return j;
}
