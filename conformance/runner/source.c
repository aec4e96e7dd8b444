#include "conformance/runner/source.h"

#include <errno.h>
#include <stdlib.h>

struct reader {
    struct source *s;
    struct diags *d;
    int depth;             /* of includes; -1: none allowed */
    const struct binding *with;
    size_t with_count;
};

static void read_lines(struct reader *r, const char *file, struct slice text);

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static const char *lookup(const struct binding *b, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_str(name, b[i].name))
            return b[i].value;
    return NULL;
}

/* The name of a variable at p, which points at '$'; its whole length in *used, 0 when none. */
static struct slice variable_at(const char *p, size_t *used)
{
    const char *q = p + 1;
    bool braces = *q == '{';
    q += braces;
    const char *start = q;
    if ((*q >= 'a' && *q <= 'z') || (*q >= 'A' && *q <= 'Z'))
        while (name_char(*q))
            q++;
    struct slice name = slice_of(start, (size_t)(q - start));
    *used = !name.n || (braces && *q != '}') ? 0 : (size_t)(q - p) + braces;
    return name;
}

static void expand(struct buf *out, const char *text, const struct binding *b, size_t n)
{
    for (const char *p = text; *p;) {
        size_t used;
        if (p[0] == '\\' && p[1]) {
            buf_add(out, p, 2);
            p += 2;
            continue;
        }
        if (p[0] == '$') {
            struct slice name = variable_at(p, &used);
            /* "$tag-x" with a parameter "tag" is that parameter and "-x". */
            const char *value = used ? lookup(b, n, name) : NULL;
            while (used && !value && p[1] != '{' && slice_rindex(name, '-') > 0) {
                name.n = (size_t)slice_rindex(name, '-');
                value = lookup(b, n, name);
                used = name.n + 1;
            }
            if (used && value) {
                buf_add_str(out, value);
                p += used;
                continue;
            }
        }
        buf_add_byte(out, *p++);
    }
}

const char *source_expand(const struct source *s, const struct table_row *row, const char *text,
                          struct arena *a)
{
    (void)s;
    if (!row || !strchr(text, '$'))
        return arena_strdup(a, text);
    struct buf out = {0};
    expand(&out, text, row->cells, row->cell_count);
    const char *copy = arena_strdup(a, buf_str(&out));
    buf_free(&out);
    return copy;
}

/* "a | b | c" into cells. A bar divides where a blank (or the end) is on both sides, so that
 * "503|530" is one cell; "\\|" is a bar in any case. */
static size_t split_cells(struct arena *a, const char *text, const char ***out)
{
    size_t n = 0;
    struct buf cell = {0};
    for (const char *p = text;; p++) {
        bool bar = *p == '|' && (p == text || p[-1] == ' ') && (p[1] == ' ' || p[1] == 0);
        if (p[0] == '\\' && p[1]) {
            if (p[1] != '|')
                buf_add_byte(&cell, '\\');
            buf_add_byte(&cell, *++p);
        } else if (bar || *p == 0) {
            struct slice trimmed = slice_trim(buf_slice(&cell));
            *arena_push(a, *out, n) = arena_slice(a, trimmed).p;
            buf_clear(&cell);
            if (!*p)
                break;
        } else {
            buf_add_byte(&cell, *p);
        }
    }
    buf_free(&cell);
    return n;
}

/* Takes the table out of the lines: its heading and the indented rows below. */
static void take_table(struct source *s, struct diags *d)
{
    size_t at = 0;
    while (at < s->line_count &&
           !(s->lines[at].indent == 0 && strncmp(s->lines[at].text, "table ", 6) == 0))
        at++;
    if (at == s->line_count)
        return;
    const char **names = NULL;
    size_t columns = split_cells(&s->arena, s->lines[at].text + 6, &names), end = at + 1;
    for (; end < s->line_count && s->lines[end].indent > 0; end++) {
        const char **cells = NULL;
        size_t n = split_cells(&s->arena, s->lines[end].text, &cells);
        if (n != columns) {
            diag_error(d, s->lines[end].at, "this row has %zu cells, the table has %zu columns",
                       n, columns);
            continue;
        }
        if (s->row_count >= SOURCE_ROWS) {
            diag_error(d, s->lines[end].at, "more than %d rows", SOURCE_ROWS);
            break;
        }
        struct table_row *row = arena_push(&s->arena, s->rows, s->row_count);
        row->at = s->lines[end].at;
        row->name = cells[0];
        for (size_t i = 0; i < columns; i++)
            *arena_push(&s->arena, row->cells, row->cell_count) =
                (struct binding){names[i], cells[i]};
    }
    if (s->row_count == 0)
        diag_error(d, s->lines[at].at, "a table without rows; indent the rows below its heading");
    for (size_t i = 0; i < s->row_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->rows[i].name, s->rows[j].name) == 0)
                diag_error(d, s->rows[i].at, "two rows are called \"%s\"; the first column "
                           "names the row", s->rows[i].name);
    memmove(s->lines + at, s->lines + end, (s->line_count - end) * sizeof *s->lines);
    s->line_count -= end - at;
}

