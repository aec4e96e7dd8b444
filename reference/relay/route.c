/* route.c - from a domain to its exchangers. */
#include "reference/relay/route.h"

#include "base/mem.h"
#include "reference/message/address.h"

#include <stdio.h>
#include <stdlib.h>

void route_free(struct route *route)
{
    for (size_t i = 0; i < route->n; i++) {
        free(route->v[i].host);
        addr_list_free(&route->v[i].addresses);
    }
    free(route->v);
    free(route->domain);
    free(route->why);
    *route = (struct route){0};
}

static enum route_result finish(struct route *route, enum route_result result, const char *status,
                                char *why)
{
    route->result = result;
    snprintf(route->status, sizeof route->status, "%s", status);
    free(route->why);
    route->why = why;
    return result;
}

static struct exchanger *add_exchanger(struct route *route, uint16_t preference, const char *host)
{
    route->v = xreallocarray(route->v, route->n + 1, sizeof *route->v);
    route->v[route->n] = (struct exchanger){.preference = preference, .host = xstrdup(host)};
    return &route->v[route->n++];
}

/* An address on which we ourselves would take the connection. */
static bool is_our_address(const struct config *c, const struct netaddr *a)
{
    for (size_t i = 0; i < c->listener_count; i++)
        if (c->listeners[i].kind == SERVICE_SMTP
            && netaddr_port(&c->listeners[i].addr) == c->smtp_port
            && netaddr_same_host(&c->listeners[i].addr, a))
            return true;
    return false;
}

static bool is_our_name(const struct config *c, const char *host)
{
    return c->hostname && slice_ieq_str(slice_str(host), c->hostname);
}

/* RFC 5321 5.1: from our own preference on, everything is dropped, so that mail only ever comes
 * nearer to its home. */
static void drop_from(struct route *route, uint16_t preference, const char *why)
{
    route->loop = true;
    for (size_t i = 0; i < route->n; i++)
        if (route->v[i].preference >= preference && !route->v[i].dropped)
            route->v[i].dropped = why;
}

static enum route_result loop_error(struct route *route)
{
    return finish(route, ROUTE_FAIL, "5.4.6",
                  xasprintf("mail for %s loops back to this host: it is the best exchanger, "
                            "but the domain is not served here", route->domain));
}

static enum route_result begin_literal(const struct config *c, const char *domain,
                                       struct route *route)
{
    struct netaddr a;
    route->kind = ROUTE_LITERAL;
    if (!address_literal_parse(slice_str(domain), &a))
        return finish(route, ROUTE_FAIL, "5.1.2", xasprintf("%s is no address literal", domain));
    struct exchanger *x = add_exchanger(route, 0, domain);
    x->looked_up = true;
    x->addresses.v = xcalloc(1, sizeof a);
    x->addresses.v[x->addresses.n++] = a;
    if (is_our_address(c, &a)) {
        drop_from(route, 0, "this is our own address");
        return loop_error(route);
    }
    return ROUTE_OK;
}

static enum route_result begin_mx(const struct config *c, const char *domain, struct mx_list *mx,
                                  struct route *route)
{
    /* RFC 7505 3: one record, preference 0, the root. Next to others it is a mistake, and only
     * that record is of no use. */
    if (mx->n == 1 && !*mx->v[0].host)
        return finish(route, ROUTE_FAIL, "5.1.10",
                      xasprintf("%s accepts no mail (null MX, RFC 7505)", domain));
    for (size_t i = 0; i < mx->n && i < ROUTE_EXCHANGERS_MAX; i++) {
        struct exchanger *x = add_exchanger(route, mx->v[i].preference, mx->v[i].host);
        if (!domain_valid(slice_str(x->host)))
            x->dropped = "not a host name";
    }
    for (size_t i = 0; i < route->n; i++)
        if (is_our_name(c, route->v[i].host)) {
            drop_from(route, route->v[i].preference, "not better than this host");
            break;
        }
    for (size_t i = 0; i < route->n; i++)
        if (!route->v[i].dropped)
            return ROUTE_OK;
    return route->loop ? loop_error(route)
                       : finish(route, ROUTE_FAIL, "5.4.4",
                                xasprintf("no exchanger of %s can be used", domain));
}

