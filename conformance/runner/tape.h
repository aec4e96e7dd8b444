/* tape.h - what a target did in a run, so that it can be done again without the target.
 *
 * One line of time for everything: what the target sent and when it connected, and between these
 * what the harness did before. A replay waits for the latter and repeats the former. Every function
 * that records takes NULL for "nothing is recorded". */
#ifndef RUNNER_TAPE_H
#define RUNNER_TAPE_H

#include "conformance/runner/match.h"
#include "conformance/runner/world.h"

#include <pthread.h>

enum { TAPE_MAX = 64 * 1024 * 1024 };      /* octets of the target's that are kept */

enum tape_kind {
    TAPE_PART,       /* the harness begins the next part of the scenario */
    TAPE_CONNECT,    /* a client connects to the target */
    TAPE_ACCEPT,     /* the target connects to a scripted server */
    TAPE_SENT,       /* the harness sent n octets */
    TAPE_GOT,        /* the target sent these */
    TAPE_TLS,        /* a handshake, good or not */
    TAPE_OVER,       /* the target closed (or a scripted server's connection ended) */
    TAPE_MAILBOX,    /* a mailbox is now like this */
    TAPE_QUERY,      /* the target asked the DNS */
};

struct tape_event {
    enum tape_kind kind;
    int64_t us;
    int channel;                   /* MAILBOX, QUERY: which of these */
    size_t from, n;                /* SENT, GOT: octets; GOT: where in the channel's bytes */
    bool good;
};

struct tape_channel {
    bool server;                   /* the harness is the server */
    char *where;                   /* address and port that was connected to */
    int error;                     /* of a connection that failed: errno */
    struct buf bytes;              /* what the target sent */
    size_t read;                   /* of these, in replies */
    bool over;
};

struct tape_reply {                /* one reply that was judged */
    int channel;
    size_t from, n;                /* in the channel's bytes */
    struct expect expect;          /* a copy; its alternatives are owned */
    bool judged;                   /* else passed over */
    bool closed;                   /* it was the end of the connection */
    enum proto proto;
    struct place at;
    const char *source;
};

struct tape_mailbox { char *user; struct mail *v; size_t n; };

struct tape {
    pthread_mutex_t lock;
    int64_t start_us;              /* mono_us */
    struct tape_event *events;
    size_t event_count;
    struct tape_channel *channels;
    size_t channel_count;
    struct tape_reply *replies;
    size_t reply_count;
    struct tape_mailbox *mailboxes;
    size_t mailbox_count;
    struct dns_query *queries;
    size_t query_count;
    bool overflow;
};

void tape_init(struct tape *t);
void tape_free(struct tape *t);
void tape_part(struct tape *t);
/* A new channel's number. */
int tape_connect(struct tape *t, const struct netaddr *to, int error);
int tape_accept(struct tape *t, const struct netaddr *at);
void tape_bytes(struct tape *t, int channel, char direction, struct slice bytes);
void tape_tls(struct tape *t, int channel, bool good);
void tape_over(struct tape *t, int channel);
/* `e` NULL: the reply was passed over. */
void tape_reply(struct tape *t, int channel, const struct reply *r, enum proto proto,
                const struct expect *e, struct place at, const char *source);
void tape_mailbox(struct tape *t, const char *user, const struct mail *v, size_t n);
/* At the end: all queries of the run, which began at this wall_us. */
void tape_queries(struct tape *t, const struct dns_query *v, size_t n, int64_t start_wall_us);

#endif
