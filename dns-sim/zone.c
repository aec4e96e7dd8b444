#include "dns-sim/zone.h"

#include "base/mem.h"

#include <stdlib.h>

static struct node *node_make(struct zone *z, const uint8_t *name)
{
    struct node *n = zone_node(z, name);
    if (n)
        return n;
    size_t len = name_len(name);
    n = xcalloc(1, sizeof *n);
    n->name = xmalloc(len);
    memcpy(n->name, name, len);
    if (!name_equal(name, z->origin)) {
        n->parent = node_make(z, name_suffix(name, 1));
        n->parent->children++;
    }
    table_put(&z->nodes, n->name, n);
    return n;
}

/* Names without records and without names below them do not exist (RFC 8020 2). */
static void node_prune(struct zone *z, struct node *n)
{
    while (n && n != z->apex && n->count == 0 && n->children == 0) {
        struct node *parent = n->parent;
        table_remove(&z->nodes, n->name);
        free(n->name);
        free(n->sets);
        free(n);
        parent->children--;
        n = parent;
    }
}

struct zone *zone_new(const uint8_t *origin)
{
    struct zone *z = xcalloc(1, sizeof *z);
    size_t len = name_len(origin);
    z->origin = xmalloc(len);
    memcpy(z->origin, origin, len);
    z->apex = node_make(z, z->origin);
    return z;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    for (struct table_slot *s = table_next(&z->nodes, NULL); s; s = table_next(&z->nodes, s)) {
        struct node *n = s->value;
        for (size_t i = 0; i < n->count; i++) {
            for (size_t k = 0; k < n->sets[i].count; k++)
                record_free(&n->sets[i].records[k]);
            free(n->sets[i].records);
        }
        free(n->sets);
    }
    /* The slots borrow the names of the nodes, so these go last. */
    size_t count = 0;
    struct node **nodes = xreallocarray(NULL, z->nodes.count, sizeof *nodes);
    for (struct table_slot *s = table_next(&z->nodes, NULL); s; s = table_next(&z->nodes, s))
        nodes[count++] = s->value;
    table_free(&z->nodes);
    while (count-- > 0) {
        free(nodes[count]->name);
        free(nodes[count]);
    }
    free(nodes);
    free(z->origin);
    free(z);
}

struct node *zone_node(const struct zone *z, const uint8_t *name)
{
    return table_get(&z->nodes, name);
}

struct rrset *node_set(const struct node *n, uint16_t type)
{
    for (size_t i = 0; n && i < n->count; i++)
        if (n->sets[i].type == type)
            return &n->sets[i];
    return NULL;
}

/* Drops record k of set i, and the set when it was the last. */
static void drop_record(struct zone *z, struct node *n, size_t i, size_t k)
{
    struct rrset *set = &n->sets[i];
    record_free(&set->records[k]);
    set->count--;
    memmove(&set->records[k], &set->records[k + 1], (set->count - k) * sizeof *set->records);
    z->records--;
    if (set->count > 0)
        return;
    free(set->records);
    n->count--;
    memmove(&n->sets[i], &n->sets[i + 1], (n->count - i) * sizeof *n->sets);
}

static bool beside_cname(uint16_t type)
{
    return type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_KEY;
}

static bool cname_conflict(const struct node *n, const struct record *r)
{
    if (beside_cname(r->type))
        return false;
    for (size_t i = 0; n && i < n->count; i++) {
        uint16_t there = n->sets[i].type;
        if (there != r->type && !beside_cname(there)
            && (r->type == TYPE_CNAME || there == TYPE_CNAME))
            return true;
    }
    return false;
}

static bool only_one(uint16_t type)
{
    return type == TYPE_CNAME || type == TYPE_SOA || type == TYPE_DNAME;
}

static struct record *find_record(struct rrset *set, const struct record *same)
{
    for (size_t k = 0; set && k < set->count; k++)
        if (record_same_data(&set->records[k], same))
            return &set->records[k];
    return NULL;
}

