/* base64.h - Base64 (RFC 4648 4), strict: what the alphabet or the padding rules do not allow is
 * refused, never skipped (RFC 4954 4, RFC 5034 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* Appends the text of s, padded, without line ends. */
void buf_add_base64(struct buf *b, struct slice s);
/* Appends the octets that the text stands for. False, with nothing appended, when it is not
 * Base64: another character, a length that is no multiple of 4, "=" elsewhere than at the end, or
 * bits set that stand for nothing (RFC 4648 3.5). The empty text is good. */
bool buf_add_unbase64(struct buf *b, struct slice text);

#endif
