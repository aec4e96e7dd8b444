/* mutate.h - the changes of a recorded run that the scenario ought to notice. */
#ifndef RUNNER_MUTATE_H
#define RUNNER_MUTATE_H

#include "conformance/runner/replay.h"

struct changes { struct change *v; size_t n; };

/* Every change that matters: of a reply that the scenario judges into one that it does not allow,
 * of a message, mailbox or query that it looks at. */
void changes_find(const struct tape *t, const struct scenario *s, struct changes *out);
void mutations_free(struct changes *c);
/* The reason for which the scenario exempts it, or NULL: "exempt KIND [TEXT]: REASON". */
const char *change_exempt(const struct change *c, const struct scenario *s);

#endif
