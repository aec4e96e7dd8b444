/* coverage.c - conform coverage: which clauses have a scenario. */
#include "conformance/runner/cli.h"
#include "conformance/runner/files.h"
#include "conformance/runner/spec.h"

#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static bool level_wanted(const struct options *o, const struct requirement *r)
{
    return o->selection.level == LEVEL_NONE || o->selection.level == r->level;
}

static bool row_wanted(const struct options *o, const struct requirement *r)
{
    bool any = o->selection.word_count == 0;
    for (size_t i = 0; i < o->selection.word_count && !any; i++)
        any = id_under(r->id, o->selection.words[i]) ||
              strcmp(r->document, o->selection.words[i]) == 0;
    return any && level_wanted(o, r);
}

/* The tally of a document and level in the JSON object, made when it is not there. */
static json_t *tally_of(json_t *all, const struct requirement *r)
{
    json_t *document = json_object_get(all, r->document);
    if (!document) {
        document = json_object();
        json_object_set_new(all, r->document, document);
    }
    json_t *tally = json_object_get(document, r->level_text);
    if (!tally) {
        tally = json_pack("{s:i,s:i,s:i,s:i}", "rows", 0, "proved", 0, "unproved", 0,
                          "unobservable", 0);
        json_object_set_new(document, r->level_text, tally);
    }
    return tally;
}

static void count(json_t *tally, const char *key)
{
    json_object_set_new(tally, key,
                        json_integer(json_integer_value(json_object_get(tally, key)) + 1));
}

static void print_table(json_t *all)
{
    const char *document, *level;
    json_t *levels, *t;
    printf("%-12s %-12s %6s %7s %9s %13s\n", "document", "level", "rows", "proved", "unproved",
           "unobservable");
    json_object_foreach(all, document, levels)
        json_object_foreach(levels, level, t)
            printf("%-12s %-12s %6lld %7lld %9lld %13lld\n", document, level,
                   (long long)json_integer_value(json_object_get(t, "rows")),
                   (long long)json_integer_value(json_object_get(t, "proved")),
                   (long long)json_integer_value(json_object_get(t, "unproved")),
                   (long long)json_integer_value(json_object_get(t, "unobservable")));
}

static bool put_spec(const struct options *o, const struct library *l)
{
    struct buf out = {0};
    spec_make(l, &out);
    bool ok = o->out ? write_file(o->out, buf_slice(&out))
                     : fwrite(out.data, 1, out.len, stdout) == out.len;
    if (!ok)
        fprintf(stderr, "conform: %s: %s\n", o->out ? o->out : "output", strerror(errno));
    buf_free(&out);
    return ok;
}

int command_coverage(struct options *o)
{
    struct library l;
    struct diags d = {0};
    size_t k;
    library_load(&l, o->root, &d);
    fputs(buf_str(&d.text), stderr);
    buf_free(&d.text);
    library_complaints(&l, l.scenarios.v, l.scenarios.n);
    if (o->spec) {
        bool ok = put_spec(o, &l);
        library_free(&l);
        return ok ? EXIT_FINE : EXIT_HARNESS;
    }
    json_t *all = json_object(), *unproved = json_array(), *one;
    for (size_t i = 0; i < l.catalogue.n; i++) {
        const struct requirement *r = &l.catalogue.v[i];
        if (!row_wanted(o, r))
            continue;
        json_t *tally = tally_of(all, r);
        bool proved = spec_proved(&l, r->id);
        count(tally, "rows");
        count(tally, proved ? "proved" : r->observable ? "unproved" : "unobservable");
        if (o->verbose && !proved && r->observable)
            json_array_append_new(unproved, json_pack("[ss]", r->level_text, r->id));
    }
    if (o->json) {
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
    } else {
        print_table(all);
        json_array_foreach(unproved, k, one)
            printf("%s%-10s %s\n", k ? "" : "\nobservable, and no scenario proves it:\n",
                   json_string_value(json_array_get(one, 0)),
                   json_string_value(json_array_get(one, 1)));
    }
    json_decref(unproved);
    json_decref(all);
    library_free(&l);
    return EXIT_FINE;
}
