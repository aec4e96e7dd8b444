/* The grammar of RFC 5321 4.1.2 and 4.1.3. */
#include "reference/message/address.h"

#include <criterion/criterion.h>

struct row {
    const char *text;        /* the argument after "FROM:" or "TO:" */
    const char *address, *local, *domain, *rest;
};

static void check(const struct row *rows, size_t n, bool null_allowed, bool postmaster_allowed)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct path p;
        struct slice rest = SLICE("untouched");
        enum address_error err =
            path_parse(slice_str(r->text), null_allowed, postmaster_allowed, &p, &rest);
        cr_assert_eq(err, ADDRESS_OK, "%s gave %d", r->text, err);
        cr_assert_str_eq(p.address, r->address);
        cr_assert_str_eq(p.local, r->local);
        cr_assert_str_eq(p.domain, r->domain);
        cr_assert(slice_eq_str(rest, r->rest), "%s left %.*s", r->text, SLICE_ARG(rest));
        path_free(&p);
    }
}

#define CHECK(rows, null_allowed, postmaster_allowed) \
    check(rows, sizeof rows / sizeof *rows, null_allowed, postmaster_allowed)

Test(address, paths)
{
    static const struct row rows[] = {
        {"<tom@hehuan.test>", "tom@hehuan.test", "tom", "hehuan.test", ""},
        {"<tom@hehuan.test> SIZE=1", "tom@hehuan.test", "tom", "hehuan.test", " SIZE=1"},
        {"<a.b@x>y", "a.b@x", "a.b", "x", "y"},
        {"<!#$%&'*+-/=?^_`{|}~@x.y>", "!#$%&'*+-/=?^_`{|}~@x.y",
         "!#$%&'*+-/=?^_`{|}~", "x.y", ""},
        {"<\"a b\"@x>", "\"a b\"@x", "a b", "x", ""},
        {"<\"a\\\"b\\\\\"@x>", "\"a\\\"b\\\\\"@x", "a\"b\\", "x", ""},
        {"<\">\"@x>", "\">\"@x", ">", "x", ""},
        {"<\"\"@x>", "\"\"@x", "", "x", ""},
        {"<@a.b:tom@x>", "tom@x", "tom", "x", ""},
        {"<@a.b,@c:tom@x>", "tom@x", "tom", "x", ""},
        {"<tom@[192.0.2.1]>", "tom@[192.0.2.1]", "tom", "[192.0.2.1]", ""},
        {"<tom@[ipv6:2001:DB8::1]>", "tom@[ipv6:2001:DB8::1]", "tom",
         "[ipv6:2001:DB8::1]", ""},
    };
    CHECK(rows, false, false);
}

static void check_bad(struct slice text, bool null_allowed, bool postmaster_allowed)
{
    struct path p;
    struct slice rest;
    enum address_error err = path_parse(text, null_allowed, postmaster_allowed, &p, &rest);
    cr_assert_eq(err, ADDRESS_SYNTAX, "%.*s gave %d", SLICE_ARG(text), err);
    cr_assert_null(p.address);
}

