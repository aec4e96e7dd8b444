/* subject.h - the base subject of SORT and THREAD (RFC 5256 2.1), folding for comparison. */
#ifndef REFERENCE_SUBJECT_H
#define REFERENCE_SUBJECT_H

#include "base/buf.h"

/* Appends the base subject of the Subject field's value, in UTF-8, not folded. *reply is set when
 * something that marks a reply or forward was taken off (may be NULL). */
void base_subject(struct buf *out, struct slice value, bool *reply);

/* Appends s (UTF-8) in the form in which two texts that a reader would call the same are equal
 * octet by octet: letters of either case, compatibility forms (i;unicode-casemap, RFC 5051). Runs
 * of ASCII cost a table look-up an octet. */
void text_fold(struct buf *out, struct slice s);

/* The Message-IDs in the value of Message-ID, In-Reply-To, References: takes the next one off
 * *rest, without its <>, quotes of the local part resolved (RFC 5256 3, REFERENCES step 1). *id is
 * good until the next call with `scratch`. */
bool message_id_next(struct slice *rest, struct buf *scratch, struct slice *id);

#endif
