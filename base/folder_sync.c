/* folder_sync.c - group commit: while one thread syncs a folder, those that come wait, and one of them
 * syncs for all. A sync that had begun before the call may have missed the caller's change, so it
 * does not count for him. */
#include "base/folder_sync.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {                  /* one that somebody syncs at this moment */
    struct folder *next;
    dev_t dev;
    ino_t ino;
    int users;                   /* threads in folder_sync */
    uint64_t begun, ended;       /* syncs, by number; begun is one more while one is under way */
    uint64_t failed;             /* the last that failed; 0: none */
    int error;                   /* of that one */
    pthread_cond_t end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* guards all folders */
static struct folder *folders;

static struct folder *enter(const struct stat *st)
{
    struct folder *f = folders;
    while (f && (f->dev != st->st_dev || f->ino != st->st_ino))
        f = f->next;
    if (!f) {
        f = xcalloc(1, sizeof *f);
        f->dev = st->st_dev;
        f->ino = st->st_ino;
        pthread_cond_init(&f->end, NULL);
        f->next = folders;
        folders = f;
    }
    f->users++;
    return f;
}

static void leave(struct folder *f)
{
    if (--f->users > 0)
        return;
    struct folder **at = &folders;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    pthread_cond_destroy(&f->end);
    free(f);
}

/* The lock is held, and given up meanwhile. */
static void sync_for_all(struct folder *f, int fd)
{
    uint64_t number = ++f->begun;
    pthread_mutex_unlock(&lock);
    int error = fsync(fd) < 0 ? errno : 0;
    pthread_mutex_lock(&lock);
    f->ended = number;
    if (error) {
        f->failed = number;
        f->error = error;
    }
    pthread_cond_broadcast(&f->end);
}

int folder_sync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    pthread_mutex_lock(&lock);
    struct folder *f = enter(&st);
    uint64_t mine = f->begun + 1;    /* the first that begins after us */
    while (f->ended < mine) {
        if (f->begun == f->ended)
            sync_for_all(f, fd);
        else
            pthread_cond_wait(&f->end, &lock);
    }
    /* One that failed later may have been ours as well: the kernel reports an error once only. */
    int error = f->failed >= mine ? f->error : 0;
    leave(f);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}
