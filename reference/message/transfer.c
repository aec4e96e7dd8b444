/* transfer.c - decoders of Content-Transfer-Encoding (RFC 2045 6.7, 6.8), in portions. */
#include "reference/message/decode.h"

enum { BLANKS_MAX = 4096, OTHER = 64, PAD = 65 };

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- base64 ---- */

static const unsigned char BASE64[256] = {
#define X4 OTHER, OTHER, OTHER, OTHER
#define X16 X4, X4, X4, X4
    X16, X16, X4, X4, OTHER, OTHER, OTHER, 62, OTHER, OTHER, OTHER, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, OTHER, OTHER, OTHER, PAD, OTHER, OTHER,
    OTHER, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, OTHER, OTHER, OTHER, OTHER, OTHER,
    OTHER, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, OTHER, OTHER, OTHER, OTHER, OTHER,
    X16, X16, X16, X16, X16, X16, X16, X16,
#undef X16
#undef X4
};

/* The octets of a group that ended early: 2 characters hold one, 3 hold two. */
static char *base64_flush(struct transfer *t, char *to)
{
    if (t->digits == 1)
        t->damaged = true;
    if (t->digits == 2) {
        *to++ = (char)(t->bits >> 4);
    } else if (t->digits == 3) {
        *to++ = (char)(t->bits >> 10);
        *to++ = (char)(t->bits >> 2);
    }
    t->digits = 0;
    t->bits = 0;
    return to;
}

/* RFC 2045 6.8: characters outside the alphabet are skipped. After padding, what follows is read as
 * another body, since parts joined by careless programs exist. */
static void base64_push(struct transfer *t, struct slice in, struct buf *out)
{
    buf_reserve(out, in.n / 4 * 3 + 8);
    char *to = out->data + out->len;
    const unsigned char *s = (const unsigned char *)in.p, *end = s + in.n;
    while (s < end) {
        if (t->digits == 0) {
            for (; end - s >= 4; s += 4) {           /* whole groups, the common case */
                unsigned a = BASE64[s[0]], b = BASE64[s[1]], c = BASE64[s[2]], d = BASE64[s[3]];
                if ((a | b | c | d) > 63)
                    break;
                *to++ = (char)(a << 2 | b >> 4);
                *to++ = (char)(b << 4 | c >> 2);
                *to++ = (char)(c << 6 | d);
            }
            if (s == end)
                break;
        }
        unsigned value = BASE64[*s];
        if (value < 64) {
            t->bits = t->bits << 6 | value;
            if (++t->digits == 4) {
                *to++ = (char)(t->bits >> 16);
                *to++ = (char)(t->bits >> 8);
                *to++ = (char)t->bits;
                t->digits = 0;
                t->bits = 0;
            }
        } else if (value == PAD) {
            to = base64_flush(t, to);
        } else if (*s != '\r' && *s != '\n' && *s != ' ' && *s != '\t') {
            t->damaged = true;
        }
        s++;
    }
    out->len = (size_t)(to - out->data);
    out->data[out->len] = 0;
}

/* ---- quoted-printable ---- */

static void give_blanks(struct transfer *t, struct buf *out)
{
    buf_add_slice(out, buf_slice(&t->blanks));
    buf_clear(&t->blanks);
}

/* What began like an escape is none: it stays as it is (RFC 2045 6.7, the notes at its end). */
static void give_held(struct transfer *t, struct buf *out)
{
    t->damaged = true;
    buf_add(out, t->held, t->held_len);
    t->held_len = 0;
}

/* One octet after "=". False when it does not belong to the escape and is to be looked at again. */
static bool escape(struct transfer *t, char c, struct buf *out)
{
    char last = t->held[t->held_len - 1];
    if (c == '\n' && (last == '\r' || last == '=' || last == ' ' || last == '\t')) {
        t->held_len = 0;                             /* a soft line break */
        return true;
    }
    bool soft_break = last != '\r' && (t->held_len == 1 || last == ' ' || last == '\t');
    if (soft_break && (c == '\r' || c == ' ' || c == '\t') && t->held_len < sizeof t->held) {
        t->held[t->held_len++] = c;                  /* blanks that were put after the "=" */
        return true;
    }
    if (t->held_len == 1 && hex(c) >= 0) {
        t->held[t->held_len++] = c;
        return true;
    }
    if (t->held_len == 2 && hex(last) >= 0 && hex(c) >= 0) {
        buf_add_byte(out, (char)(hex(last) * 16 + hex(c)));
        t->held_len = 0;
        return true;
    }
    give_held(t, out);
    return false;
}

static void quoted_push(struct transfer *t, struct slice in, struct buf *out)
{
    size_t i = 0;
    while (i < in.n) {
        char c = in.p[i];
        if (t->held_len > 0) {
            if (escape(t, c, out))
                i++;
            continue;
        }
        if (c == ' ' || c == '\t') {
            buf_add_byte(&t->blanks, c);
            if (t->blanks.len > BLANKS_MAX)
                give_blanks(t, out);
            i++;
            continue;
        }
        if (c == '\r' || c == '\n')
            buf_clear(&t->blanks);                   /* RFC 2045 6.7 (3): added on the way */
        else if (t->blanks.len > 0)
            give_blanks(t, out);
        if (c == '=') {
            t->held[t->held_len++] = c;
            i++;
            continue;
        }
        size_t run = 1;
        while (i + run < in.n && in.p[i + run] != '=' && in.p[i + run] != ' ' &&
               in.p[i + run] != '\t' && in.p[i + run] != '\r' && in.p[i + run] != '\n')
            run++;
        buf_add(out, in.p + i, run);
        i += run;
    }
}

void transfer_push(struct transfer *t, struct slice in, struct buf *out)
{
    if (t->encoding == MIME_BASE64)
        base64_push(t, in, out);
    else if (t->encoding == MIME_QUOTED_PRINTABLE)
        quoted_push(t, in, out);
    else
        buf_add_slice(out, in);
}

void transfer_end(struct transfer *t, struct buf *out)
{
    if (t->encoding == MIME_BASE64) {
        buf_reserve(out, 3);
        char *to = base64_flush(t, out->data + out->len);
        out->len = (size_t)(to - out->data);
        out->data[out->len] = 0;
    }
    if (t->held_len == 1)
        t->held_len = 0;                             /* "=" at the very end: a soft break */
    if (t->held_len > 0)
        give_held(t, out);
    buf_free(&t->blanks);
}
