/* downgrade.c - encodes the parts of a message that the next server could not take. The message is
 * gone through twice: first without writing, to know that it can be done. */
#include "reference/message/downgrade.h"

#include "base/base64.h"
#include "reference/message/mime_entity.h"

enum {
    DEPTH_MAX = 100,             /* parts in parts */
    LINE_MAX_OCTETS = 998,       /* RFC 5322 2.1.1; RFC 2045 2.7, 2.8 */
    QP_LINE = 76,                /* RFC 2045 6.7 (5) */
    BASE64_OCTETS = 57,          /* that make a line of 76 characters (6.8) */
};

struct work {
    enum downgrade_to to;
    int (*write)(void *arg, const void *p, size_t n);   /* NULL: the first time through */
    void *arg;
    const char *why;             /* it is impossible */
    bool failed;                 /* write said so */
};

static void put(struct work *w, struct slice s)
{
    if (w->write && !w->failed && s.n > 0 && w->write(w->arg, s.p, s.n) != 0)
        w->failed = true;
}

static bool has_high_octet(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] & 0x80)
            return true;
    return false;
}

/* Lines of text as RFC 2045 2.7, 2.8 want them. */
static bool is_lines(struct slice s)
{
    size_t length = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool crlf = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
        if (crlf) {
            i++;
            length = 0;
        } else if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0 || ++length > LINE_MAX_OCTETS) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct work *w, struct slice s)
{
    return w->to == DOWNGRADE_TO_7BIT ? !has_high_octet(s) && is_lines(s) : is_lines(s);
}

/* --- encodings --------------------------------------------------------------------------------- */

static void put_base64(struct work *w, struct slice body)
{
    struct buf line = {0};
    for (size_t at = 0; at < body.n; at += BASE64_OCTETS) {
        buf_clear(&line);
        buf_add_base64(&line, slice_sub(body, at, at + BASE64_OCTETS));
        buf_add_str(&line, "\r\n");
        put(w, buf_slice(&line));
    }
    buf_free(&line);
}

/* One octet of a line of text; `last`: the line ends behind it (6.7 (3): no blank may be there). */
static size_t qp_octet(unsigned char c, bool last, char out[4])
{
    static const char hex[] = "0123456789ABCDEF";
    bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !last);
    if (plain) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '=';
    out[1] = hex[c >> 4];
    out[2] = hex[c & 15];
    return 3;
}

static void put_quoted_printable(struct work *w, struct slice body)
{
    struct buf line = {0};
    char octet[4];
    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] == '\r') {               /* the text is lines: a CRLF */
            i++;
            buf_add_str(&line, "\r\n");
            put(w, buf_slice(&line));
            buf_clear(&line);
            continue;
        }
        bool last = i + 1 == body.n || body.p[i + 1] == '\r';
        size_t n = qp_octet((unsigned char)body.p[i], last, octet);
        if (line.len + n > QP_LINE - 1) {      /* room for the "=" of a soft line break */
            buf_add_str(&line, "=\r\n");
            put(w, buf_slice(&line));
            buf_clear(&line);
        }
        buf_add(&line, octet, n);
    }
    put(w, buf_slice(&line));
    buf_free(&line);
}

/* --- entities ---------------------------------------------------------------------------------- */

/* The header with another Content-Transfer-Encoding, which may have been missing. */
static void put_header(struct work *w, const struct mime_entity *e, const char *encoding)
{
    struct slice h = e->header;
    struct buf field = {0};
    buf_printf(&field, "Content-Transfer-Encoding: %s\r\n", encoding);
    if (e->encoding_field.n > 0) {
        size_t at = (size_t)(e->encoding_field.p - h.p);
        put(w, slice_sub(h, 0, at));
        put(w, buf_slice(&field));
        put(w, slice_sub(h, at + e->encoding_field.n, h.n));
    } else {
        bool ended = slice_ends(h, SLICE("\r\n\r\n")) || slice_eq_str(h, "\r\n");
        put(w, slice_sub(h, 0, h.n - (ended ? 2 : 0)));
        put(w, buf_slice(&field));
        put(w, SLICE("\r\n"));
    }
    buf_free(&field);
}

