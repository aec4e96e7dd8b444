/* selftest.c - a recorded run again and again, each time with one thing changed. */
#include "conformance/runner/selftest.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/runner/mutate.h"

#include <stdio.h>
#include <stdlib.h>

/* Most of a replay is waiting, so more of them run than there are processors. */
enum { SIDE_BY_SIDE = 4, BUDGET_MS = 45000, TIMEOUT_MS = 8000, SLOWEST_MS = 700 };

enum fate { UNTRIED, EXEMPT, NOTICED, MISSED };

struct ending { enum verdict verdict; size_t bad; char *first; };

struct job {
    const struct tape *tape;
    const struct scenario *scenario;
    struct world_up *world;
    const struct catalogue *catalogue;
    struct changes changes;
    enum fate *fates;
    struct ending plain;          /* of the replay without a change */
    size_t next;                   /* atomic */
    int64_t until;
};

/* A replayed target answers at once; what takes time is what the scenario's own servers put in. */
static int64_t patience(const struct scenario *s)
{
    int64_t slowest = 0;
    for (size_t i = 0; i < s->part_count; i++) {
        const struct server *def = s->parts[i].kind == PART_SERVER ? s->parts[i].server : NULL;
        for (size_t k = 0; def && k < def->rule_count; k++)
            for (size_t x = 0; x < def->rules[k].reaction_count; x++)
                if (def->rules[k].reactions[x].after_ms > slowest)
                    slowest = def->rules[k].reactions[x].after_ms;
    }
    return REPLAY_PATIENCE_MS + (slowest > SLOWEST_MS ? SLOWEST_MS : slowest);
}

static struct ending replay(const struct job *j, const struct change *change)
{
    struct world_up w = {.target = j->world->target, .profile = j->world->profile,
                         .state = j->world->state, .replay = replay_start(j->tape, change)};
    struct scenario s = *j->scenario;
    struct run r;
    int64_t most_ms = patience(&s);
    if (s.patience_ms > most_ms)
        s.patience_ms = most_ms;
    s.timeout_ms = TIMEOUT_MS;
    run_init(&r, &s, &w, j->catalogue);
    r.most_ms = most_ms;
    run_scenario(&r);
    struct ending o = {.verdict = run_verdict(&r)};
    for (size_t i = 0; i < r.finding_count; i++) {
        const struct finding *f = &r.findings[i];
        if (f->verdict == V_PASS)
            continue;
        o.bad++;
        if (!o.first)
            o.first = xasprintf("line %d: %s: %s", f->at.line, f->source ? f->source : "",
                                f->came ? f->came : "");
    }
    run_free(&r);
    replay_stop(w.replay);
    return o;
}

static bool same(const struct ending *a, const struct ending *b)
{
    return a->verdict == b->verdict && a->bad == b->bad;
}

static void *work(void *arg)
{
    struct job *j = arg;
    for (;;) {
        size_t i = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED);
        if (i >= j->changes.n || mono_ms() >= j->until)
            return NULL;
        if (change_exempt(&j->changes.v[i], j->scenario)) {
            j->fates[i] = EXEMPT;
            continue;
        }
        struct ending o = replay(j, &j->changes.v[i]);
        j->fates[i] = same(&o, &j->plain) ? MISSED : NOTICED;
        free(o.first);
    }
}

static json_t *summary(const struct job *j)
{
    static const char *const names[] = {"untried", "exempt", "noticed", "missed"};
    json_t *out = json_object(), *missed = json_array();
    size_t counts[4] = {0};
    for (size_t i = 0; i < j->changes.n; i++) {
        const struct change *c = &j->changes.v[i];
        char place[512];
        counts[j->fates[i]]++;
        if (j->fates[i] != MISSED)
            continue;
        struct buf what = {0};
        buf_add_escaped(&what, slice_str(c->what));
        snprintf(place, sizeof place, "%s:%d", c->at.file ? c->at.file : "?", c->at.line);
        json_array_append_new(missed, json_pack("{s:s,s:s,s:s}", "kind", change_name(c->kind),
                                                "place", place, "what", buf_str(&what)));
        buf_free(&what);
    }
    json_object_set_new(out, "changes", json_integer((json_int_t)(counts[NOTICED] + counts[MISSED])));
    for (int i = UNTRIED; i <= NOTICED; i++)
        json_object_set_new(out, names[i], json_integer((json_int_t)counts[i]));
    json_object_set_new(out, "missed", missed);
    return out;
}

/* Twice without a change: it must come to what the run came to, or nothing can be learnt. */
static json_t *unlike(struct job *j)
{
    for (int i = 0; i < 2; i++) {
        free(j->plain.first);
        j->plain = replay(j, NULL);
        if (j->plain.verdict == V_ERROR || j->plain.verdict == V_FAIL) {
            struct buf why = {0};
            buf_add_escaped(&why, slice_str(j->plain.first ? j->plain.first : "?"));
            json_t *o = json_pack("{s:s}", "reason", buf_str(&why));
            buf_free(&why);
            return o;
        }
    }
    return NULL;
}

json_t *selftest_replays(const struct tape *t, const struct scenario *s, struct world_up *w,
                         const struct catalogue *c)
{
    struct job j = {.tape = t, .scenario = s, .world = w, .catalogue = c,
                    .until = mono_ms() + BUDGET_MS};
    pthread_t threads[SIDE_BY_SIDE];
    int started = 0;
    json_t *out = t->overflow ? json_pack("{s:s}", "reason", "too many octets to keep")
                              : unlike(&j);
    if (!out) {
        changes_find(t, s, &j.changes);
        j.fates = xcalloc(j.changes.n + 1, sizeof *j.fates);
        while (started < SIDE_BY_SIDE && pthread_create(&threads[started], NULL, work, &j) == 0)
            started++;
        if (!started)
            work(&j);
        for (int i = 0; i < started; i++)
            pthread_join(threads[i], NULL);
        out = summary(&j);
    }
    free(j.plain.first);
    free(j.fates);
    mutations_free(&j.changes);
    return out;
}
