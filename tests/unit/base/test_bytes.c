/* slice.h, buf.h, timing.h, net.h */
#include "base/buf.h"
#include "base/net.h"
#include "base/timing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

Test(slice, parts_stay_inside)
{
    struct slice s = SLICE("hello");
    cr_assert(slice_eq_str(slice_sub(s, 1, 3), "el"));
    cr_assert_eq(slice_sub(s, 4, 99).n, 1);
    cr_assert_eq(slice_sub(s, 99, 4).n, 0);
    cr_assert_eq(slice_sub(slice_of(NULL, 0), 1, 2).n, 0);
}

Test(slice, folds_ascii_only)
{
    cr_assert(slice_ieq_str(SLICE("MaIl.TEST"), "mail.test"));
    cr_assert_not(slice_ieq_str(SLICE("\xC4"), "\xE4"));
    cr_assert_not(slice_ieq_str(SLICE("@"), "`"));
    cr_assert(slice_istarts(SLICE("mail from:<>"), SLICE("MAIL FROM:")));
    cr_assert_not(slice_istarts(SLICE("MAIL"), SLICE("MAIL FROM:")));
}

Test(slice, fields_and_words)
{
    struct slice rest = SLICE("a,,b"), f;
    cr_assert(slice_next(&rest, ',', &f) && slice_eq_str(f, "a"));
    cr_assert(slice_next(&rest, ',', &f) && f.n == 0);
    cr_assert(slice_next(&rest, ',', &f) && slice_eq_str(f, "b"));
    cr_assert_not(slice_next(&rest, ',', &f));
    rest = SLICE("  RCPT\t x ");
    cr_assert(slice_word(&rest, &f) && slice_eq_str(f, "RCPT"));
    cr_assert(slice_word(&rest, &f) && slice_eq_str(f, "x"));
    cr_assert_not(slice_word(&rest, &f));
}

Test(slice, numbers)
{
    static const struct { const char *text; bool ok; uint64_t value; } cases[] = {
        {"0", true, 0}, {"100", true, 100}, {"101", false, 0}, {"", false, 0}, {"-1", false, 0},
        {"+1", false, 0}, {" 1", false, 0}, {"1x", false, 0}, {"18446744073709551616", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t v = 0;
        cr_assert_eq(slice_number(slice_str(cases[i].text), 100, &v), cases[i].ok, "%s", cases[i].text);
        cr_assert_eq(v, cases[i].value);
    }
}

Test(buf, adds_a_part_of_itself_while_growing)
{
    struct buf b = {0};
    buf_add_str(&b, "0123456789");
    for (int i = 0; i < 8; i++)
        buf_add(&b, b.data, b.len);
    cr_assert_eq(b.len, 2560);
    cr_assert_eq(memcmp(b.data + 2550, "0123456789", 10), 0);
    buf_drop(&b, 2555);
    cr_assert_str_eq(buf_str(&b), "56789");
    buf_free(&b);
}

Test(buf, printf_longer_than_the_room)
{
    struct buf b = {0};
    buf_printf(&b, "%0300d|%s", 7, "end");
    cr_assert_eq(b.len, 304);
    cr_assert(slice_ends(buf_slice(&b), SLICE("7|end")));
    buf_free(&b);
}

Test(buf, escapes)
{
    struct buf b = {0};
    buf_add_escaped(&b, SLICE("a\r\n\t\\\0\x7f\xff"));
    cr_assert_str_eq(buf_str(&b), "a\\r\\n\\t\\\\\\0\\x7F\\xFF");
    buf_clear(&b);
    buf_add_json(&b, SLICE("q\"\\ \xC3\xA9 \xE9 \xC0\xAF \xED\xA0\x80 \1"));
    cr_assert_str_eq(buf_str(&b),
                     "\"q\\\"\\\\ \xC3\xA9 \\u00e9 \\u00c0\\u00af \\u00ed\\u00a0\\u0080 \\u0001\"");
    buf_free(&b);
}

Test(buf, file_over_the_limit)
{
    struct buf b = {0};
    cr_assert_eq(buf_read_file(&b, "/proc/self/exe", 100), -1);
    cr_assert_eq(errno, EFBIG);
    cr_assert_eq(b.len, 0);
    buf_free(&b);
}

Test(timing, durations_and_sizes)
{
    int64_t ms;
    uint64_t n;
    cr_assert(parse_duration_ms(SLICE("250ms"), &ms) && ms == 250);
    cr_assert(parse_duration_ms(SLICE("5d"), &ms) && ms == 432000000);
    cr_assert(parse_duration_ms(SLICE("7"), &ms) && ms == 7000);
    cr_assert_not(parse_duration_ms(SLICE("5 m"), &ms));
    cr_assert_not(parse_duration_ms(SLICE("9223372036854775807d"), &ms));
    cr_assert(parse_size(SLICE("50M"), &n) && n == 52428800);
    cr_assert_not(parse_size(SLICE("M"), &n));
}

Test(timing, date_of_rfc5322)
{
    setenv("TZ", "UTC", 1);
    struct buf b = {0};
    buf_add_rfc5322_date(&b, 1764000000LL * 1000000);
    cr_assert_str_eq(buf_str(&b), "Mon, 24 Nov 2025 16:00:00 +0000");
    buf_free(&b);
}

Test(net, addresses)
{
    struct netaddr a, b;
    char text[160], host[64];
    cr_assert(netaddr_parse(&a, SLICE("2001:db8::25"), 25));
    netaddr_text(&a, text);
    cr_assert_str_eq(text, "[2001:db8::25]:25");
    cr_assert(netaddr_parse(&a, SLICE("::ffff:192.0.2.1"), 1));
    cr_assert(netaddr_parse(&b, SLICE("192.0.2.1"), 2));
    cr_assert(netaddr_same_host(&a, &b));
    netaddr_host(&a, host);
    cr_assert_str_eq(host, "192.0.2.1");
    cr_assert_not(netaddr_parse(&a, SLICE("192.0.2"), 0));
    cr_assert_not(netaddr_parse(&a, SLICE("192.0.2.1\0"), 0));
    cr_assert(netaddr_parse(&a, SLICE("unix:/run/x"), 0) && a.sa.sa_family == AF_UNIX);
}

Test(net, blocks)
{
    struct netblock n;
    struct netaddr in, out;
    cr_assert(netblock_parse(&n, SLICE("198.51.100.0/23")));
    netaddr_parse(&in, SLICE("198.51.101.255"), 0);
    netaddr_parse(&out, SLICE("198.51.102.0"), 0);
    cr_assert(netblock_has(&n, &in) && !netblock_has(&n, &out));
    cr_assert(netblock_parse(&n, SLICE("2001:db8::/33")));
    netaddr_parse(&in, SLICE("2001:db8:7fff::1"), 0);
    netaddr_parse(&out, SLICE("2001:db8:8000::1"), 0);
    cr_assert(netblock_has(&n, &in) && !netblock_has(&n, &out));
    cr_assert_not(netblock_parse(&n, SLICE("192.0.2.0/33")));
    cr_assert_not(netblock_parse(&n, SLICE("192.0.2.0/")));
}
