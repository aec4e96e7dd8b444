/* cmd_report.c - conform report: pages made of results that earlier runs wrote as JSON. */
#include "conformance/runner/cli.h"
#include "conformance/runner/files.h"
#include "conformance/runner/report.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool write_out(const struct options *o, const struct buf *out)
{
    if (!o->out)
        return fwrite(out->data ? out->data : "", 1, out->len, stdout) == out->len;
    if (write_file(o->out, buf_slice(out)))
        return true;
    fprintf(stderr, "conform: %s: %s\n", o->out, strerror(errno));
    return false;
}

int command_report(struct options *o)
{
    struct library l;
    struct diags d = {0};
    size_t n = o->selection.word_count;
    json_t **runs = xcalloc(n + 1, sizeof *runs);
    bool ok = n > 0, html = strcmp(o->format, "html") == 0 || strcmp(o->format, "term") == 0;
    struct buf out = {0};
    library_load(&l, o->root, &d);
    if (!n)
        fprintf(stderr, "conform: report of what? Give files that run --report json:FILE wrote\n");
    for (size_t i = 0; i < n; i++) {
        json_error_t why;
        runs[i] = json_load_file(o->selection.words[i], 0, &why);
        if (!json_is_array(json_object_get(runs[i], "results"))) {
            fprintf(stderr, "conform: %s: no results of a run%s%s\n", o->selection.words[i],
                    runs[i] ? "" : ": ", runs[i] ? "" : why.text);
            ok = false;
        }
    }
    if (ok && html)
        report_html(&out, (const json_t *const *)runs, n, &l.catalogue);
    for (size_t i = 0; ok && !html && i < n; i++)
        if (!(ok = report_make(o->format, runs[i], &l.catalogue, o->verbose, &out)))
            fprintf(stderr, "conform: \"%s\" is no format\n", o->format);
    ok = ok && write_out(o, &out);
    for (size_t i = 0; i < n; i++)
        json_decref(runs[i]);
    free(runs);
    buf_free(&out);
    buf_free(&d.text);
    library_free(&l);
    return ok ? EXIT_FINE : EXIT_HARNESS;
}
