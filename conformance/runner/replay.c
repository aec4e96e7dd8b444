/* replay.c - one thread walks along the tape: it waits for what the harness did then, and does what
 * the target did. */
#include "conformance/runner/replay.h"

#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"
#include "conformance/runner/tls.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_MS = 1200, WAIT_AFTER_MS = 20 };   /* for the harness; once it has gone another way */

struct side {                      /* the target's side of a channel */
    struct stream *stream;
    bool claimed;                  /* by a client; or accepted by a scripted server */
    bool silent;
};

struct replay {
    const struct tape *tape;
    const struct change *change;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t position;               /* events before it are done */
    size_t parts;                  /* that the harness has begun */
    bool stop, astray;
    struct side *sides;
    int64_t start_us;
    unsigned number;               /* makes the names of listening sockets its own */
    pthread_t thread;
};

const char *change_name(enum change_kind kind)
{
    static const char *const names[] = {"none", "code", "line", "byte", "silence", "close", "absent",
        "twice", "mail-lost", "mail-byte", "mail-twice", "mail-stays", "query-lost", "query-twice"};
    return names[kind];
}

static int64_t wait_ms(struct replay *p)
{
    pthread_mutex_lock(&p->lock);
    int64_t ms = p->astray ? WAIT_AFTER_MS : WAIT_MS;
    pthread_mutex_unlock(&p->lock);
    return ms;
}

static void astray(struct replay *p)
{
    pthread_mutex_lock(&p->lock);
    p->astray = true;
    pthread_mutex_unlock(&p->lock);
}

/* With the lock held; false at the time limit. */
static bool wait_change(struct replay *p, int64_t until)
{
    if (mono_ms() >= until)
        return false;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&p->changed, &p->lock, &t);
    return true;
}

static socklen_t socket_name(const struct replay *p, const char *where, struct sockaddr_un *un)
{
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "conform-%d-%u-%s", (int)getpid(),
                     p->number, where);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int replay_listen(struct replay *p, const struct netaddr *at)
{
    char where[160];
    struct sockaddr_un un;
    netaddr_text(at, where);
    socklen_t size = socket_name(p, where, &un);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&un, size) < 0 || listen(fd, 128) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int replay_connect(struct replay *p, const struct netaddr *to)
{
    char where[160];
    int fds[2];
    netaddr_text(to, where);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->tape->channel_count; i++) {
        const struct tape_channel *c = &p->tape->channels[i];
        if (c->server || p->sides[i].claimed || strcmp(c->where, where) != 0)
            continue;
        bool fails = c->error || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0;
        p->sides[i].claimed = true;
        if (!fails) {
            p->sides[i].stream = stream_new_fd(fds[1]);
            stream_set_timeout(p->sides[i].stream, WAIT_MS);
        }
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        errno = c->error ? c->error : errno;
        return fails ? -1 : fds[0];
    }
    pthread_mutex_unlock(&p->lock);
    errno = ECONNREFUSED;
    return -1;
}

/* ---- what the target did, done again -------------------------------------------------------- */

/* A scripted server may be a moment late in listening. */
static struct stream *connect_server(struct replay *p, const char *where)
{
    struct sockaddr_un un;
    socklen_t size = socket_name(p, where, &un);
    for (int64_t until = mono_ms() + wait_ms(p);; sleep_ms(3)) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&un, size) == 0) {
            struct stream *s = stream_new_fd(fd);
            stream_set_timeout(s, WAIT_MS);
            return s;
        }
        if (fd >= 0)
            close(fd);
        pthread_mutex_lock(&p->lock);
        bool over = p->stop || mono_ms() >= until;
        pthread_mutex_unlock(&p->lock);
        if (over)
            return NULL;
    }
}

/* The chunk with the change in it. *end: SILENCE or CLOSE begins in it. */
static void edited(const struct replay *p, const struct tape_event *e, struct buf *out, bool *end)
{
    const struct change *c = p->change;
    struct slice all = buf_slice(&p->tape->channels[e->channel].bytes);
    size_t from = e->from, to = e->from + e->n;
    if (!c || c->channel != e->channel || c->kind > CHANGE_CLOSE || c->kind == CHANGE_NONE) {
        buf_add_slice(out, slice_sub(all, from, to));
        return;
    }
    if (c->kind == CHANGE_SILENCE || c->kind == CHANGE_CLOSE) {
        *end = to > c->from;
        buf_add_slice(out, slice_sub(all, from, *end ? (c->from > from ? c->from : from) : to));
        return;
    }
    if (from < c->from)
        buf_add_slice(out, slice_sub(all, from, c->from < to ? c->from : to));
    if (c->from >= from && c->from < to)
        buf_add_slice(out, buf_slice(&c->text));
    if (to > c->to)
        buf_add_slice(out, slice_sub(all, c->to > from ? c->to : from, to));
}

static void end_side(struct side *side)
{
    stream_close(side->stream);
    side->stream = NULL;
}

