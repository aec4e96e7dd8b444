/* spool.c - the folders of the spool: ids, paths, moving, listing, waking. */
#include "reference/queue/queue.h"

#include "base/mem.h"
#include "base/timing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* A file in incoming/ without a lock has no writer, once it is old enough that its writer cannot
 * be between open and flock. */
#define SWEEP_AGE_US (10 * 1000000LL)

static const char *const state_folders[] = {"active", "deferred", "hold", "corrupt"};

char *queue_path(const struct config *c, const char *folder, const char *id)
{
    return id ? xasprintf("%s/%s/%s", c->spool, folder, id) : xasprintf("%s/%s", c->spool, folder);
}

int queue_prepare(const struct config *c)
{
    static const char *const folders[] = {"incoming", "active", "deferred", "hold", "corrupt",
                                          "log", "policy", "spare"};

    if (mkdir(c->spool, 0700) < 0 && errno != EEXIST)
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = queue_path(c, folders[i], NULL);
        int failed = mkdir(path, 0700) < 0 && errno != EEXIST;
        free(path);
        if (failed)
            return -1;
    }
    return 0;
}

/* Lower case letters and digits without i, l, o, u: nothing that a person misreads aloud. */
static void add_base32(char **p, uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--)
        *(*p)++ = "0123456789abcdefghjkmnpqrstvwxyz"[v >> (5 * i) & 31];
}

void queue_new_id(char id[QUEUE_ID_MAX])
{
    static atomic_uint counter;
    char *p = id;

    add_base32(&p, (uint64_t)wall_us(), 11);
    add_base32(&p, (uint64_t)getpid(), 5);
    add_base32(&p, atomic_fetch_add(&counter, 1), 4);
    *p = 0;
}

bool queue_id_valid(const char *id)
{
    size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz");
    return n > 0 && n < QUEUE_ID_MAX && id[n] == 0;
}

int queue_move(const struct config *c, const char *id, const char *from, const char *to)
{
    char *old = queue_path(c, from, id), *new = queue_path(c, to, id);
    int r = rename(old, new);
    free(old);
    free(new);
    return r;
}

static int set_mtime(const char *path, int64_t us)
{
    struct timespec t[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
    };
    return utimensat(AT_FDCWD, path, t, 0);
}

int queue_defer(const struct config *c, const char *id, int64_t next_us)
{
    char *path = queue_path(c, "active", id);
    int r = set_mtime(path, next_us);   /* before the move, so that no scan sees a stale time */
    free(path);
    return r < 0 ? r : queue_move(c, id, "active", "deferred");
}

int64_t queue_next_try(const struct config *c, const char *id)
{
    struct stat st;
    char *path = queue_path(c, "deferred", id);
    int r = stat(path, &st);
    free(path);
    return r < 0 ? -1 : (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

int queue_remove(const struct config *c, const char *folder, const char *id)
{
    char *path = queue_path(c, folder, id), *log = queue_path(c, "log", id);
    int r = unlink(path);
    unlink(log);
    free(path);
    free(log);
    return r;
}

int queue_retry_now(const struct config *c, const char *id)
{
    char *path = queue_path(c, "deferred", id);
    int r = set_mtime(path, wall_us());
    free(path);
    if (r == 0)
        queue_wake(c, id);
    return r;
}

const char *queue_find(const struct config *c, const char *id)
{
    /* Twice, since it may move from a folder not yet looked at to one that was. */
    for (size_t i = 0; i < 8; i++) {
        char *path = queue_path(c, state_folders[i % 4], id);
        int r = access(path, F_OK);
        free(path);
        if (r == 0)
            return state_folders[i % 4];
    }
    return NULL;
}

int queue_list(const struct config *c, const char *folder,
               bool (*each)(void *arg, const char *id), void *arg)
{
    char *path = queue_path(c, folder, NULL);
    DIR *d = opendir(path);
    struct dirent *entry;

    free(path);
    if (!d)
        return -1;
    while ((entry = readdir(d)))
        if (queue_id_valid(entry->d_name) && !each(arg, entry->d_name))
            break;
    closedir(d);
    return 0;
}

struct sweep { const struct config *c; int removed; };

static bool sweep_one(void *arg, const char *id)
{
    struct sweep *sweep = arg;
    char *path = queue_path(sweep->c, "incoming", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0
        && (int64_t)st.st_ctim.tv_sec * 1000000 < wall_us() - SWEEP_AGE_US
        && flock(fd, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0)
        sweep->removed++;
    if (fd >= 0)
        close(fd);
    free(path);
    return true;
}

int queue_sweep(const struct config *c)
{
    struct sweep sweep = {c, 0};
    queue_list(c, "incoming", sweep_one, &sweep);
    return sweep.removed;
}

static int wake_fd = -1;
static void open_wake_fd(void)
{
    wake_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

bool queue_has_room(const struct config *c, uint64_t octets)
{
    struct statvfs st;
    if (!c->spool || statvfs(c->spool, &st) != 0)
        return true;
    return (uint64_t)st.f_bavail * st.f_frsize >= c->free_space + octets && (st.f_files == 0 || st.f_favail > 0);
}

void queue_wake(const struct config *c, const char *id)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = c->queue_socket ? strlen(c->queue_socket) : 0;

    pthread_once(&once, open_wake_fd);
    if (n == 0 || n >= sizeof to.sun_path || wake_fd < 0)
        return;
    memcpy(to.sun_path, c->queue_socket, n + 1);
    sendto(wake_fd, id ? id : "", id ? strlen(id) : 0, MSG_DONTWAIT | MSG_NOSIGNAL,
           (struct sockaddr *)&to, sizeof to);
}

void queue_log(const struct config *c, const char *id, const char *recipient, const char *verdict,
               const char *host, const char *address, const char *reply)
{
    struct buf line = {0};
    char *path = queue_path(c, "log", id), when[64];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int64_t us = wall_us();
    time_t t = us / 1000000;
    struct tm tm;

    free(path);
    if (fd < 0)
        return;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
    buf_printf(&line, "%s.%03dZ ", when, (int)(us / 1000 % 1000));
    buf_add_escaped(&line, slice_str(recipient));
    buf_printf(&line, " %s %s[%s] ", verdict, host && *host ? host : "-", address ? address : "");
    buf_add_escaped(&line, slice_str(reply));
    buf_add_byte(&line, '\n');
    if (write(fd, line.data, line.len) < 0) {
        /* The log is a hint: a full disk may cost it, never the message. */
    }
    close(fd);
    buf_free(&line);
}

int64_t queue_retry_wait(int64_t age_ms, int64_t min_ms, int64_t max_ms)
{
    int64_t wait = age_ms > min_ms ? age_ms : min_ms;
    return wait < max_ms ? wait : max_ms;
}
