/* header.h - walks over the fields of a header (RFC 5322 2.2, obsolete forms of 4.5 included).
 *
 * Text is taken as it lies on disk: lines end in CRLF or LF. Nothing is copied, so a field is a
 * view into the header that was given. What is no field is stepped over, never an error. */
#ifndef REFERENCE_HEADER_H
#define REFERENCE_HEADER_H

#include "base/buf.h"

struct header_field {
    struct slice name;    /* without the colon and the blanks that obsolete syntax has before it */
    struct slice value;   /* after the colon, folds and blanks at both ends included, without the
                             final line end */
    struct slice text;    /* the whole field with all its line ends */
};

/* Takes the next field off the front of *rest. False at the end of the header (the empty line, or
 * the end of *rest). */
bool header_next(struct slice *rest, struct header_field *field);
/* Takes the next field named `name` (ASCII letters of any case) off *rest. */
bool header_next_named(struct slice *rest, const char *name, struct header_field *field);
/* The first field of that name; false when there is none. */
bool header_find(struct slice header, const char *name, struct header_field *field);
/* Appends value without its folds (line ends go, the blank after them stays: RFC 5322 2.2.3),
 * without blanks at either end, and without NULs and lone CRs, which no header may have. */
void header_unfold(struct buf *out, struct slice value);
/* Appends a structured value without its comments: "(...)", nested and with quoted
 * pairs, each becomes one space; quoted strings stay (RFC 5322 3.2.2). */
void header_strip_comments(struct buf *out, struct slice value);

#endif
