/* header_scan.h - watches the header of a message pass by, line by line.
 *
 * smtpd needs three facts about a header: how many hops it has seen, and for submission whether
 * Date and Message-ID are there. Nothing else is looked at and nothing is judged: a server must
 * not refuse mail for defects of its header (RFC 5321 3.3, 6.4). */
#ifndef REFERENCE_HEADER_SCAN_H
#define REFERENCE_HEADER_SCAN_H

#include "base/slice.h"

struct header_scan {
    int received;         /* Received fields so far */
    bool has_date;
    bool has_message_id;
    bool any_field;       /* internal: a folded line may follow */
};

enum header_line {
    HEADER_FIELD,         /* a field, or the continuation of one */
    HEADER_END,           /* the empty line: the body follows it */
    HEADER_BROKEN,        /* neither: the body begins here without an empty line */
};

/* One line without its CRLF. To be called until it returns something other than HEADER_FIELD. */
enum header_line header_scan_line(struct header_scan *h, struct slice line);

#endif
