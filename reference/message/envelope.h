/* envelope.h - what IMAP says of a message: ENVELOPE, BODY, BODYSTRUCTURE (RFC 9051 7.5.2).
 *
 * Text is appended in the syntax of FETCH responses, ready to be sent in every state of a session:
 * strings are quoted when they are short ASCII and literals otherwise ("{5}" CRLF), which may hold
 * UTF-8 whether or not the client has enabled it (RFC 9051 4.3, RFC 6855 3). So one text can be
 * kept in the index for all. */
#ifndef REFERENCE_ENVELOPE_H
#define REFERENCE_ENVELOPE_H

#include "reference/message/mailboxes.h"
#include "reference/message/mime.h"

/* The fields of a header that ENVELOPE, SORT, THREAD and most searches want. Views into the header
 * (folded, undecoded), of the first field of each name; p is NULL when it is not there. */
struct envelope {
    struct slice date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
    struct slice references;     /* not in ENVELOPE; THREAD wants it */
    struct slice header;         /* all of it, for address fields that are there twice */
    bool twice;                  /* one of the fields is */
};

void envelope_read(struct envelope *e, struct slice header);
/* Appends "(date subject from sender reply-to to cc bcc in-reply-to message-id)". */
void envelope_write(struct buf *out, const struct envelope *e);
/* Appends the structure of part: BODY, or BODYSTRUCTURE with the extension data when `extended`. */
void bodystructure_write(struct buf *out, const struct mime_part *part, bool extended);
/* Appends s as an nstring of IMAP: NIL for p NULL, else quoted or a literal. NUL, which neither may
 * have, is left out (RFC 9051 4.3). */
void imap_nstring(struct buf *out, struct slice s);

#endif
