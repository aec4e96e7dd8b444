/* lock.c - the locks of an mbox file: fcntl and dot-lock.
 *
 * The fcntl lock is an "open file description" lock: it excludes the classic ones of other
 * programs, but is not lost when another thread of this process closes the same file.
 *
 * Our dot-lock says "<pid> postroad <size>": the process, as liblockfile reads it, and how large
 * the mbox was. Whoever holds a dot-lock of ours holds the fcntl lock too, so whoever has the fcntl
 * lock and finds such a dot-lock knows that its maker was killed, and that all after <size> is a
 * delivery that never was answered: it is cut off, and its sender tries again. */
#include "reference/store/lock.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUTEXES 64

static pthread_mutex_t mutexes[MUTEXES] = {
    [0 ... MUTEXES - 1] = PTHREAD_MUTEX_INITIALIZER,
};

static pthread_mutex_t *mutex_of(const char *path)
{
    uint32_t h = 2166136261u;
    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * 16777619u;
    return &mutexes[h % MUTEXES];
}

static bool mutex_wait(pthread_mutex_t *mutex, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_mutex_timedlock(mutex, &until) == 0;
}

static int take_fcntl(int fd)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &fl);
}

/* The spool of old: the file is the user's, group mail, mode 0660. The folder entry is made durable
 * at once, so that a later delivery need not know who made the file. */
