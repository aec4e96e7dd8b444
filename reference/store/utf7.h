/* utf7.h - names of mailboxes in modified UTF-7 (RFC 3501 5.1.3): IMAP4rev1 speaks it, and Maildir
 * folders are named in it on disk. */
#ifndef REFERENCE_STORE_UTF7_H
#define REFERENCE_STORE_UTF7_H

#include "reference/message/utf8.h"

/* Appends the name as UTF-8. False, with nothing appended, when it is no modified UTF-7: octets
 * above 126 or below 32, "&" without end, characters encoded that need not be, half a surrogate
 * pair. */
bool utf7_to_utf8(struct slice name, struct buf *out);
/* Appends the name (valid UTF-8) in modified UTF-7. */
void utf8_to_utf7(struct slice name, struct buf *out);

#endif
