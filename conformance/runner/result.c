#include "conformance/runner/result.h"

#include "base/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Bytes as a JSON string: jansson takes valid UTF-8 only, so escapes of ours go first. */
static json_t *escaped(struct slice s)
{
    struct buf b = {0};
    buf_add_escaped(&b, s);
    json_t *j = json_string(buf_str(&b));
    buf_free(&b);
    return j;
}

static json_t *strings(const struct ids *ids)
{
    json_t *a = json_array();
    for (size_t i = 0; i < ids->n; i++)
        json_array_append_new(a, json_string(ids->v[i]));
    return a;
}

static const char *base_name(const char *path)
{
    const char *at = strstr(path, "conformance/scenarios/");
    return at ? at : path;
}

static json_t *finding_json(const struct run *r, const struct finding *f)
{
    json_t *o = json_object();
    char place[512];
    snprintf(place, sizeof place, "%s:%d", base_name(f->at.file ? f->at.file : "?"), f->at.line);
    json_object_set_new(o, "verdict", json_string(verdict_name(f->verdict)));
    json_object_set_new(o, "place", json_string(place));
    json_object_set_new(o, "time", json_real((double)f->us / 1e6));
    if (f->source)
        json_object_set_new(o, "step", escaped(slice_str(f->source)));
    json_t *ids = json_array();
    for (size_t i = 0; i < f->ids.n; i++) {
        const struct requirement *q = catalogue_find(r->catalogue, f->ids.v[i]);
        json_array_append_new(ids, json_pack("{ssssss}", "id", f->ids.v[i], "level",
                                             q ? q->level_text : "", "text",
                                             q && q->text ? q->text : ""));
    }
    json_object_set_new(o, "clauses", ids);
    if (f->expected)
        json_object_set_new(o, "expected", json_string(f->expected) ? : json_string("?"));
    if (f->came)
        json_object_set_new(o, "came", json_string(f->came) ? : escaped(slice_str(f->came)));
    if (f->nearest)
        json_object_set_new(o, "nearest", escaped(slice_str(f->nearest)));
    return o;
}

/* ERROR says nothing about the target and so hides everything else; else the worst counts. */
enum verdict run_verdict(const struct run *r)
{
    enum verdict v = V_PASS;
    for (size_t i = 0; i < r->finding_count; i++)
        if (r->findings[i].verdict == V_ERROR)
            return V_ERROR;
    for (size_t i = 0; i < r->finding_count; i++)
        if (r->findings[i].verdict > v && r->findings[i].verdict <= V_FAIL)
            v = r->findings[i].verdict;
    return v;
}

static int rank(const char *verdict)
{
    static const char *const order[] = {"SKIP", "UNSUPPORTED", "PASS", "INFO", "WARN", "ERROR",
                                        "FAIL"};
    for (int i = 0; i < 7; i++)
        if (strcmp(order[i], verdict) == 0)
            return i;
    return -1;
}

static void worse(json_t *clauses, const char *id, const char *verdict)
{
    const char *have = json_text(clauses, id);
    if (!*have || rank(verdict) > rank(have))
        json_object_set_new(clauses, id, json_string(verdict));
}

/* What the run says of each clause: of those on expectations what these came to. Those in the head
 * are what the scenario is about: they get the verdict of the whole when no expectation of theirs
 * was reached. Others that were not reached are not spoken of. */
static json_t *clauses_json(const struct run *r, enum verdict v)
{
    json_t *o = json_object();
    const struct scenario *s = r->scenario;
    if (v == V_ERROR)
        return o;
    for (size_t i = 0; i < r->finding_count; i++)
        for (size_t k = 0; k < r->findings[i].ids.n; k++)
            worse(o, r->findings[i].ids.v[k], verdict_name(r->findings[i].verdict));
    for (size_t i = 0; i < s->header_covers.n; i++)
        if (!json_object_get(o, s->header_covers.v[i]))
            json_object_set_new(o, s->header_covers.v[i], json_string(verdict_name(v)));
    return o;
}

static void head(json_t *o, const struct scenario *s, enum verdict v)
{
    json_object_set_new(o, "id", json_string(s->id));
    json_object_set_new(o, "title", escaped(slice_str(s->title ? s->title : "")));
    json_object_set_new(o, "file", json_string(base_name(s->file)));
    json_object_set_new(o, "level", json_string(level_name(s->level)));
    json_object_set_new(o, "profile", json_string(s->profile));
    json_object_set_new(o, "covers", strings(&s->covers));
    if (s->attacks.n)
        json_object_set_new(o, "attack", strings(&s->attacks));
    json_object_set_new(o, "verdict", json_string(verdict_name(v)));
}

