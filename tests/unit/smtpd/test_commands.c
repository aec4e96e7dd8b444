/* The commands of RFC 5321 4.1: what is answered, in which state, and what state is left. */
#include "reference/smtpd/session.h"
#include "tests/unit/smtpd/dialogue.h"

TestSuite(smtpd, .init = world_begin, .fini = spool_clear);

Test(smtpd, a_message_is_accepted_with_its_queue_id)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"),
                             STEP("Subject: hi\r\n\r\nhello\r\n.\r\n", "250 2.0.0 queued as 6A1F"),
                             STEP("QUIT\r\n", "221 2.0.0 mail.hehuan.test ")));
    cr_assert_eq(spool_committed(), 1);
    cr_assert_str_eq(spool.v[0].from, "jerry@magedu.test");
    cr_assert_str_eq(spool.v[0].to[0], "tom@hehuan.test");
    cr_assert_str_eq(buf_str(&spool.v[0].text),
                     "Received: from client.magedu.test ([198.51.100.7])\r\n"
                     "\tby mail.hehuan.test with ESMTP id 6A1F\r\n"
                     "\tfor <tom@hehuan.test>;\r\n"
                     "\tMon, 24 Nov 2025 16:00:00 +0000\r\n"
                     "Subject: hi\r\n\r\nhello\r\n");
}

Test(smtpd, ehlo_lists_the_extensions_and_helo_does_not)
{
    struct config c = memory_config();
    struct buf out = {0};
    memory_session(&c, memory_peer(STRANGER, SERVICE_SMTP),
                   SLICE("EHLO [192.0.2.1]\r\nHELO a.test\r\n"), &out);
    cr_assert_str_eq(buf_str(&out), "220 mail.hehuan.test ESMTP Postroad\r\n"
                                    "250-mail.hehuan.test greets [192.0.2.1]\r\n"
                                    "250-PIPELINING\r\n250-SIZE 20000\r\n250-8BITMIME\r\n"
                                    "250-CHUNKING\r\n250-BINARYMIME\r\n"
                                    "250-DSN\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-VRFY\r\n"
                                    "250-ETRN\r\n250-LIMITS RCPTMAX=100\r\n250 HELP\r\n"
                                    "250 mail.hehuan.test\r\n");
    buf_free(&out);
}

Test(smtpd, hello_wants_a_domain_or_a_literal)
{
    dialogue(STRANGER, STEPS(
        STEP("EHLO\r\n", "501 5.5.4"), STEP("EHLO \r\n", "501 5.5.4"),
        STEP("HELO under_score.test\r\n", "501 5.5.4"), STEP("EHLO -a.test\r\n", "501"),
        STEP("EHLO a..test\r\n", "501"), STEP("EHLO a.test.\r\n", "501"),
        STEP("EHLO a.test b.test\r\n", "501"), STEP("EHLO [192.0.2.256]\r\n", "501"),
        STEP("EHLO [2001:db8::1]\r\n", "501"), STEP("EHLO [IPv6:2001:db8::1]\r\n", "250"),
        STEP("EHLO [192.0.2.1] (my other name)\r\n", "250"), STEP("helo a\r\n", "250"),
        STEP("ehlo A.TEST \t\r\n", "250")));
}

Test(smtpd, a_refused_ehlo_changes_nothing)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("EHLO a_b\r\n", "501"), STEP("DATA\r\n", "354"),
                             STEP("x\r\n.\r\n", "250")));
}

Test(smtpd, ehlo_and_rset_end_the_transaction)
{
    dialogue(STRANGER, STEPS(
        STEP("RSET\r\n", "250 2.0.0"), OPENING, STEP("RSET\r\n", "250 2.0.0"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503 5.5.1"), STEP("DATA\r\n", "503 5.5.1"), OPENING,
        STEP("EHLO a.test\r\n", "250"), STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"),
        STEP("DATA\r\n", "503"), OPENING, STEP("HELO a.test\r\n", "250"), STEP("DATA\r\n", "503")));
    cr_assert_eq(spool.n, 0);
}

Test(smtpd, nothing_of_an_ended_transaction_is_in_the_next)
{
    static const struct slice ends[] = {SLICE("RSET\r\n"), SLICE("EHLO a.test\r\n"),
                                        SLICE("HELO a.test\r\n")};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        dialogue(STRANGER, STEPS(STEP("EHLO a.test\r\n", "250"),
                                 STEP("MAIL FROM:<first@b.test> BODY=8BITMIME\r\n", "250"),
                                 STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), {ends[i], "250"},
                                 STEP("MAIL FROM:<>\r\n", "250"), STEP("DATA\r\n", "554"),
                                 STEP("RCPT TO:<all@hehuan.test>\r\n", "250"),
                                 STEP("DATA\r\n", "354"), STEP(".\r\n", "250")));
        cr_assert_str_eq(spool.v[0].from, "");
        cr_assert_eq(spool.v[0].to_count, 1);
        cr_assert_str_eq(spool.v[0].to[0], "all@hehuan.test");
        cr_assert_not(spool.v[0].eight_bit);
        spool_clear();
    }
}

