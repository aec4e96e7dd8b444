#include "base/service.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/stream_internal.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DRAIN_LOOK_MS = 200 };     /* between looks whether the drain became a stop */

enum { MAX_LISTENERS = 32, STACK_DEFAULT = 256 * 1024, SESSIONS_DEFAULT = 1000 };

/* A running session. `stream` is NULL once the session has closed it. */
struct session {
    struct service *service;
    struct stream *stream;
    struct session_info info;
    struct session *next, *prev;
};

struct service {
    struct service_conf conf;
    struct pollfd poll[MAX_LISTENERS + 1]; /* [0] is the stop event */
    void *args[MAX_LISTENERS + 1];
    int count;
    atomic_bool stopping;
    atomic_bool draining;
    uint64_t number;

    pthread_mutex_t lock;                  /* guards what follows */
    pthread_cond_t ended;
    struct session *sessions;
    int running;
};

struct service *service_new(const struct service_conf *conf)
{
    struct service *s = xcalloc(1, sizeof *s);
    s->conf = *conf;
    if (s->conf.max_sessions <= 0)
        s->conf.max_sessions = SESSIONS_DEFAULT;
    if (s->conf.stack_size == 0)
        s->conf.stack_size = STACK_DEFAULT;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        die(71, "cannot make an event descriptor: %s", strerror(errno));
    s->poll[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    s->count = 1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->ended, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

void service_add_listener(struct service *s, int fd, void *arg)
{
    if (s->count > MAX_LISTENERS)
        die(78, "%s: more than %d listeners; give fewer addresses", s->conf.name, MAX_LISTENERS);
    /* Another process may share the socket and take the connection first: accept must not wait. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    s->poll[s->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    s->args[s->count++] = arg;
}

/* --- one session ---------------------------------------------------------------------------- */

static void forget_stream(void *arg)
{
    struct session *one = arg;
    pthread_mutex_lock(&one->service->lock);
    one->stream = NULL;
    pthread_mutex_unlock(&one->service->lock);
}

static void *session_thread(void *arg)
{
    struct session *one = arg;
    struct service *s = one->service;
    s->conf.session(one->stream, &one->info, s->conf.ctx);

    /* What OpenSSL keeps for each thread: once the session is not counted any more the process may
     * end, and with it OpenSSL, before this thread does. */
    OPENSSL_thread_stop();
    pthread_mutex_lock(&s->lock);
    if (one->prev)
        one->prev->next = one->next;
    else
        s->sessions = one->next;
    if (one->next)
        one->next->prev = one->prev;
    s->running--;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    free(one);
    return NULL;
}

static bool over_limit(struct service *s, const struct netaddr *peer)
{
    int same = 0, most = s->conf.max_sessions_per_client;
    if (s->running >= s->conf.max_sessions)
        return true;
    if (most <= 0 || peer->sa.sa_family == AF_UNIX)
        return false;
    for (struct session *one = s->sessions; one; one = one->next)
        same += netaddr_same_host(&one->info.peer, peer);
    return same >= most;
}

static void turn_away(struct service *s, int fd, const struct netaddr *peer, const char *why)
{
    char host[64];
    netaddr_host(peer, host);
    event("service.busy", EV_STR("service", s->conf.name), EV_STR("client", host), EV_STR("why", why));
    if (s->conf.busy_line) {
        struct buf line = {0};
        buf_printf(&line, "%s\r\n", s->conf.busy_line);
        ssize_t sent = send(fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* a courtesy only */
        buf_free(&line);
    }
    close(fd);
}

static void start_session(struct service *s, int fd, const struct netaddr *peer, void *arg)
{
    struct session *one = xcalloc(1, sizeof *one);
    one->service = s;
    one->info = (struct session_info){.service = s, .peer = *peer, .number = ++s->number,
                                      .listener_arg = arg};
    one->info.local.len = sizeof one->info.local.un;
    getsockname(fd, &one->info.local.sa, &one->info.local.len);

    pthread_mutex_lock(&s->lock);
    bool busy = over_limit(s, peer);
    if (!busy) {
        one->stream = stream_new_fd(fd);
        one->stream->on_free = forget_stream;
        one->stream->on_free_arg = one;
        one->next = s->sessions;
        if (s->sessions)
            s->sessions->prev = one;
        s->sessions = one;
        s->running++;
    }
    pthread_mutex_unlock(&s->lock);
    if (busy) {
        turn_away(s, fd, peer, "too many sessions");
        free(one);
        return;
    }
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, s->conf.stack_size);
    int error = pthread_create(&thread, &attr, session_thread, one);
    pthread_attr_destroy(&attr);
    if (error == 0)
        return;

    /* No thread to be had: give the connection back, and the session's place. */
    pthread_mutex_lock(&s->lock);
    s->sessions = one->next;
    if (one->next)
        one->next->prev = NULL;
    s->running--;
    pthread_mutex_unlock(&s->lock);
    one->stream->on_free = NULL;
    one->stream->fd = -1;
    stream_abort(one->stream);
    turn_away(s, fd, peer, strerror(error));
    free(one);
}

/* --- accepting ------------------------------------------------------------------------------ */

static void accept_one(struct service *s, int i)
{
    struct netaddr peer = {.len = sizeof peer.un};
    int on = 1;
    int fd = accept4(s->poll[i].fd, &peer.sa, &peer.len, SOCK_CLOEXEC);
    if (fd >= 0) {
        if (peer.sa.sa_family == AF_INET || peer.sa.sa_family == AF_INET6)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        start_session(s, fd, &peer, s->args[i]);
        return;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        event("service.exhausted", EV_STR("service", s->conf.name), EV_STR("why", strerror(errno)));
        sleep_ms(100); /* the connection stays in the backlog until a session has ended */
    }
}

static void accept_until_stopped(struct service *s)
{
    while (!atomic_load(&s->stopping) && !atomic_load(&s->draining)) {
        if (poll(s->poll, (nfds_t)s->count, -1) < 0)
            continue;
        if (s->poll[0].revents)  /* what waits now is for the successor */
            continue;
        for (int i = 1; i < s->count; i++)
            if (s->poll[i].revents)
                accept_one(s, i);
    }
}

static void wait_for_sessions(struct service *s, int64_t ms)
{
    int64_t until = mono_ms() + ms;
    struct timespec t = {.tv_sec = until / 1000, .tv_nsec = (until % 1000) * 1000000};
    while (s->running > 0 && pthread_cond_timedwait(&s->ended, &s->lock, &t) == 0)
        ;
}

void service_run(struct service *s)
{
    accept_until_stopped(s);
    pthread_mutex_lock(&s->lock);
    while (s->running > 0 && !atomic_load(&s->stopping))
        wait_for_sessions(s, DRAIN_LOOK_MS);
    for (struct session *one = s->sessions; one; one = one->next)
        if (one->stream && atomic_load(&one->stream->idle))
            shutdown(one->stream->fd, SHUT_RD); /* wakes its read; it can still write */
    wait_for_sessions(s, s->conf.stop_grace_ms);
    for (struct session *one = s->sessions; one; one = one->next)
        if (one->stream)
            stream_interrupt(one->stream);
    wait_for_sessions(s, 10000);
    pthread_mutex_unlock(&s->lock);
}

void service_drain(struct service *s)
{
    atomic_store(&s->draining, true);
    uint64_t one = 1;
    ssize_t n = write(s->poll[0].fd, &one, sizeof one);
    (void)n;
}

void service_stop(struct service *s)
{
    atomic_store(&s->stopping, true);
    uint64_t one = 1;
    ssize_t n = write(s->poll[0].fd, &one, sizeof one);
    (void)n; /* full means that it is signalled already */
}

bool service_stopping(const struct service *s) { return s && atomic_load(&s->stopping); }

int service_sessions(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->running;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void service_free(struct service *s)
{
    /* A session that would not end still uses the struct: leave it to the end of the process. */
    if (!s || service_sessions(s) > 0)
        return;
    close(s->poll[0].fd);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->ended);
    free(s);
}
