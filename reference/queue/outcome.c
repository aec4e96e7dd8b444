/* outcome.c - what became of recipients and of messages, written down so that no crash loses a
 * message, and none delivers twice what was known to be delivered. */
#include "reference/queue/notice.h"

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

/* Up to a tenth earlier, each message at its own: what came together must not come back together.
 * Always the same for a message, so that the event and the file say the same. */
enum { JITTER_PART = 10 };

static int64_t jitter(const char *id, int64_t most)
{
    uint32_t h = 2166136261u;    /* FNV-1a */
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return most > 0 ? (int64_t)(h % (uint64_t)most) : 0;
}

/* The retry rule; when the message grows too old meanwhile, the last try is at that time. */
static int64_t next_try_us(const struct config *c, const struct envelope *e)
{
    int64_t now = wall_us(), expiry = e->arrived_us + c->expire * 1000;
    int64_t wait = queue_retry_wait(age_ms(e), c->retry_min, c->retry_max);
    int64_t next = now + (wait - jitter(e->id, wait / JITTER_PART)) * 1000;
    return now < expiry && next > expiry ? expiry : next;
}

/* Does the sender want to hear of this recipient's success, and is it for us to say so? */
static bool success_is_owed(const struct opened *o, const struct relay_recipient *r)
{
    return *o->e.reverse_path && o->e.rcpt[r->index].notify & NOTIFY_SUCCESS && !r->dsn_taken;
}

void outcome_mark(void *opened, const struct relay_recipient *r)
{
    struct opened *o = opened;
    /* The mark is in the kernel's hands from here on: killing this process cannot make it forget.
     * A failure is marked only when its bounce is in the queue. */
    if (r->verdict == VERDICT_DELIVERED)
        queue_mark(o->fd, &o->e.rcpt[r->index], success_is_owed(o, r) ? RCPT_SENT : RCPT_DONE,
                   false);
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

/* --- notices --------------------------------------------------------------------------------- */

/* RFC 3461 4.1: without NOTIFY a sender hears of failures, and may hear of delays. */
static bool wants(const struct recipient *to, unsigned bit)
{
    return to->notify == 0 ? bit != NOTIFY_SUCCESS : (to->notify & bit) != 0;
}

/* Tells the sender about those of r[0..n) with this verdict whom he wants to hear of. RFC 5321 4.5.5:
 * nothing is ever sent about a message with a null reverse-path. False when it could not be written:
 * then there must be no mark that says it was. */
static bool notify(struct worker *w, const struct opened *o, struct relay_recipient *r, size_t n,
                   enum notice_kind kind, enum verdict verdict, unsigned bit)
{
    struct relay_recipient **about = xcalloc(n + 1, sizeof *about);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict == verdict && wants(&o->e.rcpt[r[i].index], bit)
            && !(verdict == VERDICT_DELIVERED && !success_is_owed(o, &r[i]))
            && !(verdict == VERDICT_DEFER && o->e.rcpt[r[i].index].state == RCPT_LATE))
            about[count++] = &r[i];
    bool told = count == 0 || !*o->e.reverse_path || notice_write(w, o, kind, about, count) == 0;
    if (!told)
        event("queue.trouble", EV_STR("id", o->e.id), EV_STR("what", "notice"),
              EV_STR("error", strerror(errno)));
    free(about);
    return told;
}

static void mark(struct opened *o, const struct relay_recipient *r, size_t n, enum verdict verdict,
                 enum recipient_state state)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict == verdict && o->e.rcpt[r[i].index].state != state)
            queue_mark(o->fd, &o->e.rcpt[r[i].index], state, false);
}

/* A bounce for those who failed, then their marks: in this order, or a crash would lose it. When
 * the bounce cannot be written the failure has to wait for it. */
