/* outcome.c - what became of a delivery: marks, log, events, bounces, and the message's next state. */
#include "reference/queue/worker.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TROUBLE_WAIT_US 1000000  /* after an error of the system, such as a full disk */

static int64_t age_ms(const struct envelope *e)
{
    int64_t age = (wall_us() - e->arrived_us) / 1000;
    return age > 0 ? age : 0;
}

static bool expired(const struct config *c, const struct envelope *e)
{
    return age_ms(e) >= c->expire;
}

/* The retry rule, and never past the age at which the message is given up. */
static int64_t next_wait_ms(const struct config *c, const struct envelope *e)
{
    int64_t age = age_ms(e), wait = queue_retry_wait(age, c->retry_min, c->retry_max);
    return age + wait > c->expire ? c->expire - age : wait;
}

void outcome_mark(void *opened, const struct relay_recipient *r)
{
    struct opened *o = opened;
    /* A failure is marked once its bounce is in the queue. The mark is in the kernel's hands from
     * here on, so that killing this process cannot make it forget a delivery. */
    if (r->verdict == VERDICT_DELIVERED)
        queue_mark(o->fd, &o->e.rcpt[r->index], RCPT_DONE, false);
}

/* RFC 5321 4.5.4.1: what could not be delivered in all this time has failed. */
static void expire(struct relay_recipient *r)
{
    char *text = xasprintf("given up after the last try ended with: %s", r->reply ? r->reply : "");
    free(r->reply);
    r->reply = text;
    r->verdict = VERDICT_FAIL;
    snprintf(r->status, sizeof r->status, "4.4.7"); /* RFC 3463 3.5: delivery time expired */
}

static void tell(struct worker *w, const struct opened *o, const struct relay_recipient *r, bool only)
{
    static const char *const verdicts[] = {"deferred", "delivered", "deferred", "failed"};
    static const char *const names[] = {"queue.deferred", "queue.delivered", "queue.deferred",
                                        "queue.failed"};
    const struct recipient *named = &o->e.rcpt[r->index];
    if (r->verdict == VERDICT_DEFER || r->verdict == VERDICT_NONE)
        event("queue.deferred", EV_STR("id", o->e.id), EV_STR("to", named->address),
              EV_STR("host", r->host), EV_STR("address", r->address), EV_STR("status", r->status),
              EV_STR("reply", r->reply), EV_INT("next", next_wait_ms(w->c, &o->e)));
    else
        event(names[r->verdict], EV_STR("id", o->e.id), EV_STR("to", named->address),
              EV_STR("host", r->host), EV_STR("address", r->address), EV_STR("status", r->status),
              EV_STR("reply", r->reply));
    /* A message that is removed in a moment needs no log. */
    if (!(only && r->verdict == VERDICT_DELIVERED))
        queue_log(w->c, o->e.id, named->address, verdicts[r->verdict], r->host, r->address,
                  r->reply ? r->reply : "");
}

/* A bounce for those that failed, then their marks: in this order, or a crash would lose it. */
static bool settle_failed(struct worker *w, struct opened *o, struct relay_recipient **failed,
                          size_t n)
{
    if (o->e.reverse_path[0] && bounce_write(w->c, o, failed, n) < 0) {
        event("queue.trouble", EV_STR("id", o->e.id), EV_STR("error", strerror(errno)));
        return false;
    }
    for (size_t i = 0; i < n; i++)
        queue_mark(o->fd, &o->e.rcpt[failed[i]->index], RCPT_FAIL, i + 1 == n);
    return true;
}

void outcome_settle(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n,
                    bool only, size_t *deferred, size_t *failed)
{
    struct relay_recipient **bad = xcalloc(n, sizeof *bad);
    bool old = expired(w->c, &o->e), all = true;
    size_t bad_count = 0;
    for (size_t i = 0; i < n; i++) {
        if (old && (r[i].verdict == VERDICT_DEFER || r[i].verdict == VERDICT_NONE))
            expire(&r[i]);
        all &= r[i].verdict == VERDICT_DELIVERED;
    }
    for (size_t i = 0; i < n; i++) {
        tell(w, o, &r[i], only && all);
        if (r[i].verdict == VERDICT_FAIL)
            bad[bad_count++] = &r[i];
        else if (r[i].verdict != VERDICT_DELIVERED)
            ++*deferred;
        else if (o->e.rcpt[r[i].index].state == RCPT_TODO)
            outcome_mark(o, &r[i]);
    }
    if (bad_count && settle_failed(w, o, bad, bad_count))
        *failed += bad_count;
    else
        *deferred += bad_count;      /* the bounce could not be written: all that again later */
    free(bad);
}

static void defer(struct worker *w, struct message *m, struct opened *o)
{
    int64_t next = wall_us() + next_wait_ms(w->c, &o->e) * 1000;
    /* Those who got it must not get it again after a power cut either. */
    if (w->c->fsync)
        fdatasync(o->fd);
    if (queue_defer(w->c, m->id, next) == 0)
        scheduler_defer(w->s, m, true, next);
    else if (errno == ENOENT)        /* the operator took it away meanwhile */
        scheduler_forget(w->s, m);
    else
        scheduler_defer(w->s, m, false, wall_us() + TROUBLE_WAIT_US);
}

void outcome_finish(struct worker *w, struct message *m, struct opened *o)
{
    if (m->deferred > 0) {
        defer(w, m, o);
        return;
    }
    if (m->failed > 0 && !o->e.reverse_path[0]) {
        /* RFC 5321 4.5.5: nothing is ever sent about a null reverse-path. The postmaster looks. */
        queue_move(w->c, m->id, "active", "hold");
        event("queue.held", EV_STR("id", m->id), EV_STR("reason", "a bounce that nobody takes"));
    } else {
        queue_remove(w->c, "active", m->id);
        atomic_store(w->removed, true);
        event("queue.removed", EV_STR("id", m->id));
    }
    scheduler_forget(w->s, m);
}
