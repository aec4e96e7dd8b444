/* convert.c - writes a message anew for one server. */
#include "reference/relay/convert.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRITE_BUFFER = 65536 };

struct copy {
    int fd;
    struct buf pending;
    int64_t size;
    bool dots, high_octets;
    char last;
};

static int flush(struct copy *copy)
{
    struct slice left = buf_slice(&copy->pending);
    while (left.n > 0) {
        ssize_t n = write(copy->fd, left.p, left.n);
        if (n < 0 && errno != EINTR)
            return -1;
        left = slice_sub(left, n > 0 ? (size_t)n : 0, left.n);
    }
    buf_clear(&copy->pending);
    return 0;
}

static int add(void *arg, const void *p, size_t n)
{
    struct copy *copy = arg;
    const char *text = p;
    for (size_t i = 0; i < n; i++) {
        copy->dots |= copy->last == '\n' && text[i] == '.';
        copy->high_octets |= (text[i] & 0x80) != 0;
        copy->last = text[i];
    }
    buf_add(&copy->pending, p, n);
    copy->size += (int64_t)n;
    return copy->pending.len >= WRITE_BUFFER ? flush(copy) : 0;
}

enum downgrade_result relay_convert(const struct config *c, const struct relay_message *m,
                                    enum downgrade_to to, struct relay_message *out,
                                    const char **why)
{
    size_t mapped = (size_t)(m->offset + m->size);
    char *path = xasprintf("%s/incoming", c->spool);
    struct copy copy = {.fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), .last = '\n'};
    char *map = mmap(NULL, mapped, PROT_READ, MAP_PRIVATE, m->fd, 0);
    enum downgrade_result result = DOWNGRADE_WRITE_FAILED;
    *why = "there is no room to convert the message";
    if (map != MAP_FAILED) {         /* whether it can be done at all is said without a file, too */
        struct slice text = slice_of(map + m->offset, (size_t)m->size);
        result = message_downgrade(text, to, add, &copy, why);
        if (result == DOWNGRADE_OK && flush(&copy) != 0)
            result = DOWNGRADE_WRITE_FAILED;
    }
    if (map != MAP_FAILED)
        munmap(map, mapped);
    if (result == DOWNGRADE_OK) {
        *out = *m;
        out->fd = copy.fd;
        out->offset = 0;
        out->size = copy.size;
        out->dots = copy.dots;
        out->high_octets = copy.high_octets;
        out->binary = false;
        out->eight_bit = copy.high_octets;
    } else if (copy.fd >= 0) {
        close(copy.fd);
    }
    buf_free(&copy.pending);
    free(path);
    return result;
}
