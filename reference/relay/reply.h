/* reply.h - the replies of an SMTP or LMTP server (RFC 5321 4.2), read with suspicion. */
#ifndef REFERENCE_REPLY_H
#define REFERENCE_REPLY_H

#include "base/stream.h"

#define REPLY_LINE_MAX 2048      /* octets; RFC 5321 4.5.3.1.5 promises 512 */
#define REPLY_LINES_MAX 256      /* lines of one reply */
#define STATUS_MAX 12            /* "5.123.123" and NUL (RFC 3463 2) */

struct reply {
    int code;                    /* 200..599; 0: there was none, text says why */
    char status[STATUS_MAX];     /* enhanced code when the text begins with one that fits the code
                                    (RFC 2034 4), else "" */
    struct buf text;             /* the lines without their codes, LF between them */
};

/* Reads one reply, all of it within timeout_ms. False when there was none: connection lost, time
 * out, or what came is no reply; then code is 0, status 4.4.2 or 4.5.0 and text says what
 * happened. After that the connection is of no more use. */
bool reply_read(struct stream *s, int64_t timeout_ms, struct reply *r);
void reply_free(struct reply *r);

static inline bool reply_is(const struct reply *r, int class) { return r->code / 100 == class; }

/* The reply in one line, for logs and bounces: "550 5.1.1 No such user". */
void reply_add_line(struct buf *b, const struct reply *r);

#endif
