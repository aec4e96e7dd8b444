#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

#include <criterion/criterion.h>

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
