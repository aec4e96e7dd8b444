/* watch.c - one thread a process that learns from inotify what happens in the mailboxes, and
 * wakes the sessions that idle there.
 *
 * A watch collects the names of what changed until its view takes them. Whoever takes them reads
 * the queue first, so nothing that happened before is missed. What inotify cannot watch (no more
 * watches, a mailbox that is not there yet) is looked at every POLL_MS while somebody idles. */
#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define POLL_MS 1000
#define TIDY_MS 10000              /* between two calls of store_account_tidy */
#define NAMES_MAX (256 * 1024)     /* octets of names kept; more: look at all */
#define BUCKETS 1024
#define THREAD_STACK (128 * 1024)

#define MASK (IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MODIFY | IN_DELETE_SELF | \
              IN_MOVE_SELF)

struct watch {
    int wd[2];                     /* -1: none */
    bool polled;
    bool unknown;
    struct buf names;
    int *fds;
    size_t fd_count, fd_cap;
    struct watch *next;            /* of all */
};

struct slot { int wd; int which; struct watch *watch; struct slot *next; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool running;
static int inotify_fd = -1, control_fd = -1;
static struct slot *buckets[BUCKETS];
static struct watch *all;
static size_t polled_idle;         /* idle sessions of polled watches */

static void wake_all(struct watch *w, int but)
{
    uint64_t one = 1;
    for (size_t i = 0; i < w->fd_count; i++) {
        if (w->fds[i] != but && write(w->fds[i], &one, sizeof one) < 0 && errno != EAGAIN)
            event("store.wake-failed", EV_INT("fd", w->fds[i]));
    }
}

/* --- events ------------------------------------------------------------------------------- */

static void note(struct watch *w, int which, const char *name)
{
    if (w->unknown)
        return;
    if (!name || w->names.len > NAMES_MAX) {
        w->unknown = true;
        buf_free(&w->names);
        return;
    }
    buf_add_byte(&w->names, (char)('1' + which));
    buf_add(&w->names, name, strlen(name) + 1);
}

static void handle(const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) {
        for (struct watch *w = all; w; w = w->next) {
            note(w, 0, NULL);
            wake_all(w, -1);
        }
        return;
    }
    for (struct slot *s = buckets[e->wd % BUCKETS]; s; s = s->next) {
        if (s->wd != e->wd)
            continue;
        if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
            polled_idle += s->watch->polled ? 0 : s->watch->fd_count;
            s->watch->polled = true;
            note(s->watch, 0, NULL);
        } else if ((e->mask & IN_MODIFY) && e->len > 0) {
            continue;              /* a message being written; its name comes when it is complete */
        } else {
            note(s->watch, s->which, e->len > 0 ? e->name : NULL);
        }
        wake_all(s->watch, -1);
    }
}

/* All that is in the queue now. */
static void drain(void)
{
    _Alignas(struct inotify_event) char chunk[16 * 1024];
    ssize_t n;
    while ((n = read(inotify_fd, chunk, sizeof chunk)) > 0) {
        for (char *p = chunk; p < chunk + n;) {
            const struct inotify_event *e = (const void *)p;
            handle(e);
            p += sizeof *e + e->len;
        }
    }
}

static void *run(void *arg)
{
    (void)arg;
    int64_t tidied = mono_ms();
    for (;;) {
        struct pollfd p[2] = {{.fd = inotify_fd, .events = POLLIN},
                              {.fd = control_fd, .events = POLLIN}};
        pthread_mutex_lock(&lock);
        int wait = polled_idle > 0 ? POLL_MS : TIDY_MS;
        pthread_mutex_unlock(&lock);
        int n = poll(p, 2, wait);
        uint64_t dummy;
        if (p[1].revents && read(control_fd, &dummy, sizeof dummy) < 0 && errno != EAGAIN)
            return NULL;
        pthread_mutex_lock(&lock);
        drain();
        for (struct watch *w = all; n == 0 && w; w = w->next) {
            if (w->polled)
                wake_all(w, -1);
        }
        pthread_mutex_unlock(&lock);
        if (mono_ms() - tidied >= TIDY_MS) {
            store_account_tidy();
            tidied = mono_ms();
        }
    }
}

static void start(void)
{
    pthread_attr_t attr;
    inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    control_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    running = control_fd >= 0 && pthread_create(&thread, &attr, run, NULL) == 0;
    pthread_attr_destroy(&attr);
}

/* --- watches ------------------------------------------------------------------------------ */

