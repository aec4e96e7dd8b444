/* leftovers.c - nothing may be left over: a reaction that never came to be, a zone that nobody
 * asked for, a name that the target asked for and nobody declared. Then the scenario does not say
 * what it seems to say, and that is an error of the scenario. */
#include "conformance/runner/run.h"

static bool under(const char *name, const char *zone)
{
    size_t n = strlen(name), m = strlen(zone);
    n -= n && name[n - 1] == '.';
    m -= m && zone[m - 1] == '.';
    return n >= m && slice_ieq(slice_of(name + n - m, m), slice_of(zone, m)) &&
           (n == m || name[n - m - 1] == '.');
}

static bool zone_asked(const struct run *r, const struct zone *z)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (under(r->queries[i].name, z->name))
            return true;
    return false;
}

/* A name that does not exist and of which the scenario does not speak: no mistake, since servers look
 * up all kinds of things of their own accord, but worth a line for whoever reads the transcript. */
static void note_undeclared(struct run *r)
{
    const struct scenario *s = r->scenario;
    for (size_t i = 0; i < r->query_count; i++) {
        const struct dns_query *q = &r->queries[i];
        bool known = !q->rcode || strcmp(q->rcode, "NXDOMAIN") != 0 ||
                     ids_have(&s->allowed_dns, q->name) ||
                     ids_have(&r->world->target->quiet_dns, q->name);
        for (size_t k = 0; k < s->part_count && !known; k++) {
            const struct part *p = &s->parts[k];
            known = (p->kind == PART_ZONE && under(q->name, p->zone->name)) ||
                    (p->kind == PART_CHECK && p->check->dns_name &&
                     under(q->name, p->check->dns_name));
        }
        if (!known)
            run_note(r, "dns", "undeclared: the target asked for %s %s, of which the scenario does "
                     "not speak", q->name, q->type);
    }
}

void check_leftovers(struct run *r)
{
    const struct scenario *s = r->scenario;
    note_undeclared(r);
    for (size_t i = 0; i < r->server_count; i++)
        for (size_t k = 0; k < r->servers[i]->rule_count; k++) {
            const struct live_rule *live = &r->servers[i]->rules[k];
            if (live->rule->optional)
                continue;
            if (!live->touched)
                run_error(r, live->rule->at, "left over: %s never came to \"%s\"; write "
                          "\"optional on ...\" if it need not", r->servers[i]->def->name,
                          live->rule->source);
        }
    if (r->world->lab || r->world->replay)
        for (size_t i = 0; i < s->part_count; i++)
            if (s->parts[i].kind == PART_ZONE && !s->parts[i].zone->optional &&
                !zone_asked(r, s->parts[i].zone))
                run_error(r, s->parts[i].at, "left over: nobody asked for the zone %s; write "
                          "\"optional zone\" if that is right", s->parts[i].zone->name);
}
