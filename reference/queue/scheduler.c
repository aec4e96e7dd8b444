/* scheduler.c - who does what next. Everything happens under one lock, held for moments. */
#include "reference/queue/scheduler.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/queue/destination.h"
#include "reference/queue/due.h"

#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define INTAKES 4                /* messages taken in at once */
#define KEEP_AGE_MS 60000        /* of a connection, or one would stick to it under constant load */
#define KEEP_TRANSACTIONS 1000

struct scheduler {
    const struct config *c;
    bool (*spawn)(void *arg);
    void *spawn_arg;

    pthread_mutex_t lock;
    pthread_cond_t work;
    void *messages;              /* by id, of tsearch(3) */
    size_t message_count;
    struct due due;
    struct message *intake, *intake_last;
    struct destinations destinations;
    struct ready local, remote, troubled;
    struct kept *old;            /* connections to end */
    int intakes, remotes, troubles; /* running now; remotes counts the troubled too */
    int idle;                    /* workers that wait */
    int alarm;                   /* eventfd: the time of the next try has changed */
    bool stopping;
};

void job_free(struct job *j)
{
    for (size_t i = 0; i < j->n; i++)
        free(j->r[i].to);
    free(j->r);
    free(j->name);
    free(j);
}

struct scheduler *scheduler_new(const struct config *c, bool (*spawn)(void *arg), void *arg)
{
    struct scheduler *s = xcalloc(1, sizeof *s);
    s->c = c;
    s->spawn = spawn;
    s->spawn_arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->alarm < 0)
        die(71, "queue: no event descriptor; raise the limit of open files (ulimit -n)");
    return s;
}

void scheduler_free(struct scheduler *s)
{
    tdestroy(s->messages, free);
    due_free(&s->due);
    destinations_free(&s->destinations);
    while (s->old) {
        struct kept *k = s->old;
        s->old = k->next;
        client_quit(k->client, false);
        free(k);
    }
    close(s->alarm);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void scheduler_stop(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
}

/* --- destinations: whose turn it is --------------------------------------------------------- */

static int limit_of(const struct scheduler *s, const struct destination *d)
{
    /* A program of ours has so many processes, and an idle connection holds one of them. */
    if (strcmp(d->name, FILTER_DESTINATION) == 0)
        return s->c->content_filter_sessions;
    return d->down ? 1 : s->c->deliveries_per_destination;
}

/* Dead destinations have half of the deliveries at most, so that the living have the rest. */
static int troubled_limit(const struct scheduler *s)
{
    return s->c->deliveries > 1 ? s->c->deliveries / 2 : 1;
}

static struct ready *list_of(struct scheduler *s, const struct destination *d)
{
    return destination_is_local(d) ? &s->local : d->down ? &s->troubled : &s->remote;
}

static void list_if_ready(struct scheduler *s, struct destination *d)
{
    if (d->running < limit_of(s, d))
        ready_add(list_of(s, d), d);
}

static void begin_job(struct scheduler *s, struct destination *d, struct job *j)
{
    d->running++;
    s->remotes += !destination_is_local(d);
    j->troubled = list_of(s, d) == &s->troubled;
    s->troubles += j->troubled;
}

/* The next job of a list, and its destination goes to the list's end. */
static struct job *pop_job(struct scheduler *s, struct ready *list)
{
    struct destination *d;
    while ((d = ready_pop(list))) {
        if (list_of(s, d) != list) {       /* it went down or came up meanwhile */
            list_if_ready(s, d);
            continue;
        }
        struct job *j = d->running < limit_of(s, d) ? destination_pop_job(d) : NULL;
        if (j) {
            begin_job(s, d, j);
            list_if_ready(s, d);
            return j;
        }
    }
    return NULL;
}

static bool can_intake(const struct scheduler *s)
{
    return s->intake && s->intakes < INTAKES;
}

static bool can_relay(const struct scheduler *s, const struct ready *list)
{
    return ready_any(list) && s->remotes < s->c->deliveries
        && (list != &s->troubled || s->troubles < troubled_limit(s));
}

static bool anything_to_do(const struct scheduler *s)
{
    return can_intake(s) || ready_any(&s->local) || can_relay(s, &s->remote)
        || can_relay(s, &s->troubled) || s->old;
}

/* Gives the lock up, and calls somebody where there is something to do: in this order, or who wakes
 * would find the lock taken and sleep again. */
static void leave(struct scheduler *s)
{
    bool call = !s->stopping && anything_to_do(s), idle = s->idle > 0;
    pthread_mutex_unlock(&s->lock);
    if (call && (idle || !s->spawn(s->spawn_arg)))
        pthread_cond_signal(&s->work);
}

/* --- messages ------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct message *)a)->id, ((const struct message *)b)->id);
}

static void take_in(struct scheduler *s, struct message *m)
{
    m->in_work = true;
    m->deferred = m->failed = 0;
    m->next = NULL;
    if (s->intake_last)
        s->intake_last->next = m;
    else
        s->intake = m;
    s->intake_last = m;
}

static void wait_until(struct scheduler *s, struct message *m, int64_t due_us)
{
    uint64_t one = 1;
    m->in_work = false;
    m->due_us = due_us;
    due_add(&s->due, due_us, m->id);
    if (strcmp(s->due.v[0].id, m->id) == 0 && write(s->alarm, &one, sizeof one) < 0) {
        /* Full means that it is readable already. */
    }
}