static void add_path(struct watch *w, int which, const char *path)
{
    w->wd[which] = path && inotify_fd >= 0
                       ? inotify_add_watch(inotify_fd, path, MASK | IN_DONT_FOLLOW) : -1;
    if (w->wd[which] < 0) {
        w->polled = w->polled || path;
        return;
    }
    struct slot *s = xcalloc(1, sizeof *s);
    *s = (struct slot){w->wd[which], which, w, buckets[w->wd[which] % BUCKETS]};
    buckets[s->wd % BUCKETS] = s;
}

struct watch *watch_new(const char *path1, const char *path2)
{
    struct watch *w = xcalloc(1, sizeof *w);
    pthread_mutex_lock(&lock);
    if (!running)
        start();
    add_path(w, 0, path1);
    add_path(w, 1, path2);
    w->unknown = true;             /* nobody knows what was before */
    w->next = all;
    all = w;
    pthread_mutex_unlock(&lock);
    return w;
}

static void remove_wd(struct watch *w, int which)
{
    int wd = w->wd[which];
    bool shared = false;
    if (wd < 0)
        return;
    for (struct slot **at = &buckets[wd % BUCKETS]; *at;) {
        struct slot *s = *at;
        if (s->wd == wd && s->watch == w && s->which == which) {
            *at = s->next;
            free(s);
            continue;
        }
        shared = shared || s->wd == wd;
        at = &s->next;
    }
    if (!shared)
        inotify_rm_watch(inotify_fd, wd);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&lock);
    remove_wd(w, 0);
    remove_wd(w, 1);
    struct watch **at = &all;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&lock);
    buf_free(&w->names);
    free(w->fds);
    free(w);
}

void watch_pause(struct watch *w)
{
    pthread_mutex_lock(&lock);
    remove_wd(w, 0);
    remove_wd(w, 1);
    w->wd[0] = w->wd[1] = -1;
    polled_idle += w->polled ? 0 : w->fd_count;
    w->polled = true;
    pthread_mutex_unlock(&lock);
}

bool watch_is_quiet(struct watch *w)
{
    pthread_mutex_lock(&lock);
    if (inotify_fd >= 0)
        drain();
    bool quiet = !w->polled && !w->unknown && w->names.len == 0;
    pthread_mutex_unlock(&lock);
    return quiet;
}

void watch_retry(struct watch *w, const char *path1, const char *path2)
{
    pthread_mutex_lock(&lock);
    if (w->polled) {
        polled_idle -= w->fd_count;
        remove_wd(w, 0);
        remove_wd(w, 1);
        w->polled = false;
        add_path(w, 0, path1);
        add_path(w, 1, path2);
        polled_idle += w->polled ? w->fd_count : 0;
        w->unknown = true;
    }
    pthread_mutex_unlock(&lock);
}

enum watch_news watch_take(struct watch *w, struct buf *names)
{
    enum watch_news news = WATCH_QUIET;
    pthread_mutex_lock(&lock);
    if (inotify_fd >= 0)
        drain();
    if (w->polled || w->unknown)
        news = WATCH_UNKNOWN;
    else if (w->names.len > 0)
        news = WATCH_NAMES;
    if (w->names.len > 0)
        buf_add_slice(names, buf_slice(&w->names));
    buf_free(&w->names);
    w->unknown = false;
    pthread_mutex_unlock(&lock);
    return news;
}

/* --- the idle ----------------------------------------------------------------------------- */

void watch_add_fd(struct watch *w, int fd)
{
    uint64_t one = 1;
    pthread_mutex_lock(&lock);
    if (w->fd_count == w->fd_cap) {
        w->fd_cap = w->fd_cap ? w->fd_cap * 2 : 4;
        w->fds = xreallocarray(w->fds, w->fd_cap, sizeof *w->fds);
    }
    w->fds[w->fd_count++] = fd;
    if (w->polled && polled_idle++ == 0 && write(control_fd, &one, sizeof one) < 0)
        event("store.wake-failed", EV_INT("fd", control_fd));
    pthread_mutex_unlock(&lock);
}

void watch_remove_fd(struct watch *w, int fd)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < w->fd_count; i++) {
        if (w->fds[i] != fd)
            continue;
        w->fds[i] = w->fds[--w->fd_count];
        polled_idle -= w->polled;
        break;
    }
    if (w->fd_count == 0) {
        free(w->fds);
        w->fds = NULL;
        w->fd_cap = 0;
    }
    pthread_mutex_unlock(&lock);
}

void watch_wake(struct watch *w, int but_fd)
{
    pthread_mutex_lock(&lock);
    wake_all(w, but_fd);
    pthread_mutex_unlock(&lock);
}
