/* Replies of servers, good ones and others. */
#include "base/mem.h"
#include "reference/relay/reply.h"

#include <criterion/criterion.h>

static bool read_text(struct slice text, struct reply *r)
{
    struct stream *s = stream_new_memory(text, NULL);
    *r = (struct reply){0};
    bool good = reply_read(s, 1000, r);
    stream_close(s);
    return good;
}

Test(reply, codes_lines_and_status)
{
    struct { const char *in; int code; const char *status, *text; } cases[] = {
        {"250 ok\r\n", 250, "", "ok"},
        {"250\r\n", 250, "", ""},
        {"250 \r\n", 250, "", ""},
        {"250-one\r\n250-\r\n250 three\r\n", 250, "", "one\n\nthree"},
        {"250-a\r\n250\r\n", 250, "", "a\n"},
        {"550 5.1.1 no such user\r\n", 550, "5.1.1", "5.1.1 no such user"},
        {"550 5.1.1\r\n", 550, "5.1.1", "5.1.1"},
        {"550 5.123.123 x\r\n", 550, "5.123.123", "5.123.123 x"},
        {"550-5.7.1 a\r\n550 5.7.1 b\r\n", 550, "5.7.1", "5.7.1 a\n5.7.1 b"},
        /* RFC 2034 4: the class must be that of the code. */
        {"450 5.1.1 x\r\n", 450, "", "5.1.1 x"},
        {"550 5.1 x\r\n", 550, "", "5.1 x"},
        {"550 5.1.1.1 x\r\n", 550, "", "5.1.1.1 x"},
        {"550 5.1234.1 x\r\n", 550, "", "5.1234.1 x"},
        {"550 5..1 x\r\n", 550, "", "5..1 x"},
        {"599 odd\r\n", 599, "", "odd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply r;
        cr_assert(read_text(slice_str(cases[i].in), &r), "%s", cases[i].in);
        cr_expect_eq(r.code, cases[i].code);
        cr_expect_str_eq(r.status, cases[i].status, "%s: %s", cases[i].in, r.status);
        cr_expect_str_eq(buf_str(&r.text), cases[i].text);
        reply_free(&r);
    }
}

Test(reply, what_is_no_reply)
{
    const char *cases[] = {
        "", "250", "250 ok", "250 ok\n", "25 ok\r\n", "2500 ok\r\n", "250ok\r\n", "hello\r\n",
        "150 preliminary\r\n", "650 x\r\n", " 250 x\r\n", "250-a\r\n550 b\r\n", "250-a\r\nb\r\n",
        "250-a\r\n", "-250 x\r\n", "2\xb2\x30 x\r\n", "\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply r;
        cr_expect_not(read_text(slice_str(cases[i]), &r), "taken: %s", cases[i]);
        cr_expect_eq(r.code, 0);
        cr_expect_eq(r.status[0], '4');
        cr_expect_gt(r.text.len, 0);
        reply_free(&r);
    }
}

Test(reply, endless_ones_end)
{
    struct reply r;
    struct buf in = {0};
    for (int i = 0; i < REPLY_LINES_MAX; i++)
        buf_add_str(&in, "250-x\r\n");
    size_t limit = in.len;
    buf_add_str(&in, "250 y\r\n");
    cr_expect_not(read_text(buf_slice(&in), &r), "a line too many");
    reply_free(&r);
    in.data[limit - 4] = ' ';    /* the last one allowed ends it */
    cr_expect(read_text(buf_slice(&in), &r));
    reply_free(&r);

    buf_clear(&in);
    buf_add_str(&in, "250 ");
    while (in.len < 1 << 20)
        buf_add_byte(&in, 'x');
    cr_expect_not(read_text(buf_slice(&in), &r), "a line without end");
    reply_free(&r);
    buf_add_str(&in, "\r\n250 ok\r\n");
    cr_expect_not(read_text(buf_slice(&in), &r), "a line too long");
    cr_expect_str_eq(r.status, "4.5.0");
    reply_free(&r);
    buf_free(&in);
}

Test(reply, one_line_for_logs_has_no_controls)
{
    struct reply r;
    struct buf line = {0};
    cr_assert(read_text(slice_str("550-a\tb\r\n550 c\rd\x01\r\n"), &r));
    reply_add_line(&line, &r);
    cr_assert_str_eq(buf_str(&line), "550 a b c?d?");
    buf_free(&line);
    reply_free(&r);
}
