/* section.h - the sections of BODY[...] and BINARY[...] (RFC 9051 6.4.5, RFC 3516 4). */
#ifndef REFERENCE_SECTION_H
#define REFERENCE_SECTION_H

#include "reference/message/mime.h"

enum section_kind {
    SECTION_ALL,                 /* BODY[], BODY[1.2] */
    SECTION_HEADER,              /* HEADER */
    SECTION_FIELDS,              /* HEADER.FIELDS (...) */
    SECTION_FIELDS_NOT,          /* HEADER.FIELDS.NOT (...) */
    SECTION_TEXT,
    SECTION_MIME,                /* the MIME header of a part */
};

enum { SECTION_NUMBERS_MAX = 2 * MIME_DEPTH_MAX, SECTION_NAMES_MAX = 1000 };

struct section {
    uint32_t numbers[SECTION_NUMBERS_MAX];
    int depth;                   /* how many of them; 0: the message */
    enum section_kind kind;
    struct slice *names;         /* of SECTION_FIELDS(_NOT); the caller's */
    size_t names_count;
};

/* Reads what stands between "[" and the "(" or "]": "", "1.2", "HEADER", "1.HEADER.FIELDS",
 * "2.MIME". The names of HEADER.FIELDS are for the caller to read (they may be literals) and to
 * put in. False when it is no section: a number of 0, MIME without a part, more than the bounds. */
bool section_parse(struct slice text, struct section *out);
/* Appends the section as a response repeats it, without the brackets: "1.HEADER.FIELDS (To Cc)". */
void section_write(struct buf *out, const struct section *s);

/* The part that the numbers name, NULL when the message has none such. For depth 0: the root. A
 * message that is no multipart has itself as part 1 (RFC 9051 6.4.5.1). */
const struct mime_part *section_part(const struct mime_message *m, const struct section *s);
/* Where the section's octets are: *extent is set, for a reader of the message. False when there
 * is no such section (no such part, or HEADER or TEXT of a part that is no message): the answer
 * is NIL then. Not for SECTION_FIELDS(_NOT), which are no stretch of the message. */
bool section_extent(const struct mime_message *m, const struct section *s,
                    struct mime_extent *extent);
/* For HEADER.FIELDS(_NOT): appends the chosen fields with CRLF line ends, and the empty line at
 * the end. False as above. */
bool section_fields(const struct mime_message *m, const struct section *s, struct buf *out);
/* The choice alone, over any header text. */
void header_choose(struct slice header, const struct slice *names, size_t count,
                   bool not_these, struct buf *out);

#endif