static void settle_failed(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n)
{
    if (notify(w, o, r, n, NOTICE_FAILED, VERDICT_FAIL, NOTIFY_FAILURE)) {
        mark(o, r, n, VERDICT_FAIL, RCPT_FAIL);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict == VERDICT_FAIL)
            r[i].verdict = VERDICT_DEFER;
}

/* RFC 5321 4.5.4.1, RFC 3461 5.2.5: once, after a while, whoever waits is told so. */
static void settle_late(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n)
{
    if (w->c->warn > 0 && age_ms(&o->e) >= w->c->warn && *o->e.reverse_path
        && notify(w, o, r, n, NOTICE_DELAYED, VERDICT_DEFER, NOTIFY_DELAY))
        mark(o, r, n, VERDICT_DEFER, RCPT_LATE);
}

/* Who was delivered to and is marked "sent": the notice, then the mark. Counts the failures. */
static void settle_sent(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n,
                        size_t *deferred)
{
    bool told = notify(w, o, r, n, NOTICE_SUCCESS, VERDICT_DELIVERED, NOTIFY_SUCCESS);
    for (size_t i = 0; i < n; i++) {
        struct recipient *to = &o->e.rcpt[r[i].index];
        if (r[i].verdict != VERDICT_DELIVERED || to->state != RCPT_SENT)
            continue;
        if (told)
            queue_mark(o->fd, to, RCPT_DONE, false);
        else
            (*deferred)++;
    }
}

void outcome_pay(struct worker *w, struct opened *o, size_t *deferred)
{
    struct relay_recipient *r = xcalloc(o->e.rcpt_count + 1, sizeof *r);
    size_t n = 0;
    for (size_t i = 0; i < o->e.rcpt_count; i++)
        if (o->e.rcpt[i].state == RCPT_SENT) {
            recipient_settle(&r[n], NULL, VERDICT_DELIVERED, "2.0.0", "", NULL);
            r[n++].index = i;
        }
    if (n > 0)
        settle_sent(w, o, r, n, deferred);
    recipients_free(r, n);
}

void outcome_settle(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n,
                    bool only, size_t *deferred, size_t *failed)
{
    size_t delivered = 0;
    expire(w->c, o, r, n);
    settle_failed(w, o, r, n);
    settle_late(w, o, r, n);
    settle_sent(w, o, r, n, deferred);
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

/* A notice that cannot be delivered is kept for the postmaster, who is told (RFC 3461 5.2). */
static void hold_notice(struct worker *w, struct message *m, struct opened *o)
{
    struct relay_recipient *r = xcalloc(o->e.rcpt_count + 1, sizeof *r);
    struct relay_recipient **about = xcalloc(o->e.rcpt_count + 1, sizeof *about);
    size_t n = 0;
    for (size_t i = 0; i < o->e.rcpt_count; i++)
        if (o->e.rcpt[i].state == RCPT_FAIL) {
            recipient_settle(&r[n], NULL, VERDICT_FAIL, "5.0.0", "see the log of the queue", NULL);
            r[n].index = i;
            about[n] = &r[n];
            n++;
        }
    if (n > 0 && !notice_is_for_postmaster(m->id)
        && notice_write(w, o, NOTICE_POSTMASTER, about, n) != 0)
        event("queue.trouble", EV_STR("id", m->id), EV_STR("what", "notice"),
              EV_STR("error", strerror(errno)));
    queue_move(w->c, m->id, "active", "hold");
    event("queue.held", EV_STR("id", m->id), EV_STR("reason", "a bounce that nobody takes"));
    recipients_free(r, n);
    free(about);
}

void outcome_finish(struct worker *w, struct message *m, struct opened *o)
{
    if (m->deferred > 0) {
        defer(w, m, o);
        return;
    }
    if (m->failed > 0 && !*o->e.reverse_path) {
        hold_notice(w, m, o);
    } else {
        queue_retire(w->c, m->id, o->fd);
        atomic_store(w->removed, true);
        event("queue.removed", EV_STR("id", m->id));
    }
    scheduler_forget(w->s, m);
}
