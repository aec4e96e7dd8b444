/* DATA: its end, its transparency, its limits, and what state it leaves. */
#include "reference/smtpd/data_reader.h"
#include "tests/unit/smtpd/dialogue.h"

TestSuite(data, .init = world_begin, .fini = spool_clear);

/* A complete second transaction, as an attacker hides it behind a false end. */
#define SMUGGLED "MAIL FROM:<evil@magedu.test>\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\nevil\r\n"

static const struct slice false_ends[] = {
    SLICE("\n.\n"),       SLICE("\n.\r\n"),     SLICE("\r.\r\n"),    SLICE("\r.\n"),
    SLICE("\r.\r"),       SLICE("\n.\r"),       SLICE("\r\n.\n"),    SLICE("\r\n.\r"),
    SLICE("\r\n\0.\r\n"), SLICE("\r\n.\0\r\n"), SLICE("\r\n.\r\r\n"), SLICE("\r\r\n.\n"),
    SLICE("\n\r.\n\r"),   SLICE("\r\n.\r\0\n"), SLICE("\0\r\n.\n"),
};

Test(data, no_look_alike_ends_a_message)
{
    for (size_t i = 0; i < sizeof false_ends / sizeof *false_ends; i++) {
        struct buf text = {0};
        buf_add_str(&text, "Subject: x\r\n\r\nhello");
        buf_add_slice(&text, false_ends[i]);
        buf_add_str(&text, SMUGGLED);
        buf_add_slice(&text, SLICE(".\r\n"));
        dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), {buf_slice(&text), "554 5.6.0"},
                                 STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"),
                                 STEP("DATA\r\n", "503"), STEP("NOOP\r\n", "250")));
        buf_free(&text);
    }
    cr_assert_eq(spool_committed(), 0);
}

Test(data, after_a_refused_message_all_is_as_after_rset)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("a\nb\r\n.\r\n", "554"),
                             STEP("DATA\r\n", "503"), STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"),
                             STEP("MAIL FROM:<second@magedu.test>\r\n", "250"),
                             STEP("RCPT TO:<all@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                             STEP("x\r\n.\r\n", "250"), STEP("DATA\r\n", "503")));
    cr_assert_eq(spool_committed(), 1);
    cr_assert_str_eq(spool.v[1].from, "second@magedu.test");
    cr_assert_eq(spool.v[1].to_count, 1);
    cr_assert_str_eq(spool.v[1].to[0], "all@hehuan.test");
}

Test(data, pipelined_after_the_end_and_several_messages)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("1\r\n.\r\n", "250"),
                             STEP("MAIL FROM:<>\r\n", "250"),
                             STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                             STEP("2\r\n.\r\n", "250"), STEP("QUIT\r\n", "221")));
    cr_assert_eq(spool_committed(), 2);
    cr_assert_str_eq(spool.v[1].from, "");
}

static void feed_all(struct slice in, size_t piece, struct buf *text, struct data_reader *r)
{
    *r = (struct data_reader){0};
    for (size_t pos = 0; pos < in.n && r->state != DATA_END;) {
        struct slice out;
        size_t taken = data_reader_feed(r, slice_sub(in, pos, pos + piece), &out);
        cr_assert_gt(taken, 0);
        buf_add_slice(text, out);
        pos += taken;
    }
}

Test(data, transparency_in_pieces_of_every_size)
{
    struct slice in = SLICE("..\r\n...\r\n.x\r\n\r\n..\r\na.b\r\n..a..\r\nlast\r\n.\r\n");
    const char *want = ".\r\n..\r\nx\r\n\r\n.\r\na.b\r\n.a..\r\nlast\r\n";
    for (size_t piece = 1; piece <= in.n; piece++) {
        struct buf text = {0};
        struct data_reader r;
        feed_all(in, piece, &text, &r);
        cr_assert_eq(r.state, DATA_END);
        cr_assert_not(r.bare_cr || r.bare_lf || r.nul || r.line_too_long);
        cr_assert_str_eq(buf_str(&text), want, "in pieces of %zu", piece);
        buf_free(&text);
    }
}