enum route_result relay_route_begin(const struct config *c, struct resolver *r, const char *domain,
                                    struct route *route)
{
    struct mx_list mx;
    enum route_result result;

    *route = (struct route){.kind = ROUTE_MX, .domain = xstrdup(domain)};
    if (domain[0] == '[')
        return begin_literal(c, domain, route);
    switch (resolver_mx(r, domain, &mx)) {
    case DNS_OK:
        result = begin_mx(c, domain, &mx, route);
        break;
    case DNS_NODATA:
        route->kind = ROUTE_IMPLICIT_MX;
        add_exchanger(route, 0, domain);
        result = ROUTE_OK;
        break;
    case DNS_NXDOMAIN:
        result = finish(route, ROUTE_FAIL, "5.1.2", xasprintf("%s does not exist in DNS", domain));
        break;
    default:
        route->tempfail = true;
        result = finish(route, ROUTE_TEMPFAIL, "4.4.3",
                        xasprintf("DNS does not tell the exchangers of %s", domain));
    }
    mx_list_free(&mx);
    return result;
}

enum route_result relay_route_host(const char *host, struct route *route)
{
    struct netaddr a;
    *route = (struct route){.kind = ROUTE_HOST, .domain = xstrdup(host)};
    struct exchanger *x = add_exchanger(route, 0, host);
    if (netaddr_parse(&a, slice_str(host), 0)) {
        x->looked_up = true;
        x->addresses.v = xcalloc(1, sizeof a);
        x->addresses.v[x->addresses.n++] = a;
    }
    return ROUTE_OK;
}

/* Nothing could be used: why is the most lasting of the reasons. */
static void conclude(struct route *route)
{
    for (size_t i = 0; i < route->n; i++)
        if (!route->v[i].dropped)
            return;
    if (route->result != ROUTE_OK)
        return;
    if (route->tempfail)
        finish(route, ROUTE_TEMPFAIL, "4.4.3",
               xasprintf("DNS does not tell the address of %s", route->domain));
    else if (route->loop)
        loop_error(route);
    else if (route->kind == ROUTE_IMPLICIT_MX)
        finish(route, ROUTE_FAIL, "5.1.2",
               xasprintf("%s has neither MX nor address", route->domain));
    else
        finish(route, ROUTE_FAIL, "5.4.4",
               xasprintf("no exchanger of %s has an address", route->domain));
}

static void look_up(const struct config *c, struct resolver *r, struct route *route,
                    struct exchanger *x)
{
    if (!x->looked_up) {
        enum dns_status status = resolver_addresses(r, x->host, &x->addresses);
        x->looked_up = true;
        if (status == DNS_TEMPFAIL) {
            route->tempfail = true;
            x->dropped = "its address cannot be looked up now";
        } else if (status != DNS_OK) {
            x->dropped = "no such host, or no address";
        }
    }
    /* Another port of our own address is another server. */
    for (size_t i = 0; i < x->addresses.n && route->kind != ROUTE_HOST; i++)
        if (is_our_address(c, &x->addresses.v[i])) {
            x->dropped = "this is our own address";
            drop_from(route, x->preference, "not better than this host");
            return;
        }
}

bool relay_route_group(const struct config *c, struct resolver *r, struct route *route,
                       size_t *from, size_t *to)
{
    while (route->next < route->n) {
        bool usable = false;
        *from = *to = route->next;
        while (*to < route->n && route->v[*to].preference == route->v[*from].preference)
            ++*to;
        route->next = *to;
        for (size_t i = *from; i < *to; i++)
            if (!route->v[i].dropped)
                look_up(c, r, route, &route->v[i]);
        for (size_t i = *from; i < *to; i++)
            usable |= !route->v[i].dropped;
        if (usable)
            return true;
    }
    conclude(route);
    return false;
}

int relay_route(const struct config *c, struct resolver *r, const char *domain,
                struct route *route)
{
    size_t from, to;
    if (relay_route_begin(c, r, domain, route) == ROUTE_OK)
        while (relay_route_group(c, r, route, &from, &to))
            ;
    return route->result;
}
