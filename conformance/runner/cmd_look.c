/* cmd_look.c - conform list, lint, explain */
#include "conformance/runner/cli.h"
#include "conformance/runner/lint.h"
#include "conformance/runner/target.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int command_list(struct options *o)
{
    struct library l;
    struct diags d = {0};
    size_t n;
    library_load(&l, o->root, &d);
    fputs(buf_str(&d.text), stderr);
    struct scenario **v = library_select(&l, &o->selection, &n);
    library_complaints(&l, v, n);
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct scenario *s = v[i];
        json_t *covers = json_array();
        for (size_t k = 0; k < s->covers.n; k++)
            json_array_append_new(covers, json_string(s->covers.v[k]));
        if (!o->json) {
            printf("%-44s %-6s %s\n", s->id, level_name(s->level), s->title ? s->title : "");
            for (size_t k = 0; o->verbose && k < s->covers.n; k++)
                printf("    %s\n", s->covers.v[k]);
        }
        json_array_append_new(all, json_pack("{s:s,s:s*,s:s,s:s,s:s,s:o}", "id", s->id, "title",
            s->title, "file", s->file, "level", level_name(s->level), "profile", s->profile,
            "covers", covers));
    }
    if (o->json) {
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(all);
    free(v);
    library_free(&l);
    buf_free(&d.text);
    return EXIT_FINE;
}

int command_lint(struct options *o)
{
    struct library l;
    int in_files = 0;
    struct diags d = {0};
    size_t n;
    library_load(&l, o->root, &d);
    for (size_t i = 0; i < o->selection.word_count; i++)
        if (slice_ends(slice_str(o->selection.words[i]), SLICE(".scn"))) {
            bool known = false;
            for (size_t k = 0; k < l.scenarios.n; k++)
                known |= strcmp(l.scenarios.v[k]->file, o->selection.words[i]) == 0;
            if (!known)
                library_add_file(&l, o->selection.words[i]);
        }
    struct scenario **v = library_select(&l, &o->selection, &n);
    for (size_t i = 0; i < n; i++) {
        if (!v[i]->broken)
            lint_scenario(v[i], &l.catalogue, l.root, &d);
        if (v[i]->complaints)
            fputs(v[i]->complaints, stdout);
        in_files += v[i]->complaint_count;
    }
    fputs(buf_str(&d.text), stdout);
    if (d.errors > DIAGS_MAX)
        printf("... and %d more\n", d.errors - DIAGS_MAX);
    printf("%zu scenarios, %zu requirements, %d complaints\n", n, l.catalogue.n, d.errors + in_files);
    int status = d.errors + in_files ? EXIT_HARNESS : EXIT_FINE;
    free(v);
    library_free(&l);
    buf_free(&d.text);
    return status;
}

static void explain_requirement(const struct library *l, const struct requirement *r)
{
    printf("%s\n  %s, binds %s\n  %s\n", r->id, r->level_text, r->binds ? r->binds : "the server",
           r->text ? r->text : "");
    if (r->standard)
        printf("  standard: %s\n", r->standard);
    if (r->seen)
        printf("  seen: %s\n", r->seen);
    if (r->source)
        printf("  source: %s\n", r->source);
    if (r->why)
        printf("  note: %s\n", r->why);
    for (size_t i = 0; i < r->serves.n; i++)
        printf("  serves: %s\n", r->serves.v[i]);
    bool any = false;
    for (size_t i = 0; i < l->scenarios.n; i++) {
        const struct scenario *s = l->scenarios.v[i];
        if (!ids_have(&s->covers, r->id))
            continue;
        printf("  %s %s: %s\n", any ? "         " : "proved by", s->id, s->title ? s->title : "");
        any = true;
    }
    if (!any)
        printf("  %s\n", r->observable ? "no scenario proves it yet" : "it cannot be observed");
}

static void explain_scenario(const struct library *l, const struct scenario *s)
{
    printf("%s (%s)\n  %s\n", s->id, level_name(s->level), s->title ? s->title : "");
    if (s->why)
        printf("  %s\n", s->why);
    printf("  file: %s\n", s->file);
    for (size_t i = 0; i < s->attacks.n; i++)
        printf("  attack: %s\n", s->attacks.v[i]);
    for (size_t i = 0; i < s->covers.n; i++) {
        const struct requirement *r = catalogue_find(&l->catalogue, s->covers.v[i]);
        printf("  proves: %s%s%s\n", s->covers.v[i], r ? ": " : "", r && r->text ? r->text : "");
    }
}

int command_explain(struct options *o)
{
    struct library l;
    struct diags d = {0};
    bool any = false;
    library_load(&l, o->root, &d);
    for (size_t w = 0; w < o->selection.word_count; w++) {
        const char *word = o->selection.words[w];
        bool found = false;
        for (size_t i = 0; i < l.catalogue.n; i++)
            if (id_under(l.catalogue.v[i].id, word)) {
                explain_requirement(&l, &l.catalogue.v[i]);
                found = true;
            }
        for (size_t i = 0; i < l.scenarios.n; i++)
            if (id_under(l.scenarios.v[i]->id, word)) {
                explain_scenario(&l, l.scenarios.v[i]);
                found = true;
            }
        if (!found) {
            const char *near = catalogue_nearest(&l.catalogue, word);
            fprintf(stderr, "conform: nothing is called %s%s%s\n", word,
                    near ? "; the nearest is " : "", near ? near : "");
        }
        any |= found;
    }
    if (!o->selection.word_count)
        fprintf(stderr, "conform: explain what? Give an id such as rfc5321/4.5.2 or D05\n");
    library_free(&l);
    buf_free(&d.text);
    return any ? EXIT_FINE : EXIT_HARNESS;
}
