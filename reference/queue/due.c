/* due.c - a binary heap. */
#include "reference/queue/due.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void due_add(struct due *d, int64_t due_us, const char *id)
{
    if (d->n == d->room) {
        d->room = d->room ? d->room * 2 : 64;
        d->v = xreallocarray(d->v, d->room, sizeof *d->v);
    }
    size_t i = d->n++;
    for (; i > 0 && d->v[(i - 1) / 2].due_us > due_us; i = (i - 1) / 2)
        d->v[i] = d->v[(i - 1) / 2];
    d->v[i].due_us = due_us;
    snprintf(d->v[i].id, sizeof d->v[i].id, "%s", id);
}

bool due_pop(struct due *d, struct due_item *out)
{
    if (d->n == 0)
        return false;
    *out = d->v[0];
    struct due_item last = d->v[--d->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < d->n && d->v[child + 1].due_us < d->v[child].due_us)
            child++;
        if (child >= d->n || d->v[child].due_us >= last.due_us)
            break;
        d->v[i] = d->v[child];
        i = child;
    }
    if (d->n > 0)
        d->v[i] = last;
    return true;
}

void due_free(struct due *d)
{
    free(d->v);
    *d = (struct due){0};
}
