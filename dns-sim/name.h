/* name.h - domain names in wire form: length-prefixed labels up to and with the root's zero octet
 * (RFC 1035 3.1). Such a name ends itself, so it is passed as a plain pointer; the suffix of a
 * name is a pointer into it. Every name that these functions make is valid and at most NAME_MAX_LEN
 * octets. Letters keep their case and are compared without it (RFC 4343). */
#ifndef DNS_SIM_NAME_H
#define DNS_SIM_NAME_H

#include "base/buf.h"

enum {
    NAME_MAX_LEN = 255,     /* RFC 1035 2.3.4 */
    NAME_MAX_LABELS = 128,  /* 127 labels of one letter and the root */
};

size_t name_len(const uint8_t *name);                 /* octets, the root's zero included */
int name_labels(const uint8_t *name);                 /* without the root: 0 for "." */
/* The suffix that remains when `labels` labels are taken off the left. */
const uint8_t *name_suffix(const uint8_t *name, int labels);
bool name_equal(const uint8_t *a, const uint8_t *b);
/* True when name is top or lies below it. */
bool name_is_under(const uint8_t *name, const uint8_t *top);
uint64_t name_hash(const uint8_t *name);              /* the same whatever the case */

/* Reads a possibly compressed name of `packet` at *pos, which moves behind it. False when it is
 * malformed: cut, over-long, a reserved label type, or a pointer that does not lead backwards. */
bool name_read(struct slice packet, size_t *pos, uint8_t out[NAME_MAX_LEN]);

/* Master-file text (RFC 1035 5.1, with \. and \DDD) into wire form. A name without a final dot is
 * put under origin; origin NULL: it is taken as absolute. "@" is the origin. */
bool name_parse(struct slice text, const uint8_t *origin, uint8_t out[NAME_MAX_LEN]);
/* Appends the text of a name without the final dot; "." for the root. */
void buf_add_name(struct buf *b, const uint8_t *name);
/* The same with the final dot, as in master files. */
void buf_add_name_absolute(struct buf *b, const uint8_t *name);

/* "*." in front of name. False when that would be too long. */
bool name_wildcard(const uint8_t *name, uint8_t out[NAME_MAX_LEN]);

#endif
