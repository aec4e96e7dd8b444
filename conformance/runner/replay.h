/* replay.h - a target that does what is on the tape, with one thing changed. */
#ifndef RUNNER_REPLAY_H
#define RUNNER_REPLAY_H

#include "conformance/runner/tape.h"

enum { REPLAY_PATIENCE_MS = 300 };         /* how long the scenario waits for anything */

enum change_kind { CHANGE_NONE, CHANGE_CODE, CHANGE_LINE, CHANGE_BYTE, CHANGE_SILENCE, CHANGE_CLOSE,
                   CHANGE_ABSENT, CHANGE_TWICE, CHANGE_MAIL_LOST, CHANGE_MAIL_BYTE,
                   CHANGE_MAIL_TWICE, CHANGE_MAIL_STAYS, CHANGE_QUERY_LOST, CHANGE_QUERY_TWICE };

struct change {
    enum change_kind kind;
    int channel;
    size_t from, to;               /* octets of the channel that are replaced; from: silence, close */
    struct buf text;               /* by these */
    const char *user;              /* MAIL_* */
    const char *name, *type;       /* QUERY_* */
    struct place at;
    char *what;                    /* for people */
};

/* "code", "line", "silence", ...: as in `exempt` lines. */
const char *change_name(enum change_kind kind);

struct replay;
struct replay *replay_start(const struct tape *t, const struct change *c);
void replay_stop(struct replay *p);        /* when all connections are closed; frees */

/* The harness begins a part: waits until all that the target did before it is done again. */
void replay_part(struct replay *p);
/* In place of world_connect, world_listen. */
int replay_connect(struct replay *p, const struct netaddr *to);
int replay_listen(struct replay *p, const struct netaddr *at);
/* The nth connection (from 1) to that server is there. When it came in the recording. */
int64_t replay_accepted(struct replay *p, const struct netaddr *at, int nth);
void replay_queries(struct replay *p, uint64_t since, struct dns_query **v, size_t *n);
void replay_mailbox(struct replay *p, const char *user, struct mail **v, size_t *n);

#endif
