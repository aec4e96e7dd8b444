/* The parallel look-ups, the cache, client names and lists against a DNS server of the test's own. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/policy/dnsbl.h"
#include "reference/policy/reverse.h"
#include "tests/unit/resolver/dns_stub.h"

#include <criterion/criterion.h>

static const struct stub_entry table[] = {
    {"a.test.", LDNS_RR_TYPE_A, 0, {"a.test. 300 A 192.0.2.1", "a.test. 100 A 192.0.2.2"}, 0},
    {"alias.test.", LDNS_RR_TYPE_A, 0, {"alias.test. 50 CNAME a.test.", "a.test. 300 A 192.0.2.1"}, 0},
    {"zero.test.", LDNS_RR_TYPE_A, 0, {"zero.test. 0 A 192.0.2.1"}, 0},
    {"silent.test.", LDNS_RR_TYPE_A, 0, {NULL}, SILENT},
    {"forged.test.", LDNS_RR_TYPE_A, 0, {"forged.test. 300 A 192.0.2.66"}, WRONG_ID},
    {"large.test.", LDNS_RR_TYPE_A, 0, {"large.test. 300 A 192.0.2.9"}, TRUNCATED},
    {"old.test.", LDNS_RR_TYPE_A, 0, {"old.test. 300 A 192.0.2.10"}, EDNS_UNKNOWN},
    {"7.100.51.198.in-addr.arpa.", LDNS_RR_TYPE_PTR, 0,
     {"7.100.51.198.in-addr.arpa. 60 PTR wrong.test.", "7.100.51.198.in-addr.arpa. 60 PTR c.test."}, 0},
    {"c.test.", LDNS_RR_TYPE_A, 0, {"c.test. 60 A 198.51.100.7"}, 0},
    {"8.100.51.198.in-addr.arpa.", LDNS_RR_TYPE_PTR, 0,
     {"8.100.51.198.in-addr.arpa. 60 PTR silent.test."}, 0},
};

static struct dns_stub stub;
static struct resolver *resolver;

static void begin(void)
{
    stub_begin(&stub, table, sizeof table / sizeof *table);
    stub.config.dns_timeout = 300;
    stub.config.dns_tries = 1;
    resolver = resolver_new(&stub.config);
}

static void end(void)
{
    resolver_free(resolver);
    stub_end(&stub);
}

TestSuite(lookups, .init = begin, .fini = end);

Test(lookups, together_until_the_deadline)
{
    static const char *const names[] = {"a.test", "silent.test", "forged.test", "large.test", "old.test",
                                        "alias.test", "none.test", "not..a.name"};
    static const enum dns_status wanted[] = {DNS_OK, DNS_TEMPFAIL, DNS_TEMPFAIL, DNS_OK, DNS_OK, DNS_OK,
                                             DNS_NXDOMAIN, DNS_NXDOMAIN};
    struct lookup q[8];
    for (int i = 0; i < 8; i++)
        lookup_set(&q[i], LOOKUP_A, "%s", names[i]);
    int64_t start = mono_ms();
    resolver_lookups(resolver, NULL, q, 8, start + 1500);
    cr_assert_lt(mono_ms() - start, 1200, "one after the other");
    for (int i = 0; i < 8; i++)
        cr_assert_eq(q[i].status, wanted[i], "%s: %s", names[i], dns_status_text(q[i].status));
    cr_assert_eq(q[0].addresses.n, 2);
    cr_assert_eq(q[0].ttl, 100);         /* the least of the set */
    cr_assert_eq(q[5].ttl, 50);          /* and of the alias that led there */
    cr_assert_gt(strlen(q[1].why), 0);
    for (int i = 0; i < 8; i++)
        lookup_free(&q[i]);
}