static struct message *find(struct scheduler *s, const char *id)
{
    struct message key;
    snprintf(key.id, sizeof key.id, "%s", id);
    struct message **found = tfind(&key, &s->messages, by_id);
    return found ? *found : NULL;
}

static struct message *add(struct scheduler *s, const char *id)
{
    struct message *m = xcalloc(1, sizeof *m);
    snprintf(m->id, sizeof m->id, "%s", id);
    m->priority = PRIORITY_NORMAL;
    if (!tsearch(m, &s->messages, by_id))
        die(70, "out of memory for messages");
    s->message_count++;
    return m;
}

void scheduler_found(struct scheduler *s, const char *id, int64_t due_us, bool forced)
{
    pthread_mutex_lock(&s->lock);
    struct message *m = find(s, id);
    bool new = !m;
    if (new)
        m = add(s, id);
    if (new || !m->in_work) {
        /* One that was waiting and is in active/ now was put there by the operator. */
        m->forced |= forced || (!new && due_us == 0);
        m->in_deferred = due_us != 0;
        if (due_us <= wall_us())
            take_in(s, m);
        else if (new || m->due_us != due_us)
            wait_until(s, m, due_us);
    }
    leave(s);
}

void scheduler_forgive(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    for (struct destination *d = s->destinations.all; d; d = d->next)
        d->dead_until_ms = 0;
    pthread_mutex_unlock(&s->lock);
}

int64_t scheduler_tick(struct scheduler *s)
{
    struct due_item item;
    int64_t now = wall_us(), wait = -1;
    pthread_mutex_lock(&s->lock);
    while (s->due.n > 0 && s->due.v[0].due_us <= now && due_pop(&s->due, &item)) {
        struct message *m = find(s, item.id);
        /* An item is stale when its message has another time by now, or is gone. */
        if (m && !m->in_work && m->due_us == item.due_us)
            take_in(s, m);
    }
    if (s->due.n > 0)
        wait = s->due.v[0].due_us - now;
    destinations_tidy(&s->destinations, mono_ms(), s->c->retry_max, &s->old);
    leave(s);
    return wait;
}

int scheduler_alarm(const struct scheduler *s) { return s->alarm; }

size_t scheduler_count(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->message_count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void scheduler_defer(struct scheduler *s, struct message *m, bool in_deferred, int64_t due_us)
{
    pthread_mutex_lock(&s->lock);
    m->in_deferred = in_deferred;
    m->forced = false;
    wait_until(s, m, due_us);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_forget(struct scheduler *s, struct message *m)
{
    pthread_mutex_lock(&s->lock);
    tdelete(m, &s->messages, by_id);
    s->message_count--;
    pthread_mutex_unlock(&s->lock);
    free(m);
}

/* --- workers -------------------------------------------------------------------------------- */

/* Intake first, since nothing is known of a message before; then local mail, which is quick. */
static bool take_task(struct scheduler *s, struct task *task)
{
    *task = (struct task){.kind = TASK_JOB};
    if (can_intake(s)) {
        task->kind = TASK_INTAKE;
        task->message = s->intake;
        s->intake = s->intake->next;
        if (!s->intake)
            s->intake_last = NULL;
        s->intakes++;
        return true;
    }
    if ((task->job = pop_job(s, &s->local)))
        return true;
    if (can_relay(s, &s->remote) && (task->job = pop_job(s, &s->remote)))
        return true;
    if (can_relay(s, &s->troubled) && (task->job = pop_job(s, &s->troubled)))
        return true;
    if (s->old) {
        struct kept *k = s->old;
        s->old = k->next;
        task->kind = TASK_HANG_UP;
        task->client = k->client;
        free(k);
        return true;
    }
    return false;
}

void scheduler_next(struct scheduler *s, struct task *task)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !take_task(s, task)) {
        s->idle++;
        pthread_cond_wait(&s->work, &s->lock);
        s->idle--;
    }
    if (s->stopping)
        task->kind = TASK_STOP;
    leave(s);                    /* there may be more than one thing to do */
}

