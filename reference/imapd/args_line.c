/* args_line.c - the lines of a command and the literals between them (RFC 9051 4.3, RFC 7888). */
#include "reference/imapd/args.h"

#include "base/mem.h"

#include <stdlib.h>

enum {
    HEAD_MAX = 24,                           /* "~{", 20 digits, "+}" */
    DRAIN_MAX = 256 * 1024 * 1024,           /* octets read over after a refusal: then we close */
};

struct args_chunk {
    struct args_chunk *next;
    size_t n;
    char data[];
};

/* Room for n octets that stays until the command ends, and one for a NUL. */
static char *keep(struct args *a, size_t n)
{
    struct args_chunk *c = xmalloc(sizeof *c + n + 1);
    c->next = a->chunks;
    c->n = n;
    a->chunks = c;
    c->data[n] = 0;
    return c->data;
}

static void free_chunks(struct args *a)
{
    while (a->chunks) {
        struct args_chunk *next = a->chunks->next;
        explicit_bzero(a->chunks->data, a->chunks->n);    /* LOGIN's password may be in it */
        free(a->chunks);
        a->chunks = next;
    }
}

static bool too_large(struct args *a, const char *what)
{
    if (a->status == ARGS_GOOD) {
        a->status = ARGS_TOO_LARGE;
        a->error = what;
    }
    return false;
}

/* ---- a piece of the line ---------------------------------------------------------------------- */

/* Does text end in the head of a literal, "{n}", "{n+}" or "~{n}"? Its length, or 0. */
static size_t find_head(struct slice text, struct literal *l)
{
    ptrdiff_t open = slice_rindex(text, '{');
    if (open < 0 || text.p[text.n - 1] != '}')
        return 0;
    struct slice inside = slice_sub(text, (size_t)open + 1, text.n - 1);
    *l = (struct literal){.waits = true};
    if (inside.n > 0 && inside.p[inside.n - 1] == '+') {
        l->waits = false;
        inside.n--;
    }
    if (!slice_number(inside, INT64_MAX, &l->size))
        return 0;
    l->binary = open > 0 && text.p[open - 1] == '~';
    return text.n - (size_t)open + l->binary;
}

/* What is kept of a piece that may be longer than anybody wants: its beginning, and its last octets for
 * the literal that they may announce. */
struct piece {
    struct buf text;
    size_t most;
    bool too_long;
    char tail[HEAD_MAX + 2];
    size_t tail_n;
};

static void remember_tail(struct piece *p, struct slice more)
{
    size_t new = more.n < sizeof p->tail ? more.n : sizeof p->tail;
    size_t old = p->tail_n + new > sizeof p->tail ? sizeof p->tail - new : p->tail_n;
    memmove(p->tail, p->tail + p->tail_n - old, old);
    memcpy(p->tail + old, more.p + more.n - new, new);
    p->tail_n = old + new;
}

/* Reads to the next LF. IO_EOF only when nothing came at all. */
static enum io read_piece(struct stream *io, struct piece *p)
{
    bool any = false, over = false;
    while (!over) {
        struct slice got;
        enum io r = stream_peek(io, &got);
        if (r != IO_OK)
            return r == IO_EOF && any ? IO_ERROR : r;
        ptrdiff_t lf = slice_index(got, '\n');
        over = lf >= 0;
        got = slice_sub(got, 0, over ? (size_t)lf + 1 : got.n);
        if (p->text.len + got.n > p->most + 2)
            p->too_long = true;
        if (!p->too_long)
            buf_add_slice(&p->text, got);
        remember_tail(p, got);
        stream_consume(io, got.n);
        any = true;
    }
    return IO_OK;
}

