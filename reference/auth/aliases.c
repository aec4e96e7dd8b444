/* aliases.c - parsing aliases(5) files. A logical line is a line and those after it that begin
 * with a space or tab; comments and empty lines may stand anywhere between. */
#include "reference/auth/aliases.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

void alias_items_add(struct alias_items *l, char *item)
{
    /* Room grows by doubling at the powers of two. */
    if ((l->n & (l->n - 1)) == 0)
        l->v = xreallocarray(l->v, l->n ? l->n * 2 : 1, sizeof *l->v);
    l->v[l->n++] = item;
}

void alias_items_free(struct alias_items *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct alias_items){0};
}

char *local_part_unquote(struct slice local)
{
    struct buf b = {0};
    if (local.n < 2 || local.p[0] != '"' || local.p[local.n - 1] != '"')
        return slice_dup(local);
    for (size_t i = 1; i + 1 < local.n; i++) {
        if (local.p[i] == '\\' && i + 2 < local.n)
            i++;
        buf_add_byte(&b, local.p[i]);
    }
    return buf_take(&b);
}

/* ---- items ----------------------------------------------------------------------------------- */

/* The end of the item that begins at `from`: the index of a comma outside quotes, or the end.
 * *wrong names an open quotation or an unquoted space inside the item. */
static size_t item_end(struct slice s, size_t from, const char **wrong)
{
    bool quoted = false, space = false;
    size_t i = from;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' && i + 1 < s.n)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            break;
        if (!quoted && (c == ' ' || c == '\t'))
            space = true;
        else if (space)
            *wrong =
                "a space inside an item; separate items by commas, put quotes around a command";
    }
    if (quoted)
        *wrong = "a quotation mark without its partner; close it on the same line";
    return i;
}

/* What stands behind a known start must be there and be absolute. */
static const char *check_item(const char *item)
{
    const char *path = strncmp(item, ":include:", 9) == 0 ? item + 9 : item[0] == '/' ? item : NULL;
    if (item[0] == ':' && !path)
        return "an item that begins with a colon; only :include:/file is known";
    if (path && (path[0] != '/' || path[1] == 0))
        return "a file name that is not absolute; write the whole path";
    if (item[0] == '|' && item[1 + strspn(item + 1, " \t")] == 0)
        return "a pipe without a command; write \"|/path/of/program\"";
    if (strcmp(item, "\\") == 0)
        return "a backslash without a user name";
    if (strpbrk(item, "<>") && item[0] != '|' && item[0] != '/' && !strchr(item, '"'))
        return "angle brackets; write the address alone";
    return NULL;
}

const char *aliases_parse_items(struct slice s, struct alias_items *items)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < s.n && !wrong; i++) {
        if (s.p[i] == ' ' || s.p[i] == '\t')
            continue;
        size_t end = item_end(s, i, &wrong);
        struct slice text = slice_trim(slice_sub(s, i, end));
        i = end;
        if (text.n == 0 || wrong)
            continue;
        char *item = local_part_unquote(text);
        /* "ann lee" in quotes is a local part and keeps them; a command or file loses them. */
        if (text.p[0] == '"' && !strchr("|/:\\", item[0] ? item[0] : 'x')) {
            free(item);
            item = slice_dup(text);
        }
        wrong = items->n >= ALIASES_ITEMS_MAX ? "more than 10000 items" : check_item(item);
        if (wrong)
            free(item);
        else
            alias_items_add(items, item);
    }
    return wrong;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Takes "name:" off *line. The problem, or NULL. */
static const char *take_name(struct slice *line, char **name)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < line->n && (quoted || line->p[i] != ':'); i++) {
        if (line->p[i] == '\\' && i + 1 < line->n)
            i++;
        else if (line->p[i] == '"')
            quoted = !quoted;
    }
    if (i >= line->n)
        return quoted ? "a quotation mark without its partner; close it before the colon"
                      : "no colon; write name: address, address";
    struct slice written = slice_trim(slice_sub(*line, 0, i));
    if (written.n == 0 || written.n > ALIASES_NAME_MAX || slice_eq_str(written, "\"\""))
        return "a name that is empty or too long; write up to 256 octets before the colon";
    if (written.p[0] != '"' && (slice_index(written, ' ') >= 0 || slice_index(written, '\t') >= 0))
        return "a name with a space; put quotes around it";
    if (written.p[0] != '"' && slice_index(written, '@') >= 0)
        return "a name with a domain; write the local part alone";
    *name = local_part_unquote(written);
    for (char *p = *name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    *line = slice_sub(*line, i + 1, line->n);
    return NULL;
}

static void add_logical_line(struct aliases *out, size_t *room, struct slice line, unsigned number,
                             const char *file, struct buf *errors)
{
    struct alias a = {.line = number};
    const char *wrong =
        memchr(line.p, 0, line.n) ? "a NUL byte; remove it" : take_name(&line, &a.name);
    if (!wrong)
        wrong = aliases_parse_items(line, &a.items);
    if (!wrong && a.items.n == 0)
        wrong = "an alias without an address; write one, or remove the line";
    if (wrong) {
        buf_printf(errors, "%s:%u: %s\n", file, number, wrong);
        free(a.name);
        alias_items_free(&a.items);
        return;
    }
    if (out->n == *room)
        out->v = xreallocarray(out->v, *room = *room ? *room * 2 : 16, sizeof *out->v);
    out->v[out->n++] = a;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct alias *)a)->name, ((const struct alias *)b)->name);
}

static bool is_comment(struct slice line)
{
    struct slice t = slice_trim(line);
    return t.n == 0 || t.p[0] == '#';
}

