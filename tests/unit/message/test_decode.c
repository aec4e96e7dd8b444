/* Encoded words, charsets, transfer encodings; base subjects, folding, identifiers, dates. */
#include "reference/message/date.h"
#include "reference/message/decode.h"
#include "reference/message/subject.h"

#include <criterion/criterion.h>

struct pair { const char *in, *out; };
#define EACH(rows) for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)

Test(decode, words)
{
    static const struct pair rows[] = {
        {" plain  text ", "plain  text"},
        {"a\r\n\tb", "a\tb"},
        {"=?iso-8859-1?q?a=E4_b?=", "a\xc3\xa4 b"},
        {"=?UTF-8*en?B?w6Q=?=", "\xc3\xa4"},
        {"x =?utf-8?q?a?= y =?utf-8?q?b?=\r\n =?utf-8?b?Yw==?= z", "x a y bc z"},   /* 6.2 */
        {"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4"},          /* a character cut in two */
        {"=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=A4?=", "\xc3\xa4\xc3\xa4"},
        {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
        {"=?utf-8?q?a", "=?utf-8?q?a"},
        {"=?=?utf-8?q?a?=", "=?a"},
        {"=?nonsense?q?a=E4?=", "a\xc3\xa4"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"=?utf-8?q?a=0D=0Ab=00?=", "a  b "},                    /* line ends must not act */
        {"raw \xe4 and \xc3\xa4", "raw \xc3\xa4 and \xc3\xa4"},
        {"\x93quoted\x94", "\xe2\x80\x9cquoted\xe2\x80\x9d"},
    };
    EACH(rows) {
        struct buf text = {0};
        decode_header(&text, slice_str(rows[i].in));
        cr_assert_str_eq(buf_str(&text), rows[i].out, "%s gave %s", rows[i].in, buf_str(&text));
        buf_free(&text);
    }
}

/* Whole, and octet by octet. */
static void check_transfer(enum mime_encoding encoding, const struct pair *row)
{
    struct slice in = slice_str(row->in);
    for (size_t step = 1; step <= in.n + 1; step += in.n > 0 ? in.n : 1) {
        struct transfer t = {.encoding = encoding};
        struct buf out = {0};
        for (size_t at = 0; at < in.n; at += step)
            transfer_push(&t, slice_sub(in, at, at + step), &out);
        transfer_end(&t, &out);
        cr_assert_str_eq(buf_str(&out), row->out, "%s gave %s", row->in, buf_str(&out));
        buf_free(&out);
    }
}

Test(decode, transfer_encodings)
{
    static const struct pair quoted[] = {
        {"a=3D=\r\nb", "a=b"}, {"a=\nb", "ab"}, {"a  \r\nb \t\nc ", "a\r\nb\nc"},
        {"=e4=C3", "\xe4\xc3"}, {"=zz=", "=zz"}, {"a= \r\nb", "ab"}, {"=4", "=4"}, {"==41", "=A"},
        {"=\r=41", "=\rA"}, {"a b=20\r\n", "a b \r\n"},
    };
    static const struct pair base64[] = {
        {"", ""}, {"QQ==", "A"}, {"QUI=", "AB"}, {"QUJD", "ABC"}, {"QU\r\nJD\r\nQQ", "ABCA"},
        {"Q!U J\tD", "ABC"}, {"QQ==QUI=", "AAB"}, {"Q", ""}, {"QUJDQUJDQUJD", "ABCABCABC"},
    };
    EACH(quoted) check_transfer(MIME_QUOTED_PRINTABLE, &quoted[i]);
    EACH(base64) check_transfer(MIME_BASE64, &base64[i]);
}

Test(decode, charsets)
{
    static const struct { const char *name, *in, *out; } rows[] = {
        {"utf-8", "a\xc3\xa4\xff", "a\xc3\xa4\xc3\xbf"},
        {"us-ascii", "a\xe4", "a\xc3\xa4"},
        {"ISO-8859-15", "\xa4", "\xe2\x82\xac"},
        {"gb2312", "\xc4\xe3", "\xe4\xbd\xa0"},
        {"shift_jis", "\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"utf-7", "+AOQ-", "\xc3\xa4"},
        {"koi8-r", "\xd0", "\xd0\xbf"},
        {"euc-jp", "\xc6", "\xef\xbf\xbd"},                      /* cut at the end */
        {"ut+f-8", "a\xc3\xa4\xf4\x90\x80\x80z", "a\xc3\xa4\xef\xbf\xbdz"},    /* beyond U+10FFFF */
        {"ucs-4", "\x7f\xff\xff\xff", "\xef\xbf\xbd"},
    };
    EACH(rows) {
        struct slice in = slice_str(rows[i].in);
        for (size_t step = 1; step <= in.n; step += in.n > 1 ? in.n - 1 : 1) {
            struct charset *c = charset_open(slice_str(rows[i].name));
            struct buf out = {0};
            cr_assert_not_null(c);
            for (size_t at = 0; at < in.n; at += step)
                charset_push(c, slice_sub(in, at, at + step), &out);
            charset_close(c, &out);
            cr_assert_str_eq(buf_str(&out), rows[i].out, "%s gave %s", rows[i].name, buf_str(&out));
            buf_free(&out);
        }
    }
    cr_assert_not(charset_known(SLICE("x-no-such")));
    cr_assert_not(charset_known(SLICE("utf-16//TRANSLIT")));
    cr_assert(charset_known(SLICE("Windows-1251")));
}

Test(decode, part_text)
{
    struct mime_message *m = mime_parse(SLICE("Content-Type: text/plain; charset=iso-8859-2\n"
                                              "Content-Transfer-Encoding: base64\n\n"));
    struct part_text *t = part_text_new(m->root);
    struct buf out = {0};
    part_text_push(t, SLICE("4+"), &out);
    part_text_push(t, SLICE("g="), &out);       /* 0xe3 0xe8 */
    part_text_end(t, &out);
    cr_assert_str_eq(buf_str(&out), "\xc4\x83\xc4\x8d");
    mime_message_free(m);
    buf_free(&out);
}

Test(decode, base_subjects)
{
    static const struct { const char *in, *out; bool reply; } rows[] = {
        {"a  b\t c", "a b c", false},
        {"Re: a", "a", true},
        {"RE: Fwd: [list] re : a (fwd) ", "a", true},
        {"[list] a", "a", false},
        {"[list] [more]", "[more]", false},
        {"re[2]: a", "a", true},
        {"[x] Re [y] : a", "a", true},
        {"[Fwd: Re: a]", "a", true},
        {"Re:", "", true},
        {"Reading: a", "Reading: a", false},
        {"=?utf-8?q?Re=3A_=C3=A4?=", "\xc3\xa4", true},
        {"(fwd)", "", true},
        {"", "", false},
    };
    EACH(rows) {
        struct buf out = {0};
        bool reply;
        base_subject(&out, slice_str(rows[i].in), &reply);
        cr_assert_str_eq(buf_str(&out), rows[i].out, "%s gave %s", rows[i].in, buf_str(&out));
        cr_assert_eq(reply, rows[i].reply, "%s", rows[i].in);
        buf_free(&out);
    }
}

Test(decode, folding)
{
    static const struct pair rows[] = {
        {"aZ_9", "AZ_9"},
        {"\xc3\xa4", "A\xcc\x88"},                               /* decomposed */
        {"\xc3\x84", "A\xcc\x88"},
        {"\xef\xac\x81", "fi"},
        {"\xce\xb1", "\xce\x91"},
        {"a\xff", "A\xff"},
    };
    EACH(rows) {
        struct buf out = {0};
        text_fold(&out, slice_str(rows[i].in));
        cr_assert_str_eq(buf_str(&out), rows[i].out, "%s gave %s", rows[i].in, buf_str(&out));
        buf_free(&out);
    }
}

/* Eight octets at a time or one by one: every octet below 128, at every place. */
Test(decode, folding_of_ascii)
{
    for (int c = 1; c < 128; c++)
        for (size_t place = 0; place < 20; place++) {
            char text[21], want[21];
            memset(text, 'q', 20);
            memset(want, 'Q', 20);
            text[place] = (char)c;
            want[place] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
            struct buf out = {0};
            text_fold(&out, slice_of(text, 20));
            cr_assert(slice_eq(buf_slice(&out), slice_of(want, 20)), "%d at %zu", c, place);
            buf_free(&out);
        }
}

Test(decode, message_ids)
{
    struct slice rest = SLICE("text <a@b> <\"c d\"@e>,<no-at> <> <\"x@y\"> <f @g");
    struct buf scratch = {0}, all = {0};
    struct slice id;
    while (message_id_next(&rest, &scratch, &id))
        buf_printf(&all, "%.*s|", SLICE_ARG(id));
    cr_assert_str_eq(buf_str(&all), "a@b|c d@e|f@g|");
    buf_free(&scratch);
    buf_free(&all);
}

Test(decode, dates)
{
    static const struct { const char *in; int64_t utc; int32_t day; } rows[] = {
        {"Tue, 24 Nov 2026 08:07:54 +0000", 1795507674, 20781},
        {"Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 760686745, 8803},
        {" 7 Feb 94 21:52:25 PST", 760686745, 8803},
        {"Thu, (c) 1 (d) Jan 1970 00:00 +0100", -3600, 0},
        {"1 Jan 1970", 0, 0},
        {"Thu Jan  1 00:00:01 1970", 1, 0},
        {"1-Jan-1970 01:00:00 +01:00", 0, 0},
        {"29 Feb 2000 23:59:60 Z", 951868800, 11016},
        {"1 Jan 1970 00:00:00 XYZ", 0, 0},
        {"1 Jan 70 25:00:00 +0000", 0, 0},
        {"1 jan 103 00:00:00 GMT", 1041379200, 12053},
        {"2026-11-24T08:07:54Z", 1795507674, 20781},
    };
    EACH(rows) {
        struct sent_date d;
        cr_assert(date_parse(slice_str(rows[i].in), &d), "%s", rows[i].in);
        cr_assert_eq(d.utc, rows[i].utc, "%s gave %lld", rows[i].in, (long long)d.utc);
        cr_assert_eq(d.local_day, rows[i].day, "%s gave %d", rows[i].in, d.local_day);
    }
    static const char *const bad[] = {"", "x", "32 Jan 1970", "1 Foo 1970", "30 Feb 2000", "12:00", "Jan 1970"};
    EACH(bad) {
        struct sent_date d;
        cr_assert_not(date_parse(slice_str(bad[i]), &d), "%s", bad[i]);
    }
}
