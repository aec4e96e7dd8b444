/* dnsbl.c - asking the lists. */
#include "reference/policy/dnsbl.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LISTS_MAX = 32,          /* more are not asked */
    CHECK_MS = 5 * 60000,    /* between two looks at the test entries */
    RECHECK_MS = 10000,      /* while they are wrong or cannot be had */
    FAILURES_MAX = 3,        /* in a row; then the list rests */
    REST_MS = 30000,
};

/* RFC 5782 5: what every list of a kind has, and what none has. The IPv6 ones are the IPv4-mapped
 * ::FFFF:7F00:2 and ::FFFF:7F00:1. */
#define NIBBLES "0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
enum kind { KIND_IPV4, KIND_IPV6, KIND_NAMES, KINDS };
static const struct { const char *there, *not_there; } test_entries[KINDS] = {
    [KIND_IPV4] = {"2.0.0.127", "1.0.0.127"},
    [KIND_IPV6] = {"2." NIBBLES, "1." NIBBLES},
    [KIND_NAMES] = {"test", "invalid"},
};

struct dnsbl_state {
    pthread_mutex_t lock;
    struct {
        int64_t check_at;    /* mono_ms of the next look at the test entries */
        bool trusted;        /* what the last look said */
    } test[KINDS];
    int failures;
    int64_t rests_until;
};

void dnsbl_init(struct dnsbl *d, const struct policy_conf *conf)
{
    d->conf = conf;
    d->state = xcalloc(conf->list_count + 1, sizeof *d->state);
    for (size_t i = 0; i < conf->list_count; i++)
        pthread_mutex_init(&d->state[i].lock, NULL);
}

void dnsbl_free(struct dnsbl *d)
{
    for (size_t i = 0; d->conf && i < d->conf->list_count; i++)
        pthread_mutex_destroy(&d->state[i].lock);
    free(d->state);
    *d = (struct dnsbl){0};
}

bool dnsbl_counts(const struct dnsbl_conf *list, const struct addr_list *answer, char code[64])
{
    for (size_t i = 0; i < answer->n; i++) {
        uint32_t value = ntohl(answer->v[i].in.sin_addr.s_addr);
        bool counts = list->code_count == 0;
        for (size_t j = 0; j < list->code_count && !counts; j++) {
            const struct dnsbl_code *c = &list->codes[j];
            counts = c->kind == CODE_RANGE ? value >= c->from && value <= c->to
                     /* RFC 5782 2.3: bits of the last octet, of a value that is a list's at all */
                                           : value >> 24 == 127 && (value & 255 & c->from) != 0;
        }
        if (counts) {
            netaddr_host(&answer->v[i], code);
            return true;
        }
    }
    return false;
}

/* --- one round of questions ------------------------------------------------------------------ */

struct round {
    struct dnsbl *d;
    struct resolver *r;
    struct dns_cache *cache;
    int64_t deadline;
    enum kind kind;
    const char *key;
    size_t list[LISTS_MAX], n;         /* which lists are asked */
    struct lookup q[LISTS_MAX];
    struct lookup test[2 * LISTS_MAX]; /* of list[i]: [2i] must be there, [2i + 1] not */
    bool tested[LISTS_MAX];
};

static void choose_lists(struct round *o, enum dnsbl_subject subject)
{
    const struct policy_conf *conf = o->d->conf;
    for (size_t i = 0; i < conf->list_count && o->n < LISTS_MAX; i++) {
        struct dnsbl_state *s = &o->d->state[i];
        int64_t now = mono_ms();
        if (!conf->lists[i].of[subject])
            continue;
        pthread_mutex_lock(&s->lock);
        bool rests = s->rests_until > now;
        bool due = conf->lists[i].test_entries && s->test[o->kind].check_at <= now;
        pthread_mutex_unlock(&s->lock);
        if (rests)
            continue;
        o->tested[o->n] = due;
        o->list[o->n++] = i;
    }
}

static void prepare(struct round *o)
{
    for (size_t i = 0; i < o->n; i++) {
        const char *zone = o->d->conf->lists[o->list[i]].zone;
        lookup_set(&o->q[i], LOOKUP_A, "%s.%s", o->key, zone);
        lookup_set(&o->test[2 * i], LOOKUP_A, "%s.%s", test_entries[o->kind].there, zone);
        lookup_set(&o->test[2 * i + 1], LOOKUP_A, "%s.%s", test_entries[o->kind].not_there, zone);
        if (!o->tested[i])
            o->test[2 * i].name[0] = o->test[2 * i + 1].name[0] = 0;
    }
}

/* All in one flight: the questions, and the test entries that are due. */
static void ask(struct round *o)
{
    struct lookup all[3 * LISTS_MAX];
    memcpy(all, o->q, o->n * sizeof *all);
    memcpy(all + o->n, o->test, 2 * o->n * sizeof *all);
    resolver_lookups(o->r, o->cache, all, 3 * o->n, o->deadline);
    memcpy(o->q, all, o->n * sizeof *all);
    memcpy(o->test, all + o->n, 2 * o->n * sizeof *all);
}

