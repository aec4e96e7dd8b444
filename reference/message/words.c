/* words.c - header text in UTF-8: encoded words (RFC 2047), raw octets (RFC 6532 and worse). */
#include "reference/message/decode.h"

enum { WORD_MAX = 2000 };      /* RFC 2047 2 says 75; whole subjects in one word exist */

/* =?charset?encoding?text?= at the front of a string. */
struct word {
    struct slice charset, text;
    char encoding;             /* 'b' or 'q' */
    size_t length;             /* of the whole */
};

/* Octets of adjacent words of one charset, which may cut a character between them. */
struct pending {
    struct buf octets;
    struct slice charset;
    bool any;
};

static bool word_read(struct slice s, struct word *w)
{
    if (!slice_starts(s, SLICE("=?")))
        return false;
    struct slice rest = slice_sub(s, 2, WORD_MAX), encoding;
    if (!slice_next(&rest, '?', &w->charset) || !rest.p ||
        !slice_next(&rest, '?', &encoding) || !rest.p)
        return false;
    ptrdiff_t language = slice_index(w->charset, '*');          /* RFC 2231 5 */
    if (language >= 0)
        w->charset.n = (size_t)language;
    w->encoding = encoding.n == 1 ? (char)(encoding.p[0] | 0x20) : 0;
    ptrdiff_t end = slice_find(rest, SLICE("?="));
    if (w->charset.n == 0 || (w->encoding != 'b' && w->encoding != 'q') || end < 0)
        return false;
    w->text = slice_sub(rest, 0, (size_t)end);
    w->length = (size_t)(rest.p - s.p) + (size_t)end + 2;
    return true;
}

/* The "Q" encoding (4.2): quoted-printable with "_" for the space, and no lines. */
static void add_q(struct buf *out, struct slice s)
{
    struct buf plain = {0};
    buf_add_slice(&plain, s);
    for (size_t i = 0; i < plain.len; i++)
        if (plain.data[i] == '_')
            plain.data[i] = ' ';
    struct transfer t = {.encoding = MIME_QUOTED_PRINTABLE};
    transfer_push(&t, buf_slice(&plain), out);
    buf_add_slice(out, buf_slice(&t.blanks));
    transfer_end(&t, out);
    buf_free(&plain);
}

static void word_add(struct pending *p, const struct word *w)
{
    if (w->encoding == 'q') {
        add_q(&p->octets, w->text);
    } else {
        struct transfer t = {.encoding = MIME_BASE64};
        transfer_push(&t, w->text, &p->octets);
        transfer_end(&t, &p->octets);
    }
    p->charset = w->charset;
    p->any = true;
}

/* Line ends and NULs that were hidden in a word must not act as such. */
static void pending_give(struct pending *p, struct buf *out)
{
    size_t from = out->len;
    charset_decode(out, buf_slice(&p->octets), p->charset);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\r' || out->data[i] == '\n' || out->data[i] == 0)
            out->data[i] = ' ';
    buf_clear(&p->octets);
    p->any = false;
}

static size_t blanks(struct slice s)
{
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
        n++;
    return n;
}

/* `s` has no folds. */
static void decode_unfolded(struct buf *out, struct slice s)
{
    struct pending pending = {0};
    struct word w;
    while (s.n > 0) {
        ptrdiff_t at = slice_find(s, SLICE("=?"));
        size_t plain = at < 0 ? s.n : (size_t)at;
        while (plain < s.n && !word_read(slice_sub(s, plain, s.n), &w)) {
            at = slice_find(slice_sub(s, plain + 2, s.n), SLICE("=?"));
            plain = at < 0 ? s.n : plain + 2 + (size_t)at;
        }
        struct slice before = slice_sub(s, 0, plain);
        bool adjacent = pending.any && blanks(before) == before.n;   /* 6.2: such blanks go */
        if (pending.any && !(adjacent && plain < s.n && slice_ieq(pending.charset, w.charset)))
            pending_give(&pending, out);
        if (!(adjacent && plain < s.n))
            utf8_repair(out, before);
        if (plain == s.n)
            break;
        word_add(&pending, &w);
        s = slice_sub(s, plain + w.length, s.n);
    }
    if (pending.any)
        pending_give(&pending, out);
    buf_free(&pending.octets);
}

void decode_header(struct buf *out, struct slice value)
{
    value = slice_trim(value);
    bool folded = slice_index(value, '\r') >= 0 || slice_index(value, '\n') >= 0 ||
                  slice_index(value, 0) >= 0;
    bool plain = ascii_run(value) == value.n && slice_find(value, SLICE("=?")) < 0;
    if (plain) {
        header_unfold(out, value);
    } else if (!folded) {
        decode_unfolded(out, value);
    } else {
        struct buf line = {0};
        header_unfold(&line, value);
        decode_unfolded(out, buf_slice(&line));
        buf_free(&line);
    }
}
