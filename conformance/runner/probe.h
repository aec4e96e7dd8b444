/* probe.h - is a capability really missing that the target declares as unsupported? */
#ifndef RUNNER_PROBE_H
#define RUNNER_PROBE_H

#include "conformance/runner/world.h"

/* V_UNSUPPORTED when the probe confirms it (or there is none for it; *reason says so); V_ERROR
 * when the target offers it all the same: then the declaration is wrong. */
enum verdict probe_confirm(struct world_up *w, const struct scenario *s, struct buf *reason);

/* "ehlo:EXPN", "capa:TOP" and their contrary with "!": what the target itself says. */
bool need_is_probed(const char *need);
/* Asks it, for these and for "!smtp:EXPN", which target.conf may not know of. False with the reason. */
bool probe_needs(struct world_up *w, const struct scenario *s, struct buf *reason);

#endif
