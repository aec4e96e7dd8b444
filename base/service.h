/* service.h - accept connections and give each a thread.
 *
 *   struct service *s = service_new(&(struct service_conf){ ... });
 *   service_add_listener(s, fd, arg);   one or more, already listening
 *   service_run(s);                     returns when service_stop was called and all is over
 */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include "base/stream.h"

struct service;

struct session_info {
    struct service *service;  /* for service_stopping; NULL in tests that have none */
    struct netaddr peer;      /* the client's address */
    struct netaddr local;     /* the address that it connected to */
    uint64_t number;          /* counts from 1 in this process */
    void *listener_arg;       /* of service_add_listener */
};

struct service_conf {
    const char *name;                 /* for events: "smtpd" */
    int max_sessions;                 /* at once; 0: 1000 */
    int max_sessions_per_client;      /* from one address; 0: no limit; Unix sockets never count */
    size_t stack_size;                /* of a session thread, octets; 0: 256 KiB */
    int64_t stop_grace_ms;            /* after a stop, idle sessions (stream_set_idle) are woken at
                                         once; busy ones may go on this long, then their streams
                                         are interrupted */
    /* Runs in its own thread. Owns the stream: must close it before it returns. */
    void (*session)(struct stream *s, const struct session_info *info, void *ctx);
    /* Line sent (with CRLF) before closing a connection over a limit, such as
     * "421 4.3.2 Too many connections"; NULL: just closed. */
    const char *busy_line;
    void *ctx;
};

struct service *service_new(const struct service_conf *conf);   /* conf is copied */
void service_add_listener(struct service *s, int fd, void *arg);
/* Accepts until stopped, then waits for the sessions. Out of descriptors or threads: the
 * connection waits in the backlog, and an event says so. */
void service_run(struct service *s);
/* Asks service_run to return; safe from a signal handler and from any thread. */
void service_stop(struct service *s);
/* Accepts no more, and lets the sessions go on until each ends by itself, or until service_stop: for
 * a process whose successor already serves. As safe as service_stop. */
void service_drain(struct service *s);
/* True once stopping: sessions look at it between commands. False for NULL. */
bool service_stopping(const struct service *s);
int service_sessions(struct service *s);      /* running now */
void service_free(struct service *s);

#endif
