/* zone_find.c - reading a zone: look-up, order, the fields of its SOA. */
#include "dns-sim/zone.h"

#include "base/mem.h"

#include <stdlib.h>

const struct record *zone_soa(const struct zone *z)
{
    const struct rrset *set = node_set(z->apex, TYPE_SOA);
    return set ? &set->records[0] : NULL;
}

/* The five numbers stand at the end of the RDATA: serial refresh retry expire minimum. */
uint32_t soa_serial(const struct record *soa)
{
    return get32(soa->rdata + soa->len - 20);
}

uint32_t soa_minimum(const struct record *soa)
{
    return get32(soa->rdata + soa->len - 4);
}

void zone_bump_serial(struct zone *z)
{
    struct rrset *set = node_set(z->apex, TYPE_SOA);
    if (!set)
        return;
    struct record *soa = &set->records[0];
    uint32_t serial = soa_serial(soa) + 1;
    put32(soa->rdata + soa->len - 20, serial ? serial : 1);     /* RFC 2136 4.2: never zero */
    struct buf text = {0};
    buf_add_str(&text, "SOA ");
    buf_add_name_absolute(&text, soa->rdata);
    buf_add_byte(&text, ' ');
    buf_add_name_absolute(&text, soa->rdata + name_len(soa->rdata));
    for (int i = 20; i > 0; i -= 4)
        buf_printf(&text, " %u", get32(soa->rdata + soa->len - i));
    free(soa->text);
    soa->text = buf_take(&text);
}

/* What a node that exists says about a type (RFC 1034 4.3.2 step 3a). */
static struct found at_node(const struct node *n, uint16_t type)
{
    struct rrset *set = node_set(n, type);
    if (set || (type == TYPE_ANY && n->count > 0))
        return (struct found){FOUND_DATA, n, set};
    set = node_set(n, TYPE_CNAME);
    if (set)
        return (struct found){FOUND_CNAME, n, set};
    return (struct found){FOUND_NODATA, n, NULL};
}

struct found zone_find(const struct zone *z, const uint8_t *name, uint16_t type)
{
    uint8_t wildcard[NAME_MAX_LEN];
    const struct node *encloser = z->apex;
    /* Down from the apex, label by label, so that a cut hides everything below it (step 3b). */
    for (int more = name_labels(name) - name_labels(z->origin); ; ) {
        const struct rrset *set = node_set(encloser, TYPE_NS);
        /* RFC 4035 3.1.4.1: DS is the one type that the parent's side of a cut answers. */
        if (set && encloser != z->apex && !(more == 0 && type == TYPE_DS))
            return (struct found){FOUND_REFERRAL, encloser, set};
        if (more == 0)
            return at_node(encloser, type);
        set = node_set(encloser, TYPE_DNAME);
        if (set)
            return (struct found){FOUND_DNAME, encloser, set};
        const struct node *n = zone_node(z, name_suffix(name, --more));
        if (!n)
            break;
        encloser = n;
    }
    /* Step 3c, RFC 4592 3.3.1: the source of synthesis is "*" right below the closest encloser. */
    const struct node *source = name_wildcard(encloser->name, wildcard)
                              ? zone_node(z, wildcard) : NULL;
    if (source)
        return at_node(source, type);
    return (struct found){FOUND_NXDOMAIN, encloser, NULL};
}

static int label_order(const uint8_t *a, const uint8_t *b)
{
    for (int i = 1; i <= *a && i <= *b; i++) {
        int x = a[i], y = b[i];
        x += x >= 'A' && x <= 'Z' ? 32 : 0;
        y += y >= 'A' && y <= 'Z' ? 32 : 0;
        if (x != y)
            return x - y;
    }
    return *a - *b;
}

/* RFC 4034 6.1: compared from the rightmost label. */
static int by_name(const void *a, const void *b)
{
    const struct node *p = *(struct node *const *)a, *q = *(struct node *const *)b;
    int m = name_labels(p->name), n = name_labels(q->name);
    for (int i = 1; i <= m && i <= n; i++) {
        int order = label_order(name_suffix(p->name, m - i), name_suffix(q->name, n - i));
        if (order != 0)
            return order;
    }
    return m - n;
}

struct node **zone_sorted(const struct zone *z)
{
    size_t count = 0;
    struct node **nodes = xreallocarray(NULL, z->nodes.count, sizeof *nodes);
    for (struct table_slot *s = table_next(&z->nodes, NULL); s; s = table_next(&z->nodes, s))
        nodes[count++] = s->value;
    qsort(nodes, count, sizeof(struct node *), by_name);
    return nodes;
}