Test(data, broken_messages_in_pieces_of_every_size)
{
    for (size_t i = 0; i < sizeof false_ends / sizeof *false_ends; i++) {
        struct buf in = {0};
        buf_add_str(&in, "x");
        buf_add_slice(&in, false_ends[i]);
        buf_add_str(&in, "MAIL\r\n.\r\n");
        for (size_t piece = 1; piece <= in.len; piece++) {
            struct buf text = {0};
            struct data_reader r;
            feed_all(buf_slice(&in), piece, &text, &r);
            cr_assert_eq(r.state, DATA_END);
            cr_assert(r.bare_cr || r.bare_lf || r.nul, "variant %zu in pieces of %zu", i, piece);
            buf_free(&text);
        }
        buf_free(&in);
    }
}

Test(data, the_smallest_messages)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP(".\r\n", "250"), OPENING,
                             STEP("DATA\r\n", "354"), STEP("\r\n.\r\n", "250")));
    cr_assert(slice_ends(buf_slice(&spool.v[0].text), SLICE("+0000\r\n")));
    cr_assert(slice_ends(buf_slice(&spool.v[1].text), SLICE("+0000\r\n\r\n")));
}

static void send_text(const struct config *c, struct slice text, const char *want)
{
    dialogue_with(c, STRANGER, SERVICE_SMTP,
                  STEPS(OPENING, STEP("DATA\r\n", "354"), {text, want}, STEP("NOOP\r\n", "250")));
}

Test(data, size_limit_counts_as_rfc_1870_does)
{
    struct config c = memory_config();
    struct buf text = {0};
    buf_add_str(&text, "..\r\n"); /* counts as three octets */
    while (text.len < c.message_size + 1 - 2)
        buf_add_byte(&text, 'x');
    buf_add_str(&text, "\r\n.\r\n");
    send_text(&c, buf_slice(&text), "250");
    buf_truncate(&text, text.len - 5);
    buf_add_str(&text, "y\r\n.\r\n");
    send_text(&c, buf_slice(&text), "552 5.3.4");
    c.message_size = 0;
    send_text(&c, buf_slice(&text), "250");
    buf_free(&text);
}

Test(data, text_lines_of_1000_octets_and_of_the_bound)
{
    struct config c = memory_config();
    c.message_size = 0;
    const struct { size_t octets; const char *want; } rows[] = {
        {1000, "250"}, {1001, "250"}, {DATA_LINE_MAX, "250"}, {DATA_LINE_MAX + 1, "554 5.6.0"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf text = {0};
        buf_add_str(&text, ".."); /* the doubled dot does not count */
        while (text.len < 1 + rows[i].octets - 2)
            buf_add_byte(&text, 'x');
        buf_add_str(&text, "\r\n.\r\n");
        send_text(&c, buf_slice(&text), rows[i].want);
        buf_free(&text);
    }
}

Test(data, a_long_message_is_not_a_long_line)
{
    struct config c = memory_config();
    struct buf text = {0};
    c.message_size = 0;
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "%098d\r\n", i);
    buf_add_str(&text, ".\r\n");
    send_text(&c, buf_slice(&text), "250");
    buf_truncate(&text, text.len - 3);
    cr_assert(slice_ends(buf_slice(&spool.v[0].text), buf_slice(&text)));
    buf_free(&text);
}

Test(data, long_header_lines_pass_unchanged)
{
    struct config c = memory_config();
    struct buf text = {0};
    buf_add_str(&text, "X-Long: ");
    for (int i = 0; i < 15000; i++)
        buf_add_byte(&text, (char)('a' + i % 26));
    buf_add_str(&text, "\r\n\r\nbody\r\n.\r\n");
    send_text(&c, buf_slice(&text), "250");
    buf_truncate(&text, text.len - 3);
    cr_assert(slice_ends(buf_slice(&spool.v[0].text), buf_slice(&text)));
    buf_free(&text);
}

Test(data, loops_end)
{
    struct config c = memory_config();
    struct buf text = {0};
    for (int i = 0; i < c.hops; i++)
        buf_add_str(&text, "received:\r\n from x by y; now\r\n");
    size_t header = text.len;
    buf_add_str(&text, "\r\nReceived: in the body does not count\r\n.\r\n");
    send_text(&c, buf_slice(&text), "250");
    buf_truncate(&text, header);
    buf_add_str(&text, "Received : obsolete form\r\n\r\n.\r\n");
    send_text(&c, buf_slice(&text), "554 5.4.6");
    buf_free(&text);
}

