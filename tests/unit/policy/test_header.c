#include "reference/policy/header_pattern.h"

#include <criterion/criterion.h>

static enum header_found find(const char *pattern, struct slice header, struct buf *why)
{
    struct header_pattern *p = header_pattern_new(pattern, why);
    cr_assert_not_null(p, "%s: %s", pattern, buf_str(why));
    enum header_found r = header_pattern_find(p, header, why);
    header_pattern_free(p);
    return r;
}

Test(header, fields)
{
    struct slice header = SLICE("From: a\r\nSubject: one\r\n two\r\n\tthree\r\nno field\r\n: empty\r\nX:\r\nLast: cut of");
    static const struct { const char *pattern; enum header_found wanted; } t[] = {
        {"Subject: two", HEADER_FOUND}, {"Subject: /^one .*three$/", HEADER_FOUND}, {"x", HEADER_FOUND},
        {"Last: CUT OF", HEADER_FOUND}, {"Subject: four", HEADER_ABSENT}, {"no", HEADER_ABSENT},
        {"X: /./", HEADER_ABSENT}, {"*: /three/", HEADER_FOUND}, {"two", HEADER_ABSENT},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf why = {0};
        cr_assert_eq(find(t[i].pattern, header, &why), t[i].wanted, "%s", t[i].pattern);
        buf_free(&why);
    }
}

Test(header, odd_octets)
{
    static const struct slice headers[] = {
        {"", 0}, {"\n", 1}, {"\r\n\r\n", 4}, {" \t\n \n", 5}, {":", 1}, {"\xff\xfe: \0x\xc3\n \x80", 10},
        {"S: =?utf-8?q?=FF=?\r\n =?x?", 25},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct buf why = {0};
        cr_assert_eq(find("*: /pills/", headers[i], &why), HEADER_ABSENT, "%zu", i);
        buf_free(&why);
    }
}

Test(header, expensive_expressions_are_given_up)
{
    struct buf text = {0}, why = {0};
    buf_add_str(&text, "S: ");
    for (int i = 0; i < 5000; i++)
        buf_add_str(&text, "aaaa ");
    cr_assert_eq(find("S: /^((a+ ?)+)+[!?]$/", buf_slice(&text), &why), HEADER_GIVEN_UP);
    cr_assert_str_eq(buf_str(&why), "the expression takes too long for S");
    buf_free(&text);
    buf_free(&why);
}

/* Each of these fields takes fewer steps than one may; all together they took a minute. */
Test(header, expensive_headers_are_given_up, .timeout = 60)
{
    struct buf text = {0}, why = {0};
    for (int i = 0; i < 15000; i++)
        buf_add_str(&text, "S:aaaaaaaaaaaaab\r\n");
    cr_assert_eq(find("S: /(a+)+$/", buf_slice(&text), &why), HEADER_GIVEN_UP);
    cr_assert_str_eq(buf_str(&why), "the expression takes too long for so many fields");
    buf_free(&text);
    buf_free(&why);
}

Test(header, what_is_no_pattern)
{
    static const char *const bad[] = {"", ":", ": x", "a b: c", "S:", "S: /", "S: //", "S: /(/", "S: /x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf why = {0};
        cr_assert_null(header_pattern_new(bad[i], &why), "%s", bad[i]);
        cr_assert_gt(why.len, 0);
        buf_free(&why);
    }
}
