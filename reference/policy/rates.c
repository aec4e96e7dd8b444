/* rates.c - a table of counters with a fixed number of places. */
#include "reference/policy/rates.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

enum { NEIGHBOURS = 8 };     /* places that a key may have; the one used longest ago goes */

struct counter { uint64_t key; int64_t begin, seen; int64_t now, before; };

struct rates {
    pthread_mutex_t lock;
    struct counter *v;
    size_t n;
};

struct rates *rates_new(size_t clients)
{
    struct rates *r = xcalloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    r->n = clients < NEIGHBOURS ? NEIGHBOURS : clients;
    r->v = xcalloc(r->n, sizeof *r->v);
    return r;
}

void rates_free(struct rates *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r->v);
    free(r);
}

static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ? h : 1;
}

static struct counter *place_of(struct rates *r, uint64_t key)
{
    struct counter *oldest = NULL;
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        struct counter *c = &r->v[(key + i) % r->n];
        if (c->key == key)
            return c;
        if (!oldest || c->seen < oldest->seen)
            oldest = c;
    }
    *oldest = (struct counter){.key = key};
    return oldest;
}

int64_t rates_count(struct rates *r, const char *key, int64_t window_ms, int64_t now)
{
    pthread_mutex_lock(&r->lock);
    struct counter *c = place_of(r, hash_of(key));
    int64_t age = now - c->begin;
    if (c->begin == 0 || age >= 2 * window_ms) {
        *c = (struct counter){.key = c->key, .begin = now};
    } else if (age >= window_ms) {
        c->before = c->now;
        c->now = 0;
        c->begin += window_ms;
    }
    c->seen = now;
    c->now++;
    int64_t left = window_ms - (now - c->begin);    /* of the earlier window, still inside */
    int64_t count = c->now + c->before * left / window_ms;
    pthread_mutex_unlock(&r->lock);
    return count;
}
