/* priority.h - how urgent a message is, by its own word: the header field Priority (RFC 2156 5.3.6: urgent,
 * normal, non-urgent), and Precedence, which list managers and robots write (bulk, list, junk). What
 * X-Priority and Importance say is for the reader, not for the road (RFC 2156 5.3.4). */
#ifndef REFERENCE_MESSAGE_PRIORITY_H
#define REFERENCE_MESSAGE_PRIORITY_H

#include "base/slice.h"

enum priority { PRIORITY_URGENT, PRIORITY_NORMAL, PRIORITY_BULK, PRIORITIES };

/* Of a message, or of its beginning. Precedence counts where there is no Priority. */
enum priority priority_of(struct slice text);

#endif
