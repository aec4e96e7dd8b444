#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

enum { BLOCK = 4096 - 32 };

void *arena_alloc(struct arena *a, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    struct arena_block *b = a->blocks;
    if (!b || b->size - b->used < n) {
        size_t size = n > BLOCK ? n : BLOCK;
        b = xmalloc(sizeof *b + size);
        *b = (struct arena_block){.next = a->blocks, .size = size};
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += n;
    return memset(p, 0, n);
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

char *arena_strdup(struct arena *a, const char *s)
{
    return (char *)arena_slice(a, slice_str(s)).p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        die(2, "out of memory");
    va_end(ap);
    char *copy = arena_strdup(a, text);
    free(text);
    return copy;
}

void *arena_room(struct arena *a, void *v, size_t n, size_t size)
{
    /* The capacity is the next power of two, at least 4, so it need not be stored. */
    if (n != 0 && (n < 4 || (n & (n - 1)) != 0))
        return v;
    size_t capacity = n == 0 ? 4 : n * 2;
    void *bigger = arena_alloc(a, capacity * size);
    if (n)
        memcpy(bigger, v, n * size);
    return bigger;
}

void arena_free(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
}
