/* lint.h - what the parser cannot see: ids that do not exist, checks that cannot fail, names used
 * before they have a value, things left over. */
#ifndef RUNNER_LINT_H
#define RUNNER_LINT_H

#include "conformance/runner/catalogue.h"

/* Complains into d. `root` is the folder conformance/, for the messages that are sent. */
void lint_scenario(const struct scenario *s, const struct catalogue *c, const char *root,
                   struct diags *d);

#endif
