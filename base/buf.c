#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_reserve(struct buf *b, size_t more)
{
    if (more > SIZE_MAX / 2 - b->len - 1)
        die(70, "buffer of %zu bytes asked for %zu more", b->len, more);
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0) {
        buf_reserve(b, 0);
        b->data[b->len] = 0;
        return;
    }
    /* The source may be part of this buffer, which growing would move. */
    const char *from = p;
    bool inside = b->data && from >= b->data && from <= b->data + b->len;
    size_t offset = inside ? (size_t)(from - b->data) : 0;
    buf_reserve(b, n);
    if (inside)
        from = b->data + offset;
    memmove(b->data + b->len, from, n);
    b->len += n;
    b->data[b->len] = 0;
}

void buf_add_slice(struct buf *b, struct slice s) { buf_add(b, s.p, s.n); }
void buf_add_str(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    buf_reserve(b, 80);
    int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
    if (n < 0)
        die(70, "bad format: %s", fmt);
    if ((size_t)n >= b->cap - b->len) {
        buf_reserve(b, (size_t)n);
        vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
    }
    b->len += (size_t)n;
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len < b->len) {
        b->len = len;
        b->data[len] = 0;
    }
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->len) {
        buf_clear(b);
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}

const char *buf_str(struct buf *b)
{
    buf_reserve(b, 0);
    b->data[b->len] = 0;
    return b->data;
}

char *buf_take(struct buf *b)
{
    buf_str(b);
    char *s = b->data;
    *b = (struct buf){0};
    return s;
}

void buf_add_escaped(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        switch (c) {
        case '\r': buf_add_str(b, "\\r"); break;
        case '\n': buf_add_str(b, "\\n"); break;
        case '\t': buf_add_str(b, "\\t"); break;
        case 0: buf_add_str(b, "\\0"); break;
        case '\\': buf_add_str(b, "\\\\"); break;
        default:
            if (c >= 0x20 && c < 0x7f)
                buf_add_byte(b, (char)c);
            else
                buf_printf(b, "\\x%02X", c);
        }
    }
}

/* Length of the valid UTF-8 sequence at s[i] (RFC 3629 4), 0 when there is none. */
static size_t utf8_length(struct slice s, size_t i)
{
    const unsigned char *p = (const unsigned char *)s.p + i;
    size_t left = s.n - i;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : p[0] >= 0xe0 && p[0] <= 0xef ? 3
             : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t k = 1; k < n; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

static void add_json_byte(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"': buf_add_str(b, "\\\""); break;
    case '\\': buf_add_str(b, "\\\\"); break;
    case '\n': buf_add_str(b, "\\n"); break;
    case '\r': buf_add_str(b, "\\r"); break;
    case '\t': buf_add_str(b, "\\t"); break;
    default: buf_printf(b, "\\u%04x", c);
    }
}

void buf_add_json(struct buf *b, struct slice s)
{
    buf_add_byte(b, '"');
    size_t plain = 0; /* start of the run that can be copied as it is */
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t n = c >= 0x80 ? utf8_length(s, i) : 0;
        if (n) {
            i += n;
            continue;
        }
        buf_add_slice(b, slice_sub(s, plain, i));
        add_json_byte(b, c);
        plain = ++i;
    }
    buf_add_slice(b, slice_sub(s, plain, s.n));
    buf_add_byte(b, '"');
}

int buf_read_file(struct buf *b, const char *path, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t start = b->len;
    int result = 0;
    for (;;) {
        buf_reserve(b, 65536);
        ssize_t n = read(fd, b->data + b->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            result = -1;
        if (n <= 0)
            break;
        b->len += (size_t)n;
        if (b->len - start > max) {
            errno = EFBIG;
            result = -1;
            break;
        }
    }
    int saved = errno;
    close(fd);
    if (result < 0)
        buf_truncate(b, start);
    else
        b->data[b->len] = 0;
    errno = saved;
    return result;
}
