/* text.c - bytes as a scenario writes them: escapes, variables, expressions. */
#include "conformance/runner/env.h"
#include "conformance/runner/lex.h"

#include <stdlib.h>

enum { REPEAT_MAX = 64 * 1024 * 1024 };    /* octets that one \{N TEXT} may stand for */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool error_at(struct cursor *c, const char *p, const char *what)
{
    c->p = p;
    return lex_error(c, "%s", what);
}

/* The byte of an escape at *p (which points behind the backslash), moved past it. */
static bool escape(struct cursor *c, const char **p, const char *to, char *out)
{
    static const char from_[] = "rnt0es", to_[] = {'\r', '\n', '\t', '\0', '\033', ' '};
    char e = **p;
    const char *known = e ? strchr(from_, e) : NULL;
    if (known) {
        *out = to_[known - from_];
        ++*p;
        return true;
    }
    if (e == 'x') {
        if (to - *p < 3 || hex((*p)[1]) < 0 || hex((*p)[2]) < 0)
            return error_at(c, *p, "\\x needs two hexadecimal digits");
        *out = (char)(hex((*p)[1]) * 16 + hex((*p)[2]));
        *p += 3;
        return true;
    }
    if (e >= 'A' && e <= 'Z') {    /* \Seen and the like stand for themselves */
        *out = '\\';
        return true;
    }
    if ((e >= 'a' && e <= 'z') || (e >= '1' && e <= '9') || *p >= to)
        return error_at(c, *p, "unknown escape; known are \\r \\n \\t \\0 \\e \\s (blank) \\xHH "
                               "\\{N TEXT} and a backslash before punctuation");
    *out = e;
    ++*p;
    return true;
}

static void flush(struct arena *a, struct text *out, struct buf *bytes)
{
    if (!bytes->len)
        return;
    struct piece *piece = arena_push(a, out->v, out->n);
    *piece = (struct piece){.kind = PIECE_TEXT, .bytes = arena_slice(a, buf_slice(bytes))};
    buf_clear(bytes);
}

/* "{70000 x}" at *p: TEXT N times. */
static bool repeated(struct cursor *c, const char **p, const char *to, struct text *out)
{
    const char *q = *p + 1;
    uint64_t n;
    size_t digits = strspn(q, "0123456789");
    const char *end = memchr(q, '}', (size_t)(to - q));
    if (!slice_number(slice_of(q, digits), REPEAT_MAX, &n) || q[digits] != ' ' || !end ||
        end == q + digits + 1 || n == 0)
        return error_at(c, *p, "expected \\{COUNT TEXT}, such as \\{70000 x}");
    struct buf bytes = {0};
    bool ok = true;
    for (q += digits + 1; ok && q < end;) {
        char b = *q++;
        if (b == '\\')
            ok = escape(c, &q, end, &b);
        buf_add_byte(&bytes, b);
    }
    if (ok && n * bytes.len > REPEAT_MAX)
        ok = error_at(c, *p, "that is more than 64 MiB");
    if (ok)
        *arena_push(c->arena, out->v, out->n) = (struct piece){
            .kind = PIECE_TEXT, .bytes = arena_slice(c->arena, buf_slice(&bytes)),
            .repeat = (size_t)n};
    buf_free(&bytes);
    *p = end + 1;
    return ok;
}

static bool name_start(char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z'); }

static bool name_part(char ch)
{
    return name_start(ch) || (ch >= '0' && ch <= '9') || ch == '_';
}

/* "$name", "${name}", with ":number", ":word" or ":text" in a pattern. */
static bool variable(struct cursor *c, const char **p, const char *to, bool typed,
                     struct text *out)
{
    const char *q = *p + 1;
    bool braces = q < to && *q == '{';
    q += braces;
    const char *name = q;
    while (q < to && name_part(*q))
        q++;
    struct piece piece = {.kind = PIECE_VAR,
                          .bytes = arena_slice(c->arena, slice_of(name, (size_t)(q - name)))};
    static const struct { const char *name; enum var_type type; } types[] = {
        {":number", VAR_NUMBER}, {":word", VAR_WORD}, {":text", VAR_TEXT}};
    for (size_t i = 0; typed && i < 3; i++) {
        size_t n = strlen(types[i].name);
        if ((size_t)(to - q) >= n && strncmp(q, types[i].name, n) == 0) {
            piece.type = types[i].type;
            q += n;
            break;
        }
    }
    if (braces && (q >= to || *q++ != '}'))
        return error_at(c, name, "this ${ is not closed");
    if (piece.bytes.n > 30)
        return error_at(c, name, "a variable's name has at most 30 letters");
    *arena_push(c->arena, out->v, out->n) = piece;
    *p = q;
    return true;
}

/* "/.../" or "\"...\"" inside a pattern: an expression keeps its backslashes. */
static bool delimited(struct cursor *c, const char **p, const char *to, struct text *out)
{
    char mark = **p;
    const char *q = *p + 1;
    struct buf bytes = {0};
    bool ok = true;
    while (ok && q < to && *q != mark) {
        char b = *q++;
        if (b == '\\' && mark == '/' && q < to) {
            if (*q != '/')
                buf_add_byte(&bytes, '\\');
            b = *q++;
        } else if (b == '\\') {
            ok = escape(c, &q, to, &b);
        }
        buf_add_byte(&bytes, b);
    }
    if (ok && q >= to)
        ok = error_at(c, *p, "not closed");
    char reason[128];
    size_t offset;
    if (ok && mark == '/' && !regex_check(buf_slice(&bytes), reason, &offset)) {
        c->p = *p + 1 + offset;
        ok = lex_error(c, "this expression is wrong: %s", reason);
    }
    if (ok)
        *arena_push(c->arena, out->v, out->n) = (struct piece){
            .kind = mark == '/' ? PIECE_REGEX : PIECE_EXACT,
            .bytes = arena_slice(c->arena, buf_slice(&bytes))};
    buf_free(&bytes);
    *p = q + 1;
    return ok;
}

static bool parse(struct cursor *c, const char *from, const char *to, bool pattern,
                  struct text *out)
{
    struct buf bytes = {0};
    bool ok = true;
    for (const char *p = from; ok && p < to;) {
        bool first = p == from || p[-1] == ' ' || p[-1] == '(';
        if (*p == '\\') {
            p++;
            char b;
            if (p < to && *p == '{') {
                flush(c->arena, out, &bytes);
                ok = repeated(c, &p, to, out);
            } else if ((ok = escape(c, &p, to, &b))) {
                buf_add_byte(&bytes, b);
            }
        } else if (*p == '$' && p + 1 < to &&
                   (name_start(p[1]) || (p[1] == '{' && p + 2 < to && name_start(p[2])))) {
            flush(c->arena, out, &bytes);
            ok = variable(c, &p, to, pattern, out);
        } else if (pattern && first && (*p == '/' || *p == '"')) {
            flush(c->arena, out, &bytes);
            ok = delimited(c, &p, to, out);
        } else {
            buf_add_byte(&bytes, *p++);
        }
    }
    flush(c->arena, out, &bytes);
    buf_free(&bytes);
    return ok;
}

bool text_parse(struct cursor *c, const char *from, const char *to, struct text *out)
{
    return parse(c, from, to, false, out);
}

struct pattern *pattern_parse(struct cursor *c, const char *from, const char *to)
{
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    struct pattern *pattern = arena_alloc(c->arena, sizeof *pattern);
    pattern->source = arena_slice(c->arena, slice_of(from, (size_t)(to - from))).p;
    return parse(c, from, to, true, &pattern->text) ? pattern : NULL;
}
