/* cmd_run.c - conform run */
#include "conformance/runner/cli.h"
#include "conformance/runner/files.h"
#include "conformance/runner/pool.h"
#include "conformance/runner/report.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct progress {
    const struct options *o;
    const struct deviations *known;
    size_t finished, all, bad, broken;
    bool terminal, enough;
};

static bool is_bad(const struct options *o, const json_t *result)
{
    enum verdict v = result_verdict(result);
    if (v == V_ERROR)
        return true;
    if (strcmp(json_text(result, "deviation"), "still") == 0)
        return false;
    return v == V_FAIL || (v == V_WARN && o->fail_on_should);
}

static void progress(void *arg, size_t index, const json_t *result)
{
    struct progress *p = arg;
    (void)index;
    p->finished++;
    bool bad = is_bad(p->o, result) && !deviation_reason(p->known, json_text(result, "id"));
    p->bad += bad;
    p->broken += bad && result_verdict(result) != V_ERROR;
    p->enough = p->o->stop_after && p->broken >= (size_t)p->o->stop_after;
    if (p->o->quiet)
        return;
    if (p->terminal && !p->o->verbose) {
        fprintf(stderr, "\r%zu/%zu  %zu bad  %-50.50s", p->finished, p->all, p->bad,
                json_text(result, "id"));
        if (p->finished == p->all)
            fprintf(stderr, "\r%70s\r", "");
    } else if (p->o->verbose) {
        fprintf(stderr, "%-11s %6.3f  %s\n", json_text(result, "verdict"),
                json_number_value(json_object_get(result, "seconds")), json_text(result, "id"));
    }
}

/* Something did not come in time. Of a machine with too much to do that says nothing yet. */
static bool doubtful(void *arg, const json_t *result)
{
    const struct progress *p = arg;
    return json_is_true(json_object_get(result, "late")) && is_bad(p->o, result) &&
           !p->o->stop_after && !deviation_reason(p->known, json_text(result, "id"));
}

void add_named_files(struct options *o, struct library *l)
{
    for (size_t i = 0; i < o->selection.word_count; i++) {
        const char *word = o->selection.words[i];
        char real[4096];
        if (!slice_ends(slice_str(word), SLICE(".scn")) || !realpath(word, real))
            continue;
        bool known = false;
        for (size_t k = 0; k < l->scenarios.n; k++) {
            char other[4096];
            if (realpath(l->scenarios.v[k]->file, other) && strcmp(real, other) == 0) {
                o->selection.words[i] = l->scenarios.v[k]->file;
                known = true;
            }
        }
        if (!known)
            library_add_file(l, word);
    }
}

static char *last_path(const struct options *o)
{
    return xasprintf("%s/conform-last-%s.json", o->build,
                     strchr(o->target, '/') ? strrchr(o->target, '/') + 1 : o->target);
}

/* --rerun: only what was bad the last time. */
static size_t keep_failed(const struct options *o, struct scenario **v, size_t n)
{
    char *path = last_path(o);
    json_t *last = json_load_file(path, 0, NULL), *one;
    size_t kept = 0, k;
    if (!last)
        fprintf(stderr, "conform: no earlier run to take up again (%s)\n", path);
    for (size_t i = 0; i < n && last; i++)
        json_array_foreach(json_object_get(last, "results"), k, one)
            if (strcmp(json_text(one, "id"), v[i]->id) == 0 && is_bad(o, one)) {
                v[kept++] = v[i];
                break;
            }
    json_decref(last);
    free(path);
    return kept;
}

static struct scenario **arrange(const struct options *o, struct scenario **v, size_t *n)
{
    size_t one = *n, all = one * (size_t)(o->repeat < 1 ? 1 : o->repeat);
    v = xreallocarray(v, all + 1, sizeof *v);
    for (size_t i = one; i < all; i++)
        v[i] = v[i - one];
    uint64_t state = o->seed * 2862933555777941757u + 3037000493u;
    for (size_t i = all; o->shuffle && i > 1; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t k = (size_t)(state >> 33) % i;
        struct scenario *t = v[i - 1];
        v[i - 1] = v[k];
        v[k] = t;
    }
    *n = all;
    return v;
}

