/* notice.h - notices to senders (RFC 3461, RFC 3464): failed, delayed, arrived. */
#ifndef REFERENCE_NOTICE_H
#define REFERENCE_NOTICE_H

#include "reference/queue/worker.h"

enum notice_kind {
    NOTICE_FAILED,
    NOTICE_DELAYED,
    NOTICE_SUCCESS,
    NOTICE_POSTMASTER,           /* a notice has failed: RFC 3461 5.2 wants the postmaster told */
};

/* Puts a notice about r[0..n) into the queue; for the same recipients only once. 0, or -1 with
 * errno. */
int notice_write(struct worker *worker, const struct opened *o, enum notice_kind kind,
                 struct relay_recipient *const *r, size_t n);

/* Is this one of those to the postmaster? About them nobody is told. */
bool notice_is_for_postmaster(const char *id);

#endif