Test(data, failures_of_the_spool)
{
    spool.fail_create = ENOSPC; /* before 354: the transaction can still be completed */
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "452 4.3.1"), STEP("DATA\r\n", "452"),
                             STEP("NOOP\r\n", "250")));
    spool.fail_create = EIO;
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "451 4.3.0")));
    spool.fail_create = 0;
    spool.fail_write = ENOSPC;
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("x\r\n.\r\n", "452 4.3.1"),
                             STEP("DATA\r\n", "503")));
    spool.fail_write = 0;
    spool.fail_commit = EIO;
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("x\r\n.\r\n", "451 4.3.0"),
                             STEP("DATA\r\n", "503")));
    cr_assert_eq(spool_committed(), 0);
}

Test(data, eight_bit_passes_declared_or_not)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("\xff\x80\r\n.\r\n", "250"),
                             STEP("MAIL FROM:<> BODY=8BITMIME\r\n", "250"),
                             STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                             STEP("\xc3\xa9\r\n.\r\n", "250")));
    cr_assert(slice_ends(buf_slice(&spool.v[0].text), SLICE("\r\n\xff\x80\r\n")));
    cr_assert_not(spool.v[0].eight_bit);
    cr_assert(spool.v[1].eight_bit);
}

Test(data, the_trace_names_no_recipient_of_several_and_the_protocol)
{
    dialogue(STRANGER, STEPS(STEP("HELO [IPv6:2001:db8::7]\r\n", "250"),
                             STEP("MAIL FROM:<>\r\n", "250"),
                             STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"),
                             STEP("RCPT TO:<all@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                             STEP(".\r\n", "250")));
    cr_assert_str_eq(buf_str(&spool.v[0].text),
                     "Received: from [IPv6:2001:db8::7] ([198.51.100.7])\r\n"
                     "\tby mail.hehuan.test with SMTP id 6A1F;\r\n"
                     "\tMon, 24 Nov 2025 16:00:00 +0000\r\n");
}

static void submit(struct slice text, const char *want_after_received)
{
    const struct config c = memory_config();
    dialogue_with(&c, TRUSTED, SERVICE_SUBMISSION,
                  STEPS(OPENING, STEP("DATA\r\n", "354"), {text, "250"}));
    struct slice got = buf_slice(&spool.v[0].text), date = SLICE("16:00:00 +0000\r\n");
    ptrdiff_t end = slice_find(got, date);
    cr_assert_geq(end, 0);
    got = slice_sub(got, (size_t)end + date.n, got.n);
    cr_assert(slice_eq_str(got, want_after_received), "got %.*s", SLICE_ARG(got));
    spool_clear();
}

#define ADDED_DATE "Date: Mon, 24 Nov 2025 16:00:00 +0000\r\n"
#define ADDED_ID "Message-ID: <6A1F@mail.hehuan.test>\r\n"

Test(data, submission_completes_the_header)
{
    submit(SLICE("Subject: x\r\n\r\nDate: y\r\n.\r\n"),
           "Subject: x\r\n" ADDED_DATE ADDED_ID "\r\nDate: y\r\n");
    submit(SLICE("date: x\r\n\r\nb\r\n.\r\n"), "date: x\r\n" ADDED_ID "\r\nb\r\n");
    submit(SLICE("MESSAGE-ID: x\r\n y\r\nDate: z\r\n\r\nb\r\n.\r\n"),
           "MESSAGE-ID: x\r\n y\r\nDate: z\r\n\r\nb\r\n");
    submit(SLICE("Subject: no body\r\n.\r\n"), "Subject: no body\r\n" ADDED_DATE ADDED_ID);
    submit(SLICE("no header at all\r\n.\r\n"), ADDED_DATE ADDED_ID "\r\nno header at all\r\n");
    submit(SLICE("\r\nbody\r\n.\r\n"), ADDED_DATE ADDED_ID "\r\nbody\r\n");
    submit(SLICE(" folded first\r\n\r\n.\r\n"), ADDED_DATE ADDED_ID "\r\n folded first\r\n\r\n");
}