static void tell_trouble(const struct dnsbl_conf *list, const char *why)
{
    event("policy.dnsbl-trouble", EV_STR("list", list->name), EV_STR("zone", list->zone),
          EV_STR("error", why));
}

/* May the list's answers be believed? */
static bool is_trusted(struct round *o, size_t i)
{
    const struct dnsbl_conf *list = &o->d->conf->lists[o->list[i]];
    struct dnsbl_state *s = &o->d->state[o->list[i]];
    const struct lookup *there = &o->test[2 * i], *not_there = &o->test[2 * i + 1];
    const char *why = NULL;
    if (!list->test_entries)
        return true;
    pthread_mutex_lock(&s->lock);
    if (o->tested[i]) {
        if (there->status == DNS_TEMPFAIL || not_there->status == DNS_TEMPFAIL)
            why = "its test entries cannot be looked up";
        else if (not_there->addresses.n > 0)
            why = "it lists everything: an entry that no list has is there (RFC 5782 5)";
        else if (there->addresses.n == 0)
            why = "it lists nothing: the entry that every list has is missing (RFC 5782 5)";
        s->test[o->kind].trusted = why == NULL;
        s->test[o->kind].check_at = mono_ms() + (why ? RECHECK_MS : CHECK_MS);
    }
    bool trusted = s->test[o->kind].trusted;
    pthread_mutex_unlock(&s->lock);
    if (why)
        tell_trouble(list, why);
    return trusted;
}

static void note_failure(struct round *o, size_t i)
{
    const struct dnsbl_conf *list = &o->d->conf->lists[o->list[i]];
    struct dnsbl_state *s = &o->d->state[o->list[i]];
    bool failed = o->q[i].status == DNS_TEMPFAIL;
    pthread_mutex_lock(&s->lock);
    s->failures = failed ? s->failures + 1 : 0;
    bool rests = s->failures >= FAILURES_MAX;
    if (rests) {
        s->failures = 0;
        s->rests_until = mono_ms() + REST_MS;
    }
    pthread_mutex_unlock(&s->lock);
    if (failed)
        tell_trouble(list, rests ? "no answer, again: not asked for 30 s" : o->q[i].why);
}

/* The TXT records of those that list it (RFC 5782 2.1). */
static void ask_reasons(struct round *o, struct dnsbl_answer *out)
{
    struct lookup q[LISTS_MAX];
    for (size_t i = 0; i < o->n; i++) {
        lookup_set(&q[i], LOOKUP_TXT, "%s", o->q[i].name);
        if (!out[o->list[i]].listed || out[o->list[i]].reason)
            q[i].name[0] = 0;
    }
    resolver_lookups(o->r, o->cache, q, o->n, o->deadline);
    for (size_t i = 0; i < o->n; i++) {
        if (q[i].name[0] && q[i].texts.n > 0)
            out[o->list[i]].reason = xstrdup(q[i].texts.v[0]);
        lookup_free(&q[i]);
    }
}

void dnsbl_ask(struct dnsbl *d, struct resolver *r, struct dns_cache *cache,
               enum dnsbl_subject subject, const char *key, int64_t deadline,
               struct dnsbl_answer *out)
{
    struct round *o = xcalloc(1, sizeof *o);
    bool any = false;
    *o = (struct round){.d = d, .r = r, .cache = cache, .deadline = deadline, .key = key,
                        .kind = subject != LIST_OF_CLIENT ? KIND_NAMES
                                : strlen(key) > 15            ? KIND_IPV6
                                                              : KIND_IPV4};
    choose_lists(o, subject);
    prepare(o);
    ask(o);
    for (size_t i = 0; i < o->n; i++) {
        const struct dnsbl_conf *list = &d->conf->lists[o->list[i]];
        struct dnsbl_answer *a = &out[o->list[i]];
        char code[64] = "";
        bool trusted = is_trusted(o, i);
        note_failure(o, i);
        a->asked = true;
        a->trusted = trusted && o->q[i].status != DNS_TEMPFAIL;
        if (!trusted || o->q[i].addresses.n == 0)
            continue;
        if (dnsbl_counts(list, &o->q[i].addresses, code)) {
            a->listed = any = true;
            memcpy(a->code, code, sizeof a->code);
        }
    }
    if (any)
        ask_reasons(o, out);
    for (size_t i = 0; i < o->n; i++) {
        lookup_free(&o->q[i]);
        lookup_free(&o->test[2 * i]);
        lookup_free(&o->test[2 * i + 1]);
    }
    free(o);
}

void dnsbl_answer_free(struct dnsbl_answer *a)
{
    free(a->reason);
    *a = (struct dnsbl_answer){0};
}