Test(address, what_is_no_path)
{
    static const char *const rows[] = {
        "", "<", "<>", "tom@x", "<tom@x", "<tom>", "<@x>", "<tom@>", "<tom@x.>", "<tom@.x>",
        "<tom@x..y>", "<t m@x>", "<.tom@x>", "<tom.@x>", "<t..m@x>", "<\"tom@x>", "<\"tom\\\"@x>",
        "<\"tom\"x@x>", "<x\"tom\"@x>", "<\"a\tb\"@x>", "<\"a\\\tb\"@x>", "<t\xf6m@x>",
        "<tom@\xc3\xb6-.x>", "<a@b@c>", "<a@b,c@d>", "<tom@a_b>", "<tom@-a>", "<tom@a->",
        "<tom@#1>", "<@a.b tom@x>", "<@a.b,c:tom@x>", "<@a.b:>", "<@:tom@x>", "<a@[1.2.3>",
        "<postmaster>",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_bad(slice_str(rows[i]), false, false);
    check_bad(SLICE("<\"a\0b\"@x>"), false, false);
    check_bad(SLICE("<tom\0@x>"), false, false);
    check_bad(slice_of(NULL, 0), true, true);
}

Test(address, the_null_path_and_the_bare_postmaster)
{
    static const struct row mail[] = {{"<> X", "", "", "", " X"}};
    static const struct row rcpt[] = {
        {"<PostMaster>", "postmaster", "postmaster", "", ""}};
    CHECK(mail, true, false);
    CHECK(rcpt, false, true);
    check_bad(SLICE("<postmaster>"), true, false);
    check_bad(SLICE("< >"), true, false);
    check_bad(SLICE("<>"), false, true);
    check_bad(SLICE("<postmasters>"), false, true);
    check_bad(SLICE("<postmaster@>"), false, true);
}

/* "<", `local` octets, "@", labels of 63 octets and a last one of `last` octets, ">" */
static enum address_error parse_lengths(int local, int labels, int last, size_t *total)
{
    struct buf b = {0};
    struct path p;
    struct slice rest;
    buf_add_byte(&b, '<');
    for (int i = 0; i < local; i++)
        buf_add_byte(&b, 'l');
    buf_add_byte(&b, '@');
    for (int i = 0; i < labels; i++)
        buf_printf(&b, "%063d.", 1);
    for (int i = 0; i < last; i++)
        buf_add_byte(&b, 'd');
    buf_add_byte(&b, '>');
    enum address_error err = path_parse(buf_slice(&b), false, false, &p, &rest);
    *total = b.len;
    path_free(&p);
    buf_free(&b);
    return err;
}

Test(address, lengths_of_rfc_5321_4_5_3_1)
{
    size_t total;
    cr_assert_eq(parse_lengths(64, 0, 63, &total), ADDRESS_OK);
    cr_assert_eq(parse_lengths(65, 0, 63, &total), ADDRESS_LOCAL_LONG);
    cr_assert_eq(parse_lengths(1, 0, 64, &total), ADDRESS_SYNTAX); /* a label: RFC 1035 2.3.4 */
    cr_assert_eq(parse_lengths(1, 3, 60, &total), ADDRESS_OK);
    cr_assert_eq(total, 256);
    cr_assert_eq(parse_lengths(1, 3, 61, &total), ADDRESS_PATH_LONG);
    cr_assert_eq(parse_lengths(1, 3, 63, &total), ADDRESS_PATH_LONG); /* domain of 255 */
    cr_assert_eq(parse_lengths(1, 4, 1, &total), ADDRESS_DOMAIN_LONG);
}

Test(address, literals)
{
    static const struct { const char *text, *host; } good[] = {
        {"[192.0.2.25]", "192.0.2.25"}, {"[192.000.002.025]", "192.0.2.25"},
        {"[IPv6:2001:db8::25]", "2001:db8::25"}, {"[IPV6:2001:DB8:0:0:0:0:0:1]", "2001:db8::1"},
        {"[IPv6:::]", "::"}, {"[IPv6:::ffff:192.0.2.1]", "192.0.2.1"},
        {"[IPv6:1:2:3:4:5:6::]", "1:2:3:4:5:6::"}, {"[IPv6:1:2:3:4:5:6:192.0.2.1]",
         "1:2:3:4:5:6:c000:201"},
    };
    static const char *const bad[] = {
        "", "[", "[]", "192.0.2.25", "[192.0.2]", "[192.0.2.256]", "[192.0.2.1.1]",
        "[192.0.2.0001]",
        "[192.0.2.+1]", "[192.0.2.]", "[ 192.0.2.1]", "[2001:db8::1]", "[IPv6:]", "[IPv6:1:2]",
        "[IPv6:192.0.2.1]", "[IPv6:1::2::3]", "[IPv6:12345::]", "[IPv6:1:2:3:4:5:6:7::]",
        "[IPv6:fe80::1%eth0]", "[IPv6:unix:/x]", "[unix:/x]", "[x:y]", "[192.0.2.1]x",
    };
    struct netaddr a;
    char host[64];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(address_literal_parse(slice_str(good[i].text), &a), "%s", good[i].text);
        netaddr_host(&a, host);
        cr_assert_str_eq(host, good[i].host);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(address_literal_parse(slice_str(bad[i]), &a), "%s", bad[i]);
}

Test(address, domains)
{
    static const char *const good[] = {"a", "1", "a-b.c--d", "3com.test", "A.B"};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b",
                                      "[1.2.3.4]",
                                      "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(domain_valid(slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(domain_valid(slice_str(bad[i])), "%s", bad[i]);
    cr_assert_not(domain_valid(SLICE("a\0b")));
}

Test(address, mailboxes_for_operators)
{
    struct path p;
    cr_assert_eq(mailbox_parse(SLICE("tom@hehuan.test"), &p), ADDRESS_OK);
    cr_assert_str_eq(p.local, "tom");
    path_free(&p);
    static const char *const bad[] = {"", "tom", "tom@hehuan.test ", "<tom@x>", "@r:tom@x",
                                      "a@b@c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(mailbox_parse(slice_str(bad[i]), &p), ADDRESS_SYNTAX, "%s", bad[i]);
}

Test(address, all_quoted_forms_are_the_same)
{
    static const struct { const char *in, *out; } rows[] = {
        {"tom@x", "tom@x"}, {"\"tom\"@x", "tom@x"}, {"\"t\\om\"@x", "tom@x"},
        {"\"a.b\"@x", "a.b@x"}, {"\"a..b\"@x", "\"a..b\"@x"}, {"\".a\"@x", "\".a\"@x"},
        {"\"a b\"@x", "\"a b\"@x"}, {"\"a\\ b\"@x", "\"a b\"@x"}, {"\"\"@x", "\"\"@x"},
        {"\"a\\\"\\\\\"@x", "\"a\\\"\\\\\"@x"}, {"\"a@b\"@[192.0.2.1]", "\"a@b\"@[192.0.2.1]"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct path p;
        struct buf b = {0};
        cr_assert_eq(mailbox_parse(slice_str(rows[i].in), &p), ADDRESS_OK);
        path_canonical(&p, &b);
        cr_assert_str_eq(buf_str(&b), rows[i].out);
        buf_free(&b);
        path_free(&p);
    }
}

Test(address, other_scripts)
{
    struct path p;
    struct slice rest;
    cr_assert_eq(path_parse(SLICE("<gr\xc3\xbcn@b\xc3\xbc" "cher.test>"), false, false, &p, &rest), ADDRESS_OK);
    cr_expect(p.utf8);
    cr_expect_str_eq(p.address, "gr\xc3\xbcn@b\xc3\xbc" "cher.test");
    cr_expect_str_eq(p.domain, "xn--bcher-kva.test");
    path_free(&p);
    cr_assert_eq(path_parse(SLICE("<tom@hehuan.test>"), false, false, &p, &rest), ADDRESS_OK);
    cr_expect_not(p.utf8);
    path_free(&p);
    cr_expect_not(domain_valid(SLICE("b\xc3\xbc" "cher.test")));   /* in EHLO: A-labels */
}