static int create_mbox(const struct mailbox_place *place)
{
    int fd = open(place->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (give_to_owner(place, fd, 0660, 0660) == 0 && sync_dir(place, place->dir) == 0)
        return fd;
    int error = errno;
    unlink(place->path);
    close(fd);
    errno = error;
    return -1;
}

static int open_mbox(const struct mailbox_place *place, bool create)
{
    for (int tries = 0; tries < 3; tries++) {
        int fd = open(place->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0 || errno != ENOENT || !create)
            return fd;
        fd = create_mbox(place);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Opens and takes the fcntl lock, if it is free, on the file that has the name now (it may have
 * been replaced between the two). EAGAIN: try again later. */
static int open_locked(struct mbox_lock *l, const struct mailbox_place *place, bool create)
{
    struct stat named;
    l->fd = open_mbox(place, create);
    if (l->fd < 0)
        return -1;
    int error = 0;
    if (fstat(l->fd, &l->st) < 0)
        error = errno;
    else if (!S_ISREG(l->st.st_mode) || l->st.st_nlink > 1)
        error = EBADMSG;
    else if (take_fcntl(l->fd) < 0)
        error = errno == EACCES ? EAGAIN : errno;
    else if (fstat(l->fd, &l->st) < 0 || lstat(place->path, &named) < 0 ||
             named.st_ino != l->st.st_ino || named.st_dev != l->st.st_dev)
        error = EAGAIN;
    if (error == 0)
        return 0;
    close(l->fd);
    l->fd = -1;
    errno = error;
    return -1;
}

/* Cuts off an append that was not finished; `size` is what the dot-lock says. */
static void cut_unfinished(struct mbox_lock *l, int64_t size)
{
    char word[6] = "";
    if (size < 0 || size >= l->st.st_size)
        return;
    /* Only what looks like an append of ours: a From_ line, on a line of its own. The blank line
     * that mends the end of another program's file may stand before it. */
    ssize_t n = pread(l->fd, word, 5, size);
    if (n > 0 && strncmp(word, "From ", (size_t)n) != 0 && word[0] != '\n')
        return;
    if (ftruncate(l->fd, size) == 0)
        fstat(l->fd, &l->st);
}

/* Is the dot-lock there one that nobody holds? Then it is removed, and true is returned. */
static bool remove_stale(struct mbox_lock *l, const char *dot)
{
    char text[64];
    struct stat st;
    int fd = open(dot, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT;
    ssize_t n = read(fd, text, sizeof text - 1);
    bool known = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    close(fd);
    if (!known)
        return false;
    text[n > 0 ? n : 0] = 0;
    char *end;
    long pid = strtol(text, &end, 10);
    bool ours = strncmp(end, " postroad ", 10) == 0 && st.st_uid == geteuid();
    bool dead = pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
    bool old = pid <= 0 && wall_us() / 1000000 - st.st_mtime > MBOX_LOCK_STALE_S;
    if (!ours && !dead && !old)
        return false;
    if (ours)
        cut_unfinished(l, strtoll(end + 10, NULL, 10));
    return unlink(dot) == 0 || errno == ENOENT;
}

/* Makes the file with its text at once, so that no kill leaves an empty one, which would lock for
 * minutes. EEXIST: there is one. *written: the text is in it. */
static int make_dot(const struct mailbox_place *place, const char *dot, struct slice text,
                    bool *written)
{
    char link[40];
    int fd = open(place->dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
    bool nameless = fd >= 0;
    if (!nameless) /* a file system without nameless files */
        fd = open(dot, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    *written = write(fd, text.p, text.n) == (ssize_t)text.n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int result = nameless ? linkat(AT_FDCWD, link, AT_FDCWD, dot, AT_SYMLINK_FOLLOW) : 0;
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int take_dot(struct mbox_lock *l, const struct mailbox_place *place, const char *dot,
                    bool append)
{
    struct buf text = {0};
    bool written = false;
    buf_printf(&text, "%ld postroad %lld\n", (long)getpid(), (long long)l->st.st_size);
    int result = make_dot(place, dot, buf_slice(&text), &written);
    if (result < 0 && errno == EEXIST) {
        if (remove_stale(l, dot)) {
            /* What was unfinished has been cut off. */
            buf_clear(&text);
            buf_printf(&text, "%ld postroad %lld\n", (long)getpid(), (long long)l->st.st_size);
            result = make_dot(place, dot, buf_slice(&text), &written);
        }
        if (result < 0 && errno == EEXIST)
            errno = EAGAIN;
    }
    int error = errno;
    buf_free(&text);
    /* Without its text it locks just as well, but an append needs it to be undone. So a full disk
     * lets readers in, who may make room. */
    if (result == 0 && append && !written) {
        unlink(dot);
        error = ENOSPC;
        result = -1;
    }
    errno = error;
    return result;
}

/* EAGAIN: somebody else has it; EINTR: to be tried again at once. */
static int try_lock(struct mbox_lock *l, const struct mailbox_place *place, const char *dot,
                    bool create)
{
    if (open_locked(l, place, create) < 0)
        return -1;
    if (take_dot(l, place, dot, create) == 0) {
        int recovered = mbox_recover(place, l->fd);
        if (recovered == 0)
            return 0;
        /* The dot-lock names a size that is not true any more. */
        int error = recovered > 0 ? EINTR : errno;
        unlink(dot);
        errno = error;
    }
    int error = errno;
    close(l->fd);
    l->fd = -1;
    errno = error;
    return -1;
}

int mbox_lock(struct mbox_lock *l, const struct mailbox_place *place, bool create,
              int64_t wait_ms)
{
    *l = (struct mbox_lock){.fd = -1, .mutex = mutex_of(place->path)};
    int64_t until = mono_ms() + wait_ms, pause = 5;
    if (!mutex_wait(l->mutex, wait_ms)) {
        errno = EAGAIN;
        return -1;
    }
    char *dot = xasprintf("%s.lock", place->path);
    int result;
    while ((result = try_lock(l, place, dot, create)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN || mono_ms() + pause > until)
            break;
        sleep_ms(pause);
        pause = pause < 100 ? pause * 2 : 100;
    }
    if (result == 0) {
        l->dot = dot;
        return 0;
    }
    int error = errno;
    free(dot);
    pthread_mutex_unlock(l->mutex);
    errno = error;
    return -1;
}

void mbox_unlock(struct mbox_lock *l, int *keep_fd)
{
    if (!l->dot)
        return;
    unlink(l->dot);
    free(l->dot);
    l->dot = NULL;
    if (keep_fd) {
        struct flock fl = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
        fcntl(l->fd, F_OFD_SETLK, &fl);
        *keep_fd = l->fd;
    } else {
        close(l->fd);
    }
    l->fd = -1;
    pthread_mutex_unlock(l->mutex);
}