static void put_leaf(struct work *w, const struct mime_entity *e)
{
    bool text = e->type.n == 0 || slice_ieq_str(e->type, "text");
    bool identity = e->encoding.n == 0 || slice_ieq_str(e->encoding, "7bit") ||
                    slice_ieq_str(e->encoding, "8bit") || slice_ieq_str(e->encoding, "binary");
    if (!identity) {
        w->why = "a part is labelled as encoded, and is not";
    } else if (fits(w, e->body)) {             /* labelled binary or 8bit for nothing */
        put_header(w, e, has_high_octet(e->body) ? "8bit" : "7bit");
        put(w, e->body);
    } else if (text && is_lines(e->body)) {
        put_header(w, e, "quoted-printable");
        put_quoted_printable(w, e->body);
    } else {
        put_header(w, e, "base64");
        put_base64(w, e->body);
    }
}

static void put_entity(struct work *w, struct slice text, int depth);

static const char *composite_encoding(const struct work *w)
{
    return w->to == DOWNGRADE_TO_7BIT ? "7bit" : "8bit";
}

static void put_multipart(struct work *w, const struct mime_entity *e, int depth)
{
    struct slice rest = e->body, before, line;
    bool closing = false, more, inside = false;
    put_header(w, e, composite_encoding(w));
    while (!closing && !w->why && (more = mime_next_delimiter(e, &rest, &before, &line, &closing))) {
        if (inside)
            put_entity(w, before, depth + 1);
        else if (fits(w, before))
            put(w, before);
        else
            w->why = "a preamble of a multipart is not ASCII";
        put(w, line);
        inside = true;
    }
    if (!closing && inside)                    /* cut off: the last part goes to the end */
        put_entity(w, before, depth + 1);
    else if (!closing)
        w->why = "a multipart without its boundary";
    else if (fits(w, rest))
        put(w, rest);
    else
        w->why = "an epilogue of a multipart is not ASCII";
}

static void put_entity(struct work *w, struct slice text, int depth)
{
    struct mime_entity e;
    if (w->why || w->failed)
        return;
    mime_entity_parse(text, &e);
    bool labelled = slice_ieq_str(e.encoding, "binary") ||
                    (w->to == DOWNGRADE_TO_7BIT && slice_ieq_str(e.encoding, "8bit"));
    bool composite = slice_ieq_str(e.type, "multipart") || slice_ieq_str(e.type, "message");
    if (fits(w, text) && !labelled && (depth > 0 || e.mime_version)) {
        put(w, text);                          /* nothing to do in here */
    } else if (!fits(w, e.header)) {
        w->why = "a header has octets that are not ASCII";
    } else if (depth == 0 && !e.mime_version) {
        w->why = "it is no MIME message, so that its characters are not known";
    } else if (depth > DEPTH_MAX) {
        w->why = "its parts are nested too deeply";
    } else if (!composite) {
        put_leaf(w, &e);
    } else if (slice_ieq_str(e.subtype, "signed") || slice_ieq_str(e.subtype, "encrypted")) {
        w->why = "a signed or encrypted part may not be changed";   /* RFC 1847 2.1, 2.2 */
    } else if (slice_ieq_str(e.type, "multipart") && e.boundary[0]) {
        put_multipart(w, &e, depth);
    } else if (slice_ieq_str(e.subtype, "rfc822")) {
        put_header(w, &e, composite_encoding(w));
        put_entity(w, e.body, depth + 1);
    } else {
        w->why = "a part of type message or multipart cannot be encoded";   /* RFC 2045 6.4 */
    }
}

enum downgrade_result message_downgrade(struct slice message, enum downgrade_to to,
                                        int (*write)(void *arg, const void *p, size_t n),
                                        void *arg, const char **why)
{
    struct work look = {.to = to}, work = {.to = to, .write = write, .arg = arg};
    put_entity(&look, message, 0);
    *why = look.why;
    if (look.why)
        return DOWNGRADE_IMPOSSIBLE;
    put_entity(&work, message, 0);
    return work.failed ? DOWNGRADE_WRITE_FAILED : DOWNGRADE_OK;
}
