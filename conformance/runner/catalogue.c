#include "conformance/runner/catalogue.h"

#include "base/mem.h"
#include "conformance/runner/files.h"

#include <errno.h>
#include <stdlib.h>

enum { CATALOGUE_FILE_MAX = 4 * 1024 * 1024 };

bool id_under(const char *id, const char *prefix)
{
    size_t n = strlen(prefix);
    while (n && prefix[n - 1] == '/')
        n--;
    return strncmp(id, prefix, n) == 0 && (id[n] == 0 || id[n] == '/' || id[n] == '#' ||
                                           (id[n] == '.' && n > 3 && strchr(prefix, '/')));
}

static enum level level_of(const char *text)
{
    if (strncmp(text, "MUST", 4) == 0)
        return LEVEL_MUST;
    if (strncmp(text, "SHOULD", 6) == 0)
        return LEVEL_SHOULD;
    return strncmp(text, "MAY", 3) == 0 ? LEVEL_MAY : LEVEL_NONE;
}

static void begin_row(struct catalogue *c, struct place at, struct slice id)
{
    struct arena *a = &c->arena;
    struct requirement *r = arena_push(a, c->v, c->n);
    *r = (struct requirement){.id = arena_slice(a, id).p, .at = at, .section = "", .level_text = ""};
    ptrdiff_t slash = slice_index(id, '/'), last = slice_rindex(id, '/');
    r->document = slash < 0 ? "behaviours" : arena_slice(a, slice_sub(id, 0, (size_t)slash)).p;
    if (slash >= 0 && last > slash)
        r->section = arena_slice(a, slice_sub(id, (size_t)slash + 1, (size_t)last)).p;
    r->observable = true;
}

/* The field of a row by its key; NULL when the key is unknown. */
static const char **field_of(struct requirement *r, const char *key)
{
    const struct { const char *key; const char **value; } fields[] = {
        {"level", &r->level_text}, {"binds", &r->binds},   {"text", &r->text}, {"seen", &r->seen},
        {"source", &r->source},    {"why", &r->why},       {"standard", &r->standard}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(key, fields[i].key) == 0)
            return fields[i].value;
    return NULL;
}

static void finish_row(struct requirement *r, struct diags *d)
{
    r->level = level_of(r->level_text);
    bool behaviour = strcmp(r->document, "behaviours") == 0;
    if (behaviour && r->level == LEVEL_NONE)
        r->level = LEVEL_MUST, r->level_text = "MUST";
    if (r->level == LEVEL_NONE)
        diag_error(d, r->at, "%s: level must be MUST, MUST NOT, SHOULD, SHOULD NOT or MAY", r->id);
    if (!r->text)
        diag_error(d, r->at, "%s: the text is missing", r->id);
    if (!behaviour && !r->seen)
        diag_error(d, r->at, "%s: say how it can be seen: wire, dns, store, or no: REASON", r->id);
    r->observable = !(r->seen && strncmp(r->seen, "no", 2) == 0 &&
                      (r->seen[2] == ':' || r->seen[2] == 0));
}

void catalogue_read(struct catalogue *c, const char *file, struct slice text, struct diags *d)
{
    struct arena *a = &c->arena;
    struct place at = {.file = arena_strdup(a, file)};
    struct slice line;
    const char **field = NULL;
    bool open = false;
    while (slice_next(&text, '\n', &line)) {
        at.line++;
        struct slice content = slice_trim(line);
        if (!content.n || content.p[0] == '#') {
            if (!content.n && open)
                finish_row(&c->v[c->n - 1], d), open = false;
            continue;
        }
        if (line.p[0] != ' ') {
            if (open)
                finish_row(&c->v[c->n - 1], d);
            begin_row(c, at, content);
            open = true;
            field = NULL;
            continue;
        }
        if (!open) {
            diag_error(d, at, "this belongs to no row; a row begins with its id at the line's "
                              "beginning");
            continue;
        }
        struct requirement *row = &c->v[c->n - 1];
        struct slice rest = content, key;
        slice_word(&rest, &key);
        size_t indent = (size_t)(content.p - line.p);
        const char *name = arena_slice(a, key).p;
        if (indent > 2 && field) {                 /* goes on with the field above */
            *field = arena_printf(a, "%s %.*s", *field, SLICE_ARG(content));
        } else if (strcmp(name, "serves") == 0) {
            struct slice word;
            while (slice_word(&rest, &word))
                ids_add(a, &row->serves, arena_slice(a, word).p);
            field = NULL;
        } else if ((field = field_of(row, name))) {
            *field = arena_slice(a, slice_trim(rest)).p;
        } else {
            diag_error(d, at, "\"%s\" is no field of a requirement", name);
        }
    }
    if (open)
        finish_row(&c->v[c->n - 1], d);
}

static const struct catalogue *sorting;

static int by_id(const void *x, const void *y)
{
    return strcmp(sorting->v[*(const size_t *)x].id, sorting->v[*(const size_t *)y].id);
}

void catalogue_finish(struct catalogue *c, struct diags *d)
{
    c->index = arena_alloc(&c->arena, (c->n + 1) * sizeof *c->index);
    for (size_t i = 0; i < c->n; i++)
        c->index[i] = i;
    sorting = c;
    if (c->n)
        qsort(c->index, c->n, sizeof *c->index, by_id);
    for (size_t i = 1; i < c->n; i++)
        if (strcmp(c->v[c->index[i]].id, c->v[c->index[i - 1]].id) == 0)
            diag_error(d, c->v[c->index[i]].at, "%s is there twice (also line %d of %s)",
                       c->v[c->index[i]].id, c->v[c->index[i - 1]].at.line,
                       c->v[c->index[i - 1]].at.file);
}

bool catalogue_load(struct catalogue *c, const char *folder, struct diags *d)
{
    struct file_list files = {0};
    list_files(&files, folder, ".req");
    if (!files.n)
        diag_error(d, (struct place){.file = folder}, "no requirement files (*.req) in here");
    for (size_t i = 0; i < files.n; i++) {
        struct buf text = {0};
        if (buf_read_file(&text, files.v[i], CATALOGUE_FILE_MAX) < 0)
            diag_error(d, (struct place){.file = files.v[i]}, "cannot be read: %s",
                       strerror(errno));
        else
            catalogue_read(c, files.v[i], buf_slice(&text), d);
        buf_free(&text);
    }
    file_list_free(&files);
    catalogue_finish(c, d);
    return d->errors == 0;
}

const struct requirement *catalogue_find(const struct catalogue *c, const char *id)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(id, c->v[c->index[middle]].id);
        if (order == 0)
            return &c->v[c->index[middle]];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *catalogue_nearest(const struct catalogue *c, const char *id)
{
    const char **ids = xreallocarray(NULL, c->n + 1, sizeof *ids);
    for (size_t i = 0; i < c->n; i++)
        ids[i] = c->v[i].id;
    const char *near = diag_nearest(id, ids, c->n);
    free(ids);
    return near;
}

void catalogue_free(struct catalogue *c)
{
    arena_free(&c->arena);
    *c = (struct catalogue){0};
}