struct job *scheduler_dispatch(struct scheduler *s, struct message *m, struct job *jobs)
{
    struct job *mine = NULL, *next;
    pthread_mutex_lock(&s->lock);
    s->intakes--;
    for (struct job *j = jobs; j; j = next) {
        struct destination *d = destination_get(&s->destinations, j->name);
        next = j->next;
        j->message = m;
        j->destination = d;
        m->jobs++;
        bool free_now = destination_waiting(d) == PRIORITIES && d->running < limit_of(s, d) && !d->down
                     && (destination_is_local(d) || s->remotes < s->c->deliveries);
        if (!mine && free_now && !s->stopping) {
            begin_job(s, d, j);
            mine = j;
            mine->next = NULL;
        } else {
            destination_add_job(d, j);
            list_if_ready(s, d);
        }
    }
    leave(s);
    return mine;
}

static void remember_site(struct scheduler *s, struct destination *d, enum site site,
                          const char *why)
{
    if (site == SITE_UNTRIED)
        return;
    d->down = site == SITE_DOWN;
    free(d->why);
    d->why = d->down ? xstrdup(why) : NULL;
    /* The delivery agent is our own: it comes back in a moment. And without having been asked a
     * filter has not failed: mail would be returned, or let in, that it could have seen. */
    bool asked = destination_is_local(d) || (strcmp(d->name, FILTER_DESTINATION) == 0
                 && s->c->content_filter_on_failure != ON_FAILURE_DEFER);
    d->dead_until_ms = d->down && !asked ? mono_ms() + s->c->retry_min : 0;
}

bool scheduler_job_over(struct scheduler *s, struct job *j, enum site site, const char *why,
                        size_t deferred, size_t failed)
{
    struct message *m = j->message;
    struct destination *d = j->destination;
    pthread_mutex_lock(&s->lock);
    s->remotes -= !destination_is_local(d);
    s->troubles -= j->troubled;
    d->running--;
    remember_site(s, d, site, why);
    list_if_ready(s, d);
    m->deferred += deferred;
    m->failed += failed;
    bool last = --m->jobs == 0;
    /* No call of another: the caller itself comes for its next task in a moment. */
    pthread_mutex_unlock(&s->lock);
    job_free(j);
    return last;
}

bool scheduler_is_dead(struct scheduler *s, const struct job *j, struct buf *why)
{
    const struct destination *d = j->destination;
    pthread_mutex_lock(&s->lock);
    bool dead = d->dead_until_ms > mono_ms() && !j->message->forced;
    if (dead)
        buf_add_str(why, d->why ? d->why : "");
    pthread_mutex_unlock(&s->lock);
    return dead;
}

struct client *scheduler_connection(struct scheduler *s, const struct job *j)
{
    struct client *cl = NULL;
    pthread_mutex_lock(&s->lock);
    struct kept *k = j->destination->kept;
    if (k) {
        j->destination->kept = k->next;
        cl = k->client;
        free(k);
    }
    pthread_mutex_unlock(&s->lock);
    return cl;
}

void scheduler_keep(struct scheduler *s, const struct job *j, struct client *cl)
{
    struct destination *d = j->destination;
    struct kept *k = xcalloc(1, sizeof *k);
    k->client = cl;
    pthread_mutex_lock(&s->lock);
    bool worn = !destination_is_local(d)
             && (cl->transactions >= KEEP_TRANSACTIONS || mono_ms() - cl->opened_ms >= KEEP_AGE_MS);
    struct kept **list = worn ? &s->old : &d->kept;
    k->next = *list;
    *list = k;
    pthread_mutex_unlock(&s->lock);
}
