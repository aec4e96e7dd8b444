/* uidset.h - a set of unique identifiers (or sequence numbers), kept as ascending ranges. */
#ifndef REFERENCE_STORE_UIDSET_H
#define REFERENCE_STORE_UIDSET_H

#include "base/buf.h"

#include <stdint.h>

struct uid_range { uint32_t first, last; };          /* both inside; first <= last, first >= 1 */

/* A zeroed one is the empty set. Ranges ascend, do not touch and do not overlap, but in a set
 * that uid_set_push filled, whose order is that of the pushes (RFC 4315 3: COPYUID pairs two of
 * them). */
struct uid_set {
    struct uid_range *v;
    size_t n, cap;
};

void uid_set_free(struct uid_set *s);                 /* frees and zeroes */
static inline void uid_set_clear(struct uid_set *s) { s->n = 0; }
/* Adds the numbers from..to (in either order; 0 is left out). Cheap when they are the largest. */
void uid_set_add(struct uid_set *s, uint32_t from, uint32_t to);
/* Appends one number behind all others, whatever it is; it joins the last range when it follows. */
void uid_set_push(struct uid_set *s, uint32_t uid);
bool uid_set_has(const struct uid_set *s, uint32_t uid);
uint64_t uid_set_count(const struct uid_set *s);      /* numbers in it */
/* The i-th number, 0 when there are not so many. A loop over all is better done over the ranges. */
uint32_t uid_set_at(const struct uid_set *s, uint64_t i);
/* Appends "1:3,7" (RFC 9051 9, uid-set); nothing for the empty set. */
void uid_set_text(const struct uid_set *s, struct buf *out);

#endif