Test(lookups, cache_keeps_what_may_be_kept)
{
    struct dns_cache *cache = dns_cache_new(100);
    static const struct { const char *name; int asked; } rows[] = {
        {"a.test", 1}, {"A.TEST", 1}, {"zero.test", 3}, {"zero.test", 4}};
    struct lookup q;
    int before = stub.asked;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lookup_set(&q, LOOKUP_A, "%s", rows[i].name);
        resolver_lookups(resolver, cache, &q, 1, mono_ms() + 1000);
        cr_assert_eq(q.status, DNS_OK);
        cr_assert_eq(stub.asked - before, i < 2 ? 1 : (int)i, "%s", rows[i].name);
        lookup_free(&q);
    }
    dns_cache_free(cache);
}

Test(lookups, cache_is_bounded)
{
    struct dns_cache *cache = dns_cache_new(16);
    struct lookup q;
    for (int i = 0; i < 5000; i++) {
        lookup_set(&q, LOOKUP_A, "h%d.test", i);
        q.ttl = 60;
        dns_cache_put(cache, &q);
        lookup_free(&q);
    }
    lookup_set(&q, LOOKUP_A, "h4999.test");
    cr_assert(dns_cache_get(cache, &q));
    lookup_free(&q);
    int kept = 0;
    for (int i = 0; i < 5000; i++) {
        lookup_set(&q, LOOKUP_A, "h%d.test", i);
        kept += dns_cache_get(cache, &q);
        lookup_free(&q);
    }
    cr_assert_leq(kept, 20);
    dns_cache_free(cache);
}

Test(lookups, names_of_clients)
{
    static const struct { const char *client; enum reverse_status status; const char *name; } rows[] = {
        {"198.51.100.7", REVERSE_PASS, "c.test"},
        {"::ffff:198.51.100.7", REVERSE_PASS, "c.test"},
        {"198.51.100.8", REVERSE_TEMPORARY, "silent.test"},
        {"198.51.100.9", REVERSE_NONE, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct netaddr client;
        struct reverse v;
        netaddr_parse(&client, slice_str(rows[i].client), 0);
        reverse_check(resolver, NULL, &client, mono_ms() + 1000, &v);
        cr_assert_eq(v.status, rows[i].status, "%s: %s", rows[i].client, v.why);
        cr_assert_str_eq(v.name ? v.name : "-", rows[i].name ? rows[i].name : "-");
        reverse_free(&v);
    }
}

Test(dnsbl, codes)
{
    struct dnsbl_code range = {CODE_RANGE, 0x7f000004, 0x7f000008}, mask = {CODE_MASK, 6, 0};
    struct dnsbl_conf any = {0}, ranged = {.codes = &range, .code_count = 1},
                      masked = {.codes = &mask, .code_count = 1};
    static const struct { const char *answer; bool any, ranged, masked; } rows[] = {
        {"127.0.0.2", true, false, true},  {"127.0.0.4", true, true, true},
        {"127.0.0.8", true, true, false},  {"127.0.0.9", true, false, false},
        {"192.0.2.6", true, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct netaddr a;
        char code[64] = "";
        netaddr_parse(&a, slice_str(rows[i].answer), 0);
        struct addr_list l = {&a, 1};
        cr_assert_eq(dnsbl_counts(&any, &l, code), rows[i].any);
        cr_assert_str_eq(code, rows[i].answer);
        cr_assert_eq(dnsbl_counts(&ranged, &l, code), rows[i].ranged, "%s", rows[i].answer);
        cr_assert_eq(dnsbl_counts(&masked, &l, code), rows[i].masked, "%s", rows[i].answer);
    }
}

Test(lookups, reversed_addresses)
{
    static const struct { const char *address, *labels; } rows[] = {
        {"198.51.100.7", "7.100.51.198"},
        {"::ffff:198.51.100.7", "7.100.51.198"},
        {"2001:db8::7", "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct netaddr a;
        struct buf b = {0};
        netaddr_parse(&a, slice_str(rows[i].address), 0);
        lookup_reversed(&a, &b);
        cr_assert_str_eq(buf_str(&b), rows[i].labels);
        buf_free(&b);
    }
}
