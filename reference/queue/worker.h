/* worker.h - what a delivery thread of the queue does with a message: take it in, deliver it, write
 * down what became of it. */
#ifndef REFERENCE_WORKER_H
#define REFERENCE_WORKER_H

#include "reference/auth/auth.h"
#include "reference/queue/scheduler.h"
#include "reference/relay/relay.h"

#include <stdatomic.h>

struct worker {
    const struct config *c;
    struct scheduler *s;
    struct relay *relay;
    /* auth_lookup, or a test's own. */
    enum auth_status (*look_up)(void *arg, const char *address, struct account *out);
    void *look_up_arg;
    /* auth_domain; NULL: no domains but those of the configuration. */
    enum auth_status (*domain)(void *arg, struct slice domain);
    /* forward_ask; NULL: there are no .forward files. */
    enum auth_status (*forward)(void *arg, const char *address, struct account *out);
    void *forward_arg;
    atomic_bool *removed;        /* set when files were removed: a sync of the folder is due */
};

struct opened {                  /* a message's file in active/ */
    int fd;
    struct envelope e;
};
void opened_close(struct opened *o);

/* Serves tasks until there is TASK_STOP. */
void worker_run(struct worker *w);

/* --- intake.c ------------------------------------------------------------------------------- */

/* Who goes where: looks up the local recipients, expands aliases (which may write the file anew),
 * settles at once what needs no delivery, and makes a job for each destination of the others. */
struct job *intake_jobs(struct worker *w, struct message *m, struct opened *o);

/* --- alias.c --------------------------------------------------------------------------------- */

struct targets {                 /* what an alias came to */
    struct string_list list;     /* addresses, each once */
    bool all_local;              /* every one an account here */
    size_t unsupported;          /* what is no address */
    bool tempfail;               /* accounts could not be asked */
};

/* Where does mail to the account go: AUTH_OK: to its mailbox, AUTH_ALIAS: where *out says. */
enum auth_status forward_of(struct worker *w, const char *address, const struct account *a,
                            struct account *out);
/* `alias`: the answer AUTH_ALIAS of the accounts, or with `own` of the .forward of the account with
 * this address. Loops end where they began: of aliases with nothing, of accounts in the mailbox. */
void alias_expand(struct worker *w, const char *address, const struct account *alias, bool own,
                  struct targets *out);
void targets_free(struct targets *t);

/* The domain of an address: what follows the last "@"; "" when there is none. */
struct slice address_domain(const char *address);
/* Is it delivered here (AUTH_OK), elsewhere (AUTH_NO), or can nobody tell now? */
enum auth_status address_is_local(struct worker *w, const char *address);

/* --- outcome.c ------------------------------------------------------------------------------ */

/* Writes the verdicts of r[0..n) down: marks, log, events, bounces. Counts who is still to be
 * delivered and who failed. `only`: nobody else of the message is left. */
void outcome_settle(struct worker *w, struct opened *o, struct relay_recipient *r, size_t n,
                    bool only, size_t *deferred, size_t *failed);
/* Marks a delivery in the moment that it is known; a relay_message's settled. */
void outcome_mark(void *opened, const struct relay_recipient *r);
/* Notices of success that a crash has left owing (the mark "sent"). Counts those still owed. */
void outcome_pay(struct worker *w, struct opened *o, size_t *deferred);
/* All jobs are over: the message is removed, deferred or held, and given back to the scheduler. */
void outcome_finish(struct worker *w, struct message *m, struct opened *o);

#endif
