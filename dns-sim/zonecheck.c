/* zonecheck.c - what must hold over all records of a zone. What a real zone is often wrong in, and
 * a test therefore may want to serve, is a warning only. */
#include "dns-sim/zonefile.h"

#include <stdlib.h>

struct check {
    const struct zone *zone;
    const char *file;
    struct problems *problems;
};

/* RFC 2181 10.3, RFC 5321 5.1: what MX, NS and SRV name must have addresses and not be an alias.
 * Only names of this very zone can be judged. */
static void check_target(const struct check *c, const struct record *r)
{
    const uint8_t *target = record_target(r);
    if (*target == 0 || !name_is_under(target, c->zone->origin))
        return;                     /* "." is the null MX of RFC 7505 and the SRV of RFC 2782 */
    struct found a = zone_find(c->zone, target, TYPE_A);
    struct found aaaa = zone_find(c->zone, target, TYPE_AAAA);
    const char *wrong = NULL;
    if (a.kind == FOUND_CNAME)
        wrong = "names an alias (RFC 2181 10.3)";
    else if (a.kind == FOUND_REFERRAL && r->type == TYPE_NS) {
        const struct node *glue = zone_node(c->zone, target);
        if (!node_set(glue, TYPE_A) && !node_set(glue, TYPE_AAAA))
            wrong = "names a server below a delegation without glue";
    } else if (a.kind == FOUND_NXDOMAIN)
        wrong = "names a host that does not exist";
    else if (a.kind == FOUND_NODATA && aaaa.kind != FOUND_DATA)
        wrong = "names a host without an address";
    if (wrong)
        problem(c->problems, false, c->file, r->line, "%s %s", r->text, wrong);
}

static bool may_lie_below_cut(uint16_t type)
{
    return type == TYPE_A || type == TYPE_AAAA;
}

static void check_node(const struct check *c, const struct node *n)
{
    struct found f = zone_find(c->zone, n->name, TYPE_SOA);
    bool hidden = f.kind == FOUND_REFERRAL || f.kind == FOUND_DNAME;
    bool cut = f.kind == FOUND_REFERRAL && f.node == n;
    for (size_t i = 0; i < n->count; i++) {
        const struct rrset *set = &n->sets[i];
        for (size_t k = 0; k < set->count; k++) {
            const struct record *r = &set->records[k];
            if (r->type == TYPE_MX || r->type == TYPE_NS || r->type == TYPE_SRV)
                check_target(c, r);
            if (hidden && !cut && !(may_lie_below_cut(r->type) && f.kind == FOUND_REFERRAL))
                problem(c->problems, false, c->file, r->line, "%s is hidden by the %s above it",
                        r->text, f.kind == FOUND_DNAME ? "DNAME" : "delegation");
        }
    }
}

void zone_check(const struct zone *z, const char *file, struct problems *problems)
{
    struct check c = {z, file, problems};
    if (!zone_soa(z))
        problem(problems, true, file, 0, "there is no SOA record at the top of the zone");
    if (!node_set(z->apex, TYPE_NS))
        problem(problems, true, file, 0, "there is no NS record at the top of the zone "
                "(RFC 1034 4.2.1)");
    struct node **nodes = zone_sorted(z);
    for (size_t i = 0; i < z->nodes.count; i++)
        check_node(&c, nodes[i]);
    free(nodes);
}
