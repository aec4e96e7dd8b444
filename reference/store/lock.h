/* lock.h - the locks of an mbox file: fcntl and dot-lock, as mail(1), mutt, procmail and Dovecot
 * take them on Debian: first fcntl, then "<mbox>.lock", and when the second cannot be had the first
 * is given back before waiting. A program that takes only one of the two is not kept out by the
 * other. */
#ifndef REFERENCE_STORE_LOCK_H
#define REFERENCE_STORE_LOCK_H

#include "reference/store/store.h"

#include <pthread.h>
#include <sys/stat.h>

/* How long a delivery or a reader waits for other programs. */
#define MBOX_LOCK_WAIT_MS 15000
/* A dot-lock whose process cannot be told is left over when it is older than this. */
#define MBOX_LOCK_STALE_S 300

struct mbox_lock {
    int fd;                        /* the mbox, read-write, locked */
    struct stat st;                /* at the time of locking */
    char *dot;                     /* the dot-lock's name; NULL: not held */
    pthread_mutex_t *mutex;        /* keeps the threads of this process in line */
};

/* Opens and locks the mbox; a missing one is made when `create`. On -1 (errno; EAGAIN: held by
 * another for wait_ms; ENOENT: none and not to be made; EBADMSG: not a regular file with one name)
 * nothing is held. What a killed process had begun to append is cut off. */
int mbox_lock(struct mbox_lock *l, const struct mailbox_place *place, bool create, int64_t wait_ms);
/* Releases; the descriptor stays open when keep_fd is not NULL. */
void mbox_unlock(struct mbox_lock *l, int *keep_fd);

#endif
