/* run.h - one run of one scenario: its parties, what passed between them, what came of it. */
#ifndef RUNNER_RUN_H
#define RUNNER_RUN_H

#include "base/stream.h"
#include "conformance/runner/ast.h"
#include "conformance/runner/catalogue.h"
#include "conformance/runner/env.h"
#include "conformance/runner/match.h"
#include "conformance/runner/world.h"

#include <pthread.h>

enum { MESSAGE_MAX = 128 * 1024 * 1024,    /* octets that a scripted server takes in one message */
       LINE_MAX_OCTETS = 1024 * 1024,      /* of a line or reply that is read */
       REPLY_LINES_MAX = 10000,
       CONNECTIONS_MAX = 1000,             /* to one scripted server in one scenario */
       TRANSCRIPT_MAX = 512 * 1024 };      /* octets kept; more is counted */

struct entry {
    int64_t us;                    /* since the scenario began */
    const char *actor;             /* arena */
    char direction;                /* '>' the actor sent it, '<' it received, '-' a note */
    char *bytes;
    size_t n, left_out;
};

/* What one expectation, check or action came to. */
struct finding {
    struct place at;
    const char *source;
    struct ids ids;                /* their strings are the scenario's */
    enum verdict verdict;
    int64_t us;
    char *expected, *came, *nearest;   /* NULL when passed, or when there is none */
};

struct received {                  /* a message that a scripted server took */
    char *from;
    char **to;
    size_t to_count;
    char *parameters;
    char *bytes;
    size_t n;
    int connection;
};

struct run;
struct server_state;

struct connection {                /* to a scripted server */
    struct server_state *server;
    int number;                    /* from 1 */
    int channel;                   /* on the tape; -1 */
    int64_t us;
    struct stream *stream;
    pthread_t thread;
    bool finished;
    struct buf input;              /* everything that came, bounded */
    struct { char **v; size_t n; } commands;
};

struct live_rule {
    const struct rule *rule;
    int64_t *used;                 /* of each reaction */
    bool touched;
};

struct server_state {
    struct run *run;
    const struct server *def;
    int fd;                        /* listening; -1 */
    int wake[2];                   /* closes the accepting thread */
    bool accepting;
    pthread_t thread;
    struct connection **connections;
    size_t connection_count;
    struct received *messages;
    size_t message_count;
    struct live_rule *rules;       /* the first that fits counts */
    size_t rule_count;
    bool *script_done;
};

/* Who follows steps: a client, or a scripted server in one connection. */
struct actor {
    struct run *run;
    const char *name;
    char role;                     /* 'C' or 'S' */
    enum proto proto;
    struct stream *stream;
    struct connection *connection; /* of a server */
    const struct client *client;
    const struct server *server;
    struct filter *filter;         /* of a milter, spamd, clamd */
    bool connect_failed;
    char *connect_error;
    bool ended;                    /* the other side has closed */
    bool greeted;                  /* SMTP: a greeting was read */
    struct buf greeting;           /* the first reply of the connection, for APOP */
    struct buf keywords;           /* SMTP: what EHLO offered, one a line */
    struct buf *untagged;          /* IMAP: responses to the commands sent last */
    bool completed;                /* one of these has had its tagged response */
    size_t untagged_count;
    bool sent_data;
    bool background;
    pthread_t thread;
    bool joined;
    int channel;                   /* on the tape; -1 */
};

struct run {
    const struct scenario *scenario;
    struct world_up *world;
    const struct catalogue *catalogue;
    int64_t start_us;              /* mono_us */
    int64_t start_wall_us;
    int64_t deadline_ms;           /* mono_ms */
    int64_t most_ms;               /* the longest wait for anything; 0: as the scenario says */

    struct arena arena;            /* of the main thread */

    pthread_mutex_t lock;          /* of everything below, and of the servers */
    pthread_cond_t changed;
    struct env env;
    struct entry *entries;
    size_t entry_count, entry_octets;
    bool late;                     /* something that was waited for did not come in time */
    struct finding *findings;
    size_t finding_count;
    bool stop;                     /* a MUST failed: nothing more is asked */
    bool dirty;                    /* the target holds something that the next must not meet */
    char *error;                   /* of the harness */
    bool blind;                    /* the mailbox that was to be looked at last could not be read */
    struct server_state **servers;
    size_t server_count;
    struct actor **actors;
    size_t actor_count;
    struct { const char *name; int arrived, parties; } barriers[16];
    size_t barrier_count;
    uint64_t dns_since;            /* number of the last query before the scenario */
    struct dns_query *queries;     /* read so far */
    size_t query_count;
};

