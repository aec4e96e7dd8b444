#include "conformance/runner/pool.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, FRAME_MAX = 256 * 1024 * 1024, HANG_MS = 60000,
       AGAIN_MAX = 16 };           /* scenarios that are tried again in one run */

struct worker {
    pid_t pid;
    int fd;                        /* -1: not running */
    ssize_t at;                    /* scenario it works on; -1: idle */
    const char *profile;           /* of its lab; NULL: none yet */
    int64_t until;                 /* mono_ms at which it is given up */
};

struct pool {
    const struct pool_conf *conf;
    struct worker workers[JOBS_MAX];
    int jobs;
    bool *taken;
    json_t **results;
    json_t **first_try;            /* results of scenarios that are to be tried again */
    size_t finished;
    size_t again, again_ever;      /* how many are to be tried again; and were */
    char *version;
};

bool frame_send(int fd, const void *p, size_t n)
{
    uint64_t size = n;
    struct { const char *p; size_t n; } parts[2] = {{(const char *)&size, sizeof size}, {p, n}};
    for (int i = 0; i < 2; i++)
        while (parts[i].n) {
            ssize_t sent = send(fd, parts[i].p, parts[i].n, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR)
                continue;
            if (sent <= 0)
                return false;
            parts[i].p += sent;
            parts[i].n -= (size_t)sent;
        }
    return true;
}

