/* The words of RFC 3461 and RFC 6533. */
#include "reference/message/dsn.h"

#include <criterion/criterion.h>

Test(dsn, notify)
{
    unsigned bits;
    struct buf b = {0};
    cr_assert(notify_parse(SLICE("delay,Success"), &bits));
    cr_assert_eq(bits, NOTIFY_DELAY | NOTIFY_SUCCESS);
    buf_add_notify(&b, bits);
    cr_assert_str_eq(buf_str(&b), "SUCCESS,DELAY");
    buf_free(&b);
    cr_assert(notify_parse(SLICE("never"), &bits));
    const char *const wrong[] = {"", "NEVER,DELAY", "SUCCESS,", ",DELAY", "SOON", "SUCCESS DELAY"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(notify_parse(slice_str(wrong[i]), &bits), "%s", wrong[i]);
}

Test(dsn, xtext)
{
    struct buf b = {0};
    cr_assert(buf_add_unxtext(&b, SLICE("a+2Bb+3D+20c")));
    cr_assert_str_eq(buf_str(&b), "a+b= c");
    buf_free(&b);
    const char *const wrong[] = {"a b", "a=b", "a+2b", "a+2", "a+", "a+0D", "\x7f"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_not(buf_add_unxtext(&b, slice_str(wrong[i])), "%s", wrong[i]);
        buf_free(&b);
    }
    cr_assert(orcpt_valid(SLICE("rfc822;Tom+2Bx@hehuan.test")));
    cr_assert_not(orcpt_valid(SLICE("rfc822;")));
    cr_assert_not(orcpt_valid(SLICE(";x")));
    cr_assert_not(orcpt_valid(SLICE("rfc 822;x")));
}

Test(dsn, addresses_and_their_types)
{
    struct { const char *address; bool ascii; const char *text; } cases[] = {
        {"tom@x.test", true, "rfc822; tom@x.test"},
        {"gr\xc3\xbc+n@x.test", true, "utf-8; gr\\x{FC}\\x{2B}n@x.test"},
        {"gr\xc3\xbcn@x.test", false, "utf-8; gr\xc3\xbcn@x.test"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = {0};
        buf_add_typed_address(&b, cases[i].address, cases[i].ascii);
        cr_expect_str_eq(buf_str(&b), cases[i].text);
        buf_free(&b);
    }
    struct buf b = {0};
    buf_add_orcpt_decoded(&b, "rfc822;Tom+2Bx@y");
    cr_expect_str_eq(buf_str(&b), "rfc822; Tom+x@y");
    buf_free(&b);
}
