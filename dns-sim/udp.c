#include "dns-sim/server.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DELAYED_MAX = 10000 };       /* replies waiting at once; more are dropped, as a net would */

struct delayed {
    struct delayed *next;
    int64_t due;                    /* mono_ms */
    int fd;
    struct netaddr to;
    struct buf bytes;
};

struct udp_socket {
    struct udp_socket *next;
    struct udp_server *server;
    int fd;
    pthread_t thread;
};

struct udp_server {
    struct dns_sim *sim;
    int stop_fd;                    /* an eventfd, readable once stopping */
    struct udp_socket *sockets;
    pthread_mutex_t lock;           /* of what follows */
    pthread_cond_t changed;
    struct delayed *delayed;        /* the earliest first */
    int delayed_count;
    bool stopping;
    pthread_t delayer;
};

struct udp_server *udp_server_new(struct dns_sim *sim)
{
    struct udp_server *u = xcalloc(1, sizeof *u);
    pthread_condattr_t monotonic;
    u->sim = sim;
    u->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (u->stop_fd < 0)
        die(1, "eventfd: %s", strerror(errno));
    pthread_mutex_init(&u->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&u->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return u;
}

bool udp_server_listen(struct udp_server *u, const struct netaddr *a)
{
    int one = 1, room = 1 << 20;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (a->sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, &a->sa, a->len) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return false;
    }
    struct udp_socket *s = xcalloc(1, sizeof *s);
    *s = (struct udp_socket){.next = u->sockets, .server = u, .fd = fd};
    u->sockets = s;
    return true;
}

static void send_reply(int fd, const struct netaddr *to, struct slice bytes)
{
    /* A reply that cannot be sent is a reply that got lost: UDP promises no more. */
    (void)sendto(fd, bytes.p, bytes.n, MSG_NOSIGNAL, &to->sa, to->len);
}

static void send_later(struct udp_socket *s, const struct netaddr *to, const struct reply *r)
{
    struct udp_server *u = s->server;
    struct delayed *d = xcalloc(1, sizeof *d);
    d->due = mono_ms() + r->delay_ms;
    d->fd = s->fd;
    d->to = *to;
    buf_add_slice(&d->bytes, buf_slice(&r->bytes));
    pthread_mutex_lock(&u->lock);
    if (u->delayed_count >= DELAYED_MAX) {
        pthread_mutex_unlock(&u->lock);
        buf_free(&d->bytes);
        free(d);
        return;
    }
    struct delayed **link = &u->delayed;
    while (*link && (*link)->due <= d->due)
        link = &(*link)->next;
    d->next = *link;
    *link = d;
    u->delayed_count++;
    pthread_cond_signal(&u->changed);
    pthread_mutex_unlock(&u->lock);
}

static void *delayer_thread(void *arg)
{
    struct udp_server *u = arg;
    pthread_mutex_lock(&u->lock);
    while (!u->stopping) {
        struct delayed *d = u->delayed;
        if (!d) {
            pthread_cond_wait(&u->changed, &u->lock);
        } else if (d->due > mono_ms()) {
            struct timespec until = {d->due / 1000, d->due % 1000 * 1000000};
            pthread_cond_timedwait(&u->changed, &u->lock, &until);
        } else {
            u->delayed = d->next;
            u->delayed_count--;
            send_reply(d->fd, &d->to, buf_slice(&d->bytes));
            buf_free(&d->bytes);
            free(d);
        }
    }
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

static void *socket_thread(void *arg)
{
    struct udp_socket *s = arg;
    struct udp_server *u = s->server;
    struct reply reply = {0};
    char *packet = xmalloc(MESSAGE_MAX);
    struct pollfd wait[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = u->stop_fd, .events = POLLIN}};
    for (;;) {
        struct asker from = {.transport = OVER_UDP};
        from.client.len = sizeof from.client.un;
        ssize_t n = recvfrom(s->fd, packet, MESSAGE_MAX, MSG_DONTWAIT, &from.client.sa,
                             &from.client.len);
        if (n < 0) {
            /* Nothing there, or the error of an earlier reply (a client's port was closed). */
            if (poll(wait, 2, -1) > 0 && wait[1].revents)
                break;
            continue;
        }
        if (!dns_answer(u->sim, slice_of(packet, (size_t)n), &from, &reply))
            continue;
        if (reply.delay_ms > 0)
            send_later(s, &from.client, &reply);
        else
            send_reply(s->fd, &from.client, buf_slice(&reply.bytes));
    }
    buf_free(&reply.bytes);
    free(packet);
    return NULL;
}

static pthread_t thread(void *(*run)(void *), void *arg)
{
    pthread_t t;
    int error = pthread_create(&t, NULL, run, arg);
    if (error != 0)
        die(1, "cannot start a thread: %s", strerror(error));
    return t;
}

void udp_server_start(struct udp_server *u)
{
    u->delayer = thread(delayer_thread, u);
    for (struct udp_socket *s = u->sockets; s; s = s->next)
        s->thread = thread(socket_thread, s);
}

void udp_server_stop(struct udp_server *u)
{
    uint64_t one = 1;
    if (write(u->stop_fd, &one, sizeof one) != sizeof one)
        die(1, "eventfd: %s", strerror(errno));
    pthread_mutex_lock(&u->lock);
    u->stopping = true;
    pthread_cond_signal(&u->changed);
    pthread_mutex_unlock(&u->lock);
    pthread_join(u->delayer, NULL);
    for (struct udp_socket *s; (s = u->sockets);) {
        pthread_join(s->thread, NULL);
        u->sockets = s->next;
        close(s->fd);
        free(s);
    }
    for (struct delayed *d; (d = u->delayed);) {
        u->delayed = d->next;
        buf_free(&d->bytes);
        free(d);
    }
    close(u->stop_fd);
    pthread_cond_destroy(&u->changed);
    pthread_mutex_destroy(&u->lock);
    free(u);
}
