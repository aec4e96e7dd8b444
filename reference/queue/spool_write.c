/* spool_write.c - writing a message file so that it is there after any crash, or not at all. */
#include "reference/queue/queue.h"

#include "base/folder_sync.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define WRITE_BUFFER 65536       /* most messages fit, so that one write(2) makes the file */

struct queue_writer {
    const struct config *c;
    char id[QUEUE_ID_MAX];
    char *path;                  /* in incoming/ */
    int fd;
    int error;                   /* errno of the first failure */
    struct buf pending;          /* not yet written; the whole head at first */
    int64_t flushed;             /* octets in the file */
    int64_t head_size;
    int64_t written;             /* octets of the message */
    int64_t size_at, dots_at, octets_at; /* where these values of the head stand */
    bool dots, high_octets;
    char last;                   /* octet of the message */
};

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* A value of the head is one line: a control character in it would forge another. */
static void add_value(struct buf *b, const char *word, const char *value)
{
    buf_printf(b, "%s ", word);
    for (const char *p = value ? value : ""; *p; p++)
        buf_add_byte(b, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    buf_add_byte(b, '\n');
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* An address that had to be changed would go elsewhere: refused instead. */
static bool addresses_clean(const struct envelope *e)
{
    if (has_control(e->reverse_path ? e->reverse_path : ""))
        return false;
    for (size_t i = 0; i < e->rcpt_count; i++)
        if (has_control(e->rcpt[i].address) || (e->rcpt[i].via && has_control(e->rcpt[i].via)))
            return false;
    return true;
}

static const char *body_name(const struct envelope *e)
{
    return e->binary ? "BINARYMIME" : e->eight_bit ? "8BITMIME" : "7BIT";
}

static void add_recipient(struct buf *b, const struct recipient *r)
{
    buf_printf(b, "%s <%s>\n", recipient_mark(r->state), r->address);
    if (r->via)
        buf_printf(b, "via <%s>\n", r->via);
    if (r->notify) {
        buf_add_str(b, "notify ");
        buf_add_notify(b, r->notify);
        buf_add_byte(b, '\n');
    }
    if (r->orcpt)
        add_value(b, "orcpt", r->orcpt);
}

static void add_head(struct queue_writer *w, const struct envelope *e)
{
    struct buf *b = &w->pending;

    buf_printf(b, "postroad 1\nid %s\narrived %" PRId64 ".%06d\nsize ", w->id,
               e->arrived_us / 1000000, (int)(e->arrived_us % 1000000));
    w->size_at = (int64_t)b->len;
    buf_printf(b, "%020d\ndots ", 0);
    w->dots_at = (int64_t)b->len;
    buf_add_str(b, "1\noctets ");
    w->octets_at = (int64_t)b->len;
    buf_printf(b, "8\nbody %s\n", body_name(e));
    if (e->utf8)
        buf_add_str(b, "utf8 1\n");
    if (e->unfiltered)
        buf_add_str(b, "filter todo\n");
    add_value(b, "protocol", e->protocol);
    add_value(b, "client", e->client);
    add_value(b, "helo", e->helo);
    buf_printf(b, "from <%s>\n", e->reverse_path ? e->reverse_path : "");
    if (e->envid)
        add_value(b, "envid", e->envid);
    if (e->ret != RETURN_ANY)
        buf_printf(b, "ret %s\n", e->ret == RETURN_FULL ? "FULL" : "HDRS");
    for (size_t i = 0; i < e->rcpt_count; i++)
        add_recipient(b, &e->rcpt[i]);
    buf_add_byte(b, '\n');
    w->head_size = (int64_t)b->len;
}

static void writer_free(struct queue_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    buf_free(&w->pending);
    free(w);
}

static int create_locked(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

struct queue_writer *queue_create(const struct config *c, struct envelope *e)
{
    struct queue_writer *w;
    bool new_id;

    if (!addresses_clean(e)) {
        errno = EINVAL;
        return NULL;
    }
    if (!e->arrived_us)
        e->arrived_us = wall_us();
    w = xcalloc(1, sizeof *w);
    w->c = c;
    w->last = '\n';
    new_id = !e->id[0];
    if (new_id)
        queue_new_id(e->id);
    memcpy(w->id, e->id, sizeof w->id);
    w->path = queue_path(c, "incoming", w->id);
    if (!new_id)        /* a bounce or a rewritten envelope: a crash may have left its first try */
        unlink(w->path);
    w->fd = new_id ? queue_spare_take(c, w->path) : -1;
    if (w->fd < 0 && (w->fd = create_locked(w->path)) < 0) {
        int error = errno;
        writer_free(w);
        errno = error;
        return NULL;
    }
    add_head(w, e);
    return w;
}

static int flush_pending(struct queue_writer *w)
{
    if (!w->error && write_all(w->fd, w->pending.data, w->pending.len) < 0)
        w->error = errno;
    w->flushed += (int64_t)w->pending.len;
    buf_clear(&w->pending);
    return w->error ? -1 : 0;
}

static bool any_high_octet(const char *p, size_t n)
{
    uint64_t word, seen = 0;

    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        seen |= word;
    }
    for (; n > 0; p++, n--)
        seen |= (unsigned char)*p;
    return seen & 0x8080808080808080u;
}

static bool any_line_with_dot(const char *p, size_t n, char last)
{
    const char *begin = p, *end = p + n;
    for (; (p = memchr(p, '.', (size_t)(end - p))); p++)
        if ((p == begin ? last : p[-1]) == '\n')
            return true;
    return false;
}

int queue_write(struct queue_writer *w, const void *p, size_t n)
{
    if (w->error)
        errno = w->error;
    if (w->error || n == 0)
        return w->error ? -1 : 0;
    if (!w->dots)
        w->dots = any_line_with_dot(p, n, w->last);
    if (!w->high_octets)
        w->high_octets = any_high_octet(p, n);
    w->last = ((const char *)p)[n - 1];
    w->written += (int64_t)n;
    if (w->pending.len + n > WRITE_BUFFER)
        flush_pending(w);
    if (n > WRITE_BUFFER) {
        if (!w->error && write_all(w->fd, p, n) < 0)
            w->error = errno;
        w->flushed += (int64_t)n;
    } else {
        buf_add(&w->pending, p, n);
    }
    if (w->error)
        errno = w->error;
    return w->error ? -1 : 0;
}

int64_t queue_written(const struct queue_writer *w)
{
    return w->written;
}

/* Overwrites n octets of the head, in memory as long as they are there. */
static void patch(struct queue_writer *w, int64_t at, const char *p, size_t n)
{
    if (w->flushed == 0)
        memcpy(w->pending.data + at, p, n);
    else if (!w->error && pwrite(w->fd, p, n, at) != (ssize_t)n)
        w->error = errno ? errno : EIO;
}

static int sync_folder(const struct config *c, const char *folder)
{
    char *path = queue_path(c, folder, NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -1 : folder_sync(fd);
    if (fd >= 0)
        close(fd);
    free(path);
    return r;
}

/* Completes the file, makes it durable, and only then gives it its name in active/. When the name
 * cannot be made durable a new file is taken back, one that replaced its elder stays. */
static int finish(struct queue_writer *w, const char *folder, bool replaces)
{
    char size[21];
    char *active;
    int r;

    snprintf(size, sizeof size, "%020" PRId64, w->written);
    patch(w, w->size_at, size, 20);
    patch(w, w->dots_at, w->dots ? "1" : "0", 1);
    patch(w, w->octets_at, w->high_octets ? "8" : "7", 1);
    if (flush_pending(w) < 0) {
        errno = w->error;
        return -1;
    }
    if (w->c->fsync && fsync(w->fd) < 0)
        return -1;
    active = queue_path(w->c, folder, w->id);
    r = rename(w->path, active);
    /* The name is as much a part of the promise as the octets. */
    if (r == 0 && w->c->fsync && (r = sync_folder(w->c, folder)) < 0) {
        int error = errno;
        if (!replaces)
            unlink(active);
        errno = error;
    }
    free(active);
    return r;
}

int queue_commit(struct queue_writer *w)
{
    return queue_commit_to(w, "active");
}

int queue_commit_to(struct queue_writer *w, const char *folder)
{
    int error;

    if (finish(w, folder, false) < 0) {
        error = errno;
        queue_abandon(w);
        errno = error;
        return -1;
    }
    queue_wake(w->c, w->id);
    writer_free(w);
    return 0;
}

void queue_abandon(struct queue_writer *w)
{
    if (!w)
        return;
    if (w->path)
        unlink(w->path);
    writer_free(w);
}

ssize_t queue_read_back(struct queue_writer *w, void *p, size_t n, int64_t at)
{
    if (flush_pending(w) < 0) {
        errno = w->error;
        return -1;
    }
    return pread(w->fd, p, n, w->head_size + at);
}

struct queue_writer *queue_create_again(struct queue_writer *w, struct envelope *e)
{
    if (w->path)
        unlink(w->path);
    free(w->path);
    w->path = NULL;
    return queue_create(w->c, e);
}

int queue_rewrite(const struct config *c, int fd, struct envelope *e)
{
    struct queue_writer *w = queue_create(c, e);
    char *chunk = w ? xmalloc(WRITE_BUFFER) : NULL;
    int64_t left = e->size, at = e->message_offset;
    int error = 0;

    if (!w)
        return -1;
    while (left > 0 && !error) {
        ssize_t n = pread(fd, chunk, left < WRITE_BUFFER ? (size_t)left : WRITE_BUFFER, at);
        if (n <= 0)
            error = n < 0 ? errno : EIO;
        else if (queue_write(w, chunk, (size_t)n) < 0)
            error = errno;
        at += n;
        left -= n;
    }
    free(chunk);
    if (!error && finish(w, "active", true) < 0)
        error = errno;
    if (error) {
        queue_abandon(w);
        errno = error;
        return -1;
    }
    writer_free(w);
    return 0;
}
