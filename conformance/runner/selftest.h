/* selftest.h - does a scenario notice when the target does something else? A check that cannot
 * fail is a defect of the scenario. */
#ifndef RUNNER_SELFTEST_H
#define RUNNER_SELFTEST_H

#include "conformance/runner/result.h"
#include "conformance/runner/tape.h"

/* Replays a recorded run that passed with one change at a time, several side by side. New
 * reference: {"changes", "noticed", "exempt", "untried", "missed": [{"kind", "place", "what"}]},
 * or {"reason"} when the recording cannot be replayed. */
json_t *selftest_replays(const struct tape *t, const struct scenario *s, struct world_up *w,
                         const struct catalogue *c);

#endif
