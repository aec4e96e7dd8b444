/* spill.c - a message kept for a moment, in memory or in a file without a name. */
#include "reference/store/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void spill_init(struct spill *s, const char *dir)
{
    *s = (struct spill){.dir = dir, .fd = -1};
}

void spill_free(struct spill *s)
{
    if (s->fd >= 0)
        close(s->fd);
    buf_free(&s->mem);
    *s = (struct spill){.fd = -1};
}

static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    /* File systems without O_TMPFILE: make a name and take it away. */
    struct buf name = {0};
    buf_printf(&name, "%s/.spillXXXXXX", dir);
    fd = mkostemp(name.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(name.data);
    buf_free(&name);
    return fd;
}

static int fail(struct spill *s)
{
    s->error = errno;
    buf_free(&s->mem);
    return -1;
}

static int to_file(struct spill *s)
{
    if (s->fd < 0 && (s->fd = open_nameless(s->dir)) < 0)
        return fail(s);
    size_t done = 0;
    while (done < s->mem.len) {
        ssize_t n = pwrite(s->fd, s->mem.data + done, s->mem.len - done, s->in_file);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(s);
        done += (size_t)n;
        s->in_file += n;
    }
    buf_clear(&s->mem);
    return 0;
}

int spill_add(struct spill *s, const void *p, size_t n)
{
    const char *from = p;
    while (n > 0) {
        if (s->error) {
            errno = s->error;
            return -1;
        }
        size_t part = SPILL_MEMORY - s->mem.len;
        if (part > n)
            part = n;
        buf_add(&s->mem, from, part);
        s->size += (int64_t)part;
        from += part;
        n -= part;
        if (n > 0 && to_file(s) < 0)
            return -1;
    }
    return 0;
}

int spill_add_file(struct spill *s, int fd, int64_t offset, int64_t length)
{
    char chunk[16 * 1024];
    while (length > 0) {
        size_t want = length < (int64_t)sizeof chunk ? (size_t)length : sizeof chunk;
        ssize_t n = pread(fd, chunk, want, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            return -1;
        }
        if (spill_add(s, chunk, (size_t)n) < 0)
            return -1;
        offset += n;
        length -= n;
    }
    return 0;
}

int spill_copy(struct spill *s, int (*give)(void *arg, const void *p, size_t n), void *arg)
{
    if (s->error) {
        errno = s->error;
        return -1;
    }
    char chunk[16 * 1024];
    for (int64_t at = 0; at < s->in_file;) {
        ssize_t n = pread(s->fd, chunk, sizeof chunk, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            return -1;
        }
        if (give(arg, chunk, (size_t)n) < 0)
            return -1;
        at += n;
    }
    return s->mem.len > 0 ? give(arg, s->mem.data, s->mem.len) : 0;
}

int spill_lines(struct spill *s, struct lines *l)
{
    if (s->fd < 0) {
        lines_init_memory(l, buf_slice(&s->mem));
        return 0;
    }
    if (to_file(s) < 0)
        return -1;
    lines_init_file(l, s->fd, 0, s->in_file);
    return 0;
}
