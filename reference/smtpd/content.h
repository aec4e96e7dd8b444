/* content.h - the content of a message, from DATA or BDAT into the spool. */
#ifndef REFERENCE_SMTPD_CONTENT_H
#define REFERENCE_SMTPD_CONTENT_H

#include "reference/smtpd/session.h"

/* Bounds on a client that never comes to an end (RFC 5321 7.8). */
#define CONTENT_TIME_MAX_MS (6 * 3600 * 1000LL)  /* for one message */
#define CONTENT_DISCARD_MAX (1LL << 30)          /* octets read on only to find the end */

/* What no text may have. Such content is refused, but only at its end, so that we stay in step. */
struct content_faults {
    bool bare_cr, bare_lf, nul, line_too_long;
};

static inline bool content_has_fault(const struct content_faults *f)
{
    return f->bare_cr || f->bare_lf || f->nul || f->line_too_long;
}

struct content;

/* Opens a file in the spool and puts our trace field into it. NULL: refused and answered, and the
 * transaction stays open, since nothing was sent. */
struct content *content_begin(struct session *s);
/* More octets of the message, without SMTP's dots. `faults`: all those found so far. */
void content_add(struct content *in, struct slice text, const struct content_faults *faults);
/* So much was read in vain by now that the client must be told before its end. */
bool content_is_endless(const struct content *in);
/* True when there is a reason not to take the message; it has been answered then, and the caller
 * abandons it. */
bool content_refused(struct content *in);
/* The message is complete: refused, or made durable, and answered. Frees. */
void content_finish(struct content *in);
/* As if nothing had been sent. Frees; NULL is fine. */
void content_abandon(struct content *in);

#endif