static bool put_report(const struct options *o, const char *format, const char *path,
                       const json_t *all, const struct catalogue *c)
{
    struct buf out = {0};
    bool ok = report_make(format, all, c, o->verbose, &out);
    if (!ok)
        fprintf(stderr, "conform: \"%s\" is no format; term, json, tap, junit, markdown, html\n",
                format);
    else if (!path)
        ok = fwrite(out.data ? out.data : "", 1, out.len, stdout) == out.len;
    else if (!(ok = write_file(path, buf_slice(&out))))
        fprintf(stderr, "conform: %s: %s\n", path, strerror(errno));
    buf_free(&out);
    return ok;
}

/* Reports, the file for --rerun, and the exit status. */
static int conclude(const struct options *o, const struct library *l,
                    const struct deviations *known, json_t *all)
{
    json_t *results = json_object_get(all, "results"), *one;
    size_t i, bad = 0, errors = 0, ran = 0;
    deviations_mark(known, results);
    json_array_foreach(results, i, one) {
        enum verdict v = result_verdict(one);
        errors += v == V_ERROR;
        bad += v != V_ERROR && is_bad(o, one);
        ran += v != V_SKIP && v != V_UNSUPPORTED && v != V_ERROR;
    }
    bool ok = put_report(o, o->json ? "json" : o->format, o->out, all, &l->catalogue);
    for (i = 0; i < o->report_count; i++) {
        const char *colon = strchr(o->reports[i], ':');
        char *format = slice_dup(slice_of(o->reports[i], colon ? (size_t)(colon - o->reports[i]) : 0));
        ok &= colon && put_report(o, format, colon + 1, all, &l->catalogue);
        free(format);
    }
    char *last = last_path(o);
    json_dump_file(all, last, JSON_INDENT(1));
    free(last);
    int status = bad ? EXIT_BROKEN : errors || !ok ? EXIT_HARNESS : EXIT_FINE;
    if (o->min && (int)ran < o->min) {
        fprintf(stderr, "conform: only %zu scenarios ran, --min asks for %d\n", ran, o->min);
        status = EXIT_HARNESS;
    }
    return status;
}

static int run_selected(struct options *o, struct library *l, const struct target *t,
                        struct scenario **v, size_t n)
{
    struct deviations known = {0};
    struct diags d = {0};
    if (t->folder) {
        char *path = xasprintf("%s/deviations", t->folder);
        deviations_load(&known, path, &d);
        free(path);
    }
    fputs(buf_str(&d.text), stderr);
    struct progress p = {.o = o, .known = &known, .all = n, .terminal = isatty(2)};
    struct pool_conf conf = {.target = t, .catalogue = &l->catalogue, .scenarios = v, .count = n,
                             .jobs = t->lab ? o->jobs : 1, .artefacts = o->artefacts,
                             .keep_all = o->keep, .trace = o->trace, .stop = &p.enough,
                             .done = progress, .doubtful = doubtful, .arg = &p};
    struct buf error = {0};
    char *version = NULL;
    int64_t start = mono_ms();
    json_t *results = pool_run(&conf, &version, &error);
    int status = EXIT_HARNESS;
    if (results) {
        json_t *all = results_of(t, version, results, (double)(mono_ms() - start) / 1000);
        status = conclude(o, l, &known, all);
        json_decref(all);
    } else {
        fprintf(stderr, "conform: %s\n", buf_str(&error));
    }
    if (status == EXIT_FINE && d.errors)
        status = EXIT_HARNESS;
    deviations_free(&known);
    buf_free(&d.text);
    free(version);
    buf_free(&error);
    return status;
}

int command_run_scenarios(struct options *o)
{
    struct library l;
    struct diags d = {0};
    struct buf errors = {0};
    int status = EXIT_HARNESS;
    size_t n = 0;
    library_load(&l, o->root, &d);
    add_named_files(o, &l);
    fputs(buf_str(&d.text), stderr);
    struct target *t = target_load(o->target, o->root, o->build, &errors);
    struct scenario **v = library_select(&l, &o->selection, &n);
    library_complaints(&l, v, n);
    const char *unused = library_unused_word(&l, &o->selection);
    if (t && o->rerun)
        n = keep_failed(o, v, n);
    if (!t) {
        fputs(buf_str(&errors), stderr);
    } else if (unused) {
        fprintf(stderr, "conform: \"%s\" selects nothing\n", unused);
    } else if (!n) {
        fprintf(stderr, "conform: nothing is selected\n");
        status = o->rerun ? EXIT_FINE : EXIT_HARNESS;
    } else {
        v = arrange(o, v, &n);
        status = run_selected(o, &l, t, v, n);
    }
    free(v);
    target_free(t);
    library_free(&l);
    buf_free(&errors);
    buf_free(&d.text);
    return status;
}