Test(smtpd, commands_out_of_order)
{
    dialogue(STRANGER, STEPS(
        STEP("MAIL FROM:<a@b.test>\r\n", "503 5.5.1"), STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"),
        STEP("DATA\r\n", "503"), STEP("EHLO a.test\r\n", "250"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"), STEP("MAIL FROM:<a@b.test>\r\n", "250"),
        STEP("MAIL FROM:<c@b.test>\r\n", "503 5.5.1"), STEP("DATA\r\n", "554 5.5.1"),
        STEP("RCPT TO:<nobody@hehuan.test>\r\n", "550"), STEP("DATA\r\n", "554 5.5.1"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), STEP("MAIL FROM:<c@b.test>\r\n", "503"),
        STEP("DATA\r\n", "354"), STEP("x\r\n.\r\n", "250")));
    cr_assert_str_eq(spool.v[0].from, "a@b.test");
    cr_assert_eq(spool.v[0].to_count, 1);
}

Test(smtpd, commands_that_need_no_ehlo)
{
    dialogue(STRANGER, STEPS(STEP("NOOP\r\n", "250 2.0.0"), STEP("NOOP anything\r\n", "250"),
                             STEP("RSET\r\n", "250"), STEP("VRFY tom\r\n", "252 2."),
                             STEP("HELP\r\n", "214 2.0.0"), STEP("EXPN list\r\n", "502 5.5.1"),
                             STEP("QUIT\r\n", "221")));
}

Test(smtpd, arguments_where_none_are_taken)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("RSET now\r\n", "501 5.5.4"),
                             STEP("QUIT now\r\n", "501 5.5.4"), STEP("DATA now\r\n", "501 5.5.4"),
                             STEP("DATA  \t\r\n", "354"), STEP(".\r\n", "250")));
}

Test(smtpd, commands_that_are_not_understood)
{
    struct config c = memory_config();
    c.errors = 100;
    dialogue_with(&c, STRANGER, SERVICE_SMTP, STEPS(
        STEP("\r\n", "500 5.5.2"), STEP("WIZ\r\n", "500 5.5.2"), STEP("XYZ abc\r\n", "500 5.5.2"),
        STEP(" NOOP\r\n", "500"), STEP("NOOPX\r\n", "500"), STEP("NOO\r\n", "500"),
        STEP("TURN\r\n", "502"), STEP("AUTH PLAIN\r\n", "502"),
        STEP("STARTTLS\r\n", "502"), STEP("send from:<a@b>\r\n", "502"), STEP("ETRN a\r\n", "503"),
        STEP("HELP DATA\r\n", "214"), STEP("HELP TURN\r\n", "504 5.5.4"),
        STEP("HELP me\r\n", "504"), STEP("NOOP\r\n", "250"),
        STEP("GET / HTTP/1.1\r\nHost: mail\r\n\r\n", "500|500|500")));
}