json_t *result_of_run(const struct run *r, int attempt)
{
    json_t *o = json_object(), *findings = json_array();
    enum verdict v = run_verdict(r);
    struct buf transcript = {0};
    head(o, r->scenario, v);
    for (size_t i = 0; i < r->finding_count; i++)
        json_array_append_new(findings, finding_json(r, &r->findings[i]));
    transcript_text(r, &transcript);
    json_object_set_new(o, "seconds", json_real((double)(mono_us() - r->start_us) / 1e6));
    json_object_set_new(o, "attempt", json_integer(attempt));
    if (r->late)
        json_object_set_new(o, "late", json_true());
    json_object_set_new(o, "findings", findings);
    json_object_set_new(o, "clauses", clauses_json(r, v));
    json_object_set_new(o, "transcript", json_string(buf_str(&transcript)));
    buf_free(&transcript);
    return o;
}

json_t *result_without_run(const struct scenario *s, enum verdict v, const char *reason)
{
    json_t *o = json_object();
    head(o, s, v);
    json_object_set_new(o, "seconds", json_real(0));
    json_object_set_new(o, "reason", escaped(slice_str(reason)));
    json_object_set_new(o, "findings", json_array());
    json_object_set_new(o, "clauses", json_object());
    json_object_set_new(o, "transcript", json_string(""));
    return o;
}

void result_second_try(json_t *result, const json_t *first)
{
    const char *why = json_text(first, "reason");
    json_t *f;
    size_t i;
    json_array_foreach(json_object_get(first, "findings"), i, f)
        if (!*why && *json_text(f, "came"))
            why = json_text(f, "came");
    json_object_set_new(result, "attempt", json_integer(2));
    struct slice line = slice_sub(slice_str(why), 0, strcspn(why, "\n\\"));
    json_object_set_new(result, "first_attempt", escaped(line.n ? slice_sub(line, 0, 100) : SLICE("?")));
}

const char *json_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

enum verdict result_verdict(const json_t *result)
{
    const char *name = json_text(result, "verdict");
    for (int v = 0; v < V_COUNT; v++)
        if (strcmp(verdict_name((enum verdict)v), name) == 0)
            return (enum verdict)v;
    return V_ERROR;
}

json_t *results_of(const struct target *t, const char *version, json_t *results, double seconds)
{
    json_t *o = json_object(), *counts = json_object(), *one, *meanings = json_object();
    size_t i;
    char date[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    for (int v = 0; v < V_COUNT; v++) {
        json_object_set_new(counts, verdict_name((enum verdict)v), json_integer(0));
        json_object_set_new(meanings, verdict_name((enum verdict)v),
                            json_string(verdict_meaning((enum verdict)v)));
    }
    json_array_foreach(results, i, one) {
        const char *v = json_text(one, "verdict");
        json_object_set_new(counts, v, json_integer(
            json_integer_value(json_object_get(counts, v)) + 1));
    }
    json_object_set_new(o, "format", json_integer(1));
    json_object_set_new(o, "target", json_string(t->name));
    json_object_set_new(o, "option", json_string(t->option));
    json_object_set_new(o, "version", escaped(slice_str(version ? version : "")));
    json_object_set_new(o, "date", json_string(date));
    json_object_set_new(o, "seconds", json_real(seconds));
    json_object_set_new(o, "counts", counts);
    json_object_set_new(o, "verdicts", meanings);
    json_object_set_new(o, "results", results);
    json_t *clauses = clause_verdicts(results);
    json_object_set_new(o, "clauses", clauses);
    return o;
}

json_t *clause_verdicts(const json_t *results)
{
    json_t *out = json_object(), *one, *verdict;
    size_t i;
    const char *id;
    json_array_foreach(results, i, one) {
        json_object_foreach(json_object_get(one, "clauses"), id, verdict) {
            json_t *row = json_object_get(out, id);
            const char *v = json_string_value(verdict);
            if (!row) {
                row = json_pack("{s:s,s:[]}", "verdict", v, "scenarios");
                json_object_set_new(out, id, row);
            } else if (rank(v) > rank(json_text(row, "verdict"))) {
                json_object_set_new(row, "verdict", json_string(v));
            }
            json_array_append_new(json_object_get(row, "scenarios"),
                                  json_string(json_text(one, "id")));
        }
    }
    return out;
}
