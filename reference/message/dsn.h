/* dsn.h - the words of delivery status notifications (RFC 3461, RFC 6533): NOTIFY, xtext, addresses
 * with their types. */
#ifndef REFERENCE_MESSAGE_DSN_H
#define REFERENCE_MESSAGE_DSN_H

#include "base/buf.h"

/* When a sender wants to hear of a recipient (RFC 3461 4.1). 0: nothing was said. */
enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

enum dsn_return { RETURN_ANY, RETURN_FULL, RETURN_HEADERS };      /* RET (4.3); ANY: not given */

/* "SUCCESS,FAILURE" in any case; NEVER stands alone. False with anything else. */
bool notify_parse(struct slice text, unsigned *notify);
void buf_add_notify(struct buf *b, unsigned notify);

/* Appends what xtext stands for (4); false when it is none, or stands for what no header field may
 * have in it (a control character). */
bool buf_add_unxtext(struct buf *b, struct slice text);
/* ORCPT's value: a type, a semicolon and an address in xtext (4.2; RFC 6533 3 for type utf-8). */
bool orcpt_valid(struct slice text);

/* Appends "rfc822; address", or for one that is not ASCII "utf-8; address": as it is, or, `ascii`
 * set, with its characters spelt as \x{HEX} (RFC 6533 3). */
void buf_add_typed_address(struct buf *b, const char *address, bool ascii);
/* Appends Original-Recipient's value for an ORCPT (RFC 3464 2.3.1): the type as it came, and the
 * address out of its xtext. */
void buf_add_orcpt_decoded(struct buf *b, const char *orcpt);

/* Is there an octet over 127? */
bool text_is_ascii(struct slice text);

#endif
