/* worker.c - a delivery thread. */
#include "reference/queue/worker.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PRIORITY_LOOK 8192       /* octets of the message, in which its header is as a rule */
#define TROUBLE_WAIT_US 1000000  /* after an error of the system, such as too many open files */

void opened_close(struct opened *o)
{
    if (o->fd >= 0)
        close(o->fd);
    envelope_free(&o->e);
    o->fd = -1;
}

static bool open_message(struct worker *w, const struct message *m, struct opened *o,
                         const char **why)
{
    o->fd = queue_open(w->c, "active", m->id, &o->e, why);
    return o->fd >= 0;
}

/* The site of a job's verdicts for the scheduler: it is down when nobody was spoken to. */
static enum site deliver(struct worker *w, struct job *j, struct opened *o,
                         struct relay_recipient *r)
{
    struct relay_message rm = {
        .id = o->e.id, .reverse_path = o->e.reverse_path, .eight_bit = o->e.eight_bit,
        .binary = o->e.binary, .utf8 = o->e.utf8, .envid = o->e.envid, .ret = o->e.ret,
        .high_octets = o->e.high_octets, .dots = o->e.dots, .fd = o->fd,
        .offset = o->e.message_offset, .size = o->e.size,
        .settled = outcome_mark, .settled_arg = o,
    };
    struct buf why = {0};
    if (scheduler_is_dead(w->s, j, &why)) {
        for (size_t i = 0; i < j->n; i++)
            recipient_settle(&r[i], &rm, VERDICT_DEFER, "4.4.1", buf_str(&why), NULL);
        buf_free(&why);
        return SITE_UNTRIED;
    }
    event("queue.attempt", EV_STR("id", o->e.id), EV_STR("domain", j->name),
          EV_INT("recipients", (int64_t)j->n));
    struct client *kept = scheduler_connection(w->s, j);
    bool spoken = strcmp(j->name, LOCAL_DESTINATION) == 0
        ? relay_deliver_local(w->relay, &rm, r, j->n, &kept)
        : strcmp(j->name, FILTER_DESTINATION) == 0
        ? relay_deliver_filter(w->relay, &rm, r, j->n, &kept)
        : j->transport
        ? relay_deliver_by(w->relay, j->transport, j->name, &rm, r, j->n, &kept)
        : relay_deliver(w->relay, j->name, &rm, r, j->n, &kept);
    if (kept)
        scheduler_keep(w->s, j, kept);
    return spoken ? SITE_UP : SITE_DOWN;
}

/* The content filter has failed on some of r[0..n): what the operator has chosen is done. True when the
 * message goes on without it; where it has taken or judged a part, that part stays as it is. One that
 * it wants to see later for some waits for all, since "filtered" is said of a message. */
static bool on_filter_failure(const struct worker *w, struct opened *o, struct relay_recipient *r,
                              size_t n)
{
    static const char *const choices[] = {"accept", "defer", "reject"};
    enum filter_on_failure choice = w->c->content_filter_on_failure;
    const char *why = NULL;
    bool later = false;
    for (size_t i = 0; i < n; i++) {
        if (r[i].verdict == VERDICT_DEFER && r[i].server_failed)
            why = r[i].reply;
        later |= r[i].verdict == VERDICT_DEFER && !r[i].server_failed;
    }
    if (!why)
        return false;
    event("filter.verdict", EV_STR("id", o->e.id), EV_STR("filter", "content-filter"),
          EV_STR("verdict", "failed"), EV_STR("why", why), EV_STR("on_failure", choices[choice]));
    for (size_t i = 0; i < n && choice == ON_FAILURE_REJECT; i++)
        if (r[i].verdict == VERDICT_DEFER && r[i].server_failed) {
            r[i].verdict = VERDICT_FAIL;
            memcpy(r[i].status, "5.3.0", 6);
        }
    return choice == ON_FAILURE_ACCEPT && !later;
}

/* Those the filter has not decided about go to the end. The number of the others. */
static size_t decided_first(struct relay_recipient *r, size_t n)
{
    size_t decided = 0;
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict != VERDICT_DEFER) {
            struct relay_recipient swap = r[decided];
            r[decided++] = r[i];
            r[i] = swap;
        }
    return decided;
}

/* The file says from now on that the filter has nothing to do with the message. */
static bool go_unfiltered(const struct worker *w, struct opened *o)
{
    o->e.unfiltered = false;
    if (queue_rewrite(w->c, o->fd, &o->e) == 0)
        return true;
    event("queue.trouble", EV_STR("id", o->e.id), EV_STR("error", strerror(errno)));
    o->e.unfiltered = true;
    return false;
}

