/* spec.h - SPEC.md, made from the requirements and the scenarios. */
#ifndef RUNNER_SPEC_H
#define RUNNER_SPEC_H

#include "conformance/runner/library.h"

void spec_make(const struct library *l, struct buf *out);
/* Does a scenario stand for the row? */
bool spec_proved(const struct library *l, const char *id);

#endif
