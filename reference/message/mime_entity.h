/* mime_entity.h - what a relay must know of a MIME entity to encode its parts (RFC 2045, RFC 2046):
 * where its header ends, its type, its encoding, and where its parts are. */
#ifndef REFERENCE_MESSAGE_MIME_ENTITY_H
#define REFERENCE_MESSAGE_MIME_ENTITY_H

#include "base/slice.h"

enum { BOUNDARY_MAX = 70 };      /* RFC 2046 5.1.1 */

struct mime_entity {
    struct slice header;         /* with the empty line that ends it */
    struct slice body;
    struct slice encoding_field; /* the whole Content-Transfer-Encoding, CRLF included; may be none */
    struct slice encoding;       /* its value; empty: 7bit (RFC 2045 6.1) */
    struct slice type, subtype;  /* empty: text/plain (5.2) */
    char boundary[BOUNDARY_MAX + 1]; /* of a multipart; "" when there is none */
    bool mime_version;
};

void mime_entity_parse(struct slice text, struct mime_entity *e);

/* Cuts off *rest (at first the body) what comes before the next delimiter line, in *before, and
 * that line, in *line, with the CRLF that belongs to it (RFC 2046 5.1.1). `closing`: it was the
 * last. False: there is no more, and *before is all that was left. */
bool mime_next_delimiter(const struct mime_entity *e, struct slice *rest, struct slice *before,
                         struct slice *line, bool *closing);

#endif
