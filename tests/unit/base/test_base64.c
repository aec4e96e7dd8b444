/* base64.h: RFC 4648 10's own examples, and what must not be taken for Base64. */
#include "base/base64.h"

#include <criterion/criterion.h>

Test(base64, examples)
{
    static const struct { const char *octets, *text; } good[] = {
        {"", ""},             {"f", "Zg=="},        {"fo", "Zm8="},       {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"}, {"\xfb\xef\xbe", "++++"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf text = {0}, octets = {0};
        buf_add_base64(&text, slice_str(good[i].octets));
        cr_expect_str_eq(buf_str(&text), good[i].text);
        cr_expect(buf_add_unbase64(&octets, slice_str(good[i].text)), "%s", good[i].text);
        cr_expect_str_eq(buf_str(&octets), good[i].octets);
        buf_free(&text);
        buf_free(&octets);
    }
}

Test(base64, refused)
{
    static const char *const bad[] = {"A",    "AA",   "AAA",  "AAAAA", "=AAA", "====", "A===",
                                      "AA=A", "AAA=BBBB", "AA AA", "AAA\n", " AAA", "AA-_",
                                      "AAA*", "AB==", "AAB=", "AAAA=", "AAAA===="};
    struct buf octets = {0};
    buf_add_str(&octets, "kept");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(buf_add_unbase64(&octets, slice_str(bad[i])), "%s", bad[i]);
    cr_expect_str_eq(buf_str(&octets), "kept");
    buf_free(&octets);
}
