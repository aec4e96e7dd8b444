/* arena.h - memory that is taken piece by piece and freed at once: of a parsed scenario, of a message. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena { struct arena_block *blocks; };   /* zeroed: empty */

void *arena_alloc(struct arena *a, size_t n);   /* zeroed; never NULL */
char *arena_strdup(struct arena *a, const char *s);
struct slice arena_slice(struct arena *a, struct slice s);   /* copy, NUL after it */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

/* Room for element number n of v (elements of `size`): v itself or a larger copy. */
void *arena_room(struct arena *a, void *v, size_t n, size_t size);
/* Appends a zeroed element to the vector (v, n) and gives its address. */
#define arena_push(a, v, n) \
    ((v) = arena_room((a), (v), (n), sizeof *(v)), &(v)[(n)++])

#endif
