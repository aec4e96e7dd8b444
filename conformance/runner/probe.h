/* probe.h - is a capability really missing that the target declares as unsupported? */
#ifndef RUNNER_PROBE_H
#define RUNNER_PROBE_H

#include "conformance/runner/world.h"

/* V_UNSUPPORTED when the probe confirms it (or there is none for it; *reason says so); V_ERROR
 * when the target offers it all the same: then the declaration is wrong. */
enum verdict probe_confirm(struct world_up *w, const struct scenario *s, struct buf *reason);

/* Are the EHLO keywords that a scenario needs to be absent ("!smtp:EXPN") absent? False with the
 * reason: target.conf does not name all that the server has. */
bool probe_absent(struct world_up *w, const struct scenario *s, struct buf *reason);

#endif
