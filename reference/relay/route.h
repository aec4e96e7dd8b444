/* route.h - where mail for a domain goes: the exchangers, in order, and why some are left out
 * (RFC 5321 5.1, RFC 7505). */
#ifndef REFERENCE_ROUTE_H
#define REFERENCE_ROUTE_H

#include "reference/config.h"
#include "reference/relay/reply.h"
#include "reference/resolver/resolver.h"

#define ROUTE_EXCHANGERS_MAX 64  /* of one domain; the rest, the least preferred, is left out */

enum route_kind {
    ROUTE_LITERAL,               /* "[192.0.2.1]": straight there (RFC 5321 4.1.3) */
    ROUTE_MX,
    ROUTE_HOST,                  /* the configuration names it */
    ROUTE_IMPLICIT_MX,           /* no MX: the domain's own addresses, preference 0 */
};

enum route_result {
    ROUTE_OK,                    /* there are exchangers to try */
    ROUTE_TEMPFAIL,              /* DNS did not answer: try again later */
    ROUTE_FAIL,                  /* never: status and why go into the bounce */
};

struct exchanger {
    uint16_t preference;
    char *host;                  /* name, or the literal */
    bool looked_up;
    struct addr_list addresses;  /* IPv6 first; port 0 */
    const char *dropped;         /* NULL: usable; else why not (static text) */
};

struct route {
    char *domain;
    enum route_kind kind;
    struct exchanger *v;         /* best first */
    size_t n;
    size_t next;                 /* the first exchanger whose group was not looked up */
    bool tempfail;               /* some look-up failed for now */
    bool loop;                   /* we are the best exchanger that is left */
    enum route_result result;
    char status[STATUS_MAX];     /* RFC 3463, when the result is not ROUTE_OK */
    char *why;                   /* the same in words */
};

/* The whole road for `domain` ("hehuan.test" or "[192.0.2.1]"), with all addresses looked up.
 * Returns route->result. For delivery use relay_route_begin and _group, which ask only for what is
 * needed. The caller frees. */
int relay_route(const struct config *c, struct resolver *r, const char *domain,
                struct route *route);
void route_free(struct route *route);

/* The exchangers without their addresses. */
enum route_result relay_route_begin(const struct config *c, struct resolver *r, const char *domain,
                                    struct route *route);
/* A lone host by its name or address, without asking for MX: a smart host. */
enum route_result relay_route_host(const char *host, struct route *route);
/* Looks up the addresses of the next group of equal preference. Those usable have dropped == NULL
 * in route->v[*from .. *to). False when there are no more; then, should none of all have been
 * usable, route->result, status and why say what to do. */
bool relay_route_group(const struct config *c, struct resolver *r, struct route *route,
                       size_t *from, size_t *to);

#endif