/* The next piece becomes a->rest. False when the connection is lost (a->status says so). */
static enum io next_piece(struct args *a)
{
    struct piece p = {.most = a->room < ARGS_LINE_MAX ? a->room : ARGS_LINE_MAX};
    if (a->status != ARGS_GOOD)
        p.most = 0;
    enum io r = read_piece(a->io, &p);
    a->rest = (struct slice){0};
    a->literal_head = 0;
    a->line_is_over = true;
    if (r == IO_OK) {
        struct slice tail = slice_of(p.tail, p.tail_n);
        bool crlf = slice_ends(tail, SLICE("\r\n"));
        a->literal_head = crlf ? find_head(slice_sub(tail, 0, tail.n - 2), &a->literal) : 0;
        a->line_is_over = a->literal_head == 0;
        if (p.too_long)
            too_large(a, "the command is too long");
        else if (!crlf)
            args_fail(a, "CRLF at the end of a line");
        else if (a->status == ARGS_GOOD) {
            char *text = keep(a, p.text.len - 2);
            memcpy(text, p.text.data, p.text.len - 2);
            a->rest = slice_of(text, p.text.len - 2);
            a->room -= a->rest.n;
        }
    } else if (a->status != ARGS_LOST) {
        a->status = ARGS_LOST;
    }
    if (p.text.data)
        explicit_bzero(p.text.data, p.text.len);
    buf_free(&p.text);
    return r;
}

enum io args_begin(struct args *a, struct stream *io, size_t most, bool utf8)
{
    *a = (struct args){.io = io, .room = most, .utf8 = utf8};
    return next_piece(a);
}

/* ---- literals --------------------------------------------------------------------------------- */

bool args_literal_next(const struct args *a)
{
    return a->status == ARGS_GOOD && a->literal_head > 0 && a->rest.n == a->literal_head;
}

bool args_literal_head(struct args *a, struct literal *out)
{
    if (!args_literal_next(a))
        return args_fail(a, "a literal");
    if (a->unasked_max && !a->literal.waits && a->literal.size > a->unasked_max)
        return too_large(a, "a literal of that size waits for the answer (LITERAL-)");
    *out = a->literal;
    a->rest = (struct slice){0};
    a->literal_head = 0;
    return true;
}

void args_literal_go(struct args *a, const struct literal *l)
{
    if (l->waits)
        stream_puts(a->io, "+ go ahead\r\n");
}

bool args_literal_done(struct args *a)
{
    return next_piece(a) == IO_OK && a->status == ARGS_GOOD;
}

void args_literal_refuse(struct args *a, const struct literal *l)
{
    a->literal = *l;
    a->literal_head = 1;
}

bool args_literal_keep(struct args *a, const struct literal *l, struct slice *out)
{
    if (l->size > a->room) {
        args_literal_refuse(a, l);
        return too_large(a, "the literal is too large");
    }
    args_literal_go(a, l);
    char *data = keep(a, (size_t)l->size);
    a->room -= (size_t)l->size;
    if (l->size > 0 && stream_read_exact(a->io, data, (size_t)l->size) != IO_OK) {
        a->status = ARGS_LOST;
        return false;
    }
    *out = slice_of(data, (size_t)l->size);
    if (!args_literal_done(a))
        return false;
    return !memchr(data, 0, (size_t)l->size) || args_fail(a, "a literal without NUL");
}

/* ---- the end ---------------------------------------------------------------------------------- */

/* Reads n octets over. */
static bool drain(struct stream *io, uint64_t n)
{
    while (n > 0) {
        struct slice got;
        if (stream_peek(io, &got) != IO_OK)
            return false;
        size_t part = got.n < n ? got.n : (size_t)n;
        stream_consume(io, part);
        n -= part;
    }
    return true;
}

bool args_end_command(struct args *a)
{
    uint64_t drained = 0;
    /* A literal that waits for "+" does not come after a tagged answer; the others are under way. */
    while (a->status != ARGS_LOST && a->literal_head > 0 && !a->literal.waits) {
        drained += a->literal.size;
        if (a->literal.size > DRAIN_MAX || drained > DRAIN_MAX ||
            !drain(a->io, a->literal.size)) {
            a->status = ARGS_LOST;
            break;
        }
        if (a->status == ARGS_GOOD)
            a->status = ARGS_WRONG;          /* what follows is not kept */
        next_piece(a);
    }
    free_chunks(a);
    return a->status != ARGS_LOST;
}
