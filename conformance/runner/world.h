/* world.h - a lab with the target running in it under one profile. */
#ifndef RUNNER_WORLD_H
#define RUNNER_WORLD_H

#include "base/stream.h"
#include "conformance/lab/lab.h"
#include "conformance/runner/ast.h"
#include "conformance/runner/target.h"

struct tape;
struct replay;

struct world_up {
    const struct target *target;
    const char *profile;
    struct stream *dns;            /* to the control socket of the simulated DNS */
    struct lab *lab;               /* NULL: the user's own server, no lab */
    char *state;                   /* folder of the target's files */
    pid_t pid;                     /* of the target; 0: not running */
    ino_t pid_namespace;           /* of the lab; 0: not known yet */
    bool shared_namespace;         /* it has none of its own */
    pid_t *not_target;             /* the lab's own processes */
    size_t not_target_count;
    bool stopped;                  /* on the scenario's wish */
    char *version;
    char **own_folders;            /* of a server of the user's own: "USER MAILBOX", as they were at first */
    size_t own_folder_count;
    struct tape *tape;             /* records what the target does; NULL: not */
    struct replay *replay;         /* instead of lab and target (tape.h, replay.h) */
};

struct dns_query {
    uint64_t number;
    int64_t wall_us;
    char *client, *name, *type, *rcode, *answer;
};

/* Lab, DNS, target, with every address that the scenarios use. False with the reason in *error. */
bool world_start(struct world_up *w, const struct target *t, const char *profile,
                 const struct ids *addresses, struct buf *error);
void world_stop(struct world_up *w);
/* As after world_start, as far as the target's queue, mailboxes and memory go. */
bool world_reset(struct world_up *w, struct buf *error);
/* script: which one TARGET_RUNS runs. */
bool world_action(struct world_up *w, enum target_action action, const char *script, struct buf *error);
bool world_target_running(struct world_up *w);

/* A zone put in place of any of its name; SOA and NS are added when it has none. */
bool world_zone(struct world_up *w, const struct zone *z, struct buf *error);
bool world_dns(struct world_up *w, const struct dns_change *c, struct buf *error);
/* Zones and faults as they were at the start; `zones` are the names to drop. */
void world_clean_dns(struct world_up *w, const struct scenario *s);
/* Queries with a number over `since`, added to (*v, *n). */
void world_queries(struct world_up *w, uint64_t since, struct dns_query **v, size_t *n);
uint64_t world_last_query(struct world_up *w);
void queries_free(struct dns_query *v, size_t n);

/* A connection to an address, from another or NULL; -1 with errno. */
int world_connect(struct world_up *w, const struct netaddr *to, const struct netaddr *from,
                  int64_t timeout_ms);
/* A listening socket; -1 with errno. */
int world_listen(struct world_up *w, const struct netaddr *at);

/* world_target.c: the target's scripts. */
bool target_start(struct world_up *w, struct buf *error);
void target_stop(struct world_up *w, bool kill_it);
/* processes.c: notes what ran in the lab before the target (called with its first process). */
void processes_begin(struct world_up *w, pid_t pid);
/* Waits so long for the target's processes to go, then kills those that are left. */
void processes_end(struct world_up *w, int64_t wait_ms);
/* Runs a script of the folder to its end; output in *out. The exit status, or -1. */
int target_script(struct world_up *w, const char *name, int64_t limit_ms, struct buf *out);
bool target_has_script(const struct target *t, const char *name);

/* mailbox.c: the messages in an account's inbox. False with *error when it cannot be read. */
struct mail { char *bytes; size_t n; };
bool inbox_read(struct world_up *w, const char *user, struct mail **v, size_t *n,
                  struct buf *error);
/* All accounts of a server of the user's own are empty; with `erase`, what a scenario left in them is
 * deleted (by POP3). Mail that was there before any scenario is never touched. */
bool mailboxes_empty(struct world_up *w, bool erase, struct buf *error);
void mailbox_free(struct mail *v, size_t n);
/* own_imap.c: notes which mailboxes the accounts have; or deletes those that were not there then. */
void own_mailboxes(struct world_up *w, bool erase);

#endif
