/* table.h - a hash table from domain names to things, blind to the case of letters. */
#ifndef DNS_SIM_TABLE_H
#define DNS_SIM_TABLE_H

#include "dns-sim/name.h"

struct table_slot { const uint8_t *name; void *value; struct table_slot *next; };

/* A zeroed table is empty. */
struct table {
    struct table_slot **slots;
    size_t size;                /* of slots; a power of two */
    size_t count;
};

void *table_get(const struct table *t, const uint8_t *name);    /* NULL when absent */
/* The name is borrowed and must live as long as the entry, which must not be there yet. */
void table_put(struct table *t, const uint8_t *name, void *value);
void table_remove(struct table *t, const uint8_t *name);
void table_free(struct table *t);                               /* not the values */

/* for (struct table_slot *s = table_next(t, NULL); s; s = table_next(t, s)): in no order; the table
 * must not change meanwhile. */
struct table_slot *table_next(const struct table *t, const struct table_slot *after);

#endif
