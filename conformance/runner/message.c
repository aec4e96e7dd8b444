/* message.c - header fields, and whether two messages are the same. */
#include "conformance/runner/match.h"

bool message_header_next(struct slice *rest, struct header_field *f)
{
    if (rest->n == 0 || slice_starts(*rest, SLICE("\r\n")) || rest->p[0] == '\n')
        return false;
    size_t end = 0;
    do {                           /* to the line end that no folding follows */
        const char *lf = memchr(rest->p + end, '\n', rest->n - end);
        end = lf ? (size_t)(lf - rest->p) + 1 : rest->n;
    } while (end < rest->n && (rest->p[end] == ' ' || rest->p[end] == '\t'));
    f->whole = slice_sub(*rest, 0, end);
    ptrdiff_t colon = slice_index(f->whole, ':');
    if (colon <= 0)
        return false;
    f->name = slice_trim(slice_sub(f->whole, 0, (size_t)colon));
    if (slice_index(f->name, ' ') >= 0)
        return false;
    f->value = slice_trim(slice_sub(f->whole, (size_t)colon + 1, end));
    *rest = slice_sub(*rest, end, rest->n);
    return true;
}

static bool excepted(const struct ids *except, struct slice name)
{
    for (size_t i = 0; i < except->n; i++)
        if (slice_ieq_str(name, except->v[i]))
            return true;
    return false;
}

static void without(struct slice message, const struct ids *except, const struct ids *added,
                    struct buf *out)
{
    struct header_field f;
    struct slice rest = message;
    while (message_header_next(&rest, &f))
        if (!excepted(except, f.name) && !excepted(added, f.name))
            buf_add_slice(out, f.whole);
    buf_add_slice(out, rest);
}

static void show_around(struct buf *why, const char *label, struct slice s, size_t at)
{
    size_t from = at;
    while (from > 0 && at - from < 60 && s.p[from - 1] != '\n')
        from--;
    buf_printf(why, "\n    %s", label);
    buf_add_escaped(why, slice_sub(s, from, from + 120));
}

bool messages_equal(struct slice want, struct slice got, const struct ids *except,
                    const struct ids *added, struct buf *why)
{
    static const struct ids none;
    struct buf a = {0}, b = {0};
    without(want, except, &none, &a);
    without(got, except, added, &b);
    bool equal = slice_eq(buf_slice(&a), buf_slice(&b));
    if (!equal) {
        size_t i = 0;
        int line = 1;
        for (; i < a.len && i < b.len && a.data[i] == b.data[i]; i++)
            line += a.data[i] == '\n';
        buf_printf(why, "the message differs at octet %zu, line %d (%zu octets, %zu were sent; "
                   "excepted header fields left out):", i + 1, line, b.len, a.len);
        show_around(why, "sent:  ", buf_slice(&a), i);
        show_around(why, "found: ", buf_slice(&b), i);
    }
    buf_free(&a);
    buf_free(&b);
    return equal;
}
