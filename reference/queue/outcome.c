/* outcome.c - what became of recipients and of messages, written down so that no crash loses a
 * message, and none delivers twice what was known to be delivered. */
#include "reference/queue/worker.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TROUBLE_WAIT_US 1000000  /* after an error of the system, such as a full disk */

static int64_t age_ms(const struct envelope *e)
{
    int64_t age = (wall_us() - e->arrived_us) / 1000;
    return age > 0 ? age : 0;    /* the clock may have been set back */
}

/* The retry rule; when the message grows too old meanwhile, the last try is at that time. */
static int64_t next_try_us(const struct config *c, const struct envelope *e)
{
    int64_t now = wall_us(), expiry = e->arrived_us + c->expire * 1000;
    int64_t next = now + queue_retry_wait(age_ms(e), c->retry_min, c->retry_max) * 1000;
    return now < expiry && next > expiry ? expiry : next;
}

void outcome_mark(void *opened, const struct relay_recipient *r)
{
    struct opened *o = opened;
    /* The mark is in the kernel's hands from here on: killing this process cannot make it forget.
     * A failure is marked only when its bounce is in the queue. */
    if (r->verdict == VERDICT_DELIVERED)
        queue_mark(o->fd, &o->e.rcpt[r->index], RCPT_DONE, false);
}

static void tell(const struct worker *w, const struct opened *o, const struct relay_recipient *r)
{
    const char *to = o->e.rcpt[r->index].address;
    if (r->verdict == VERDICT_DEFER)
        event("queue.deferred", EV_STR("id", o->e.id), EV_STR("to", to), EV_STR("exchanger", r->host),
              EV_STR("address", r->address), EV_STR("status", r->status),
              EV_STR("reply", r->reply),
              EV_INT("next", (next_try_us(w->c, &o->e) - wall_us()) / 1000));
    else
        event(r->verdict == VERDICT_DELIVERED ? "queue.delivered" : "queue.failed",
              EV_STR("id", o->e.id), EV_STR("to", to), EV_STR("exchanger", r->host),
              EV_STR("address", r->address), EV_STR("status", r->status),
              EV_STR("reply", r->reply));
}

static void write_log(const struct worker *w, const struct opened *o,
                      const struct relay_recipient *r)
{
    static const char *const words[] = {"untried", "delivered", "deferred", "failed"};
    queue_log(w->c, o->e.id, o->e.rcpt[r->index].address, words[r->verdict], r->host, r->address,
              r->reply);
}

/* RFC 5321 4.5.4.1: whoever could not be reached in all this time has failed. */
static void expire(const struct config *c, const struct opened *o, struct relay_recipient *r,
                   size_t n)
{
    bool old = age_ms(&o->e) >= c->expire;
    for (size_t i = 0; i < n && old; i++)
        if (r[i].verdict == VERDICT_DEFER) {
            r[i].verdict = VERDICT_FAIL;
            memcpy(r[i].status, "4.4.7", 6); /* RFC 3463 3.5: delivery time expired */
        }
}

/* A bounce for those who failed, then their marks: in this order, or a crash would lose it.
 * RFC 5321 4.5.5: nothing is ever sent about a message with a null reverse-path. When the bounce
 * cannot be written the failure has to wait for it. */
static void settle_failed(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n)
{
    struct relay_recipient **failed = xcalloc(n + 1, sizeof *failed);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict == VERDICT_FAIL)
            failed[count++] = &r[i];
    bool told = count == 0 || !*o->e.reverse_path || bounce_write(w->c, o, failed, count) == 0;
    if (!told)
        event("queue.trouble", EV_STR("id", o->e.id), EV_STR("what", "bounce"),
              EV_STR("error", strerror(errno)));
    for (size_t i = 0; i < count; i++) {
        if (told)
            queue_mark(o->fd, &o->e.rcpt[failed[i]->index], RCPT_FAIL, false);
        else
            failed[i]->verdict = VERDICT_DEFER;
    }
    free(failed);
}

void outcome_settle(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n,
                    bool only, size_t *deferred, size_t *failed)
{
    size_t delivered = 0;
    expire(w->c, o, r, n);
    settle_failed(w, o, r, n);
    for (size_t i = 0; i < n; i++) {
        delivered += r[i].verdict == VERDICT_DELIVERED;
        *deferred += r[i].verdict == VERDICT_DEFER;
        *failed += r[i].verdict == VERDICT_FAIL;
    }
    /* When all of the message is delivered its file goes in a moment: no log and no sync for it. */
    bool stays = !only || delivered < n;
    for (size_t i = 0; i < n && stays; i++)
        write_log(w, o, &r[i]);
    if (stays && w->c->fsync)
        fdatasync(o->fd);
    for (size_t i = 0; i < n; i++)
        tell(w, o, &r[i]);
}

static void defer(struct worker *w, struct message *m, const struct opened *o)
{
    int64_t next = next_try_us(w->c, &o->e);
    if (queue_defer(w->c, m->id, next) == 0)
        scheduler_defer(w->s, m, true, next);
    else if (errno == ENOENT)            /* the operator took it away */
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
    if (m->failed > 0 && !*o->e.reverse_path) {
        /* A bounce that cannot be delivered: kept for the postmaster to see. */
        queue_move(w->c, m->id, "active", "hold");
        event("queue.held", EV_STR("id", m->id), EV_STR("reason", "a bounce that nobody takes"));
    } else {
        queue_remove(w->c, "active", m->id);
        atomic_store(w->removed, true);
        event("queue.removed", EV_STR("id", m->id));
    }
    scheduler_forget(w->s, m);
}
