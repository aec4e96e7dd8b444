#include "world.h"

Test(name, text_becomes_wire_form)
{
    const uint8_t *n = name_of("Mail.hehuan.test.");
    cr_assert_arr_eq(n, "\4Mail\6hehuan\4test", 18);
    cr_assert_eq(name_len(n), 18);
    cr_assert_eq(name_labels(n), 3);
    cr_assert_eq(name_len(name_of(".")), 1);
}

Test(name, relative_names_stand_under_the_origin)
{
    uint8_t n[NAME_MAX_LEN];
    cr_assert(name_parse(SLICE("mail"), name_of("hehuan.test"), n));
    cr_assert(name_equal(n, name_of("mail.hehuan.test")));
    cr_assert(name_parse(SLICE("@"), name_of("hehuan.test"), n));
    cr_assert(name_equal(n, name_of("hehuan.test")));
    cr_assert(name_parse(SLICE("mail."), name_of("hehuan.test"), n));
    cr_assert(name_equal(n, name_of("mail")));
}

Test(name, escapes)
{
    uint8_t n[NAME_MAX_LEN];
    cr_assert(name_parse(SLICE("a\\.b\\046\\\\.test"), NULL, n));
    cr_assert_arr_eq(n, "\5a.b.\\\4test", 12);
    struct buf b = {0};
    buf_add_name(&b, n);
    cr_assert_str_eq(buf_str(&b), "a\\.b\\.\\\\.test");
    buf_free(&b);
}

Test(name, bad_text_is_refused)
{
    static const char *const bad[] = {"", "..", ".a", "a..b", "\\", "a\\25", "a\\256",
        "1234567890123456789012345678901234567890123456789012345678901234.test"};
    uint8_t n[NAME_MAX_LEN];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(name_parse(slice_str(bad[i]), NULL, n), "%s", bad[i]);
}

Test(name, length_ends_at_255_octets)
{
    struct buf b = {0};
    uint8_t n[NAME_MAX_LEN];
    for (int i = 0; i < 127; i++)
        buf_add_str(&b, "a.");
    cr_assert(name_parse(buf_slice(&b), NULL, n));      /* 127 labels and the root: 255 octets */
    cr_assert_eq(name_len(n), 255);
    uint8_t wildcard[NAME_MAX_LEN];
    cr_assert_not(name_wildcard(n, wildcard));
    buf_add_str(&b, "a.");
    cr_assert_not(name_parse(buf_slice(&b), NULL, n));
    buf_truncate(&b, 252);
    buf_add_str(&b, "aaa.");
    cr_assert_not(name_parse(buf_slice(&b), NULL, n));
    buf_free(&b);
}

Test(name, case_does_not_count)
{
    cr_assert(name_equal(name_of("MAIL.test"), name_of("mail.TEST")));
    cr_assert_eq(name_hash(name_of("MAIL.test")), name_hash(name_of("mail.TEST")));
    cr_assert_not(name_equal(name_of("mail.test"), name_of("mai.ltest")));
    cr_assert(name_is_under(name_of("a.MAIL.test"), name_of("mail.test")));
    cr_assert(name_is_under(name_of("mail.test"), name_of("mail.test")));
    cr_assert(name_is_under(name_of("mail.test"), name_of(".")));
    cr_assert_not(name_is_under(name_of("xmail.test"), name_of("mail.test")));
    cr_assert_not(name_is_under(name_of("test"), name_of("mail.test")));
}

static bool read_at(const char *packet, size_t n, size_t pos, uint8_t out[NAME_MAX_LEN])
{
    return name_read(slice_of(packet, n), &pos, out);
}

Test(name, compressed_names)
{
    static const char packet[] = "\4test\0\1a\xc0\0\1b\xc0\6";
    uint8_t n[NAME_MAX_LEN];
    size_t pos = 10;
    cr_assert(name_read(slice_of(packet, 14), &pos, n));
    cr_assert(name_equal(n, name_of("b.a.test")));
    cr_assert_eq(pos, 14);
}

Test(name, hostile_compression_is_refused)
{
    uint8_t n[NAME_MAX_LEN];
    cr_expect_not(read_at("\xc0\0", 2, 0, n), "itself");
    cr_expect_not(read_at("\1a\xc0\0", 4, 0, n), "its own beginning");
    cr_expect_not(read_at("\3\0xy\xc0\1", 6, 0, n), "into its own labels");
    cr_expect_not(read_at("\xc0\2\xc0\0", 4, 0, n), "forwards");
    cr_expect_not(read_at("\xc0\2\xc0\0", 4, 2, n), "to and fro");
    cr_expect_not(read_at("\xc0", 1, 0, n), "cut pointer");
    cr_expect_not(read_at("\3ab", 3, 0, n), "cut label");
    cr_expect_not(read_at("\1a", 2, 0, n), "no root");
    cr_expect_not(read_at("\x80" "a", 2, 0, n), "reserved type 10");
    cr_expect_not(read_at("\x41" "a", 2, 0, n), "reserved type 01");
    cr_expect_not(read_at("", 0, 0, n), "nothing");
}

/* A label repeated through pointers would grow without end if only pointers were counted. */
Test(name, pointers_cannot_make_a_name_too_long)
{
    char packet[1024];
    size_t at = 0, before = 0;
    memset(packet, 'x', sizeof packet);
    packet[at++] = 0;
    for (int i = 0; i < 9; i++) {
        size_t here = at;
        packet[at] = 60;
        at += 61;
        put16((uint8_t *)packet + at, 0xc000u | (unsigned)before);
        at += 2;
        before = here;
    }
    uint8_t n[NAME_MAX_LEN];
    cr_assert(read_at(packet, at, 1 + 3 * 63, n));         /* four labels of 60 */
    cr_assert_eq(name_len(n), 245);
    cr_assert_not(read_at(packet, at, 1 + 4 * 63, n));
}
