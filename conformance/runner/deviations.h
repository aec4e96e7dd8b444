/* deviations.h - what is known to deviate: a file with a reason for each, beside target.conf.
 *
 *   # scenario: reason
 *   smtp/sequence#rcpt-first: answers 250; reported upstream
 *   include ../postfix/deviations
 */
#ifndef RUNNER_DEVIATIONS_H
#define RUNNER_DEVIATIONS_H

#include "base/arena.h"
#include "conformance/runner/diag.h"

#include <jansson.h>

struct deviations {
    struct arena arena;
    struct deviation { const char *id, *reason; } *v;
    size_t n;
};

/* No file: none. Complaints about lines without a reason go to d. */
void deviations_load(struct deviations *x, const char *path, struct diags *d);
const char *deviation_reason(const struct deviations *x, const char *scenario_id);
/* Marks each result "deviation": "still" | "fixed" | "new", with "deviation_reason". Known
 * failures count no more for the exit status. */
void deviations_mark(const struct deviations *x, json_t *results);
void deviations_free(struct deviations *x);

#endif
