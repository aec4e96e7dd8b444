/* Look-ups against a server that answers, lies, or keeps silent. */
#include "reference/resolver/resolver.h"
#include "tests/unit/resolver/dns_stub.h"

#include <criterion/criterion.h>

static const struct stub_entry table[] = {
    {.name = "hehuan.test.", .type = LDNS_RR_TYPE_MX,
     .records = {"hehuan.test. MX 10 mail1.hehuan.test.", "hehuan.test. MX 5 mail.hehuan.test.",
                 "hehuan.test. MX 65535 last.hehuan.test.", "other.test. MX 0 evil.test."}},
    {.name = "null.test.", .type = LDNS_RR_TYPE_MX, .records = {"null.test. MX 0 ."}},
    {.name = "nodata.test.", .type = LDNS_RR_TYPE_ANY},
    {.name = "fail.test.", .type = LDNS_RR_TYPE_ANY, .rcode = LDNS_RCODE_SERVFAIL},
    {.name = "silent.test.", .type = LDNS_RR_TYPE_ANY, .fault = SILENT},
    {.name = "wrong.test.", .type = LDNS_RR_TYPE_ANY, .fault = WRONG_ID,
     .records = {"wrong.test. A 192.0.2.66"}},
    {.name = "garbage.test.", .type = LDNS_RR_TYPE_ANY, .fault = GARBAGE},
    {.name = "lame.test.", .type = LDNS_RR_TYPE_ANY, .fault = REFERRAL,
     .records = {"test. NS ns.test."}},
    {.name = "old.test.", .type = LDNS_RR_TYPE_MX, .fault = EDNS_UNKNOWN,
     .records = {"old.test. MX 1 a.test."}},
    {.name = "big.test.", .type = LDNS_RR_TYPE_MX, .fault = TRUNCATED,
     .records = {"big.test. MX 1 a.test.", "big.test. MX 2 b.test."}},
    {.name = "alias.test.", .type = LDNS_RR_TYPE_ANY,
     .records = {"far.test. A 192.0.2.7", "alias.test. CNAME far.test."}},
    {.name = "away.test.", .type = LDNS_RR_TYPE_ANY, .records = {"away.test. CNAME far.test."}},
    {.name = "far.test.", .type = LDNS_RR_TYPE_A, .records = {"far.test. A 192.0.2.7"}},
    {.name = "far.test.", .type = LDNS_RR_TYPE_AAAA, .records = {"far.test. AAAA 2001:db8::7"}},
    {.name = "loop.test.", .type = LDNS_RR_TYPE_ANY,
     .records = {"loop.test. CNAME pool.test.", "pool.test. CNAME loop.test."}},
    {.name = "half.test.", .type = LDNS_RR_TYPE_A, .rcode = LDNS_RCODE_SERVFAIL},
    {.name = "half.test.", .type = LDNS_RR_TYPE_AAAA},
    {.name = "25.2.0.192.in-addr.arpa.", .type = LDNS_RR_TYPE_PTR,
     .records = {"25.2.0.192.in-addr.arpa. PTR mail.hehuan.test."}},
    {.name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
     .type = LDNS_RR_TYPE_PTR,
     .records = {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. "
                 "PTR six.test."}},
    {.name = "txt.test.", .type = LDNS_RR_TYPE_TXT, .records = {"txt.test. TXT \"one \" \"two\""}},
};

static struct dns_stub stub;
static struct resolver *r;

static void begin(void)
{
    stub_begin(&stub, table, sizeof table / sizeof *table);
    r = resolver_new(&stub.config);
}

static void end(void)
{
    resolver_free(r);
    stub_end(&stub);
}

TestSuite(resolver, .init = begin, .fini = end);

Test(resolver, mx_by_preference_and_of_this_name_only)
{
    struct mx_list l;
    cr_assert_eq(resolver_mx(r, "hehuan.test", &l), DNS_OK);
    cr_assert_eq(l.n, 3);
    cr_assert_str_eq(l.v[0].host, "mail.hehuan.test");
    cr_assert_eq(l.v[0].preference, 5);
    cr_assert_str_eq(l.v[1].host, "mail1.hehuan.test");
    cr_assert_eq(l.v[2].preference, 65535);
    mx_list_free(&l);
}

Test(resolver, null_mx_is_an_empty_host)
{
    struct mx_list l;
    cr_assert_eq(resolver_mx(r, "null.test", &l), DNS_OK);
    cr_assert_eq(l.n, 1);
    cr_assert_str_eq(l.v[0].host, "");
    mx_list_free(&l);
}