Test(smtpd, line_ends_and_control_characters_in_commands)
{
    dialogue(STRANGER, STEPS(
        STEP("EHLO a.test\n", "500 5.5.2"), STEP("MAIL FROM:<a@b.test>\r\n", "503"),
        STEP("EHLO a.test\r\n", "250"), STEP("MAIL FROM:<a@b.test>\n", "500 5.5.2"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"), STEP("\n", "500"),
        STEP("NOOP\rQUIT\r\n", "500 5.5.2"), STEP("NOOP\0\r\n", "500 5.5.2"),
        STEP("QUIT\0\r\n", "500"), STEP("NOOP \x01\r\n", "501 5.5.4"),
        STEP("NOOP \xc3\xa9\r\n", "501 5.5.4"), STEP("NOOP \x7f\r\n", "501"),
        STEP("NO\x01P\r\n", "500"), STEP("NOOP\r\r\n", "500"), STEP("NOOP\r\n", "250")));
}

Test(smtpd, a_bad_vrfy_touches_neither_sender_nor_recipients)
{
    dialogue(STRANGER, STEPS(
        OPENING, STEP("VRFY \xc3\xbc\r\n", "501"), STEP("VRFY\r\n", "501 5.5.4"),
        STEP("VRFY tom\r\n", "252"), STEP("VRFY <tom@hehuan.test>\r\n", "252"),
        STEP("VRFY x@elsewhere.test\r\n", "550 5.7.1"), STEP("NOOP \xc3\xbc\r\n", "501"),
        STEP("HELP \xc3\xbc\r\n", "501"), STEP("x\r\n", "500"),
        STEP("DATA\r\n", "354"), STEP("x\r\n.\r\n", "250")));
    cr_assert_str_eq(spool.v[0].from, "jerry@magedu.test");
    cr_assert_eq(spool.v[0].to_count, 1);
}

Test(smtpd, vrfy_never_asks_for_accounts)
{
    dialogue(STRANGER, STEPS(STEP("VRFY nobody@hehuan.test\r\n", "252"),
                             STEP("VRFY tom@hehuan.test\r\n", "252")));
    cr_assert_eq(spool.lookups, 0);
}

Test(smtpd, the_longest_command_line_and_one_more)
{
    /* 512 of RFC 5321 4.5.3.1.4, and what the extensions add */
    const size_t max = smtpd_command_line_max();
    cr_assert_geq(max, 512 + 26);
    struct config c = memory_config();
    struct buf in = {0}, out = {0};
    buf_add_str(&in, "NOOP ");
    while (in.len < max - 2)
        buf_add_byte(&in, 'x');
    buf_add_str(&in, "\r\nNOOP ");
    while (in.len < max + max + 1 - 2)
        buf_add_byte(&in, 'x');
    buf_add_str(&in, "\r\nNOOP ");
    for (int i = 0; i < 100000; i++)
        buf_add_str(&in, "QUIT ");
    buf_add_str(&in, "\r\nNOOP\r\n");
    memory_session(&c, memory_peer(STRANGER, SERVICE_SMTP), buf_slice(&in), &out);
    check_steps(STEPS(STEP("1", "250"), STEP("2", "500 5.5.2"), STEP("3", "500"), STEP("4", "250")),
                buf_slice(&out));
    buf_free(&in);
    buf_free(&out);
}

Test(smtpd, too_many_bad_commands_end_the_session)
{
    struct config c = memory_config();
    c.errors = 3;
    dialogue_with(&c, STRANGER, SERVICE_SMTP, STEPS(
        STEP("FOO\r\n", "500"), STEP("RCPT TO:<a@b>\r\n", "503"), STEP("NOOP\r\n", "250"),
        STEP("EHLO\r\n", "501|421 4.7.0 mail.hehuan.test "), STEP("NOOP\r\n", "")));
}

Test(smtpd, an_accepted_message_clears_the_errors_and_refused_recipients_are_none)
{
    struct config c = memory_config();
    c.errors = 3;
    dialogue_with(&c, STRANGER, SERVICE_SMTP, STEPS(
        STEP("FOO\r\n", "500"), STEP("FOO\r\n", "500"), OPENING,
        STEP("RCPT TO:<a@hehuan.test>\r\n", "550"), STEP("RCPT TO:<b@hehuan.test>\r\n", "550"),
        STEP("RCPT TO:<c@hehuan.test>\r\n", "550"), STEP("DATA\r\n", "354"),
        STEP("x\r\n.\r\n", "250"), STEP("FOO\r\n", "500"), STEP("FOO\r\n", "500"),
        STEP("NOOP\r\n", "250")));
}

Test(smtpd, a_lost_connection_inside_a_line_or_message_leaves_nothing)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("Subject: x\r\n\r\nhal", "")));
    dialogue(STRANGER, STEPS(OPENING, STEP("DATA\r\n", "354"), STEP("x\r\n.\r", "")));
    dialogue(STRANGER, STEPS(OPENING, STEP("QUIT", "")));
    cr_assert_eq(spool.n, 2);
    cr_assert_eq(spool_committed(), 0);
}
