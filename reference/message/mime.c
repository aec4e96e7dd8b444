/* mime.c - the parser of a message: lines in, a tree of parts out.
 *
 * A line matters for three reasons only: it is a line of a header, it ends a header, or it begins
 * with "--" and a boundary of a multipart that is open. Everything else is counted. */
#include "reference/message/mime.h"

#include "base/mem.h"
#include "base/arena.h"
#include "reference/message/mime_internal.h"

#include <stdlib.h>

enum { HELD_MAX = MIME_BOUNDARY_MAX + 4 };   /* "--" boundary "--" */

struct place { uint64_t raw, wire, lines; };

struct open_multipart {
    struct mime_part *part;
    struct slice boundary;
};

struct mime_parser {
    struct mime_message *message;
    struct mime_part *part;        /* where we are: the innermost part that is open */
    bool in_header;
    int parts;
    struct buf header;             /* the header that is being read, from its first octet */
    size_t header_line;            /* where its last line begins */
    size_t header_kept;            /* text kept of all headers before this one */

    struct place at;               /* the next octet */
    struct place line;             /* where the line began that `at` is in */
    unsigned eol_raw, eol_wire;    /* length of the line end before that line; 0 at the start */
    char last;                     /* the octet before `at` */

    char held[HELD_MAX];           /* start of a body line that an earlier push began */
    size_t held_len;

    struct open_multipart open[MIME_DEPTH_MAX + 1];
    int open_count;
};

/* ---- parts ---- */

static void extent_begin(struct mime_extent *e, const struct place *at)
{
    e->offset = at->wire;
    e->raw_offset = at->raw;
    e->lines = at->lines;          /* until the end is known */
}

static void extent_end(struct mime_extent *e, const struct place *at)
{
    e->size = at->wire - e->offset;
    e->raw_size = at->raw - e->raw_offset;
    e->lines = at->lines - e->lines;
}

/* A new part inside `parent` (NULL: the message); its header begins here. */
static void part_begin(struct mime_parser *p, struct mime_part *parent)
{
    struct mime_part *part = arena_alloc(&p->message->arena, sizeof *part);
    part->parent = parent;
    if (parent) {
        if (parent->child)
            parent->last_child->next = part;
        else
            parent->child = part;
        parent->last_child = part;
        parent->children++;
    }
    extent_begin(&part->header, &p->at);
    p->part = part;
    p->parts++;
    p->in_header = true;
    buf_clear(&p->header);
    p->header_line = 0;
}

static int depth_of(const struct mime_part *part)
{
    int depth = 0;
    for (; part->parent; part = part->parent)
        depth++;
    return depth;
}

/* The header has ended at p->at; `text` octets of it are its fields. */
static void header_end(struct mime_parser *p, size_t text)
{
    struct mime_part *part = p->part;
    part->header_text = arena_slice(&p->message->arena, slice_of(p->header.data, text));
    p->header_kept += text;
    extent_end(&part->header, &p->at);
    extent_begin(&part->body, &p->at);
    p->in_header = false;

    struct slice boundary = slice_of(NULL, 0);
    mime_read_fields(part, &p->message->arena, &boundary);
    bool room = depth_of(part) < MIME_DEPTH_MAX && p->parts < MIME_PARTS_MAX;
    if (mime_is_type(part, "multipart", NULL)) {
        if (room && boundary.n > 0 && boundary.n <= MIME_BOUNDARY_MAX) {
            part->kind = MIME_MULTIPART;
            p->open[p->open_count++] = (struct open_multipart){part, boundary};
        }
    } else if (room && (mime_is_type(part, "message", "rfc822") ||
                        mime_is_type(part, "message", "global"))) {
        part->kind = MIME_MESSAGE;
        part_begin(p, part);
    }
}

/* The header stops where it is, without an empty line. */
static void header_cut(struct mime_parser *p, size_t text)
{
    while (p->in_header) {
        header_end(p, text);
        text = 0;                  /* of a message inside, when there is one */
    }
}