static void say(struct replay *p, const struct tape_event *e)
{
    struct side *side = &p->sides[e->channel];
    struct buf bytes = {0};
    bool end = false;
    edited(p, e, &bytes, &end);
    if (side->stream && !side->silent && bytes.len) {
        stream_write(side->stream, bytes.data, bytes.len);
        stream_flush(side->stream);
    }
    side->silent |= end;
    if (end && p->change->kind == CHANGE_CLOSE)
        end_side(side);
    buf_free(&bytes);
}

/* Takes the octets that the harness sent then. */
static void hear(struct replay *p, struct stream *s, size_t n)
{
    char octets[4096];
    bool fine = true;
    if (!s)
        return;
    stream_set_timeout(s, wait_ms(p));
    for (size_t some; n && fine; n -= some) {
        some = n < sizeof octets ? n : sizeof octets;
        fine = stream_read_exact(s, octets, some) == IO_OK;
    }
    if (!fine)
        astray(p);
}

static void handshake(struct replay *p, struct side *side, bool server, bool good)
{
    if (!side->stream || side->silent)
        return;
    if (!good) {
        end_side(side);
        return;
    }
    struct tls_options any = {0};
    SSL_CTX *ctx = server ? client_tls_context(&any, NULL) : server_tls_context("mx.magedu.test");
    enum io io = server ? stream_start_tls_client(side->stream, ctx, "mx.magedu.test", false, NULL)
                        : stream_start_tls_server(side->stream, ctx, NULL);
    SSL_CTX_free(ctx);
    if (io != IO_OK)
        astray(p);
}

/* The whole of a connection to a scripted server once more. */
static void again(struct replay *p, int channel)
{
    struct stream *s = connect_server(p, p->tape->channels[channel].where);
    struct slice all = buf_slice(&p->tape->channels[channel].bytes);
    for (size_t i = 0; s && i < p->tape->event_count; i++) {
        const struct tape_event *e = &p->tape->events[i];
        if (e->channel != channel)
            continue;
        if (e->kind == TAPE_SENT)
            hear(p, s, e->n);
        if (e->kind == TAPE_GOT) {
            struct slice bytes = slice_sub(all, e->from, e->from + e->n);
            stream_write(s, bytes.p, bytes.n);
            stream_flush(s);
        }
    }
    stream_close(s);
}

static void over(struct replay *p, int channel)
{
    const struct change *c = p->change;
    struct side *side = &p->sides[channel];
    if (c && c->kind == CHANGE_SILENCE && c->channel == channel &&
        c->from >= p->tape->channels[channel].bytes.len)
        side->silent = true;       /* it is the close that does not come */
    if (!side->silent)
        end_side(side);
    if (c && c->kind == CHANGE_TWICE && c->channel == channel)
        again(p, channel);
}