enum added zone_add(struct zone *z, const uint8_t *name, struct record r, bool replace)
{
    if (!name_is_under(name, z->origin)) {
        record_free(&r);
        return ADDED_OUT_OF_ZONE;
    }
    struct rrset *set = node_set(zone_node(z, name), r.type);
    struct record *same = find_record(set, &r);
    if (cname_conflict(zone_node(z, name), &r)
        || (set && only_one(r.type) && !replace && !same)) {
        record_free(&r);
        return ADDED_CNAME_CONFLICT;
    }
    for (size_t k = 0; set && k < set->count; k++)
        set->records[k].ttl = r.ttl;
    if (same) {
        same->expires = r.expires;
        record_free(&r);
        return ADDED_DUPLICATE;
    }
    if (set && only_one(r.type)) {
        record_free(&set->records[0]);
        set->records[0] = r;
        return ADDED;
    }
    if (!set) {
        struct node *n = node_make(z, name);
        n->sets = xreallocarray(n->sets, n->count + 1, sizeof *n->sets);
        set = &n->sets[n->count++];
        *set = (struct rrset){.type = r.type};
    }
    /* Grown in powers of two, so that a set of ten thousand does not copy itself each time. */
    if ((set->count & (set->count - 1)) == 0)
        set->records = xreallocarray(set->records, set->count ? set->count * 2 : 1,
                                     sizeof *set->records);
    set->records[set->count++] = r;
    z->records++;
    return ADDED;
}

size_t zone_remove_set(struct zone *z, const uint8_t *name, uint16_t type)
{
    struct node *n = zone_node(z, name);
    struct rrset *set = node_set(n, type);
    size_t gone = set ? set->count : 0;
    for (size_t left = gone; left > 0; left--)
        drop_record(z, n, (size_t)(set - n->sets), left - 1);
    node_prune(z, n);
    return gone;
}

size_t zone_remove_name(struct zone *z, const uint8_t *name)
{
    struct node *n = zone_node(z, name);
    size_t gone = 0;
    while (n && n->count > 0) {
        size_t last = n->count - 1;
        drop_record(z, n, last, n->sets[last].count - 1);
        gone++;
    }
    node_prune(z, n);
    return gone;
}

size_t zone_remove_record(struct zone *z, const uint8_t *name, const struct record *same)
{
    struct node *n = zone_node(z, name);
    struct rrset *set = node_set(n, same->type);
    struct record *r = find_record(set, same);
    if (!r)
        return 0;
    drop_record(z, n, (size_t)(set - n->sets), (size_t)(r - set->records));
    node_prune(z, n);
    return 1;
}

static size_t node_expire(struct zone *z, struct node *n, int64_t now, int64_t *next)
{
    size_t gone = 0;
    for (size_t i = n->count; i-- > 0;) {
        for (size_t k = n->sets[i].count; k-- > 0;) {
            int64_t when = n->sets[i].records[k].expires;
            if (when && when <= now) {
                drop_record(z, n, i, k);    /* takes set i away with its last record, k == 0 */
                gone++;
            } else if (when && when < *next) {
                *next = when;
            }
        }
    }
    return gone;
}

size_t zone_expire(struct zone *z, int64_t now, int64_t *next)
{
    size_t gone = 0, count = 0;
    struct node **empty = NULL;
    for (struct table_slot *s = table_next(&z->nodes, NULL); s; s = table_next(&z->nodes, s)) {
        struct node *n = s->value;
        size_t here = node_expire(z, n, now, next);
        if (here > 0 && n->count == 0 && n->children == 0) {
            empty = xreallocarray(empty, count + 1, sizeof(struct node *));
            empty[count++] = n;
        }
        gone += here;
    }
    /* Leaves only, so that pruning one never frees another of the list. */
    while (count-- > 0)
        node_prune(z, empty[count]);
    free(empty);
    return gone;
}
