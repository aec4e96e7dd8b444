/* subject.c - what makes two subjects the same (RFC 5256 2.1), and message identifiers. */
#include "reference/message/subject.h"

#include "reference/message/decode.h"

enum { SUBJECT_MAX = 4000 };   /* octets of the field that count */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static size_t skip_blanks(struct slice s, size_t i)
{
    while (i < s.n && is_blank(s.p[i]))
        i++;
    return i;
}

/* subj-blob: "[" text "]" *WSP, at i. Where it ends, or i when there is none. */
static size_t skip_blob(struct slice s, size_t i)
{
    if (i >= s.n || s.p[i] != '[')
        return i;
    for (size_t k = i + 1; k < s.n && s.p[k] != '['; k++)
        if (s.p[k] == ']')
            return skip_blanks(s, k + 1);
    return i;
}

/* subj-refwd: ("re" / "fw" / "fwd") *WSP [subj-blob] ":", at i. Where it ends, or i. */
static size_t skip_refwd(struct slice s, size_t i)
{
    struct slice at = slice_sub(s, i, s.n);
    size_t n = slice_istarts(at, SLICE("fwd")) ? 3
               : slice_istarts(at, SLICE("re")) || slice_istarts(at, SLICE("fw")) ? 2 : 0;
    if (n == 0)
        return i;
    size_t k = skip_blob(s, skip_blanks(s, i + n));
    return k < s.n && s.p[k] == ':' ? k + 1 : i;
}

/* (*subj-blob subj-refwd) / WSP at the front: how long, 0 for none. */
static size_t leader(struct slice s, bool *reply)
{
    if (s.n > 0 && is_blank(s.p[0]))
        return skip_blanks(s, 0);
    size_t i = 0, k;
    while ((k = skip_blob(s, i)) > i)
        i = k;
    k = skip_refwd(s, i);
    if (k == i)
        return 0;
    *reply = true;
    return k;
}

/* Steps 2 to 5. */
static struct slice strip(struct slice s, bool *reply)
{
    for (;;) {                                       /* step 2: trailers */
        size_t n = s.n;
        while (s.n > 0 && is_blank(s.p[s.n - 1]))
            s.n--;
        if (s.n >= 5 && slice_ieq(slice_sub(s, s.n - 5, s.n), SLICE("(fwd)"))) {
            s.n -= 5;
            *reply = true;
        }
        if (s.n == n)
            break;
    }
    for (;;) {                                       /* steps 3 to 5: leaders, then a blob */
        size_t n = leader(s, reply);
        if (n == 0) {
            n = skip_blob(s, 0);
            if (n == s.n)                            /* it would leave nothing */
                n = 0;
        }
        if (n == 0)
            return s;
        s = slice_sub(s, n, s.n);
    }
}

void base_subject(struct buf *out, struct slice value, bool *reply)
{
    struct buf text = {0};
    decode_header(&text, slice_sub(value, 0, SUBJECT_MAX));
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)            /* step 1: one space for all blanks */
        if (!is_blank(text.data[i]))
            text.data[n++] = text.data[i];
        else if (n == 0 || text.data[n - 1] != ' ')
            text.data[n++] = ' ';
    bool marked = false;
    struct slice s = slice_of(text.data, n);
    for (;;) {
        s = strip(s, &marked);
        if (!slice_istarts(s, SLICE("[fwd:")) || s.p[s.n - 1] != ']')
            break;
        s = slice_sub(s, 5, s.n - 1);                /* step 6 */
        marked = true;
    }
    buf_add_slice(out, s);
    if (reply)
        *reply = marked;
    buf_free(&text);
}

bool message_id_next(struct slice *rest, struct buf *scratch, struct slice *id)
{
    for (;;) {
        ptrdiff_t open = slice_index(*rest, '<');
        if (open < 0)
            return false;
        *rest = slice_sub(*rest, (size_t)open + 1, rest->n);
        size_t n = 0;
        bool quoted = false, plain = true, at = false;
        for (; n < rest->n && (quoted || (rest->p[n] != '>' && rest->p[n] != '<')); n++) {
            char c = rest->p[n];
            if (c == '"' || c == '\\' || (unsigned char)c <= 32)
                plain = false;
            if (c == '\\' && n + 1 < rest->n)
                n++;
            else if (c == '"')
                quoted = !quoted;
            at = at || (c == '@' && !quoted);
        }
        struct slice inner = slice_sub(*rest, 0, n);
        *rest = slice_sub(*rest, n, rest->n);
        if (inner.n == 0 || !at)
            continue;                                /* not a msg-id */
        *id = inner;
        if (plain)
            return true;
        buf_clear(scratch);
        quoted = false;
        for (size_t i = 0; i < inner.n; i++) {
            if (inner.p[i] == '"')
                quoted = !quoted;
            else if (inner.p[i] == '\\' && i + 1 < inner.n)
                buf_add_byte(scratch, inner.p[++i]);
            else if (quoted ? inner.p[i] != '\r' && inner.p[i] != '\n'
                            : (unsigned char)inner.p[i] > 32)
                buf_add_byte(scratch, inner.p[i]);
        }
        *id = slice_of(buf_str(scratch), scratch->len);
        return true;
    }
}