bool aliases_parse(struct aliases *out, struct slice text, const char *file, struct buf *errors)
{
    size_t errors_before = errors->len, room = 0;
    unsigned number = 0, begun = 0;       /* line numbers; begun: of the logical line's start */
    struct slice line;
    struct buf logical = {0};
    *out = (struct aliases){0};
    while (slice_next(&text, '\n', &line)) {
        number++;
        if (is_comment(line))
            continue;
        bool continues = line.p[0] == ' ' || line.p[0] == '\t';
        if (continues && !begun) {
            buf_printf(errors, "%s:%u: a continuation of nothing; begin the name at the margin\n",
                       file, number);
            continue;
        }
        if (!continues) {
            if (begun)
                add_logical_line(out, &room, buf_slice(&logical), begun, file, errors);
            buf_clear(&logical);
            begun = number;
        }
        buf_add_slice(&logical, slice_trim(line));
        buf_add_byte(&logical, ' ');
    }
    if (begun)
        add_logical_line(out, &room, buf_slice(&logical), begun, file, errors);
    buf_free(&logical);

    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
    for (size_t i = 1; i < out->n; i++) {
        const struct alias *a = &out->v[i - 1], *b = &out->v[i];
        if (strcmp(a->name, b->name) == 0)
            buf_printf(errors, "%s:%u: %s is also in line %u; put all its items into one\n", file,
                       a->line > b->line ? a->line : b->line, a->name,
                       a->line > b->line ? b->line : a->line);
    }
    if (errors->len == errors_before)
        return true;
    aliases_free(out);
    return false;
}

bool aliases_load(struct aliases *out, const char *file, struct buf *errors)
{
    struct buf text = {0};
    *out = (struct aliases){0};
    bool good = buf_read_file(&text, file, ALIASES_FILE_MAX) == 0;
    if (good)
        good = aliases_parse(out, buf_slice(&text), file, errors);
    else
        buf_printf(errors,
                   "%s: cannot read the aliases file: %s; make it or correct aliases-file\n", file,
                   strerror(errno));
    buf_free(&text);
    return good;
}

void aliases_free(struct aliases *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].name);
        alias_items_free(&a->v[i].items);
    }
    free(a->v);
    *a = (struct aliases){0};
}

const struct alias *aliases_find(const struct aliases *a, struct slice local)
{
    char key[ALIASES_NAME_MAX + 1];
    if (a->n == 0 || local.n == 0 || local.n > ALIASES_NAME_MAX || memchr(local.p, 0, local.n))
        return NULL;
    for (size_t i = 0; i < local.n; i++)
        key[i] = (char)tolower((unsigned char)local.p[i]);
    key[local.n] = 0;
    struct alias wanted = {.name = key};
    return bsearch(&wanted, a->v, a->n, sizeof *a->v, by_name);
}

/* ---- :include: ------------------------------------------------------------------------------- */

struct expansion {
    struct alias_items *out;
    struct buf *errors;
    int files;                /* read so far: bounds files that name each other many times */
};

static bool expand(struct expansion *x, const struct alias_items *from, int depth);

static bool read_items(struct expansion *x, const char *file, struct alias_items *items)
{
    struct buf text = {0};
    if (buf_read_file(&text, file, ALIASES_FILE_MAX) != 0) {
        buf_printf(x->errors,
                   "%s: cannot read the included file: %s; make it readable for the auth "
                   "process\n",
                   file, strerror(errno));
        buf_free(&text);
        return false;
    }
    struct slice rest = buf_slice(&text), line;
    bool good = true;
    for (unsigned number = 1; slice_next(&rest, '\n', &line); number++) {
        const char *wrong = NULL;
        if (!is_comment(line))
            wrong = memchr(line.p, 0, line.n) ? "a NUL byte; remove it"
                                              : aliases_parse_items(slice_trim(line), items);
        if (wrong) {
            buf_printf(x->errors, "%s:%u: %s\n", file, number, wrong);
            good = false;
        }
    }
    buf_free(&text);
    return good;
}

static bool expand_file(struct expansion *x, const char *file, int depth)
{
    if (depth > ALIASES_INCLUDE_DEPTH || ++x->files > ALIASES_INCLUDE_FILES) {
        buf_printf(x->errors,
                   "%s: files that include files, more than %d deep or %d in all; does it "
                   "include itself?\n",
                   file, ALIASES_INCLUDE_DEPTH, ALIASES_INCLUDE_FILES);
        return false;
    }
    struct alias_items items = {0};
    bool good = read_items(x, file, &items);
    good = expand(x, &items, depth) && good;
    alias_items_free(&items);
    return good;
}

static bool expand(struct expansion *x, const struct alias_items *from, int depth)
{
    bool good = true;
    for (size_t i = 0; i < from->n && x->files <= ALIASES_INCLUDE_FILES; i++) {
        if (strncmp(from->v[i], ":include:", 9) == 0) {
            good = expand_file(x, from->v[i] + 9, depth + 1) && good;
        } else if (x->out->n >= ALIASES_ITEMS_MAX) {
            buf_printf(x->errors, "more than %d items in one alias; split it\n", ALIASES_ITEMS_MAX);
            return false;
        } else {
            alias_items_add(x->out, xstrdup(from->v[i]));
        }
    }
    return good;
}

bool aliases_expand_includes(const struct alias_items *from, struct alias_items *out,
                             struct buf *errors)
{
    struct expansion x = {.out = out, .errors = errors};
    return expand(&x, from, 0);
}
