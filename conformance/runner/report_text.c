/* report_text.c - for a terminal, TAP and Markdown. */
#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

void report_plain(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            buf_printf(out, "\\x%02X", c);
        else
            buf_add_byte(out, (char)c);
    }
}

/* A text where only one line may be. */
static void one_line(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_byte(out, *text == '\n' ? ' ' : *text);
}

static void indented(struct buf *out, const char *label, const char *text)
{
    struct slice rest = slice_str(text), line;
    bool first = true;
    while (slice_next(&rest, '\n', &line)) {
        buf_printf(out, "  %-9s %.*s\n", first ? label : "", SLICE_ARG(line));
        first = false;
    }
}

static void finding_block(struct buf *out, const json_t *f)
{
    json_t *clause;
    size_t i;
    buf_printf(out, "  %-9s %s\n", json_text(f, "verdict"), json_text(f, "place"));
    if (*json_text(f, "step"))
        indented(out, "step", json_text(f, "step"));
    json_array_foreach(json_object_get(f, "clauses"), i, clause)
        buf_printf(out, "  %-9s %s (%s)\n            %s\n", "clause", json_text(clause, "id"),
                   json_text(clause, "level"), json_text(clause, "text"));
    if (*json_text(f, "expected"))
        indented(out, "expected", json_text(f, "expected"));
    if (*json_text(f, "came"))
        indented(out, "came", json_text(f, "came"));
    if (*json_text(f, "nearest"))
        indented(out, "nearest", json_text(f, "nearest"));
}

const char *report_option(const json_t *all)
{
    const char *option = json_text(all, "option");
    return *option ? option : json_text(all, "target");
}

void report_block(struct buf *out, const json_t *result, const char *target)
{
    json_t *f;
    size_t i;
    bool clauses = false;
    buf_printf(out, "%s  %s\n  %s\n", json_text(result, "verdict"), json_text(result, "id"),
               json_text(result, "title"));
    if (*json_text(result, "reason"))
        indented(out, "reason", json_text(result, "reason"));
    if (*json_text(result, "first_attempt"))
        indented(out, "again", json_text(result, "first_attempt"));
    if (*json_text(result, "deviation_reason"))
        indented(out, "known", json_text(result, "deviation_reason"));
    json_array_foreach(json_object_get(result, "findings"), i, f) {
        if (strcmp(json_text(f, "verdict"), "PASS") == 0)
            continue;
        finding_block(out, f);
        clauses |= json_array_size(json_object_get(f, "clauses")) > 0;
    }
    if (!clauses && json_array_size(json_object_get(result, "covers"))) {
        buf_printf(out, "  %-9s", "covers");
        json_array_foreach(json_object_get(result, "covers"), i, f)
            buf_printf(out, " %s", json_string_value(f));
        buf_add_byte(out, '\n');
    }
    if (*json_text(result, "transcript")) {
        buf_add_str(out, "  transcript (seconds, party, direction, bytes)\n");
        struct slice rest = slice_str(json_text(result, "transcript")), line;
        while (slice_next(&rest, '\n', &line))
            if (line.n)
                buf_printf(out, "    %.*s\n", SLICE_ARG(line));
    }
    const char *quote = strchr(target, ' ') ? "'" : "";
    buf_printf(out, "  again     conform run --target %s%s%s '%s'\n", quote, target, quote,
               json_text(result, "id"));
}

void report_summary(struct buf *out, const json_t *all)
{
    const char *name;
    json_t *n, *one;
    size_t i, fixed = 0, still = 0, fresh = 0;
    buf_printf(out, "%s %s, %s: %zu scenarios in %.1f s\n", json_text(all, "target"),
               json_text(all, "version"), json_text(all, "date"),
               json_array_size(json_object_get(all, "results")),
               json_number_value(json_object_get(all, "seconds")));
    json_object_foreach(json_object_get(all, "counts"), name, n)
        if (json_integer_value(n))
            buf_printf(out, "  %4lld %-11s %s\n", (long long)json_integer_value(n), name,
                       json_text(json_object_get(all, "verdicts"), name));
    json_array_foreach(json_object_get(all, "results"), i, one) {
        const char *d = json_text(one, "deviation");
        fixed += strcmp(d, "fixed") == 0;
        still += strcmp(d, "still") == 0;
        fresh += strcmp(d, "new") == 0;
        if (*json_text(one, "first_attempt"))
            buf_printf(out, "  tried again: %s (%s), now %s\n", json_text(one, "id"),
                       json_text(one, "first_attempt"), json_text(one, "verdict"));
    }
    if (fixed || still || fresh)
        buf_printf(out, "  deviations: %zu new, %zu fixed, %zu still there\n", fresh, fixed, still);
}

