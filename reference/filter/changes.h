/* changes.h - what a filter wants changed in a message, and making the changed message.
 *
 * Everything that no change names stays octet for octet: signatures (D21, RFC 6376) survive. */
#ifndef REFERENCE_FILTER_CHANGES_H
#define REFERENCE_FILTER_CHANGES_H

#include "base/buf.h"
#include "reference/queue/queue.h"
#include "reference/store/spill.h"

#include <sys/types.h>

/* A header that is longer is not taken apart: filters that want to change it fail. */
#define FILTER_HEADER_MAX (1u << 20)
/* Changes of one filter. */
#define FILTER_CHANGES_MAX 1000

enum change_kind {
    CHANGE_ADD,            /* a field at the end of the header */
    CHANGE_INSERT,         /* before field number `index` of the header; 0: on top of everything */
    CHANGE_SET,            /* the index-th field of this name (from 1); an empty value removes it */
    CHANGE_FROM,           /* the reverse-path */
    CHANGE_ADD_RCPT,
    CHANGE_DELETE_RCPT,
};

struct change {
    enum change_kind kind;
    uint32_t index;
    char *name, *value;    /* field name and body without its CRLF; or an address in value */
};

struct filter_changes {
    struct change *v;
    size_t n;
    bool body_replaced, message_replaced;
    struct spill body;     /* the new body, or the whole new message; its lines end in CRLF */
    bool after_cr;         /* the last octet of the portions so far was CR */
    char last;             /* octet of the body as it is kept */
};

void changes_init(struct filter_changes *c, const char *spill_dir);
void changes_free(struct filter_changes *c);
/* Copies. False: too many, or the name or value is none (an empty or odd name; NUL; a CR or LF
 * that is not followed by white space would begin another field). */
bool changes_add(struct filter_changes *c, enum change_kind kind, uint32_t index,
                 struct slice name, struct slice value);
/* A portion of the new body or message. Programs give it with LF, CRLF, or both in turn: LF, CRLF and
 * a lone CR all come out as CRLF. False: it cannot be kept. */
bool changes_add_text(struct filter_changes *c, struct slice text);
/* After the last portion: the last line has its end. */
bool changes_end_text(struct filter_changes *c);
bool changes_any(const struct filter_changes *c);

/* The end of the header within the first n octets of a message: offset of the empty line (or of the
 * first line that is no field), or -1 when it has not come. */
ssize_t header_end(struct slice text);

/* The header (ending before the empty line) with the changes made; index counts fields after the
 * first `trace` octets, which are our own. How many are that now: fields put on top count. */
size_t changes_apply_header(const struct filter_changes *c, struct slice header, size_t trace,
                          struct buf *out);
/* Reverse-path and recipients. */
void changes_apply_envelope(const struct filter_changes *c, struct envelope *e);

#endif
