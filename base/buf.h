/* buf.h - a growable byte buffer that cannot overflow.
 *
 * A zeroed struct buf is an empty buffer. data[len] is always NUL once anything was added, so
 * data can be read as a C string when the content has no NUL. When memory is out the process
 * stops with a message (mem.h): bound what you add by a protocol limit first. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

#include <stdarg.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_free(struct buf *b);                 /* frees and zeroes; a zeroed buf is fine */
static inline void buf_clear(struct buf *b) { b->len = 0; if (b->data) b->data[0] = 0; }
void buf_reserve(struct buf *b, size_t more); /* room for `more` bytes after len */
void buf_add(struct buf *b, const void *p, size_t n); /* p may lie inside b->data */
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
static inline void buf_add_byte(struct buf *b, char c)
{
    if (b->len + 1 >= b->cap)
        buf_reserve(b, 1);
    b->data[b->len++] = c;
    b->data[b->len] = 0;
}
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_truncate(struct buf *b, size_t len); /* never grows */
void buf_drop(struct buf *b, size_t n);       /* removes the first n bytes (clamped to len) */
static inline struct slice buf_slice(const struct buf *b) { return slice_of(b->data, b->len); }
/* The content as a C string owned by b: "" when empty, never NULL. */
const char *buf_str(struct buf *b);
/* Gives the content away as a malloc'ed C string and empties b. Never NULL. */
char *buf_take(struct buf *b);

/* Appends s with every byte that is not printable ASCII written as \r \n \t \0 or \xHH and the
 * backslash doubled: for transcripts and logs, where bytes of the wire must not act. */
void buf_add_escaped(struct buf *b, struct slice s);
/* Appends the JSON string (quotes included) of s. Valid UTF-8 stays; a byte that is not part of
 * valid UTF-8 becomes \u00HH, so that reading back as Latin-1 recovers it. */
void buf_add_json(struct buf *b, struct slice s);

/* Whole file into b (appended). 0, or -1 with errno; EFBIG when it is over max bytes. */
int buf_read_file(struct buf *b, const char *path, size_t max);

#endif