static bool receive(int fd, char *p, size_t n)
{
    while (n) {
        ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

bool frame_receive(int fd, struct buf *out)
{
    uint64_t size;
    if (!receive(fd, (char *)&size, sizeof size) || size > FRAME_MAX)
        return false;
    buf_clear(out);
    buf_reserve(out, size);
    if (!receive(fd, out->data, size))
        return false;
    out->len = size;
    out->data[size] = 0;
    return true;
}

static bool start_worker(struct pool *p, struct worker *w)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    fflush(NULL);
    w->pid = fork();
    if (w->pid == 0) {
        close(fds[0]);
        for (int i = 0; i < p->jobs; i++)
            if (p->workers[i].fd >= 0)
                close(p->workers[i].fd);
        signal(SIGINT, SIG_DFL);
        worker_main(p->conf, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    if (w->pid < 0) {
        close(fds[0]);
        return false;
    }
    w->fd = fds[0];
    w->at = -1;
    w->profile = NULL;
    return true;
}

static void end_worker(struct worker *w, bool kill_it)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    if (kill_it)
        kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
}

static bool stopped(const struct pool_conf *c)
{
    return c->stop && *c->stop;
}

/* The next scenario for a worker: of its own profile if there is one left, so that its lab and
 * target serve on; else of the profile that no other works on, else any. */
static ssize_t choose(struct pool *p, const struct worker *w)
{
    ssize_t any = -1, fresh = -1;
    if (stopped(p->conf))
        return -1;
    for (size_t i = 0; i < p->conf->count; i++) {
        const char *profile = p->conf->scenarios[i]->profile;
        if (p->taken[i] || p->first_try[i])
            continue;
        if (w->profile && strcmp(profile, w->profile) == 0)
            return (ssize_t)i;
        bool busy = false;
        for (int k = 0; k < p->jobs; k++)
            busy |= p->workers[k].profile && strcmp(p->workers[k].profile, profile) == 0;
        if (!busy && fresh < 0)
            fresh = (ssize_t)i;
        if (any < 0)
            any = (ssize_t)i;
    }
    return fresh >= 0 ? fresh : any;
}

/* What the lab or the machine may be to blame for is tried again once, when nothing else runs; the
 * result says so. */
static bool try_again(struct pool *p, size_t index, json_t *result)
{
    bool doubtful = result_verdict(result) == V_ERROR ||
                    (p->conf->doubtful && p->conf->doubtful(p->conf->arg, result));
    if (!doubtful || p->conf->scenarios[index]->broken ||
        p->first_try[index] || !p->conf->target->lab || p->again_ever >= AGAIN_MAX)
        return false;
    p->first_try[index] = result;
    p->taken[index] = false;
    p->again++;
    p->again_ever++;
    return true;
}

static void finish(struct pool *p, size_t index, json_t *result)
{
    if (try_again(p, index, result))
        return;
    if (p->first_try[index]) {
        p->again--;
        result_second_try(result, p->first_try[index]);
    }
    p->results[index] = result;
    p->finished++;
    if (p->conf->done)
        p->conf->done(p->conf->arg, index, result);
}

/* A scenario to be tried again: only when nothing else runs, since a machine with too much to do is
 * what it may have failed of. */
static ssize_t choose_again(struct pool *p)
{
    if (p->finished + p->again < p->conf->count || stopped(p->conf))
        return -1;
    for (int i = 0; i < p->jobs; i++)
        if (p->workers[i].fd >= 0 && p->workers[i].at >= 0)
            return -1;
    for (size_t i = 0; i < p->conf->count; i++)
        if (p->first_try[i] && !p->taken[i])
            return (ssize_t)i;
    return -1;
}

static void give_work(struct pool *p, struct worker *w)
{
    ssize_t index = choose(p, w);
    if (index < 0)
        index = choose_again(p);
    if (index < 0)
        return;
    const struct scenario *s = p->conf->scenarios[index];
    p->taken[index] = true;
    uint64_t number = (uint64_t)index | (p->first_try[index] ? POOL_AGAIN : 0);
    if (!frame_send(w->fd, &number, sizeof number)) {
        finish(p, (size_t)index, result_without_run(s, V_ERROR, "the lab's process is gone"));
        end_worker(w, true);
        return;
    }
    w->at = index;
    w->profile = s->profile;
    w->until = mono_ms() + s->timeout_ms * 2 + p->conf->target->start_ms * 2 + HANG_MS;
}

static void take_result(struct pool *p, struct worker *w)
{
    struct buf frame = {0};
    size_t index = (size_t)w->at;
    bool late = mono_ms() >= w->until;
    json_t *result = late || !frame_receive(w->fd, &frame) ? NULL
        : json_loadb(frame.data, frame.len, 0, NULL);
    buf_free(&frame);
    w->at = -1;
    if (!result) {
        result = result_without_run(p->conf->scenarios[index], V_ERROR,
                                    late ? "the harness hangs" : "the harness's process ended");
        end_worker(w, true);
        start_worker(p, w);
    }
    const char *version = json_text(result, "target_version");
    if (*version && !p->version)
        p->version = xstrdup(version);
    finish(p, index, result);
}

static void loop(struct pool *p)
{
    while (p->finished < p->conf->count) {
        struct pollfd fds[JOBS_MAX];
        int64_t next = mono_ms() + 1000;
        int working = 0;
        for (int i = 0; i < p->jobs; i++) {
            struct worker *w = &p->workers[i];
            if (w->fd >= 0 && w->at < 0)
                give_work(p, w);
            fds[i] = (struct pollfd){.fd = w->at >= 0 ? w->fd : -1, .events = POLLIN};
            working += w->fd >= 0 && w->at >= 0;
            if (w->at >= 0 && w->until < next)
                next = w->until;
        }
        if (!working)
            return;
        int64_t wait = next - mono_ms();
        poll(fds, (nfds_t)p->jobs, wait < 0 ? 0 : (int)wait);
        for (int i = 0; i < p->jobs; i++)
            if (p->workers[i].at >= 0 &&
                (fds[i].revents || mono_ms() >= p->workers[i].until))
                take_result(p, &p->workers[i]);
    }
}

json_t *pool_run(const struct pool_conf *conf, char **version, struct buf *error)
{
    struct pool p = {.conf = conf, .jobs = conf->jobs < 1 ? 1
                                         : conf->jobs > JOBS_MAX ? JOBS_MAX : conf->jobs};
    if ((size_t)p.jobs > conf->count)
        p.jobs = conf->count ? (int)conf->count : 1;
    p.taken = xcalloc(conf->count + 1, sizeof *p.taken);
    p.results = xcalloc(conf->count + 1, sizeof *p.results);
    p.first_try = xcalloc(conf->count + 1, sizeof *p.first_try);
    bool any = false;
    for (int i = 0; i < p.jobs; i++)
        p.workers[i] = (struct worker){.fd = -1, .at = -1};
    for (int i = 0; i < p.jobs; i++)
        any |= start_worker(&p, &p.workers[i]);
    if (any)
        loop(&p);
    else
        buf_printf(error, "no process for a lab: %s", strerror(errno));
    json_t *all = any ? json_array() : NULL;
    for (size_t i = 0; i < conf->count; i++) {
        if (all && !p.results[i])
            p.results[i] = result_without_run(conf->scenarios[i], stopped(conf) ? V_SKIP : V_ERROR,
                                              "it was not come to");
        if (all)
            json_array_append_new(all, p.results[i]);
    }
    for (int i = 0; i < p.jobs; i++)
        end_worker(&p.workers[i], false);
    for (size_t i = 0; i < conf->count; i++)
        json_decref(p.first_try[i]);
    free(p.first_try);
    free(p.results);
    free(p.taken);
    *version = p.version;
    return all;
}