/* "include FILE [with a=1 | b=2]", the file relative to the one that includes it. */
static void include(struct reader *r, struct place at, const char *rest)
{
    struct arena *a = &r->s->arena;
    if (r->depth < 0 || r->depth >= SOURCE_INCLUDES) {
        diag_error(r->d, at, r->depth < 0 ? "include is not possible here"
                                          : "includes go too deep; does a file include itself?");
        return;
    }
    const char *with = strstr(rest, " with ");
    struct slice name = slice_trim(with ? slice_of(rest, (size_t)(with - rest)) : slice_str(rest));
    struct reader inner = {.s = r->s, .d = r->d, .depth = r->depth + 1};
    struct binding *bindings = NULL;
    if (with) {
        const char **cells = NULL;
        size_t n = split_cells(a, with + 6, &cells);
        for (size_t i = 0; i < n; i++) {
            const char *eq = strchr(cells[i], '=');
            if (!eq) {
                diag_error(r->d, at, "\"%s\" is not name=value", cells[i]);
                continue;
            }
            struct slice key = slice_trim(slice_of(cells[i], (size_t)(eq - cells[i])));
            *arena_push(a, bindings, inner.with_count) = (struct binding){
                arena_slice(a, key).p, arena_slice(a, slice_trim(slice_str(eq + 1))).p};
        }
    }
    inner.with = bindings;
    const char *slash = strrchr(at.file, '/');
    const char *path = slash ? arena_printf(a, "%.*s/%.*s", (int)(slash - at.file), at.file,
                                            SLICE_ARG(name))
                             : arena_slice(a, name).p;
    struct buf text = {0};
    if (buf_read_file(&text, path, SOURCE_MAX) < 0)
        diag_error(r->d, at, "cannot read %s: %s", path, strerror(errno));
    else
        read_lines(&inner, path, buf_slice(&text));
    buf_free(&text);
}

static void read_line(struct reader *r, struct place at, struct slice raw)
{
    struct source *s = r->s;
    int indent = 0;
    while ((size_t)indent < raw.n && raw.p[indent] == ' ')
        indent++;
    struct slice text = slice_sub(raw, (size_t)indent, raw.n);
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t' ||
                      text.p[text.n - 1] == '\r'))
        text.n--;
    if (text.n == 0 || text.p[0] == '#')
        return;
    at.col = indent + 1;
    if (text.p[0] == '\t') {
        diag_error(r->d, at, "a tab at the beginning of a line; indent with spaces");
        return;
    }
    if (memchr(text.p, 0, text.n)) {
        diag_error(r->d, at, "a NUL in the file; write \\0");
        return;
    }
    if (s->line_count >= SOURCE_LINES) {
        diag_error(r->d, at, "more than %d lines", SOURCE_LINES);
        return;
    }
    const char *copy = arena_slice(&s->arena, text).p;
    if (r->with_count) {
        struct buf out = {0};
        expand(&out, copy, r->with, r->with_count);
        copy = arena_strdup(&s->arena, buf_str(&out));
        buf_free(&out);
    }
    if (indent == 0 && strncmp(copy, "include ", 8) == 0)
        include(r, at, copy + 8);
    else
        *arena_push(&s->arena, s->lines, s->line_count) = (struct line){at, indent, copy};
}

static void read_lines(struct reader *r, const char *file, struct slice text)
{
    struct place at = {.file = file};
    struct slice line;
    while (slice_next(&text, '\n', &line)) {
        at.line++;
        read_line(r, at, line);
    }
}

bool source_text(struct source *s, const char *name, struct slice text, struct diags *d)
{
    int before = d->errors;
    s->file = arena_strdup(&s->arena, name);
    struct reader r = {.s = s, .d = d, .depth = -1};
    read_lines(&r, s->file, text);
    take_table(s, d);
    return d->errors == before;
}

bool source_load(struct source *s, const char *path, struct diags *d)
{
    int before = d->errors;
    s->file = arena_strdup(&s->arena, path);
    struct buf text = {0};
    if (buf_read_file(&text, path, SOURCE_MAX) < 0) {
        diag_error(d, (struct place){.file = s->file}, "cannot read the file: %s", strerror(errno));
    } else {
        struct reader r = {.s = s, .d = d};
        read_lines(&r, s->file, buf_slice(&text));
        take_table(s, d);
    }
    buf_free(&text);
    return d->errors == before;
}

void source_free(struct source *s)
{
    arena_free(&s->arena);
    *s = (struct source){0};
}