/* Ends the part that we are in, and those around it, up to and without `upto`. */
static void parts_end(struct mime_parser *p, struct mime_part *upto, const struct place *end)
{
    struct place at = *end;
    for (; p->part != upto; p->part = p->part->parent) {
        const struct mime_extent *body = &p->part->body;
        if (at.raw < body->raw_offset)   /* the line end was that of the header */
            at = (struct place){body->raw_offset, body->offset, body->lines};
        extent_end(&p->part->body, &at);
    }
}

/* ---- boundaries ---- */

/* The innermost open multipart that the line is a delimiter of, or -1. RFC 2046 5.1.1: what follows
 * the boundary may be "--" and padding. A line that goes on otherwise is that of another boundary,
 * which begins with the same octets. */
static int boundary_of(const struct mime_parser *p, struct slice line)
{
    struct slice rest = slice_sub(line, 2, line.n);
    for (int i = p->open_count - 1; i >= 0; i--) {
        struct slice after = slice_sub(rest, p->open[i].boundary.n, rest.n);
        if (slice_starts(rest, p->open[i].boundary) &&
            (after.n == 0 || after.p[0] == ' ' || after.p[0] == '\t' ||
             slice_starts(after, SLICE("--"))))
            return i;
    }
    return -1;
}

/* `line` began at p->line and p->at is behind its line end. True when it was a delimiter. */
static bool delimiter(struct mime_parser *p, struct slice line)
{
    if (p->open_count == 0 || line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
        return false;
    int found = boundary_of(p, line);
    if (found < 0)
        return false;
    struct mime_part *multipart = p->open[found].part;
    struct slice after = slice_sub(line, 2 + p->open[found].boundary.n, line.n);
    bool closes = slice_starts(after, SLICE("--"));
    if (!closes && p->parts >= MIME_PARTS_MAX)
        return false;
    struct place here = p->at, end = p->line;
    if (p->in_header) {
        p->at = p->line;
        header_cut(p, p->header_line);
        p->at = here;
    }
    /* RFC 2046 5.1.1: the line end before the delimiter belongs to the delimiter. */
    end.raw -= p->eol_raw;
    end.wire -= p->eol_wire;
    end.lines -= p->eol_raw ? 1 : 0;
    parts_end(p, multipart, &end);
    p->open_count = closes ? found : found + 1;
    if (!closes)
        part_begin(p, multipart);
    return true;
}

/* ---- lines ---- */

/* Counts n octets at s, the last of which is an LF when `ended`. */
static void advance(struct mime_parser *p, const char *s, size_t n, bool ended)
{
    if (n == 0)
        return;
    p->at.raw += n;
    p->at.wire += n;
    if (ended) {
        bool crlf = (n > 1 ? s[n - 2] : p->last) == '\r';
        p->at.wire += crlf ? 0 : 1;
        p->at.lines++;
    }
    p->last = s[n - 1];
}

/* The line is over: the next one begins at p->at. */
static void next_line(struct mime_parser *p)
{
    p->eol_raw = p->at.wire - p->line.wire == p->at.raw - p->line.raw ? 2 : 1;
    p->eol_wire = 2;
    p->line = p->at;
    p->held_len = 0;
}

static struct slice without_eol(struct slice line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* A whole line of a header is at the end of p->header. */
static void header_line_done(struct mime_parser *p)
{
    struct slice text = buf_slice(&p->header);
    struct slice line = without_eol(slice_sub(text, p->header_line, text.n));
    if (line.n == 0) {
        header_end(p, p->header_line);
    } else if (!delimiter(p, line)) {
        if (p->header_kept + p->header.len > MIME_HEADER_MAX)
            buf_truncate(&p->header, p->header_line);
        p->header_line = p->header.len;
    }
    next_line(p);
}

/* Takes octets up to the end of the header line; how many. */
static size_t push_header(struct mime_parser *p, struct slice in)
{
    const char *lf = memchr(in.p, '\n', in.n);
    size_t n = lf ? (size_t)(lf - in.p) + 1 : in.n, keep = n;
    /* Once no more text may be kept, the line's start is, until it is known what line it is. */
    size_t before = p->header_kept + p->header_line, held = p->header.len - p->header_line;
    size_t limit = before > MIME_HEADER_MAX - HELD_MAX ? HELD_MAX : MIME_HEADER_MAX - before;
    if (keep > limit - held)
        keep = limit - held;
    buf_add(&p->header, in.p, keep);
    advance(p, in.p, n, lf);
    if (lf)
        header_line_done(p);
    return n;
}

/* Nothing can end this body but the end of the message. */
static void push_rest(struct mime_parser *p, struct slice in)
{
    const char *from = in.p, *end = in.p + in.n, *lf;
    uint64_t lines = 0, bare = 0;
    char before = p->last;
    while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
        lines++;
        bare += (lf > in.p ? lf[-1] : before) != '\r';
        from = lf + 1;
    }
    p->at.raw += in.n;
    p->at.wire += in.n + bare;
    p->at.lines += lines;
    p->last = in.p[in.n - 1];
}

/* The rest of a body line whose start was held; how many octets. */
static size_t push_held(struct mime_parser *p, struct slice in)
{
    const char *lf = memchr(in.p, '\n', in.n);
    size_t n = lf ? (size_t)(lf - in.p) + 1 : in.n;
    size_t keep = n < HELD_MAX - p->held_len ? n : HELD_MAX - p->held_len;
    memcpy(p->held + p->held_len, in.p, keep);
    p->held_len += keep;
    advance(p, in.p, n, lf);
    if (lf) {
        delimiter(p, without_eol(slice_of(p->held, p->held_len)));
        next_line(p);
    }
    return n;
}

/* Body lines inside a multipart, until one is a delimiter or is not whole; how many octets. */
static size_t push_body(struct mime_parser *p, struct slice in)
{
    size_t done = 0;
    while (done < in.n) {
        const char *from = in.p + done;
        const char *lf = memchr(from, '\n', in.n - done);
        if (!lf)
            return done + push_held(p, slice_of(from, in.n - done));
        size_t n = (size_t)(lf - from) + 1;
        done += n;
        advance(p, from, n, true);
        bool ended = *from == '-' && delimiter(p, without_eol(slice_of(from, n)));
        next_line(p);
        if (ended)
            break;
    }
    return done;
}

void mime_parser_push(struct mime_parser *p, struct slice in)
{
    while (in.n > 0) {
        size_t n = in.n;
        if (p->in_header)
            n = push_header(p, in);
        else if (p->open_count == 0)
            push_rest(p, in);
        else if (p->at.raw != p->line.raw)
            n = push_held(p, in);
        else
            n = push_body(p, in);
        in = slice_of(in.p + n, in.n - n);
    }
}

/* ---- beginning and end ---- */

struct mime_parser *mime_parser_new(void)
{
    struct mime_parser *p = xcalloc(1, sizeof *p);
    p->message = xcalloc(1, sizeof *p->message);
    p->message->arena = (struct arena){0};
    part_begin(p, NULL);
    p->message->root = p->part;
    return p;
}

bool mime_parser_header_done(const struct mime_parser *p)
{
    return p->part != p->message->root || !p->in_header;
}

struct mime_message *mime_parser_end(struct mime_parser *p)
{
    /* A last line without its line end may still be the closing delimiter. */
    struct slice line = slice_of(p->held, p->held_len);
    if (p->in_header)
        line = slice_sub(buf_slice(&p->header), p->header_line, p->header.len);
    delimiter(p, without_eol(line));
    header_cut(p, p->header.len);
    parts_end(p, NULL, &p->at);
    struct mime_message *m = p->message;
    m->size = p->at.wire;
    m->raw_size = p->at.raw;
    buf_free(&p->header);
    free(p);
    return m;
}

struct mime_message *mime_parse(struct slice message)
{
    struct mime_parser *p = mime_parser_new();
    mime_parser_push(p, message);
    return mime_parser_end(p);
}

void mime_message_free(struct mime_message *m)
{
    if (!m)
        return;
    arena_free(&m->arena);
    free(m);
}
