/* arena.c - blocks of memory handed out from front to back. */
#include "reference/message/arena.h"

#include "base/mem.h"

#include <stdlib.h>

enum { BLOCK = 4000 };

struct block {
    struct block *next;
    _Alignas(max_align_t) char data[];
};

struct mime_arena {
    struct block *blocks;
    char *free_at;             /* what is left of the newest full-sized block */
    size_t left;
};

struct mime_arena *arena_new(void) { return xcalloc(1, sizeof(struct mime_arena)); }

static char *new_block(struct mime_arena *a, size_t n)
{
    struct block *b = xmalloc(sizeof *b + n);
    b->next = a->blocks;
    a->blocks = b;
    return b->data;
}

static char *take(struct mime_arena *a, size_t n)
{
    n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (n > BLOCK / 2)
        return new_block(a, n);
    if (n > a->left) {
        a->free_at = new_block(a, BLOCK);
        a->left = BLOCK;
    }
    char *p = a->free_at;
    a->free_at += n;
    a->left -= n;
    return p;
}

void *arena_alloc(struct mime_arena *a, size_t n) { return memset(take(a, n), 0, n); }

struct slice arena_copy(struct mime_arena *a, struct slice s)
{
    if (s.n == 0)
        return slice_of("", 0);
    char *p = take(a, s.n);
    memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

void arena_free(struct mime_arena *a)
{
    while (a && a->blocks) {
        struct block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    free(a);
}
