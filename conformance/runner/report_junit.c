/* report_junit.c - JUnit's XML, as continuous integration systems read it. */
#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

/* XML 1.0 has no character for most control codes, not even escaped; they become \xHH. Text in
 * results is valid UTF-8 (JSON made sure of that); U+FFFE and U+FFFF are no characters either. */
static void xml(struct buf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '&')
            buf_add_str(out, "&amp;");
        else if (c == '<')
            buf_add_str(out, "&lt;");
        else if (c == '>')
            buf_add_str(out, "&gt;");
        else if (c == '"')
            buf_add_str(out, "&quot;");
        else if (c == '\n' || c == '\t')
            buf_add_byte(out, (char)c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else if (c == 0xef && (unsigned char)s[1] == 0xbf && (unsigned char)s[2] >= 0xbe) {
            buf_add_str(out, "?");
            s += 2;
        } else
            buf_add_byte(out, (char)c);
    }
}

static void subject_and_name(struct buf *out, const char *id)
{
    const char *slash = strrchr(id, '/');
    buf_add_str(out, "<testcase classname=\"");
    struct buf folder = {0};
    buf_add(&folder, id, slash ? (size_t)(slash - id) : 0);
    for (size_t i = 0; i < folder.len; i++)
        if (folder.data[i] == '/')
            folder.data[i] = '.';
    xml(out, folder.len ? buf_str(&folder) : "conform");
    buf_free(&folder);
    buf_add_str(out, "\" name=\"");
    xml(out, slash ? slash + 1 : id);
    buf_add_byte(out, '"');
}

static void one_case(struct buf *out, const json_t *one, const char *target)
{
    enum verdict v = result_verdict(one);
    subject_and_name(out, json_text(one, "id"));
    buf_printf(out, " time=\"%.3f\"", json_number_value(json_object_get(one, "seconds")));
    bool known = strcmp(json_text(one, "deviation"), "still") == 0;
    if (v == V_SKIP || v == V_UNSUPPORTED || (v == V_FAIL && known)) {
        buf_add_str(out, "><skipped message=\"");
        xml(out, known ? json_text(one, "deviation_reason") : json_text(one, "reason"));
        buf_add_str(out, "\"/></testcase>\n");
    } else if (v == V_FAIL || v == V_ERROR) {
        const char *tag = v == V_FAIL ? "failure" : "error";
        struct buf block = {0};
        report_block(&block, one, target);
        buf_printf(out, "><%s type=\"%s\" message=\"", tag, verdict_name(v));
        xml(out, json_text(one, "title"));
        buf_add_str(out, "\">");
        xml(out, buf_str(&block));
        buf_printf(out, "</%s></testcase>\n", tag);
        buf_free(&block);
    } else {
        buf_add_str(out, "/>\n");
    }
}

void report_junit(struct buf *out, const json_t *all)
{
    json_t *results = json_object_get(all, "results"), *one;
    size_t i, failures = 0, errors = 0, skipped = 0;
    json_array_foreach(results, i, one) {
        enum verdict v = result_verdict(one);
        bool known = strcmp(json_text(one, "deviation"), "still") == 0;
        failures += v == V_FAIL && !known;
        errors += v == V_ERROR;
        skipped += v == V_SKIP || v == V_UNSUPPORTED || (v == V_FAIL && known);
    }
    buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"");
    xml(out, json_text(all, "target"));
    buf_printf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" "
               "time=\"%.3f\" timestamp=\"%.19s\">\n", json_array_size(results), failures, errors,
               skipped, json_number_value(json_object_get(all, "seconds")), json_text(all, "date"));
    json_array_foreach(results, i, one)
        one_case(out, one, report_option(all));
    buf_add_str(out, "</testsuite>\n</testsuites>\n");
}
