/* scheduler.h - what is to be done and when. It holds ids and destinations, never messages, so that
 * a hundred thousand waiting messages cost some megabytes; all of it can be made again by a scan.
 *
 * A message that was found in the spool is first taken in: a worker reads its head, looks its local
 * recipients up, and makes jobs, one a destination. Jobs wait in their destination's own queue.
 * Destinations take turns, each with a bounded number of jobs at once; those that could not be
 * reached last time share at most half of all deliveries and get one at a time. So no destination
 * delays another, however dead or busy it is. Urgent messages go before others and bulk after them, at
 * each destination and between destinations; but one turn in PRIORITY_TURNS is the lowest's. */
#ifndef REFERENCE_SCHEDULER_H
#define REFERENCE_SCHEDULER_H

#include "reference/message/priority.h"
#include "reference/queue/queue.h"
#include "reference/relay/client.h"

#define LOCAL_DESTINATION ""     /* the delivery agent */
#define FILTER_DESTINATION "*"   /* the content filter; no domain has this name */

struct message {                 /* one id; belongs to whoever has its task */
    char id[QUEUE_ID_MAX];
    bool in_deferred;            /* the folder: deferred/ or active/ */
    bool in_work;
    bool forced;                 /* the operator wants it tried now, dead hosts or not */
    enum priority priority;      /* set when it is taken in */
    int64_t due_us;              /* when not in work: the next try, wall-clock */
    int jobs;                    /* of this round, not yet over */
    size_t deferred, failed;     /* recipients, of this round; failed: of earlier ones too */
    struct message *next;
};

struct job_recipient {
    size_t index;                /* in the envelope */
    char *to;                    /* the address to use instead of the envelope's, or NULL */
};

struct destination;

struct job {                     /* the recipients of one message at one destination */
    struct message *message;
    char *name;                  /* of the destination; lower case */
    const struct transport *transport; /* how to get there; NULL: as usual */
    struct destination *destination; /* from scheduler_dispatch on */
    struct job_recipient *r;
    size_t n;
    bool only;                   /* nobody else of the message is left */
    bool troubled;               /* counts among those of dead destinations */
    struct job *next;
};

void job_free(struct job *j);

enum task_kind { TASK_STOP, TASK_INTAKE, TASK_JOB, TASK_HANG_UP };

struct task {
    enum task_kind kind;
    struct message *message;     /* TASK_INTAKE */
    struct job *job;             /* TASK_JOB */
    struct client *client;       /* TASK_HANG_UP: kept too long, to be ended politely */
};

enum site { SITE_UP, SITE_DOWN, SITE_UNTRIED };

struct scheduler;

/* `spawn(arg)` is called, with the scheduler locked, when one more worker is of use; it starts a
 * thread that calls scheduler_next, or returns false. */
struct scheduler *scheduler_new(const struct config *c, bool (*spawn)(void *arg), void *arg);
void scheduler_free(struct scheduler *s);
/* scheduler_next gives TASK_STOP from now on. */
void scheduler_stop(struct scheduler *s);

/* --- the main thread ------------------------------------------------------------------------ */

/* A message is in active/ (due_us 0) or in deferred/ until due_us. Known ones in work are left
 * alone. `forced`: forget that its destinations were dead. */
void scheduler_found(struct scheduler *s, const char *id, int64_t due_us, bool forced);
/* The operator wants everything tried: forget all dead destinations. */
void scheduler_forgive(struct scheduler *s);
/* Starts what is due, ends what was kept long enough. Microseconds until the next message is due;
 * -1 when none waits. */
int64_t scheduler_tick(struct scheduler *s);
/* Readable when scheduler_tick should be called earlier than it said. */
int scheduler_alarm(const struct scheduler *s);
size_t scheduler_count(struct scheduler *s);       /* messages known */

/* --- workers -------------------------------------------------------------------------------- */

/* Waits for something to do. */
void scheduler_next(struct scheduler *s, struct task *task);
/* The end of an intake: its jobs (a list; it may be empty). Gives one of them back when it may be
 * run at once by the caller, who has the message open anyway. */
struct job *scheduler_dispatch(struct scheduler *s, struct message *m, struct job *jobs);
/* The end of a job; frees it. True when it was the message's last: the caller now has the message
 * and must call scheduler_defer or scheduler_forget. */
bool scheduler_job_over(struct scheduler *s, struct job *j, enum site site, const char *why,
                        size_t deferred, size_t failed);
/* The message waits in active/ or deferred/ until due_us. */
void scheduler_defer(struct scheduler *s, struct message *m, bool in_deferred, int64_t due_us);
void scheduler_forget(struct scheduler *s, struct message *m);    /* frees m */

/* RFC 5321 4.5.4.1: hosts that could not be reached are not tried for a while. Appends why to
 * *why when the destination is such a one. */
bool scheduler_is_dead(struct scheduler *s, const struct job *j, struct buf *why);

/* An open connection to the job's destination, or NULL; and back. */
struct client *scheduler_connection(struct scheduler *s, const struct job *j);
void scheduler_keep(struct scheduler *s, const struct job *j, struct client *cl);

#endif
