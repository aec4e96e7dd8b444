/* arena.h - memory of one message, freed at once. */
#ifndef REFERENCE_ARENA_H
#define REFERENCE_ARENA_H

#include "base/slice.h"

struct mime_arena;

struct mime_arena *arena_new(void);
/* n zeroed octets, aligned for any type. */
void *arena_alloc(struct mime_arena *a, size_t n);
struct slice arena_copy(struct mime_arena *a, struct slice s);
void arena_free(struct mime_arena *a);

#endif
