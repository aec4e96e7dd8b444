#include "world.h"

#include "base/mem.h"

static const char text[] =
    "@ MX 5 mail\n@ MX 10 mail1\nmail A 192.0.2.25\nmail1 A 192.0.2.26\nalias CNAME mail\n"
    "*.wild MX 5 mail\nhost.wild A 192.0.2.1\ndeep.ent A 192.0.2.2\nsub NS ns.sub\n"
    "ns.sub A 192.0.2.53\nold DNAME new\n";

static struct found find(const struct zone *z, const char *name, uint16_t type)
{
    return zone_find(z, name_of(name), type);
}

Test(zone, look_up)
{
    static const struct { const char *name; uint16_t type; enum found_kind kind; } cases[] = {
        {"w.test", TYPE_MX, FOUND_DATA}, {"w.test", TYPE_TXT, FOUND_NODATA},
        {"MAIL.w.test", TYPE_A, FOUND_DATA}, {"mail.w.test", TYPE_AAAA, FOUND_NODATA},
        {"alias.w.test", TYPE_A, FOUND_CNAME}, {"alias.w.test", TYPE_CNAME, FOUND_DATA},
        {"alias.w.test", TYPE_ANY, FOUND_DATA}, {"none.w.test", TYPE_A, FOUND_NXDOMAIN},
        {"ent.w.test", TYPE_A, FOUND_NODATA}, {"ent.w.test", TYPE_ANY, FOUND_NODATA},
        {"x.wild.w.test", TYPE_MX, FOUND_DATA}, {"x.y.wild.w.test", TYPE_MX, FOUND_DATA},
        {"x.wild.w.test", TYPE_A, FOUND_NODATA}, {"wild.w.test", TYPE_MX, FOUND_NODATA},
        {"x.host.wild.w.test", TYPE_MX, FOUND_NXDOMAIN},    /* RFC 4592 2.2.1 */
        {"host.wild.w.test", TYPE_MX, FOUND_NODATA},
        {"sub.w.test", TYPE_A, FOUND_REFERRAL}, {"sub.w.test", TYPE_NS, FOUND_REFERRAL},
        {"ns.sub.w.test", TYPE_A, FOUND_REFERRAL}, {"no.sub.w.test", TYPE_A, FOUND_REFERRAL},
        {"sub.w.test", TYPE_DS, FOUND_NODATA}, {"x.sub.w.test", TYPE_DS, FOUND_REFERRAL},
        {"w.test", TYPE_NS, FOUND_DATA}, {"old.w.test", TYPE_A, FOUND_NODATA},
        {"x.old.w.test", TYPE_A, FOUND_DNAME}, {"old.w.test", TYPE_DNAME, FOUND_DATA},
    };
    struct zone *z = zone_of("w.test", text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(find(z, cases[i].name, cases[i].type).kind, cases[i].kind, "%s %u: %d",
                     cases[i].name, cases[i].type, find(z, cases[i].name, cases[i].type).kind);
    zone_free(z);
}

Test(zone, a_name_lives_as_long_as_something_is_at_or_below_it)
{
    struct zone *z = zone_of("w.test", "a.b.c A 192.0.2.1\nb.c A 192.0.2.2\n");
    size_t records = z->records;
    cr_assert_eq(zone_remove_name(z, name_of("b.c.w.test")), 1);
    cr_assert_eq(find(z, "b.c.w.test", TYPE_A).kind, FOUND_NODATA);
    cr_assert_eq(zone_remove_set(z, name_of("a.b.c.w.test"), TYPE_A), 1);
    cr_assert_eq(find(z, "a.b.c.w.test", TYPE_A).kind, FOUND_NXDOMAIN);
    cr_assert_eq(find(z, "c.w.test", TYPE_A).kind, FOUND_NXDOMAIN);
    cr_assert_eq(z->records, records - 2);
    cr_assert_eq(zone_remove_name(z, name_of("c.w.test")), 0);
    zone_free(z);
}

Test(zone, adding)
{
    struct zone *z = zone_of("w.test", text);
    const uint8_t *mail = name_of("mail.w.test"), *alias = name_of("alias.w.test");
    cr_expect_eq(zone_add(z, mail, record_of("A 192.0.2.99"), false), ADDED);
    cr_expect_eq(zone_add(z, mail, record_of("A 192.0.2.99"), false), ADDED_DUPLICATE);
    cr_expect_eq(node_set(zone_node(z, mail), TYPE_A)->count, 2);
    cr_expect_eq(zone_add(z, mail, record_of("CNAME a."), false), ADDED_CNAME_CONFLICT);
    cr_expect_eq(zone_add(z, alias, record_of("A 192.0.2.1"), false), ADDED_CNAME_CONFLICT);
    cr_expect_eq(zone_add(z, alias, record_of("CNAME a."), false), ADDED_CNAME_CONFLICT);
    cr_expect_eq(zone_add(z, alias, record_of("CNAME MAIL.w.test."), false), ADDED_DUPLICATE);
    cr_expect_eq(zone_add(z, alias, record_of("CNAME a."), true), ADDED);
    cr_expect_eq(node_set(zone_node(z, alias), TYPE_CNAME)->count, 1);
    enum added outside = zone_add(z, name_of("x.test"), record_of("A 192.0.2.1"), false);
    cr_expect_eq(outside, ADDED_OUT_OF_ZONE);
    zone_free(z);
}

/* Data given as octets (RFC 3597 5) must be whole too: who reads names in it trusts it. */
Test(record, octets_that_are_no_data_of_their_type_are_refused)
{
    static const char *const bad[] = {"MX \\# 4 0005c000", "MX \\# 1 00", "NS \\# 2 0161",
        "A \\# 3 010203", "SOA \\# 4 00000000", "SRV \\# 8 000000000019c000", "A", "MX", "MX 5",
        "", "NOTYPE 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct record r;
        struct buf error = {0};
        bool ok = record_parse(slice_str(bad[i]), name_of("x.test"), name_of("."), 60, &r, &error);
        cr_expect_not(ok, "%s", bad[i]);
        cr_expect(ok || error.len > 0);
        if (ok)
            record_free(&r);
        buf_free(&error);
    }
    struct record mx = record_of("MX \\# 5 0005016100");
    cr_assert_str_eq(mx.text, "MX 5 a.");
    record_free(&mx);
}

Test(zone, a_set_has_one_ttl)
{
    struct zone *z = zone_of("w.test", "x 10 A 192.0.2.1\nx 10 A 192.0.2.2\n");
    struct record r = record_of("A 192.0.2.3");
    r.ttl = 99;
    zone_add(z, name_of("x.w.test"), r, false);
    const struct rrset *set = node_set(zone_node(z, name_of("x.w.test")), TYPE_A);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(set->records[i].ttl, 99);
    zone_free(z);
}

Test(zone, many_records_and_removal_one_by_one)
{
    struct zone *z = zone_of("w.test", "");
    size_t before = z->records;
    for (int i = 0; i < 1000; i++) {
        char *ptr = xasprintf("PTR h%d.", i);
        cr_assert_eq(zone_add(z, name_of("p.w.test"), record_of(ptr), false), ADDED);
        free(ptr);
    }
    cr_assert_eq(z->records, before + 1000);
    for (int i = 0; i < 1000; i += 2) {
        char *ptr = xasprintf("PTR H%d.", i);
        struct record r = record_of(ptr);
        cr_assert_eq(zone_remove_record(z, name_of("p.w.test"), &r), 1);
        cr_assert_eq(zone_remove_record(z, name_of("p.w.test"), &r), 0);
        record_free(&r);
        free(ptr);
    }
    cr_assert_eq(node_set(zone_node(z, name_of("p.w.test")), TYPE_PTR)->count, 500);
    zone_free(z);
}

Test(zone, expiry)
{
    struct zone *z = zone_of("w.test", "stays.a A 192.0.2.1\n");
    struct record r = record_of("A 192.0.2.2");
    r.expires = 1000;
    zone_add(z, name_of("x.a.w.test"), r, false);
    r = record_of("A 192.0.2.3");
    r.expires = 2000;
    zone_add(z, name_of("x.a.w.test"), r, false);
    r = record_of("TXT only");
    r.expires = 1000;
    zone_add(z, name_of("y.b.c.w.test"), r, false);
    int64_t next = INT64_MAX;
    cr_assert_eq(zone_expire(z, 999, &next), 0);
    cr_assert_eq(next, 1000);
    next = INT64_MAX;
    cr_assert_eq(zone_expire(z, 1000, &next), 2);
    cr_assert_eq(next, 2000);
    cr_assert_null(zone_node(z, name_of("c.w.test")));
    cr_assert_eq(node_set(zone_node(z, name_of("x.a.w.test")), TYPE_A)->count, 1);
    next = INT64_MAX;
    cr_assert_eq(zone_expire(z, 5000, &next), 1);
    cr_assert_eq(next, INT64_MAX);
    cr_assert_null(zone_node(z, name_of("x.a.w.test")));
    cr_assert_not_null(zone_node(z, name_of("stays.a.w.test")));
    zone_free(z);
}

Test(zone, serials)
{
    struct zone *z = zone_of("w.test", "@ SOA ns h 4294967295 1 2 3 4\n");
    cr_assert_eq(soa_serial(zone_soa(z)), 4294967295u);
    zone_bump_serial(z);
    cr_assert_eq(soa_serial(zone_soa(z)), 1);           /* RFC 2136 4.2: zero is passed over */
    cr_assert_str_eq(zone_soa(z)->text, "SOA ns.w.test. h.w.test. 1 1 2 3 4");
    cr_assert(serial_after(1, 4294967295u));
    cr_assert_not(serial_after(4294967295u, 1));
    cr_assert_not(serial_after(7, 7));
    zone_free(z);
}

Test(zone, canonical_order)
{
    /* The example of RFC 4034 6.1, without its two names that cannot be written as text alike. */
    struct zone *z = zone_of("example", "Z.a A 192.0.2.1\nzABC.a.EXAMPLE. A 192.0.2.1\n"
                             "z A 192.0.2.1\n"
                             "yljkjljk.a A 192.0.2.1\n\\001.z A 192.0.2.1\n*.z A 192.0.2.1\n"
                             "\\200.z A 192.0.2.1\n");
    static const char *const order[] = {"example", "a.example", "yljkjljk.a.example", "Z.a.example",
        "zABC.a.EXAMPLE", "z.example", "\\001.z.example", "*.z.example", "\\200.z.example"};
    struct node **nodes = zone_sorted(z);
    cr_assert_eq(z->nodes.count, 9);
    for (size_t i = 0; i < 9; i++)
        cr_expect(name_equal(nodes[i]->name, name_of(order[i])), "%s", order[i]);
    free(nodes);
    zone_free(z);
}

static void expect_problem(const char *zone_text, const char *message)
{
    struct problems p = {0};
    struct zone *z = zone_read(slice_str(zone_text), "f", name_of("w.test"), false, &p);
    cr_expect_null(z, "%s", zone_text);
    cr_expect_not_null(strstr(buf_str(&p.text), message), "%s gives %s", zone_text,
                       buf_str(&p.text));
    zone_free(z);
    buf_free(&p.text);
}

Test(zone_file, places_and_reasons)
{
    expect_problem("@ 1 SOA ns h 1 2 3 4 5\n@ NS ns\n\n\nx A nope\n", "f:5: \"A nope\"");
    expect_problem("@ 1 SOA ns h (\n1 2\n3 4 5 )\n@ NS ns\nx A nope\n", "f:5: \"A nope\"");
    expect_problem("@ 1 SOA ns h (\n1 2\n3 4\n", "f:1: \"(\" is never closed");
    expect_problem("$INCLUDE /etc/passwd\n", "f:1: $INCLUDE works in files only");
    expect_problem("@ 1 SOA ns h 1 2 3 4 5\n@ NS ns\nx MX 5 \"\n", "f:3: a quoted string");
    expect_problem("@ 1 SOA ns h 1 2 3 4 5\n@ NS ns\nx 1 2 A 192.0.2.1\n", "f:3:");
    expect_problem("@ 1 SOA ns h 1 2 3 4 5\n@ NS ns\nx SOA ns h 1 2 3 4 5\n", "not in this zone");
}

Test(zone_file, too_many_problems_end_the_reading)
{
    struct buf b = {0};
    struct problems p = {0};
    for (int i = 0; i < 10000; i++)
        buf_add_str(&b, "x A nope\n");
    cr_assert_null(zone_read(buf_slice(&b), "f", name_of("w.test"), false, &p));
    cr_assert_eq(p.errors, PROBLEMS_MAX);
    buf_free(&b);
    buf_free(&p.text);
}

static uint32_t ttl_of(const struct zone *z, const char *name)
{
    const struct rrset *set = node_set(zone_node(z, name_of(name)), TYPE_A);
    return set ? set->records[0].ttl : 0;
}

Test(zone_file, times_to_live)
{
    struct problems p = {0};
    static const char zone_text[] =
        "@ SOA ns h 1 2 3 4 77\n@ NS ns\na A 192.0.2.1\nb 1h30m IN A 192.0.2.1\nc A 192.0.2.1\n"
        "d IN 2W A 192.0.2.1\n$TTL 1d\ne A 192.0.2.1\nf 0 A 192.0.2.1\ng A 192.0.2.1\r\n";
    struct zone *z = zone_read(slice_str(zone_text), "f", name_of("w.test"), false, &p);
    cr_assert_not_null(z, "%s", buf_str(&p.text));
    cr_expect_eq(ttl_of(z, "a.w.test"), 77);            /* the SOA's minimum */
    cr_expect_eq(ttl_of(z, "b.w.test"), 5400);
    cr_expect_eq(ttl_of(z, "c.w.test"), 5400);          /* the last one stated */
    cr_expect_eq(ttl_of(z, "d.w.test"), 1209600);
    cr_expect_eq(ttl_of(z, "e.w.test"), 86400);
    cr_expect_eq(ttl_of(z, "f.w.test"), 0);
    cr_expect_eq(ttl_of(z, "g.w.test"), 86400);
    zone_free(z);
    buf_free(&p.text);
}

Test(zone_file, owners_directives_and_escapes)
{
    struct zone *z = zone_of("w.test",
        "a A 192.0.2.1\n  A 192.0.2.2\n$ORIGIN sub\nb A 192.0.2.3\n"
        "$ORIGIN x.w.test.\n@ A 192.0.2.4\n"
        "sp\\ ace A 192.0.2.5\nt TXT \"a;b\" ( c ; comment )\n\"d\" )\n");
    cr_expect_eq(node_set(zone_node(z, name_of("a.w.test")), TYPE_A)->count, 2);
    cr_expect_not_null(zone_node(z, name_of("b.sub.w.test")));
    cr_expect_not_null(node_set(zone_node(z, name_of("x.w.test")), TYPE_A));
    cr_expect_not_null(zone_node(z, name_of("sp\\032ace.x.w.test")));
    cr_expect_str_eq(node_set(zone_node(z, name_of("t.x.w.test")), TYPE_TXT)->records[0].text,
                     "TXT \"a;b\" \"c\" \"d\"");
    zone_free(z);
}