void run_lock(struct run *r);
void run_unlock(struct run *r);

/* ---- transcript.c ---- */
void run_note(struct run *r, const char *actor, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void run_bytes(struct run *r, const char *actor, char direction, struct slice bytes);
/* "+0.123 client c > MAIL FROM:<...>\r\n", a line for each line that passed. */
void transcript_text(const struct run *r, struct buf *out);

/* ---- run.c ---- */
/* The verdict of an unmet expectation: by the level of the clauses on it, or of the scenario. */
enum verdict run_severity(const struct run *r, const struct ids *ids);
/* Notes it. For anything but a pass: what was expected, what came, what was nearest (taken over;
 * may be NULL). A FAIL or ERROR stops the run. */
void run_finding(struct run *r, struct place at, const char *source, const struct ids *ids,
                 enum verdict v, char *expected, char *came, char *nearest);
/* The harness or the scenario is at fault. */
void run_error(struct run *r, struct place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool run_stopped(struct run *r);
/* What is left of the scenario's time, and of `ms`, whichever is less. */
int64_t run_limit(struct run *r, int64_t ms);
/* The same for waiting for the target: in a replay it has nothing to think about. */
int64_t run_patience(struct run *r, int64_t ms);

/* ---- steps.c ---- */
/* Follows the steps; false when the rest must not be done (failure, closed). */
bool run_steps(struct actor *a, const struct step *steps, size_t n);
/* dialogue.c: sends what the text says / judges what comes. */
bool actor_send(struct actor *a, const struct step *step);
bool actor_expect(struct actor *a, const struct step *step, const struct expect *e,
                  const char *source);

/* ---- client.c ---- */
void client_part(struct run *r, const struct part *part);
void client_deliver(struct run *r, const struct part *part);
void client_join(struct run *r, struct actor *a);
/* (Re)connects as the client says. A refused connection is no failure yet: "S: refused". */
bool client_connect(struct actor *a, struct place at);
struct actor *client_find(struct run *r, const char *name);
/* submit.c: "send fixture ...", "login", "auth", "starttls" */
bool actor_message(struct actor *a, const struct step *step);
/* append.c: "append ..." in IMAP */
bool actor_append(struct actor *a, const struct step *step);
/* The octets of a step's message; false when it cannot be had: said already. */
bool content_of(struct actor *a, const struct step *step, struct buf *out);
bool actor_login(struct actor *a, const struct step *step);
bool actor_auth(struct actor *a, const struct step *step);
bool actor_handshake(struct actor *a, const struct step *step);
/* sasl.c: a whole exchange of any mechanism of libgsasl. */
bool sasl_auth(struct actor *a, const struct step *step, const char *password);
/* Greeting and EHLO (and AUTH when "as USER" and it is offered), unless that was done. */
bool actor_ready(struct actor *a, const struct step *step);

/* ---- server.c ---- */
bool server_start(struct run *r, struct server_state *s);
void server_stop(struct server_state *s);      /* no new connections */
void server_part(struct run *r, const struct server *def);
void servers_end(struct run *r);               /* closes everything, joins the threads */
struct server_state *server_find(struct run *r, const char *name);
void server_rule(struct server_state *s, const struct rule *rule);
/* The reaction to an event, counted; NULL: the default. Takes the lock. */
const struct reaction *server_react(struct server_state *s, const char *event,
                                    struct slice argument);
/* smtp_server.c: serves one connection by the rules. */
void smtp_serve(struct actor *a);
/* Parts of a reaction: "after T"; its bytes; waiting until the peer gives up; RST. */
void reaction_delay(struct actor *a, const struct reaction *x);
void reaction_text(struct actor *a, const struct reaction *x, struct buf *out);
void reaction_silence(struct actor *a);
void actor_abort(struct actor *a);
/* filter_server.c: the same for milter, spamd, clamd; and for dialogues with them. */
void filter_serve(struct actor *a);
enum io actor_filter_read(struct actor *a);
void actor_filter_answer(struct actor *a, struct slice text);
void actor_filter_expect(struct actor *a, bool message, struct reply *r);
/* Content up to CRLF.CRLF, dots removed. IO_OK, or how it ended. */
enum io read_content(struct stream *s, struct buf *out);

/* ---- check.c ---- */
void check_part(struct run *r, const struct part *part);
void run_read_queries(struct run *r);
/* leftovers.c: what the scenario prepared and nobody used. */
void check_leftovers(struct run *r);

/* ---- engine.c ---- */
void run_init(struct run *r, const struct scenario *s, struct world_up *w,
              const struct catalogue *c);
void run_scenario(struct run *r);
void run_free(struct run *r);

#endif
