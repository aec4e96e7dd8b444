/* From a domain to its exchangers: RFC 5321 5.1 and RFC 7505 as a table. */
#include "base/mem.h"
#include "reference/relay/route.h"
#include "tests/unit/resolver/dns_stub.h"

#include <criterion/criterion.h>

static const struct stub_entry table[] = {
    {.name = "hehuan.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"hehuan.test. MX 10 mail1.hehuan.test.", "hehuan.test. MX 5 mail.hehuan.test."}},
    {.name = "mail.hehuan.test.", .type = LDNS_RR_TYPE_A,
     .records = {"mail.hehuan.test. A 192.0.2.25"}},
    {.name = "mail.hehuan.test.", .type = LDNS_RR_TYPE_AAAA,
     .records = {"mail.hehuan.test. AAAA 2001:db8::25"}},
    {.name = "mail1.hehuan.test.", .type = LDNS_RR_TYPE_A,
     .records = {"mail1.hehuan.test. A 192.0.2.26"}},
    {.name = "mail1.hehuan.test.", .type = LDNS_RR_TYPE_AAAA},
    {.name = "www.hehuan.test.", .type = LDNS_RR_TYPE_A,
     .records = {"www.hehuan.test. A 192.0.2.80"}},
    {.name = "www.hehuan.test.", .type = LDNS_RR_TYPE_ANY},
    {.name = "null.test.", .type = LDNS_RR_TYPE_MX, .records = {"null.test. MX 0 ."}},
    {.name = "nullplus.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"nullplus.test. MX 0 .", "nullplus.test. MX 5 mail.hehuan.test."}},
    {.name = "empty.test.", .type = LDNS_RR_TYPE_ANY},
    {.name = "fail.test.", .type = LDNS_RR_TYPE_ANY, .rcode = LDNS_RCODE_SERVFAIL},
    {.name = "dangling.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"dangling.test. MX 1 nosuch.test.", "dangling.test. MX 2 empty.test."}},
    {.name = "half.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"half.test. MX 1 nosuch.test.", "half.test. MX 2 fail.test."}},
    {.name = "literal.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"literal.test. MX 1 192.0.2.25."}},
    {.name = "best.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"best.test. MX 1 US.magedu.test.", "best.test. MX 2 mail.hehuan.test."}},
    {.name = "middle.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"middle.test. MX 1 mail.hehuan.test.", "middle.test. MX 5 us.magedu.test.",
                 "middle.test. MX 5 www.hehuan.test.", "middle.test. MX 9 mail1.hehuan.test."}},
    {.name = "byaddr.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"byaddr.test. MX 1 mail.hehuan.test.", "byaddr.test. MX 5 mail1.hehuan.test.",
                 "byaddr.test. MX 5 alias-of-us.test.", "byaddr.test. MX 9 www.hehuan.test."}},
    {.name = "alias-of-us.test.", .type = LDNS_RR_TYPE_A,
     .records = {"alias-of-us.test. A 198.51.100.1"}},
    {.name = "alias-of-us.test.", .type = LDNS_RR_TYPE_ANY},
};

static struct dns_stub stub;
static struct resolver *r;
static struct listener_conf listeners[2] = {{.kind = SERVICE_SMTP}, {.kind = SERVICE_POP3}};

static void begin(void)
{
    stub_begin(&stub, table, sizeof table / sizeof *table);
    stub.config.hostname = "us.magedu.test";
    netaddr_parse(&listeners[0].addr, SLICE("198.51.100.1"), 25);
    netaddr_parse(&listeners[1].addr, SLICE("192.0.2.25"), 25);
    stub.config.listeners = listeners;
    stub.config.listener_count = 2;
    r = resolver_new(&stub.config);
}

static void end(void)
{
    resolver_free(r);
    stub_end(&stub);
}

TestSuite(route, .init = begin, .fini = end);

/* "host[address,address] ..." of the usable ones, then the status. */
static char *shown(const struct route *route)
{
    struct buf b = {0};
    for (size_t i = 0; i < route->n; i++) {
        const struct exchanger *x = &route->v[i];
        if (x->dropped)
            continue;
        buf_printf(&b, "%u %s[", x->preference, x->host);
        for (size_t k = 0; k < x->addresses.n; k++) {
            char host[64];
            netaddr_host(&x->addresses.v[k], host);
            buf_printf(&b, "%s%s", k ? "," : "", host);
        }
        buf_add_str(&b, "] ");
    }
    buf_add_str(&b, route->result == ROUTE_OK ? "ok" : route->status);
    return buf_take(&b);
}

Test(route, table)
{
    struct { const char *domain, *road; } cases[] = {
        {"hehuan.test", "5 mail.hehuan.test[2001:db8::25,192.0.2.25] "
                        "10 mail1.hehuan.test[192.0.2.26] ok"},
        {"www.hehuan.test", "0 www.hehuan.test[192.0.2.80] ok"},
        {"[192.0.2.25]", "0 [192.0.2.25][192.0.2.25] ok"},
        {"[IPv6:2001:db8::25]", "0 [IPv6:2001:db8::25][2001:db8::25] ok"},
        {"[300.1.1.1]", "5.1.2"},
        {"[198.51.100.1]", "5.4.6"},
        {"null.test", "5.1.10"},
        {"nullplus.test", "5 mail.hehuan.test[2001:db8::25,192.0.2.25] ok"},
        {"nosuch.test", "5.1.2"},
        {"empty.test", "5.1.2"},
        {"fail.test", "4.4.3"},
        {"dangling.test", "5.4.4"},
        {"half.test", "4.4.3"},
        {"literal.test", "5.4.4"},
        {"best.test", "5.4.6"},
        {"middle.test", "1 mail.hehuan.test[2001:db8::25,192.0.2.25] ok"},
        {"byaddr.test", "1 mail.hehuan.test[2001:db8::25,192.0.2.25] ok"},
        {"alias-of-us.test", "5.4.6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route route;
        relay_route(&stub.config, r, cases[i].domain, &route);
        char *road = shown(&route);
        cr_expect_str_eq(road, cases[i].road, "%s: %s", cases[i].domain, road);
        cr_expect((route.result == ROUTE_OK) == (route.why == NULL));
        for (size_t k = 0; k < route.n; k++)
            cr_expect(route.v[k].dropped || route.v[k].addresses.n > 0 || route.result != ROUTE_OK);
        free(road);
        route_free(&route);
    }
}

Test(route, two_questions_for_the_first_exchanger_only)
{
    struct route route;
    size_t from, to;
    int before = stub.asked;
    cr_assert_eq(relay_route_begin(&stub.config, r, "hehuan.test", &route), ROUTE_OK);
    cr_assert(relay_route_group(&stub.config, r, &route, &from, &to));
    /* MX, AAAA, A: mail1 is not asked for before it is needed. */
    cr_expect_eq(stub.asked - before, 3);
    cr_assert(relay_route_group(&stub.config, r, &route, &from, &to));
    cr_expect_eq(stub.asked - before, 5);
    cr_expect_not(relay_route_group(&stub.config, r, &route, &from, &to));
    route_free(&route);
}

Test(route, another_port_of_our_address_is_another_server)
{
    struct route route;
    stub.config.smtp_port = 2525;
    cr_expect_eq(relay_route(&stub.config, r, "alias-of-us.test", &route), ROUTE_OK);
    route_free(&route);
}