static void run_job(struct worker *w, struct job *j, struct opened *o)
{
    struct relay_recipient *r = xcalloc(j->n, sizeof *r);
    struct message *m = j->message;
    size_t n = j->n, deferred = 0, failed = 0;
    for (size_t i = 0; i < n; i++) {
        r[i].index = j->r[i].index;
        const struct recipient *to = &o->e.rcpt[r[i].index];
        r[i].to = j->r[i].to ? j->r[i].to : to->address;
        r[i].notify = to->notify;
        r[i].orcpt = to->orcpt;
    }
    enum site site = deliver(w, j, o, r);
    bool on = strcmp(j->name, FILTER_DESTINATION) == 0 && on_filter_failure(w, o, r, n);
    size_t decided = on ? decided_first(r, n) : n;
    outcome_settle(w, o, r, decided, j->only && !on, &deferred, &failed);
    /* A refusal whose bounce could not be written is still open: it must not come in unfiltered. */
    if (on && (deferred > 0 || !go_unfiltered(w, o))) {
        outcome_settle(w, o, r + decided, n - decided, false, &deferred, &failed);
        on = false;
    }
    bool last = scheduler_job_over(w->s, j, site, r[0].reply, deferred, failed);
    if (last && on)
        scheduler_defer(w->s, m, false, wall_us());     /* taken in anew, at once */
    else if (last)
        outcome_finish(w, m, o);
    recipients_free(r, n);
}

/* The file could not be opened for a job or an intake. */
static void on_unreadable(struct worker *w, struct message *m, int error, const char *why)
{
    int64_t due;
    if (error == ENOENT && (due = queue_next_try(w->c, m->id)) >= 0) {
        scheduler_defer(w->s, m, true, due); /* it had just moved when it was seen in active/ */
    } else if (error == ENOENT) {            /* the operator took it away */
        scheduler_forget(w->s, m);
    } else if (error == EBADMSG) {
        event("queue.corrupt", EV_STR("id", m->id), EV_STR("reason", why));
        queue_move(w->c, m->id, "active", "corrupt");
        scheduler_forget(w->s, m);
    } else {
        event("queue.trouble", EV_STR("id", m->id), EV_STR("error", strerror(error)));
        scheduler_defer(w->s, m, false, wall_us() + TROUBLE_WAIT_US);
    }
}

static void on_job(struct worker *w, struct job *j)
{
    struct message *m = j->message;
    struct opened o = {.fd = -1};
    const char *why = NULL;
    if (open_message(w, m, &o, &why)) {
        run_job(w, j, &o);
    } else {
        int error = errno;
        if (scheduler_job_over(w->s, j, SITE_UNTRIED, NULL, j->n, 0))
            on_unreadable(w, m, error, why);
    }
    opened_close(&o);
}

/* What the header says (message/priority.h). "Urgent" is for those whose mail we relay: RFC 3848's A. */
static enum priority read_priority(const struct opened *o)
{
    char text[PRIORITY_LOOK];
    size_t protocol = strlen(o->e.protocol ? o->e.protocol : "");
    ssize_t n = pread(o->fd, text, sizeof text, o->e.message_offset);
    enum priority p = priority_of(slice_of(text, n > 0 ? (size_t)n : 0));
    bool ours = protocol > 0 && (o->e.protocol[protocol - 1] == 'A' || strcmp(o->e.protocol, "local") == 0);
    return p == PRIORITY_URGENT && !ours ? PRIORITY_NORMAL : p;
}

static void on_intake(struct worker *w, struct message *m)
{
    struct opened o = {.fd = -1};
    const char *why = NULL;
    if (m->in_deferred && queue_move(w->c, m->id, "deferred", "active") < 0 && errno != ENOENT) {
        int error = errno;
        scheduler_dispatch(w->s, m, NULL);
        event("queue.trouble", EV_STR("id", m->id), EV_STR("error", strerror(error)));
        scheduler_defer(w->s, m, true, wall_us() + TROUBLE_WAIT_US);
        return;
    }
    m->in_deferred = false;
    if (!open_message(w, m, &o, &why)) {
        int error = errno;
        scheduler_dispatch(w->s, m, NULL);
        on_unreadable(w, m, error, why);
        return;
    }
    m->priority = read_priority(&o);
    struct job *jobs = intake_jobs(w, m, &o);
    struct job *mine = scheduler_dispatch(w->s, m, jobs);
    if (mine)
        run_job(w, mine, &o);
    else if (!jobs)
        outcome_finish(w, m, &o);
    opened_close(&o);
}

void worker_run(struct worker *w)
{
    struct task task;
    for (scheduler_next(w->s, &task); task.kind != TASK_STOP; scheduler_next(w->s, &task)) {
        if (task.kind == TASK_INTAKE)
            on_intake(w, task.message);
        else if (task.kind == TASK_JOB)
            on_job(w, task.job);
        else
            client_quit(task.client, true);
    }
}
