/* parse_world.c - what surrounds the target: zones, DNS changes, hosts, the target's own state. */
#include "conformance/runner/lex.h"
#include "conformance/runner/parse.h"

/* The types of records that a scenario may write; the simulated DNS knows more. */
static bool is_type(const char *w)
{
    static const char *const types[] = {"A", "AAAA", "MX", "CNAME", "DNAME", "NS", "PTR", "TXT",
        "SOA", "SRV", "TLSA", "SPF", "CAA", "DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "HINFO",
        "NAPTR", "SVCB", "HTTPS", "OPENPGPKEY", "SMIMEA"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(w, types[i]) == 0)
            return true;
    return strncmp(w, "TYPE", 4) == 0;
}

static void parse_zone(struct parser *p, struct cursor *c, int indent, bool optional)
{
    struct zone *zone = arena_alloc(c->arena, sizeof *zone);
    zone->at = c->at;
    zone->optional = optional;
    zone->name = lex_word(c, "the name of the zone");
    lex_end(c);
    struct part *part = parser_part(p, PART_ZONE, c);
    part->zone = zone;
    const struct line *line;
    while ((line = parser_line(p, indent))) {
        struct cursor r = parser_take(p, line);
        struct zone_row *row = arena_push(c->arena, zone->rows, zone->row_count);
        row->at = line->at;
        row->owner = lex_word(&r, "a name, or @ for the zone itself");
        const char *from = r.p, *type = lex_word(&r, "a record type such as MX");
        uint64_t ttl;
        if (type && slice_number(slice_str(type), 0x7fffffff, &ttl))
            type = lex_word(&r, "a record type such as MX");
        if (type && !is_type(type))
            lex_error(&r, "\"%s\" is no record type; a line is NAME [TTL] TYPE DATA", type);
        else if (type && lex_at_end(&r))
            lex_error(&r, "the data of the %s record is missing", type);
        row->rest = arena_slice(c->arena, slice_trim(slice_str(from))).p;
    }
}

/* dns add|remove NAME TYPE DATA; dns fault NAME TYPE KIND [N times]; dns clear */
static void parse_dns(struct parser *p, struct cursor *c)
{
    struct dns_change *change = arena_alloc(c->arena, sizeof *change);
    struct part *part = parser_part(p, PART_DNS, c);
    part->dns = change;
    if (lex_accept(c, "clear")) {
        change->action = DNS_CLEAR;
        return;
    }
    if (lex_accept(c, "add"))
        change->action = DNS_ADD;
    else if (lex_accept(c, "remove"))
        change->action = DNS_REMOVE;
    else if (lex_accept(c, "fault"))
        change->action = DNS_FAULT;
    else {
        lex_error(c, "expected dns add, dns remove, dns fault or dns clear");
        return;
    }
    change->name = lex_word(c, "a domain name");
    change->type = change->name ? lex_word(c, "a record type, or * for all") : NULL;
    if (change->type && !is_type(change->type) && strcmp(change->type, "*") != 0)
        lex_error(c, "\"%s\" is no record type", change->type);
    const char *rest = lex_rest(c);
    size_t n = strlen(rest);
    if (change->action == DNS_FAULT) {
        if (!n) {
            lex_error(c, "expected a fault: servfail, refused, silence, delay 300ms, truncate, "
                      "wrong-id, lame, nodata, nxdomain, raw HEX (docs/dns-sim.8.md)");
            return;
        }
        static const struct { const char *words; int64_t times; } often[] = {{" once", 1},
                                                                            {" twice", 2}};
        for (size_t i = 0; i < 2; i++) {
            size_t m = strlen(often[i].words);
            if (n > m && strcmp(rest + n - m, often[i].words) == 0) {
                change->times = often[i].times;
                rest = arena_slice(c->arena, slice_of(rest, n - m)).p;
                n = strlen(rest);
            }
        }
        if (n > 6 && strcmp(rest + n - 6, " times") == 0) {
            struct slice head = slice_of(rest, n - 6);
            ptrdiff_t blank = slice_rindex(head, ' ');
            uint64_t times;
            if (blank > 0 && slice_number(slice_sub(head, (size_t)blank + 1, head.n), 100000,
                                          &times)) {
                change->times = (int64_t)times;
                rest = arena_slice(c->arena, slice_sub(head, 0, (size_t)blank)).p;
            }
        }
    }
    change->rest = rest;
}

static void parse_host(struct parser *p, struct cursor *c)
{
    static const char *const states[] = {"up", "down", "silent", "unreachable", "slow"};
    struct part *part = parser_part(p, PART_HOST, c);
    int port = 0;
    if (!parse_endpoint(c, &part->host, &port))
        return;
    for (int i = 0; i < 5; i++)
        if (lex_accept(c, states[i])) {
            part->host_state = (enum host_state)i;
            if (part->host_state == HOST_SLOW)
                lex_duration(c, &part->host_ms);
            return;
        }
    lex_error(c, "expected up, down, silent, unreachable or slow T");
}

static void parse_target(struct parser *p, struct cursor *c)
{
    static const char *const actions[] = {"restart", "stop", "start", "kill", "reload", "flush"};
    struct part *part = parser_part(p, PART_TARGET, c);
    for (int i = 0; i < 6; i++)
        if (lex_accept(c, actions[i])) {
            part->target_action = (enum target_action)i;
            return;
        }
    if (!lex_accept(c, "runs")) {
        lex_error(c, "expected target restart, stop, start, kill, reload, flush (the queue) or runs SCRIPT");
        return;
    }
    part->target_action = TARGET_RUNS;
    part->script = lex_word(c, "the name of a script in the target's folder");
    if (part->script && strpbrk(part->script, "/."))
        lex_error(c, "a script of the target's folder has no / and no . in its name");
}

bool parse_world(struct parser *p, struct cursor *c, int indent)
{
    const char *begin = c->p;
    bool optional = lex_accept(c, "optional");
    if (lex_accept(c, "zone"))
        parse_zone(p, c, indent, optional);
    else if (optional)
        return lex_error(c, "only zone can be optional here");
    else if (lex_accept(c, "dns"))
        parse_dns(p, c);
    else if (lex_accept(c, "host"))
        parse_host(p, c);
    else if (lex_accept(c, "target"))
        parse_target(p, c);
    else {
        c->p = begin;
        return false;
    }
    return true;
}
