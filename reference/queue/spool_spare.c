/* spool_spare.c - files of messages that have gone, kept for those that come.
 *
 * A file system takes far longer to make a file near many that were just removed than to rename one:
 * ext4 does not give an inode out again for minutes, and each new file has to search past all of
 * those. So the file of a delivered message is renamed to spare/ and emptied, and the next message
 * is written into it. In a journal the rename stands before the new octets: no crash can show them
 * under the old name. A spare file is empty and means nothing; all may be removed at any time. */
#include "reference/queue/queue.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { SPARE_FILES = 1000 };
#define LOOK_MS 50               /* between looks into spare/ */

/* --- giving: the queue role ------------------------------------------------------------------ */

static atomic_int room;          /* files that spare/ may still take */

static bool count_one(void *arg, const char *id)
{
    (void)id;
    ++*(int *)arg;
    return true;
}

void queue_spare_count(const struct config *c)
{
    int n = 0;
    queue_list(c, "spare", count_one, &n);
    atomic_store(&room, SPARE_FILES - n);
}

int queue_retire(const struct config *c, const char *id, int fd)
{
    char *log = queue_path(c, "log", id);
    int r = -1;
    /* Every file that is given back makes its own room; what was too much is removed. */
    if (atomic_fetch_sub(&room, 1) > 0 && (r = queue_move(c, id, "active", "spare")) == 0) {
        if (ftruncate(fd, 0) < 0) {
            /* Whoever takes it empties it. */
        }
    } else if (r < 0) {
        r = queue_remove(c, "active", id);
    }
    unlink(log);
    free(log);
    return r;
}

/* --- taking: whoever writes a message -------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    char name[SPARE_FILES][QUEUE_ID_MAX];
    int n;
    int64_t next_look_ms;
} found = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool find_one(void *arg, const char *id)
{
    (void)arg;
    snprintf(found.name[found.n++], QUEUE_ID_MAX, "%s", id);
    return found.n < SPARE_FILES;
}

/* A name that was in spare/ a while ago. False: none is known. */
static bool next_name(const struct config *c, char name[QUEUE_ID_MAX])
{
    pthread_mutex_lock(&found.lock);
    if (found.n == 0 && mono_ms() >= found.next_look_ms) {
        queue_list(c, "spare", find_one, NULL);
        found.next_look_ms = mono_ms() + LOOK_MS;
    }
    bool any = found.n > 0;
    if (any)
        memcpy(name, found.name[--found.n], QUEUE_ID_MAX);
    pthread_mutex_unlock(&found.lock);
    return any;
}

/* Another process may take it at the same time: the lock, and then the rename, say whose it is. */
static bool take(const struct config *c, const char *name, int fd, const char *path)
{
    char *spare = queue_path(c, "spare", name);
    bool mine = flock(fd, LOCK_EX | LOCK_NB) == 0 && rename(spare, path) == 0;
    free(spare);
    if (mine && ftruncate(fd, 0) < 0) {
        unlink(path);
        mine = false;
    }
    return mine;
}

int queue_spare_take(const struct config *c, const char *path)
{
    char name[QUEUE_ID_MAX];

    while (next_name(c, name)) {
        char *spare = queue_path(c, "spare", name);
        int fd = open(spare, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        free(spare);
        if (fd >= 0 && take(c, name, fd, path))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}
