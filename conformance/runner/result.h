/* result.h - what came of scenarios, as JSON: every report is made from it. The fields:
 * docs/conform.1.md. */
#ifndef RUNNER_RESULT_H
#define RUNNER_RESULT_H

#include "conformance/runner/run.h"

#include <jansson.h>

/* A scenario that was run: verdict, findings, clauses, transcript. New reference. */
json_t *result_of_run(const struct run *r, int attempt);
/* The verdict that it comes to. */
enum verdict run_verdict(const struct run *r);
/* One that was not. */
json_t *result_without_run(const struct scenario *s, enum verdict v, const char *reason);
/* Notes in the result of a second attempt what the first one came to. */
void result_second_try(json_t *result, const json_t *first);
/* The verdict of a result. */
enum verdict result_verdict(const json_t *result);
const char *json_text(const json_t *object, const char *key);     /* "" when there is none */

/* The whole: target, version, date, the results, the counts. Takes the results over. */
json_t *results_of(const struct target *t, const char *version, json_t *results, double seconds);
/* The clauses with their verdicts: worst of all results that speak of them. New reference: an
 * object id -> {"verdict", "level", "scenarios": [...]}. */
json_t *clause_verdicts(const json_t *results);

#endif