/* Waits for the harness: for a client's connection, for its accepting ours, for its next part. */
static void await(struct replay *p, const struct tape_event *e, size_t parts)
{
    int64_t until = mono_ms() + wait_ms(p);
    pthread_mutex_lock(&p->lock);
    while (!p->stop && (e->kind == TAPE_PART ? p->parts < parts : !p->sides[e->channel].claimed))
        if (!wait_change(p, until)) {
            p->astray = true;
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

static void one(struct replay *p, const struct tape_event *e, size_t *parts)
{
    struct side *side = e->channel >= 0 && e->kind < TAPE_MAILBOX ? &p->sides[e->channel] : NULL;
    const struct change *c = p->change;
    switch (e->kind) {
    case TAPE_PART:
        ++*parts;
        await(p, e, *parts);
        break;
    case TAPE_CONNECT:
        await(p, e, 0);
        break;
    case TAPE_ACCEPT:
        if (c && c->kind == CHANGE_ABSENT && c->channel == e->channel)
            break;
        side->stream = connect_server(p, p->tape->channels[e->channel].where);
        if (side->stream)
            await(p, e, 0);
        break;
    case TAPE_SENT:
        if (!side->silent)
            hear(p, side->stream, e->n);
        break;
    case TAPE_GOT:
        say(p, e);
        break;
    case TAPE_TLS:
        handshake(p, side, p->tape->channels[e->channel].server, e->good);
        break;
    case TAPE_OVER:
        over(p, e->channel);
        break;
    case TAPE_MAILBOX:
    case TAPE_QUERY:
        break;                     /* it is enough that the walk has come by */
    }
}

static void *walk(void *arg)
{
    struct replay *p = arg;
    size_t parts = 0;
    for (size_t i = 0; i < p->tape->event_count; i++) {
        one(p, &p->tape->events[i], &parts);
        pthread_mutex_lock(&p->lock);
        bool stop = p->stop;
        p->position = i + 1;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        if (stop)
            break;
    }
    return NULL;
}

struct replay *replay_start(const struct tape *t, const struct change *c)
{
    static unsigned counter;
    struct replay *p = xcalloc(1, sizeof *p);
    *p = (struct replay){.tape = t, .change = c, .start_us = mono_us(),
                         .number = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED)};
    pthread_condattr_t attr;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    p->sides = xcalloc(t->channel_count + 1, sizeof *p->sides);
    if (pthread_create(&p->thread, NULL, walk, p) != 0)
        die(2, "no more threads");
    return p;
}

void replay_stop(struct replay *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < p->tape->channel_count; i++)
        stream_close(p->sides[i].stream);
    free(p->sides);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- what the harness asks ------------------------------------------------------------------ */

void replay_part(struct replay *p)
{
    size_t target = p->tape->event_count, n = 0;
    int64_t until = mono_ms() + wait_ms(p);
    pthread_mutex_lock(&p->lock);
    p->parts++;
    pthread_cond_broadcast(&p->changed);
    for (size_t i = 0; i < p->tape->event_count; i++)
        if (p->tape->events[i].kind == TAPE_PART && ++n == p->parts) {
            target = i;
            break;
        }
    while (p->position < target && !p->stop)
        if (!wait_change(p, until)) {
            p->astray = true;
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

int64_t replay_accepted(struct replay *p, const struct netaddr *at, int nth)
{
    char where[160];
    netaddr_text(at, where);
    for (size_t i = 0; i < p->tape->event_count; i++) {
        const struct tape_event *e = &p->tape->events[i];
        if (e->kind == TAPE_ACCEPT && strcmp(p->tape->channels[e->channel].where, where) == 0 &&
            --nth == 0) {
            pthread_mutex_lock(&p->lock);
            p->sides[e->channel].claimed = true;
            pthread_cond_broadcast(&p->changed);
            pthread_mutex_unlock(&p->lock);
            return e->us;
        }
    }
    return mono_us() - p->start_us;
}

static size_t position(struct replay *p)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->position;
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void add_query(const struct dns_query *q, struct dns_query **v, size_t *n)
{
    *v = xreallocarray(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = (struct dns_query){.number = q->number, .wall_us = q->wall_us,
        .client = xstrdup(q->client), .name = xstrdup(q->name), .type = xstrdup(q->type),
        .rcode = xstrdup(q->rcode), .answer = xstrdup(q->answer)};
}

static bool is_about(const struct change *c, const struct dns_query *q)
{
    size_t n = strlen(c->name), m = strlen(q->name);
    n -= n && c->name[n - 1] == '.';
    m -= m && q->name[m - 1] == '.';
    return slice_ieq(slice_of(c->name, n), slice_of(q->name, m)) &&
           slice_ieq_str(slice_str(q->type), c->type);
}

void replay_queries(struct replay *p, uint64_t since, struct dns_query **v, size_t *n)
{
    const struct change *c = p->change;
    size_t end = position(p);
    for (size_t i = 0; i < end; i++) {
        const struct tape_event *e = &p->tape->events[i];
        const struct dns_query *q = e->kind == TAPE_QUERY ? &p->tape->queries[e->channel] : NULL;
        if (!q || q->number <= since)
            continue;
        bool about = c && (c->kind == CHANGE_QUERY_LOST || c->kind == CHANGE_QUERY_TWICE) &&
                     is_about(c, q);
        if (!about || c->kind != CHANGE_QUERY_LOST)
            add_query(q, v, n);
        if (about && c->kind == CHANGE_QUERY_TWICE)
            add_query(q, v, n);
    }
}

static void add_mail(const struct mail *m, struct mail **v, size_t *n)
{
    *v = xreallocarray(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = (struct mail){slice_dup(slice_of(m->bytes, m->n)), m->n};
}

/* A letter of the content, the last one. */
static void change_letter(struct mail *m)
{
    for (size_t i = m->n; i-- > 0;)
        if ((m->bytes[i] | 32) >= 'a' && (m->bytes[i] | 32) <= 'z') {
            m->bytes[i] = m->bytes[i] == 'q' ? 'x' : 'q';
            return;
        }
}

void replay_mailbox(struct replay *p, const char *user, struct mail **v, size_t *n)
{
    const struct change *c = p->change;
    const struct tape_mailbox *now = NULL, *before = NULL;
    size_t end = position(p);
    for (size_t i = 0; i < end; i++) {
        const struct tape_event *e = &p->tape->events[i];
        if (e->kind == TAPE_MAILBOX && strcmp(p->tape->mailboxes[e->channel].user, user) == 0)
            before = now, now = &p->tape->mailboxes[e->channel];
    }
    bool about = c && c->user && strcmp(c->user, user) == 0;
    if (about && c->kind == CHANGE_MAIL_STAYS && before && before->n > now->n)
        now = before;
    for (size_t i = 0; now && i < now->n; i++) {
        bool last = about && i + 1 == now->n;
        if (!(last && c->kind == CHANGE_MAIL_LOST))
            add_mail(&now->v[i], v, n);
        if (last && c->kind == CHANGE_MAIL_TWICE)
            add_mail(&now->v[i], v, n);
        if (last && c->kind == CHANGE_MAIL_BYTE)
            change_letter(&(*v)[*n - 1]);
    }
}