static void tap(struct buf *out, const json_t *all)
{
    json_t *results = json_object_get(all, "results"), *one;
    size_t i;
    buf_printf(out, "TAP version 13\n1..%zu\n", json_array_size(results));
    json_array_foreach(results, i, one) {
        enum verdict v = result_verdict(one);
        bool known = strcmp(json_text(one, "deviation"), "still") == 0;
        buf_printf(out, "%sok %zu - ", v == V_FAIL || v == V_ERROR ? "not " : "", i + 1);
        for (const char *p = json_text(one, "id"); *p; p++)
            buf_printf(out, *p == '#' ? "\\%c" : "%c", *p);
        if (v == V_SKIP || v == V_UNSUPPORTED)
            buf_add_str(out, " # SKIP ");
        else if (known)
            buf_add_str(out, " # TODO ");
        one_line(out, v == V_SKIP || v == V_UNSUPPORTED ? json_text(one, "reason")
                      : known ? json_text(one, "deviation_reason") : "");
        buf_add_byte(out, '\n');
        if (v != V_PASS && v != V_SKIP && v != V_UNSUPPORTED) {
            struct buf block = {0};
            report_block(&block, one, report_option(all));
            struct slice rest = buf_slice(&block), line;
            while (slice_next(&rest, '\n', &line))
                if (line.n)
                    buf_printf(out, "# %.*s\n", SLICE_ARG(line));
            buf_free(&block);
        }
    }
}

void report_tap(struct buf *out, const json_t *all)
{
    struct buf raw = {0};
    tap(&raw, all);
    report_plain(out, buf_slice(&raw));
    buf_free(&raw);
}

static void markdown_cell(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (strchr("|<>`*_[]\\", *s))
            buf_add_byte(out, '\\');
        buf_add_byte(out, *s == '\n' ? ' ' : *s);
    }
}

static void markdown(struct buf *out, const json_t *all, const struct catalogue *c)
{
    const char *name, *id;
    json_t *n, *one, *row;
    size_t i;
    buf_add_str(out, "# ");
    markdown_cell(out, json_text(all, "target"));
    buf_add_byte(out, ' ');
    markdown_cell(out, json_text(all, "version"));
    buf_printf(out, "\n\n%s, %.1f s\n\n| verdict | scenarios | meaning |\n| --- | --- | --- |\n",
               json_text(all, "date"), json_number_value(json_object_get(all, "seconds")));
    json_object_foreach(json_object_get(all, "counts"), name, n)
        buf_printf(out, "| %s | %lld | %s |\n", name, (long long)json_integer_value(n),
                   json_text(json_object_get(all, "verdicts"), name));
    buf_add_str(out, "\n## Scenarios that did not pass\n\n| scenario | verdict | known | why |\n"
                     "| --- | --- | --- | --- |\n");
    json_array_foreach(json_object_get(all, "results"), i, one) {
        enum verdict v = result_verdict(one);
        if (v == V_PASS)
            continue;
        buf_printf(out, "| %s | %s | %s | ", json_text(one, "id"), json_text(one, "verdict"),
                   json_text(one, "deviation"));
        markdown_cell(out, json_text(one, "reason"));
        json_t *findings = json_object_get(one, "findings"), *f;
        size_t k;
        json_array_foreach(findings, k, f)
            if (strcmp(json_text(f, "verdict"), "PASS") != 0) {
                markdown_cell(out, json_text(f, "expected"));
                buf_add_str(out, "; came: ");
                markdown_cell(out, json_text(f, "came"));
                break;
            }
        buf_add_str(out, " |\n");
    }
    buf_add_str(out, "\n## Clauses\n\n| clause | level | verdict |\n| --- | --- | --- |\n");
    json_object_foreach(json_object_get(all, "clauses"), id, row) {
        const struct requirement *q = catalogue_find(c, id);
        buf_printf(out, "| %s | %s | %s |\n", id, q ? q->level_text : "",
                   json_text(row, "verdict"));
    }
}

void report_markdown(struct buf *out, const json_t *all, const struct catalogue *c)
{
    struct buf raw = {0};
    markdown(&raw, all, c);
    report_plain(out, buf_slice(&raw));
    buf_free(&raw);
}
