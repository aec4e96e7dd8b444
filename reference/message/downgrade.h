/* downgrade.h - a message for a server that takes less than it was sent with: 8-bit content to seven
 * bits (RFC 6152 3), binary content to lines (RFC 3030 3). MIME's own encodings are put around the
 * parts that need it (RFC 2045 6); everything else stays octet by octet. */
#ifndef REFERENCE_MESSAGE_DOWNGRADE_H
#define REFERENCE_MESSAGE_DOWNGRADE_H

#include "base/buf.h"

enum downgrade_to { DOWNGRADE_TO_LINES, DOWNGRADE_TO_7BIT };

enum downgrade_result {
    DOWNGRADE_OK,
    DOWNGRADE_IMPOSSIBLE,        /* *why says so: no MIME, a signature, 8-bit octets in a header */
    DOWNGRADE_WRITE_FAILED,
};

/* Writes the message anew through `write` (0 when it went well). Whether it is possible is known
 * before the first octet is written. *why is static text. */
enum downgrade_result message_downgrade(struct slice message, enum downgrade_to to,
                                        int (*write)(void *arg, const void *p, size_t n),
                                        void *arg, const char **why);

#endif
