#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

#include <criterion/criterion.h>
#include <string.h>

static json_t *sample(void)
{
    return json_pack("{s:s,s:s,s:s,s:f,s:{s:i},s:{s:s},s:[{s:s,s:s,s:s,s:f,s:[s],s:s,s:[{s:s,s:s,s:s,s:s}]}],"
                     "s:{s:{s:s,s:[s]}}}",
                     "target", "a<b", "version", "1", "date", "2026-11-24T00:00:00Z", "seconds", 1.5,
                     "counts", "FAIL", 1, "verdicts", "FAIL", "broken",
                     "results", "id", "smtp/x#<1>", "title", "T & \"U\"", "verdict", "FAIL", "seconds",
                     0.1, "covers", "rfc1/2/a", "transcript", "bell \x07 and ]]> \xef\xbf\xbf",
                     "findings", "verdict", "FAIL", "place", "f:1", "expected", "250", "came", "\x01",
                     "clauses", "rfc1/2/a", "verdict", "FAIL", "scenarios", "smtp/x#<1>");
}

Test(report, junit_is_xml_whatever_came)
{
    json_t *all = sample();
    struct buf out = {0};
    report_junit(&out, all);
    const char *text = buf_str(&out);
    cr_assert(strstr(text, "name=\"x#&lt;1&gt;\""));
    cr_assert(strstr(text, "message=\"T &amp; &quot;U&quot;\""));
    cr_assert(strstr(text, "failures=\"1\""));
    for (size_t i = 0; i < out.len; i++)
        cr_assert((unsigned char)out.data[i] >= 0x20 || out.data[i] == '\n' || out.data[i] == '\t');
    cr_assert_not(strstr(text, "]]>"));
    cr_assert_not(strstr(text, "\xef\xbf\xbf"));
    buf_free(&out);
    json_decref(all);
}

Test(report, tap_and_markdown)
{
    json_t *all = sample();
    struct buf out = {0};
    struct catalogue none = {0};
    report_tap(&out, all);
    cr_assert(strstr(buf_str(&out), "1..1\nnot ok 1 - smtp/x\\#<1>"));
    buf_clear(&out);
    report_markdown(&out, all, &none);
    cr_assert(strstr(buf_str(&out), "| smtp/x#<1> | FAIL |"));
    buf_free(&out);
    json_decref(all);
}

Test(report, worst_verdict_of_a_clause)
{
    json_t *results = json_pack("[{s:s,s:{s:s}},{s:s,s:{s:s,s:s}}]", "id", "a", "clauses", "rfc1/2/a", "PASS",
                                "id", "b", "clauses", "rfc1/2/a", "WARN", "rfc1/2/b", "INFO");
    json_t *c = clause_verdicts(results);
    cr_assert_str_eq(json_text(json_object_get(c, "rfc1/2/a"), "verdict"), "WARN");
    cr_assert_eq(json_array_size(json_object_get(json_object_get(c, "rfc1/2/a"), "scenarios")), 2);
    json_decref(c);
    json_decref(results);
}

/* Whatever is in a result: each byte from 1 to 255 in every text that a report shows. */
static json_t *hostile(void)
{
    char bytes[256 * 3];
    size_t n = 0;
    for (int c = 1; c < 256; c++)
        n += (size_t)(c < 128 ? (bytes[n] = (char)c, 1)
                              : (bytes[n] = (char)(0xc0 | c >> 6), bytes[n + 1] = (char)(0x80 | (c & 63)), 2));
    bytes[n] = 0;
    json_t *all = json_pack("{s:s,s:s,s:s,s:f,s:{s:i},s:{s:s},s:[{s:s,s:s,s:s,s:s,s:f,s:[s],s:s,s:[{s:s,s:s,s:s,"
                            "s:s,s:s,s:s}]}],s:{}}",
                            "target", bytes, "version", bytes, "date", "2026-11-24T00:00:00Z", "seconds", 0.1,
                            "counts", "FAIL", 1, "verdicts", "FAIL", bytes,
                            "results", "id", "a/b", "title", bytes, "reason", bytes, "verdict", "FAIL",
                            "seconds", 0.1, "covers", "rfc1/2/a", "transcript", bytes,
                            "findings", "verdict", "FAIL", "place", bytes, "step", bytes, "expected", bytes,
                            "came", bytes, "nearest", bytes,
                            "clauses");
    cr_assert_not_null(all);
    return all;
}

static bool control(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if ((unsigned char)b->data[i] < 0x20 && b->data[i] != '\n' && b->data[i] != '\t')
            return true;
    return false;
}

Test(report, hostile_texts_in_junit)
{
    json_t *all = hostile();
    struct buf out = {0};
    report_junit(&out, all);
    cr_assert_not(control(&out));
    /* No markup but our own: each "<" begins one of these. */
    static const char *const ours[] = {"<?xml", "<testsuites", "<testsuite", "<testcase", "<failure", "<system-out",
                                       "<properties", "<property", "</"};
    for (const char *p = buf_str(&out); (p = strchr(p, '<')); p++) {
        bool known = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            known |= strncmp(p, ours[i], strlen(ours[i])) == 0;
        cr_assert(known, "%.40s", p);
    }
    for (const char *p = buf_str(&out); (p = strchr(p, '&')); p++)
        cr_assert(strchr(p, ';') && strchr(p, ';') - p < 8, "%.20s", p);
    buf_free(&out);
    json_decref(all);
}

Test(report, hostile_texts_in_tap)
{
    json_t *all = hostile();
    struct buf out = {0};
    report_tap(&out, all);
    cr_assert_not(control(&out));
    /* One plan and one test line: nothing of the texts may begin a line of its own as such. */
    int tests = 0, plans = 0;
    struct slice rest = buf_slice(&out), line;
    while (slice_next(&rest, '\n', &line)) {
        tests += slice_starts(line, SLICE("ok ")) || slice_starts(line, SLICE("not ok "));
        plans += slice_starts(line, SLICE("1.."));
    }
    cr_assert_eq(tests, 1);
    cr_assert_eq(plans, 1);
    buf_free(&out);
    json_decref(all);
}

Test(report, hostile_texts_in_markdown)
{
    json_t *all = hostile();
    struct buf out = {0};
    struct catalogue none = {0};
    report_markdown(&out, all, &none);
    cr_assert_not(control(&out));
    /* The scenario's row is one line with its cells. */
    cr_assert(strstr(buf_str(&out), "| a/b | FAIL |"));
    buf_free(&out);
    json_decref(all);
}

Test(report, hostile_texts_in_the_page)
{
    json_t *all = hostile();
    struct buf out = {0};
    struct catalogue none = {0};
    const json_t *runs[] = {all};
    report_html(&out, runs, 1, &none);
    cr_assert_not(control(&out));
    char *data = strstr(buf_str(&out), "type=\"application/json\">") + strlen("type=\"application/json\">");
    char *end = strstr(data, "</script>");
    cr_assert_null(memchr(data, '<', (size_t)(end - data)));
    json_t *back = json_loadb(data, (size_t)(end - data), 0, NULL);
    cr_assert_not_null(back);
    cr_assert(json_equal(json_array_get(json_object_get(back, "runs"), 0), all));
    json_decref(back);
    buf_free(&out);
    json_decref(all);
}
