/* version.h - "needs postfix>=3.5": for which versions of a program a scenario is. */
#ifndef RUNNER_VERSION_H
#define RUNNER_VERSION_H

#include "base/slice.h"

/* Is this word of a `needs` line about a version? */
bool version_is_need(const char *need);
/* Does the target's version text ("Postfix 3.7.11, Dovecot 2.3.19") agree? Programs that it does
 * not speak of are none of the need's business. */
bool version_agrees(const char *need, const char *version);

#endif
