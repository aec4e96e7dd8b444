/* cache.c - answers kept for their TTL (RFC 1035 3.2.1, RFC 2308 5). */
#include "reference/resolver/lookup.h"

#include "base/mem.h"
#include "base/timing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define TTL_MAX_S 3600           /* a resolver may forget sooner than it must */

struct kept { struct lookup answer; int64_t until; struct kept *next; };

struct dns_cache {
    pthread_mutex_t lock;
    struct kept **bucket;
    size_t buckets;              /* a bucket holds BUCKET_MAX at most: the oldest go */
};

enum { BUCKET_MAX = 4 };

struct dns_cache *dns_cache_new(size_t entries)
{
    struct dns_cache *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->buckets = entries / BUCKET_MAX + 1;
    c->bucket = xcalloc(c->buckets, sizeof *c->bucket);
    return c;
}

static void kept_free(struct kept *k)
{
    lookup_free(&k->answer);
    free(k);
}

void dns_cache_free(struct dns_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->buckets; i++)
        for (struct kept *k = c->bucket[i], *next; k; k = next) {
            next = k->next;
            kept_free(k);
        }
    free(c->bucket);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* FNV-1a over the name in small letters and the type. */
static size_t bucket_of(const struct dns_cache *c, const struct lookup *q)
{
    uint64_t h = 14695981039346656037u + (uint64_t)q->type;
    for (const char *p = q->name; *p; p++)
        h = (h ^ (uint64_t)(*p >= 'A' && *p <= 'Z' ? *p | 32 : *p)) * 1099511628211u;
    return (size_t)(h % c->buckets);
}

static bool is_same(const struct lookup *a, const struct lookup *b)
{
    return a->type == b->type && slice_ieq(slice_str(a->name), slice_str(b->name));
}

static void copy_answer(struct lookup *to, const struct lookup *from)
{
    *to = *from;
    to->addresses.v = xcalloc(from->addresses.n + 1, sizeof *to->addresses.v);
    for (size_t i = 0; i < from->addresses.n; i++)
        to->addresses.v[i] = from->addresses.v[i];
    to->texts.v = xcalloc(from->texts.n + 1, sizeof *to->texts.v);
    for (size_t i = 0; i < from->texts.n; i++)
        to->texts.v[i] = xstrdup(from->texts.v[i]);
}

/* Drops what is over, the same question, and all beyond `room`. */
static void clean(struct kept **at, const struct lookup *same, int64_t now, int room)
{
    while (*at) {
        struct kept *k = *at;
        if (k->until > now && !(same && is_same(&k->answer, same)) && room-- > 0) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        kept_free(k);
    }
}

bool dns_cache_get(struct dns_cache *c, struct lookup *q)
{
    bool found = false;
    pthread_mutex_lock(&c->lock);
    struct kept **bucket = &c->bucket[bucket_of(c, q)];
    clean(bucket, NULL, mono_ms(), BUCKET_MAX);
    for (const struct kept *k = *bucket; k && !found; k = k->next)
        if (is_same(&k->answer, q)) {
            copy_answer(q, &k->answer);
            found = q->cached = true;
        }
    pthread_mutex_unlock(&c->lock);
    return found;
}

void dns_cache_put(struct dns_cache *c, const struct lookup *q)
{
    uint32_t ttl = q->ttl > TTL_MAX_S ? TTL_MAX_S : q->ttl;
    if (q->status == DNS_TEMPFAIL || ttl == 0)
        return;
    struct kept *k = xcalloc(1, sizeof *k);
    copy_answer(&k->answer, q);
    k->until = mono_ms() + (int64_t)ttl * 1000;
    pthread_mutex_lock(&c->lock);
    struct kept **bucket = &c->bucket[bucket_of(c, q)];
    clean(bucket, q, mono_ms(), BUCKET_MAX - 1);
    k->next = *bucket;
    *bucket = k;
    pthread_mutex_unlock(&c->lock);
}
