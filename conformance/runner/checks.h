/* checks.h - between check.c, which waits, and check_look.c, which looks. All are called with the
 * run's lock; *came gets what is the case when the answer is no. */
#ifndef RUNNER_CHECKS_H
#define RUNNER_CHECKS_H

#include "conformance/runner/run.h"

bool count_holds(const struct count *c, size_t n);
void count_text(const struct count *c, struct buf *out);
bool check_messages(struct run *r, const struct check *k, struct buf *came);
bool check_wire(struct run *r, const struct check *k, struct buf *came);
bool check_mailbox(struct run *r, const struct part *part, struct buf *came);
bool check_message(struct run *r, const struct part *part, struct buf *came);
bool check_file(struct run *r, const struct part *part, struct buf *came);

#endif
