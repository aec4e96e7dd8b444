/* lines.c - reading a range of a file, or memory, line by line with bounded memory. */
#include "reference/store/lines.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void lines_init_file(struct lines *l, int fd, int64_t offset, int64_t length)
{
    *l = (struct lines){.fd = fd, .offset = offset, .left = length};
    l->buf = xmalloc(LINES_PIECE_MAX);
    l->p = l->buf;
}

void lines_init_memory(struct lines *l, struct slice text)
{
    *l = (struct lines){.fd = -1, .p = text.p, .n = text.n};
}

void lines_free(struct lines *l)
{
    free(l->buf);
    *l = (struct lines){.fd = -1};
}

/* Moves what is left to the front of the buffer and fills it up. */
static int refill(struct lines *l)
{
    if (l->n > 0 && l->p != l->buf)
        memmove(l->buf, l->p, l->n);
    l->p = l->buf;
    while (l->n < LINES_PIECE_MAX && l->left > 0) {
        size_t want = LINES_PIECE_MAX - l->n;
        if ((int64_t)want > l->left)
            want = (size_t)l->left;
        ssize_t got = pread(l->fd, l->buf + l->n, want, l->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0)
                errno = EIO;
            return -1;
        }
        l->n += (size_t)got;
        l->offset += got;
        l->left -= got;
    }
    return 0;
}

/* The end of the line, if that is no farther than a piece is long. */
static const char *find_lf(const struct lines *l)
{
    size_t n = l->n < LINES_PIECE_MAX ? l->n : LINES_PIECE_MAX;
    return n > 0 ? memchr(l->p, '\n', n) : NULL;
}

int lines_next(struct lines *l, struct line_piece *out)
{
    const char *lf = find_lf(l);
    if (!lf && l->left > 0) {
        if (refill(l) < 0)
            return -1;
        lf = find_lf(l);
    }
    if (l->n == 0)
        return 0;
    out->begins = !l->in_line;
    if (lf) {
        out->text = slice_of(l->p, (size_t)(lf - l->p));
        out->raw = out->text.n + 1;
        out->ends = true;
    } else {
        out->ends = l->left == 0 && l->n <= LINES_PIECE_MAX;
        size_t n = l->n < LINES_PIECE_MAX ? l->n : LINES_PIECE_MAX;
        /* A CR may be half of a line end: it goes with the LF. */
        if (!out->ends && l->p[n - 1] == '\r')
            n--;
        out->text = slice_of(l->p, n);
        out->raw = n;
    }
    l->in_line = !out->ends;
    l->p += out->raw;
    l->n -= out->raw;
    return 1;
}
