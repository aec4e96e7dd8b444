/* view_text.c - a message's text, as on the wire, from any place.
 *
 * A LF in the file that stands alone is a CRLF on the wire. Small messages are converted at
 * once; of larger ones we note where on the wire each block of the file begins, as far as we
 * have read. */
#include "base/mem.h"
#include "base/stream.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK (64 * 1024)

struct message_text {
    int fd;                        /* -1: all is in `block` */
    int64_t length;                /* octets of the file */
    uint64_t size;
    bool plain;                    /* the file is as the wire */
    struct block_start { uint64_t wire; bool after_cr; } *starts;
    size_t known;                  /* starts[0..known) */
    struct buf block;              /* converted */
    size_t current;                /* which one it is; SIZE_MAX: none */
};

static int64_t read_all(int fd, void *p, size_t n, int64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)p + done, n - done, offset + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static void convert(struct buf *out, struct slice text, bool *after_cr)
{
    buf_reserve(out, 2 * text.n + 1);      /* the most that it can become: this loop is every FETCH's time */
    const char *p = text.p, *end = p + text.n;
    char *to = out->data + out->len;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((lf ? lf : end) - p);
        memcpy(to, p, n);
        to += n;
        if (n > 0)
            *after_cr = p[n - 1] == '\r';
        p += n;
        if (lf) {
            if (!*after_cr)
                *to++ = '\r';
            *to++ = '\n';
            *after_cr = false;
            p++;
        }
    }
    out->len = (size_t)(to - out->data);
    *to = 0;
}

/* Converts block i, whose start is known, and so knows where the next one begins. */
static int load_block(struct message_text *t, size_t i)
{
    char raw[BLOCK];
    bool after_cr = t->starts[i].after_cr;
    int64_t left = t->length - (int64_t)i * BLOCK;
    int64_t n = read_all(t->fd, raw, left < BLOCK ? (size_t)left : BLOCK, (int64_t)i * BLOCK);
    if (n < 0)
        return -1;
    buf_clear(&t->block);
    convert(&t->block, slice_of(raw, (size_t)n), &after_cr);
    t->current = i;
    if (i + 1 == t->known && (int64_t)(i + 1) * BLOCK < t->length)
        t->starts[t->known++] = (struct block_start){t->starts[i].wire + t->block.len, after_cr};
    return 0;
}

static struct message_text *text_new(int fd, int64_t length, uint64_t size)
{
    struct message_text *t = xcalloc(1, sizeof *t);
    *t = (struct message_text){.fd = fd, .length = length, .size = size, .current = SIZE_MAX};
    t->plain = length > BLOCK && (uint64_t)length == size;
    t->starts = xcalloc((size_t)(length / BLOCK) + 1, sizeof *t->starts);
    t->known = 1;
    if (length <= BLOCK) {
        if (load_block(t, 0) < 0) {
            int error = errno;
            message_text_free(t);
            errno = error;
            return NULL;
        }
        t->size = t->block.len;
        close(t->fd);
        t->fd = -1;
    }
    return t;
}

/* The name of the file, or another program, told a wrong size. */
static void correct_size(struct view_session *s, uint32_t uid, uint64_t size)
{
    struct mailbox_view *v = s->view;
    account_lock(v->account);
    struct row *r = row_by_uid(v, uid);
    if (r && r->size != size && view_begin(v, 0) == 0) {
        struct mailbox_row before = v->box;
        r = row_by_uid(v, uid);
        uint64_t told = r ? r->size : size;
        if (r) {
            view_count_out(&v->box, r);
            r->size = size;
            view_count_in(&v->box, r);
        }
        if (index_run(&v->account->index, ST_MESSAGE_SIZE, "ii", (int64_t)size,
                      MESSAGE_KEY(&v->box, uid)) < 0)
            view_abort(v, &before);
        else if (view_commit(v, &before) == 0)
            told = size;
        if (r)
            r->size = told;
    }
    account_unlock(v->account);
}

