#include "conformance/runner/library.h"

#include "base/mem.h"
#include "conformance/runner/files.h"

#include <stdio.h>
#include <stdlib.h>

/* "conformance/scenarios/mx/order.scn" is mx/order */
static char *id_of(const struct library *l, const char *path)
{
    char *folder = xasprintf("%s/scenarios/", l->root);
    const char *id = slice_starts(slice_str(path), slice_str(folder)) ? path + strlen(folder) : NULL;
    free(folder);
    if (!id) {
        id = strrchr(path, '/');
        id = id ? id + 1 : path;
    }
    size_t n = strlen(id);
    return slice_dup(slice_of(id, slice_ends(slice_str(id), SLICE(".scn")) ? n - 4 : n));
}

void library_add_file(struct library *l, const char *path)
{
    l->sources = xreallocarray(l->sources, l->source_count + 1, sizeof *l->sources);
    struct source *s = &l->sources[l->source_count++];
    *s = (struct source){0};
    char *id = id_of(l, path);
    struct diags d = {0};
    size_t first = l->scenarios.n;
    bool loaded = source_load(s, path, &d);
    parse_source(s, id, &l->scenarios, &d);
    for (size_t i = first; i < l->scenarios.n && !loaded; i++)
        l->scenarios.v[i]->broken = true;
    struct scenario *last = l->scenarios.v[l->scenarios.n - 1];
    if (d.errors) {
        last->complaints = arena_strdup(&last->arena, buf_str(&d.text));
        last->complaint_count = d.errors;
    }
    buf_free(&d.text);
    free(id);
}

void library_complaints(const struct library *l, struct scenario *const *v, size_t n)
{
    size_t others = 0;
    for (size_t i = 0; i < l->scenarios.n; i++)
        others += l->scenarios.v[i]->complaints != NULL;
    for (size_t i = 0; i < n; i++)
        if (v[i]->complaints) {
            fputs(v[i]->complaints, stderr);
            others--;
        }
    if (others)
        fprintf(stderr, "conform: %zu other scenario%s mistakes, see conform lint\n", others,
                others == 1 ? " has" : "s have");
}

void library_load(struct library *l, const char *root, struct diags *d)
{
    *l = (struct library){.root = xstrdup(root)};
    char *requirements = xasprintf("%s/requirements", root);
    char *scenarios = xasprintf("%s/scenarios", root);
    catalogue_load(&l->catalogue, requirements, d);
    struct file_list files = {0};
    list_files(&files, scenarios, ".scn");
    for (size_t i = 0; i < files.n; i++)
        library_add_file(l, files.v[i]);
    file_list_free(&files);
    free(requirements);
    free(scenarios);
}

void library_free(struct library *l)
{
    scenarios_free(&l->scenarios);
    catalogue_free(&l->catalogue);
    for (size_t i = 0; i < l->source_count; i++)
        source_free(&l->sources[i]);
    free(l->sources);
    free(l->root);
}

static bool word_selects(const struct scenario *s, const char *word)
{
    if (strncmp(word, "tag:", 4) == 0)
        return ids_have(&s->tags, word + 4);
    if (strcmp(word, s->file) == 0 || id_under(s->id, word))
        return true;
    for (size_t i = 0; i < s->covers.n; i++)
        if (id_under(s->covers.v[i], word))
            return true;
    for (size_t i = 0; i < s->attacks.n; i++)
        if (strcmp(s->attacks.v[i], word) == 0)
            return true;
    return false;
}

static bool selected(const struct scenario *s, const struct selection *x)
{
    bool word = x->word_count == 0, tag = x->tag_count == 0;
    for (size_t i = 0; i < x->word_count && !word; i++)
        word = word_selects(s, x->words[i]);
    for (size_t i = 0; i < x->tag_count && !tag; i++)
        tag = ids_have(&s->tags, x->tags[i]);
    return word && tag && (x->level == LEVEL_NONE || s->level == x->level) &&
           (!x->name || strstr(s->id, x->name) || (s->title && strstr(s->title, x->name)));
}

const char *library_unused_word(const struct library *l, const struct selection *x)
{
    for (size_t i = 0; i < x->word_count; i++) {
        bool used = false;
        for (size_t k = 0; k < l->scenarios.n && !used; k++)
            used = word_selects(l->scenarios.v[k], x->words[i]);
        if (!used)
            return x->words[i];
    }
    return NULL;
}

struct scenario **library_select(const struct library *l, const struct selection *x, size_t *n)
{
    struct scenario **v = xcalloc(l->scenarios.n + 1, sizeof *v);
    *n = 0;
    for (size_t i = 0; i < l->scenarios.n; i++)
        if (selected(l->scenarios.v[i], x))
            v[(*n)++] = l->scenarios.v[i];
    return v;
}