Test(resolver, four_outcomes_are_told_apart)
{
    struct { const char *name; enum dns_status status; } cases[] = {
        {"nodata.test", DNS_NODATA}, {"nosuch.test", DNS_NXDOMAIN}, {"fail.test", DNS_TEMPFAIL},
        {"silent.test", DNS_TEMPFAIL}, {"wrong.test", DNS_TEMPFAIL},
        {"garbage.test", DNS_TEMPFAIL}, {"lame.test", DNS_TEMPFAIL}, {"loop.test", DNS_TEMPFAIL},
        {"old.test", DNS_OK}, {"", DNS_NXDOMAIN}, {"a\\.test", DNS_NXDOMAIN},
        {"x..test", DNS_NXDOMAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mx_list l;
        enum dns_status status = resolver_mx(r, cases[i].name, &l);
        cr_expect_eq(status, cases[i].status, "%s: %s", cases[i].name, dns_status_text(status));
        mx_list_free(&l);
    }
}

Test(resolver, truncation_leads_to_tcp)
{
    struct mx_list l;
    cr_assert_eq(resolver_mx(r, "big.test", &l), DNS_OK);
    cr_assert_eq(l.n, 2);
    cr_assert_eq(stub.asked_tcp, 1);
    mx_list_free(&l);
}

Test(resolver, addresses_ipv6_first_and_through_aliases)
{
    struct addr_list l;
    char text[64];
    cr_assert_eq(resolver_addresses(r, "far.test", &l), DNS_OK);
    cr_assert_eq(l.n, 2);
    netaddr_host(&l.v[0], text);
    cr_assert_str_eq(text, "2001:db8::7");
    addr_list_free(&l);
    cr_assert_eq(resolver_addresses(r, "away.test", &l), DNS_OK);
    cr_assert_eq(l.n, 2);
    addr_list_free(&l);
    int before = stub.asked;
    cr_assert_eq(resolver_addresses(r, "alias.test", &l), DNS_OK);
    netaddr_host(&l.v[l.n - 1], text);
    cr_assert_str_eq(text, "192.0.2.7");
    addr_list_free(&l);
    /* The A was in the answer already; for AAAA its name was asked. */
    cr_assert_eq(stub.asked - before, 3);
}

Test(resolver, half_an_answer_is_a_temporary_failure)
{
    struct addr_list l;
    cr_assert_eq(resolver_addresses(r, "half.test", &l), DNS_TEMPFAIL);
    addr_list_free(&l);
}

Test(resolver, equal_preferences_come_in_any_order)
{
    static const struct stub_entry equal[] = {
        {.name = "e.test.", .type = LDNS_RR_TYPE_MX,
         .records = {"e.test. MX 7 a.test.", "e.test. MX 7 b.test."}}};
    int a_first = 0;
    stub.table = equal;
    stub.n = 1;
    for (int i = 0; i < 64; i++) {
        struct mx_list l;
        cr_assert_eq(resolver_mx(r, "e.test", &l), DNS_OK);
        a_first += strcmp(l.v[0].host, "a.test") == 0;
        mx_list_free(&l);
    }
    cr_assert(a_first > 5 && a_first < 59, "%d of 64", a_first);
}

Test(resolver, reverse_names_and_texts)
{
    struct netaddr a;
    struct name_list l;
    netaddr_parse(&a, SLICE("192.0.2.25"), 0);
    cr_assert_eq(resolver_ptr(r, &a, &l), DNS_OK);
    cr_assert_str_eq(l.v[0], "mail.hehuan.test");
    name_list_free(&l);
    netaddr_parse(&a, SLICE("2001:db8::1"), 0);
    cr_assert_eq(resolver_ptr(r, &a, &l), DNS_OK);
    cr_assert_str_eq(l.v[0], "six.test");
    name_list_free(&l);
    cr_assert_eq(resolver_txt(r, "txt.test", &l), DNS_OK);
    cr_assert_str_eq(l.v[0], "one two");
    name_list_free(&l);
}

Test(resolver, the_second_server_is_asked_when_the_first_is_of_no_use)
{
    struct netaddr two[2] = {stub.address, stub.address};
    struct mx_list l;
    netaddr_parse(&two[0], SLICE("127.0.0.1"), 1);     /* nobody there: refused at once */
    struct config c = stub.config;
    c.nameservers = two;
    c.nameserver_count = 2;
    struct resolver *both = resolver_new(&c);
    cr_assert_eq(resolver_mx(both, "hehuan.test", &l), DNS_OK);
    mx_list_free(&l);
    resolver_free(both);
}