struct message_text *view_text(struct view_session *s, uint32_t seq)
{
    struct mailbox_view *v = s->view;
    int fd = -1;
    uint64_t size = 0;
    bool measured = true;
    account_lock(v->account);
    struct row *r = row_by_uid(v, view_uid(s, seq));
    errno = ENOENT;
    if (r && !v->gone) {
        size = r->size;
        measured = !(r->flags & ROW_UNMEASURED);
        fd = v->source->open(v, r);
    }
    int error = errno;
    account_unlock(v->account);
    errno = error;
    struct stat st;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = ENOENT;
        return NULL;
    }
    if (!measured && st.st_size > BLOCK)
        maildir_wire_size(fd, &size);
    struct message_text *t = text_new(fd, st.st_size, size);
    if (t && !measured) {
        account_lock(v->account);
        session_note_measured(s, view_uid(s, seq), t->size, st.st_mtime);
        account_unlock(v->account);
    } else if (t && t->size != size) {
        correct_size(s, view_uid(s, seq), t->size);
    }
    return t;
}

void message_text_free(struct message_text *t)
{
    if (!t)
        return;
    if (t->fd >= 0)
        close(t->fd);
    free(t->starts);
    buf_free(&t->block);
    free(t);
}

uint64_t message_text_size(const struct message_text *t)
{
    return t->size;
}

/* The block that holds the octet, loaded. 1: past the end. */
static int find_block(struct message_text *t, uint64_t offset)
{
    while (t->known > 0 && (int64_t)t->known * BLOCK < t->length &&
           t->starts[t->known - 1].wire <= offset) {
        size_t before = t->known;
        if (load_block(t, t->known - 1) < 0)
            return -1;
        if (t->known == before)
            break;
    }
    size_t low = 0, high = t->known;
    while (low + 1 < high) {
        size_t mid = low + (high - low) / 2;
        if (t->starts[mid].wire <= offset)
            low = mid;
        else
            high = mid;
    }
    if (t->current != low && load_block(t, low) < 0)
        return -1;
    return offset - t->starts[low].wire >= t->block.len;
}

int64_t message_text_read(struct message_text *t, uint64_t offset, void *p, size_t n)
{
    size_t done = 0;
    if (offset >= t->size)
        return 0;
    if (n > t->size - offset)
        n = (size_t)(t->size - offset);
    if (t->plain)
        return read_all(t->fd, p, n, (int64_t)offset);
    while (done < n) {
        int found = t->fd < 0 ? offset + done >= t->block.len : find_block(t, offset + done);
        if (found < 0)
            return -1;
        if (found == 1)
            break;
        size_t in = (size_t)(offset + done - t->starts[t->current].wire);
        size_t part = t->block.len - in < n - done ? t->block.len - in : n - done;
        memcpy((char *)p + done, t->block.data + in, part);
        done += part;
    }
    return (int64_t)done;
}

int message_text_send(struct message_text *t, uint64_t offset, uint64_t n, struct stream *to)
{
    char chunk[16 * 1024];
    static const char zeros[4096];
    if (t->plain && offset + n <= t->size)
        return stream_send_file(to, t->fd, (int64_t)offset, (int64_t)n) == IO_OK ? 0 : -1;
    while (n > 0) {
        int64_t got = message_text_read(t, offset, chunk, n < sizeof chunk ? (size_t)n
                                        : sizeof chunk);
        if (got <= 0)
            break;
        stream_write(to, chunk, (size_t)got);
        offset += (uint64_t)got;
        n -= (uint64_t)got;
    }
    if (n == 0)
        return 0;
    while (n > 0) {                /* the length was promised */
        size_t part = n < sizeof zeros ? (size_t)n : sizeof zeros;
        if (stream_write(to, zeros, part) < IO_OK)
            break;
        n -= part;
    }
    errno = EIO;
    return -1;
}
