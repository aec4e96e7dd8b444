/* mime.h - takes a message apart: RFC 5322 header and body, RFC 2045/2046 parts.
 *
 * The message is pushed in portions of any size, as it lies on disk (lines end in CRLF or LF), so
 * a large body is looked at once and never kept. The result is a tree of parts with the place and
 * size of each header and body, both on disk and in wire octets, where every line ends in CRLF.
 *
 * Nothing is an error: what is broken is taken as mail readers take it (a part that never ends
 * reaches to the end of its parent, a header line without colon is stepped over, a multipart
 * without boundary has no parts). Depth, number of parts and the header text that is kept are
 * bounded; beyond the bounds text belongs to the part that it lies in, and sizes stay right. */
#ifndef REFERENCE_MIME_H
#define REFERENCE_MIME_H

#include "base/arena.h"
#include "reference/message/header.h"

enum {
    MIME_DEPTH_MAX = 32,             /* multiparts and messages inside each other */
    MIME_PARTS_MAX = 5000,           /* parts of a message; the rest stays inside the last */
    MIME_HEADER_MAX = 1024 * 1024,   /* octets of header text kept of all parts together */
    MIME_BOUNDARY_MAX = 200,         /* RFC 2046 5.1.1 allows 70; some mailers write more */
};

/* A stretch of the message. */
struct mime_extent {
    uint64_t offset, size;           /* in wire octets */
    uint64_t raw_offset, raw_size;   /* in the octets that were pushed */
    uint64_t lines;                  /* line ends in it */
};

enum mime_kind {
    MIME_LEAF,                       /* text, image, application, ... */
    MIME_MULTIPART,                  /* its children are the parts */
    MIME_MESSAGE,                    /* message/rfc822 or global: one child, the message in it */
};

struct mime_part {
    struct mime_part *parent, *next;
    struct mime_part *child, *last_child;   /* first and last of its `children` children */
    uint32_t children;
    enum mime_kind kind;
    struct mime_extent header;       /* with the empty line that ends it */
    struct mime_extent body;         /* without the line end before the boundary after it */
    struct slice header_text;        /* as pushed, without the empty line; cut at MIME_HEADER_MAX */

    struct slice type, subtype;      /* as written; text/plain, or message/rfc822 in a digest, when
                                        the field is missing or cannot be read (RFC 2045 5.2) */
    bool type_given;                 /* a Content-Type field was there and could be read */
    /* Values of these fields as in the header (header_unfold them); p NULL when not there. */
    struct slice content_type, content_id, description, encoding, md5;
    struct slice disposition, language, location;
};

struct mime_message {
    struct mime_part *root;          /* the message itself: its header is the message's header */
    uint64_t size, raw_size;         /* wire octets, pushed octets */
    struct arena arena;             /* internal: memory of parts and header text */
};

struct mime_parser;
struct mime_parser *mime_parser_new(void);
/* The next octets of the message; nothing of `octets` is kept after the call. */
void mime_parser_push(struct mime_parser *p, struct slice octets);
/* The end of the message. Frees the parser and gives the tree, for mime_message_free. */
struct mime_message *mime_parser_end(struct mime_parser *p);
/* Only the header wanted: true once the empty line after it was pushed. mime_parser_end then
 * gives a message whose root has header and header_text (body sizes are those of what was
 * pushed). */
bool mime_parser_header_done(const struct mime_parser *p);
/* All at once. */
struct mime_message *mime_parse(struct slice message);
void mime_message_free(struct mime_message *m);

/* Which Content-Transfer-Encoding (RFC 2045 6). */
enum mime_encoding { MIME_IDENTITY, MIME_QUOTED_PRINTABLE, MIME_BASE64, MIME_UNKNOWN_ENCODING };
enum mime_encoding mime_part_encoding(const struct mime_part *part);
/* "text/plain"-like tests, letters of any case; subtype NULL: any. */
bool mime_is_type(const struct mime_part *part, const char *type, const char *subtype);

/* A parameter list as in Content-Type and Content-Disposition: `value` begins after the main value
 * (at the first ";"). Continuations and charsets of RFC 2231 are joined and become UTF-8; so do raw
 * 8-bit octets and the encoded words of RFC 2047 that some mailers write there. */
struct mime_parameter {
    char *name;                      /* without the "*0*" of RFC 2231 */
    char *text;                      /* UTF-8 */
    bool extended;                   /* it was written with a charset: name*= (RFC 2231 4) */
    bool plain;                      /* it was written without any "*" */
};
struct mime_parameters { struct mime_parameter *all; size_t count; };
enum { MIME_PARAMETERS_MAX = 200 };
void mime_parameters_parse(struct mime_parameters *list, struct slice value);
void mime_parameters_free(struct mime_parameters *list);
/* NULL when not there. Of a plain value and one by RFC 2231 the latter: the other is for readers
 * who do not know that. */
const char *mime_parameter(const struct mime_parameters *list, const char *name);
/* Splits a structured value "token; parameters" into the token and what follows it. */
struct slice mime_value_token(struct slice value, struct slice *parameters);

#endif
