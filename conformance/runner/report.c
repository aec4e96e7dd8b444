/* report.c - the reports by their names. */
#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

#include <stdlib.h>

static void term(struct buf *out, const json_t *all, bool verbose)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(all, "results"), i, one) {
        enum verdict v = result_verdict(one);
        bool not_run = v == V_SKIP || v == V_UNSUPPORTED;
        if (verbose && not_run)
            buf_printf(out, "%s  %s: %s\n", verdict_name(v), json_text(one, "id"),
                       json_text(one, "reason"));
        else if (!not_run && v != V_PASS && (v != V_INFO || verbose)) {
            report_block(out, one, report_option(all));
            buf_add_byte(out, '\n');
        }
    }
    report_summary(out, all);
}

bool report_make(const char *format, const json_t *all, const struct catalogue *c, bool verbose,
                 struct buf *out)
{
    if (strcmp(format, "json") == 0) {
        char *text = json_dumps(all, JSON_INDENT(1));
        buf_add_str(out, text ? text : "");
        buf_add_byte(out, '\n');
        free(text);
    } else if (strcmp(format, "tap") == 0) {
        report_tap(out, all);
    } else if (strcmp(format, "junit") == 0) {
        report_junit(out, all);
    } else if (strcmp(format, "markdown") == 0) {
        report_markdown(out, all, c);
    } else if (strcmp(format, "html") == 0) {
        report_html(out, &all, 1, c);
    } else if (strcmp(format, "term") == 0) {
        struct buf raw = {0};
        term(&raw, all, verbose);
        report_plain(out, buf_slice(&raw));
        buf_free(&raw);
    } else {
        return false;
    }
    return true;
}
