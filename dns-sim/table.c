#include "dns-sim/table.h"

#include "base/mem.h"

#include <stdlib.h>

static struct table_slot **bucket(const struct table *t, const uint8_t *name)
{
    return &t->slots[name_hash(name) & (t->size - 1)];
}

static struct table_slot **find(const struct table *t, const uint8_t *name)
{
    struct table_slot **link = bucket(t, name);
    while (*link && !name_equal((*link)->name, name))
        link = &(*link)->next;
    return link;
}

void *table_get(const struct table *t, const uint8_t *name)
{
    if (t->count == 0)
        return NULL;
    struct table_slot *slot = *find(t, name);
    return slot ? slot->value : NULL;
}

static void grow(struct table *t)
{
    struct table bigger = {.size = t->size ? t->size * 2 : 16, .count = t->count};
    bigger.slots = xcalloc(bigger.size, sizeof *bigger.slots);
    for (size_t i = 0; i < t->size; i++) {
        for (struct table_slot *slot = t->slots[i], *next; slot; slot = next) {
            struct table_slot **link = bucket(&bigger, slot->name);
            next = slot->next;
            slot->next = *link;
            *link = slot;
        }
    }
    free(t->slots);
    *t = bigger;
}

void table_put(struct table *t, const uint8_t *name, void *value)
{
    if (t->count >= t->size)
        grow(t);
    struct table_slot *slot = xmalloc(sizeof *slot);
    struct table_slot **link = bucket(t, name);
    *slot = (struct table_slot){name, value, *link};
    *link = slot;
    t->count++;
}

void table_remove(struct table *t, const uint8_t *name)
{
    if (t->count == 0)
        return;
    struct table_slot **link = find(t, name), *slot = *link;
    if (!slot)
        return;
    *link = slot->next;
    free(slot);
    t->count--;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->size; i++) {
        for (struct table_slot *slot = t->slots[i], *next; slot; slot = next) {
            next = slot->next;
            free(slot);
        }
    }
    free(t->slots);
    *t = (struct table){0};
}

struct table_slot *table_next(const struct table *t, const struct table_slot *after)
{
    size_t i = 0;
    if (after) {
        if (after->next)
            return after->next;
        i = (name_hash(after->name) & (t->size - 1)) + 1;
    }
    for (; i < t->size; i++)
        if (t->slots[i])
            return t->slots[i];
    return NULL;
}
