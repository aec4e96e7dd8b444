#include "conformance/runner/filter.h"

#include <criterion/criterion.h>

/* What a filter of this protocol reads from `input`; its answers in out. */
static struct filter filter_of(enum proto proto, struct slice input, struct buf *out)
{
    return (struct filter){.proto = proto, .stream = stream_new_memory(input, out)};
}

static void next(struct filter *f, const char *line)
{
    cr_assert_eq(filter_read(f), IO_OK);
    cr_assert_str_eq(buf_str(&f->line), line);
}

Test(filter, milter_session)
{
    struct buf out = {0};
    static const char bytes[] = "\0\0\0\rO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"
        "\0\0\0\x18" "Cclient\0004\x12\x34" "198.51.100.7\0"
        "\0\0\0\4DMi\0" "\0\0\0\rM<a@b.test>\0\0" "\0\0\0\x0cR<c@d.test>\0" "\0\0\0\5LA\0b\0"
        "\0\0\0\1N" "\0\0\0\3Bx\n" "\0\0\0\1E" "\0\0\0\1Q";
    struct filter f = filter_of(PROTO_MILTER, slice_of(bytes, sizeof bytes - 1), &out);
    next(&f, "OPTNEG 6 0x1ff 0x1fffff");
    filter_answer(&f, (struct slice){0});
    next(&f, "CONNECT client 198.51.100.7 4660");
    next(&f, "MACRO M i=");
    cr_assert_null(f.event, "macros are not answered");
    next(&f, "MAIL <a@b.test>");
    next(&f, "RCPT <c@d.test>");
    next(&f, "HEADER A: b");
    next(&f, "EOH");
    next(&f, "BODY 2");
    next(&f, "EOM");
    cr_assert(f.has_message);
    cr_assert_str_eq(buf_str(&f.content), "A: b\r\n\r\nx\n");
    cr_assert_str_eq(f.from, "a@b.test");
    cr_assert_eq(f.to_count, 1);
    filter_answer(&f, slice_str("add header X: y\nquarantine odd"));
    next(&f, "QUIT");
    cr_assert(f.ends);
    stream_flush(f.stream);
    static const char want[] = "\0\0\0\rO\0\0\0\6\0\0\1\xff\0\0\0\0" "\0\0\0\5hX\0y\0" "\0\0\0\5qodd\0" "\0\0\0\1c";
    cr_assert(slice_eq(buf_slice(&out), slice_of(want, sizeof want - 1)));
    stream_close(f.stream);
    filter_free(&f);
    buf_free(&out);
}

Test(filter, milter_packet_of_nonsense)
{
    struct filter f = filter_of(PROTO_MILTER, SLICE("\xff\xff\xff\xffM"), NULL);
    cr_assert_eq(filter_read(&f), IO_TOO_LONG);
    stream_close(f.stream);
    filter_free(&f);
}

Test(filter, spamd)
{
    struct buf out = {0};
    struct filter f = filter_of(PROTO_SPAMD, SLICE("SYMBOLS SPAMC/1.5\r\nUser: tom\r\nContent-length: 4\r\n\r\nx: yrest"), &out);
    next(&f, "SYMBOLS SPAMC/1.5 User=tom Content-length=4");
    cr_assert_str_eq(buf_str(&f.content), "x: y");
    filter_answer(&f, SLICE("spam 15.5/5.0 A,B"));
    stream_flush(f.stream);
    cr_assert_str_eq(buf_str(&out), "SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 15.5 / 5.0\r\n\r\nA,B\r\n");
    stream_close(f.stream);
    filter_free(&f);
    buf_free(&out);
}

Test(filter, clamd)
{
    struct buf out = {0};
    static const char bytes[] = "zIDSESSION\0zPING\0zINSTREAM\0\0\0\0\3abc\0\0\0\1d\0\0\0\0";
    struct filter f = filter_of(PROTO_CLAMD, slice_of(bytes, sizeof bytes - 1), &out);
    next(&f, "IDSESSION");
    next(&f, "PING");
    filter_answer(&f, (struct slice){0});
    next(&f, "INSTREAM");
    cr_assert_str_eq(buf_str(&f.content), "abcd");
    filter_answer(&f, SLICE("found Worm.X"));
    cr_assert_not(filter_once(&f));
    stream_flush(f.stream);
    static const char want[] = "1: PONG\0" "2: stream: Worm.X FOUND\0";
    cr_assert(slice_eq(buf_slice(&out), slice_of(want, sizeof want - 1)));
    stream_close(f.stream);
    filter_free(&f);
    buf_free(&out);
}

Test(filter, what_can_be_answered)
{
    static const struct { enum proto proto; const char *text; bool ok; } rows[] = {
        {PROTO_MILTER, "continue", true}, {PROTO_MILTER, "add header X: y \n accept", true},
        {PROTO_MILTER, "550 5.7.1 no", true}, {PROTO_MILTER, "250 ok", false},
        {PROTO_MILTER, "add header X", false}, {PROTO_MILTER, "insert header X: y", false},
        {PROTO_MILTER, "delete header 1 X", true}, {PROTO_MILTER, "", false},
        {PROTO_SPAMD, "spam 15/5", true}, {PROTO_SPAMD, "spam", false}, {PROTO_SPAMD, "ham 1", false},
        {PROTO_SPAMD, "error 76 bad", true}, {PROTO_CLAMD, "clean", true}, {PROTO_CLAMD, "found", false},
        {PROTO_CLAMD, "found A.B", true}, {PROTO_CLAMD, "spam 1/5", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(filter_text_ok(rows[i].proto, slice_str(rows[i].text)) == NULL, rows[i].ok, "%s", rows[i].text);
}
