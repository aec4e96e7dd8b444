/* MAIL and RCPT: paths, parameters, limits, and who may send where. */
#include "tests/unit/smtpd/dialogue.h"

#include <stdio.h>

TestSuite(envelope, .init = world_begin, .fini = spool_clear);

#define HELLO STEP("EHLO client.magedu.test\r\n", "250")
#define MAIL STEP("MAIL FROM:<jerry@magedu.test>\r\n", "250 2.1.0")
#define RSET STEP("RSET\r\n", "250")

Test(envelope, syntax_of_mail)
{
    struct config c = memory_config();
    c.errors = 100;
    dialogue_with(&c, STRANGER, SERVICE_SMTP, STEPS(
        HELLO, STEP("MAIL\r\n", "501 5.5.4"), STEP("MAIL FROM\r\n", "501"),
        STEP("MAIL FROM:\r\n", "501 5.1.7"), STEP("MAIL TO:<a@b.test>\r\n", "501 5.5.4"),
        STEP("MAIL FROM: <a@b.test>\r\n", "501 5.5.4"), STEP("MAIL FROM :<a@b.test>\r\n", "501"),
        STEP("MAIL  FROM:<a@b.test>\r\n", "501"), STEP("MAIL FROM:a@b.test\r\n", "501 5.1.7"),
        STEP("MAIL FROM:<a@b.test\r\n", "501"), STEP("MAIL FROM:<a>\r\n", "501"),
        STEP("MAIL FROM:<postmaster>\r\n", "501"), STEP("MAIL FROM:<a@b_c.test>\r\n", "501"),
        STEP("MAIL FROM:<a@b.test>SIZE=1\r\n", "501"), STEP("MAIL FROM:<;cmd;>\r\n", "501"),
        STEP("MAIL FROM:<a@b.test> <c@d.test>\r\n", "501"),
        STEP("MAIL FROM:<>\r\n", "250 2.1.0"), RSET,
        STEP("mail from:<\"a b\"@b.test>\r\n", "250"), RSET,
        STEP("MAIL FROM:<@r1.test,@r2.test:a@b.test>\r\n", "250 2.1.0 <a@b.test>"), RSET,
        STEP("MAIL FROM:<a@[192.0.2.1]>  \r\n", "250")));
}

Test(envelope, parameters_of_mail)
{
    struct config c = memory_config();
    c.errors = 100;
    dialogue_with(&c, STRANGER, SERVICE_SMTP, STEPS(
        HELLO, STEP("MAIL FROM:<> SIZE=20001\r\n", "552 5.3.4"),
        STEP("MAIL FROM:<> SIZE=99999999999999999999\r\n", "552"),
        STEP("MAIL FROM:<> SIZE=999999999999999999999\r\n", "501 5.5.4"),
        STEP("MAIL FROM:<> SIZE=\r\n", "501"), STEP("MAIL FROM:<> SIZE\r\n", "501"),
        STEP("MAIL FROM:<> SIZE=1k\r\n", "501"), STEP("MAIL FROM:<> SIZE=-1\r\n", "501"),
        STEP("MAIL FROM:<> SIZE=1 SIZE=1\r\n", "501 5.5.4"),
        STEP("MAIL FROM:<> BODY=16BITMIME\r\n", "501 5.5.4"), STEP("MAIL FROM:<> BODY\r\n", "501"),
        STEP("MAIL FROM:<> BODY=7BIT BODY=7BIT\r\n", "501"),
        STEP("MAIL FROM:<> SMTPUTF8=1\r\n", "501 5.5.4"), STEP("MAIL FROM:<> XRET=HDRS\r\n", "555"),
        STEP("MAIL FROM:<> =x\r\n", "501"), STEP("MAIL FROM:<> a=b=c\r\n", "501"),
        STEP("MAIL FROM:<> AUTH=<>\r\n", "555"), STEP("MAIL FROM:<a@b>=\"x\r\n", "501"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"),
        STEP("MAIL FROM:<> size=20000 Body=8bitMIME\r\n", "250"), RSET,
        STEP("MAIL FROM:<> BODY=7BIT SIZE=00000000000000000001\r\n", "250"),
        STEP("RCPT TO:<tom@hehuan.test> NOTIFY=NOW\r\n", "501 5.5.4"),
        STEP("RCPT TO:<tom@hehuan.test> SIZE=1\r\n", "555")));
}

Test(envelope, parameters_need_ehlo)
{
    dialogue(STRANGER, STEPS(HELLO, STEP("HELO a.test\r\n", "250"),
                             STEP("MAIL FROM:<a@b.test> SIZE=1\r\n", "555 5.5.4"),
                             STEP("MAIL FROM:<a@b.test>\r\n", "250")));
}

Test(envelope, a_refused_mail_leaves_no_parameter_behind)
{
    dialogue(STRANGER, STEPS(HELLO, STEP("MAIL FROM:<> BODY=8BITMIME FOO\r\n", "555"), MAIL,
                             STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                             STEP("x\r\n.\r\n", "250")));
    cr_assert_not(spool.v[0].eight_bit);
}

Test(envelope, local_recipients)
{
    dialogue(STRANGER, STEPS(
        HELLO, MAIL, STEP("RCPT TO:<tom@hehuan.test>\r\n", "250 2.1.5"),
        STEP("RCPT TO:<\"tom\"@hehuan.test>\r\n", "250"),
        STEP("RCPT TO:<\"t\\om\"@HEHUAN.test>\r\n", "250"),
        STEP("RCPT TO:<\"odd user\"@ns.hehuan.test>\r\n", "250"),
        STEP("RCPT TO:<all@hehuan.test>\r\n", "250"), STEP("RCPT TO:<tom@[192.0.2.25]>\r\n", "250"),
        STEP("RCPT TO:<@a.test,@b.test:tom@hehuan.test>\r\n", "250"),
        STEP("RCPT TO:<nobody@hehuan.test>\r\n", "550 5.1.1"),
        STEP("RCPT TO:<\"\"@hehuan.test>\r\n", "550 5.1.1"),
        STEP("RCPT TO:<later@hehuan.test>\r\n", "451 4."), STEP("RCPT TO:<>\r\n", "501 5.1.3"),
        STEP("RCPT TO:<tom>\r\n", "501 5.1.3"),
        STEP("RCPT FROM:<tom@hehuan.test>\r\n", "501 5.5.4"),
        STEP("DATA\r\n", "354"), STEP("x\r\n.\r\n", "250")));
    /* the same mailbox is listed once, in its plainest form */
    const char *want[] = {"tom@hehuan.test", "tom@HEHUAN.test", "\"odd user\"@ns.hehuan.test",
                          "all@hehuan.test"};
    cr_assert_eq(spool.v[0].to_count, sizeof want / sizeof *want);
    for (size_t i = 0; i < spool.v[0].to_count; i++)
        cr_assert_str_eq(spool.v[0].to[i], want[i]);
}

Test(envelope, postmaster_is_always_there)
{
    dialogue(STRANGER, STEPS(
        HELLO, MAIL, STEP("RCPT TO:<postmaster>\r\n", "250 2.1.5"),
        STEP("RCPT TO:<PostMaster>\r\n", "250"),
        STEP("RCPT TO:<POSTMASTER@ns.hehuan.test>\r\n", "250"),
        STEP("RCPT TO:<postmaster@[192.0.2.25]>\r\n", "250"),
        STEP("RCPT TO:<postmaster@elsewhere.test>\r\n", "550 5.7.1"), STEP("DATA\r\n", "354"),
        STEP("x\r\n.\r\n", "250")));
    cr_assert_eq(spool.v[0].to_count, 2);
    cr_assert_str_eq(spool.v[0].to[0], "postmaster@hehuan.test");
    cr_assert_eq(spool.lookups, 0);
}

/* Every way that a stranger may try to send elsewhere. */
static const char *const relay_tricks[] = {
    "user@elsewhere.test",
    "user%elsewhere.test@hehuan.test",
    "user%elsewhere.test@[192.0.2.25]",
    "user%elsewhere.test@backup.test",
    "user%a.test%b.test@hehuan.test",
    "elsewhere.test!user@hehuan.test",
    "a.test!b.test!user@backup.test",
    "\"user@elsewhere.test\"@hehuan.test",
    "\"user@elsewhere.test\"@backup.test",
    "\"user\\@elsewhere.test\"@hehuan.test",
    "@hehuan.test:user@elsewhere.test",
    "@hehuan.test,@ns.hehuan.test:user@elsewhere.test",
    "user@[203.0.113.1]",
    "user@[IPv6:2001:db8::1]",
    "user%elsewhere.test@elsewhere.test",
    "\"<user@elsewhere.test>\"@hehuan.test",
    "\"tom@hehuan.test\"@elsewhere.test",
    "user@sub.hehuan.test",
    "user@nothehuan.test",
    "user@hehuan.test.elsewhere.test",
    "tom%hehuan.test@elsewhere.test",
};

Test(envelope, relay_tricks_are_refused)
{
    for (size_t i = 0; i < sizeof relay_tricks / sizeof *relay_tricks; i++) {
        char rcpt[512];
        int n = snprintf(rcpt, sizeof rcpt, "RCPT TO:<%s>\r\n", relay_tricks[i]);
        dialogue(STRANGER, STEPS(HELLO, MAIL, {slice_of(rcpt, (size_t)n), "550 5.7.1"},
                                 STEP("DATA\r\n", "554")));
    }
    cr_assert_eq(spool.n, 0);
}

Test(envelope, addresses_that_are_none_are_refused_as_such)
{
    static const char *const bad[] = {
        "user@elsewhere.test@hehuan.test", "tom@hehuan.test,tom@elsewhere.test", "@hehuan.test",
        "@hehuan.test:", "tom@", "tom@hehuan.test.", "tom@[127.0.0.1", "tom@192.0.2.25]",
        "tom@#3221225985", "\"tom@hehuan.test", "tom hehuan@hehuan.test", "tom@.hehuan.test",
        ".tom@hehuan.test", "tom.@hehuan.test", "t..om@hehuan.test", "<tom@hehuan.test>",
        "${run{x}}@hehuan.test ", "tom@hehuan.test>x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rcpt[512];
        int n = snprintf(rcpt, sizeof rcpt, "RCPT TO:<%s>\r\n", bad[i]);
        dialogue(STRANGER, STEPS(HELLO, MAIL, {slice_of(rcpt, (size_t)n), "501 5.1.3"}));
    }
}

Test(envelope, relay_domains_and_trusted_clients)
{
    dialogue(STRANGER, STEPS(HELLO, MAIL, STEP("RCPT TO:<anybody@backup.test>\r\n", "250 2.1.5")));
    dialogue(TRUSTED, STEPS(
        HELLO, MAIL, STEP("RCPT TO:<user@elsewhere.test>\r\n", "250"),
        STEP("RCPT TO:<user%elsewhere.test@backup.test>\r\n", "250"),
        STEP("RCPT TO:<\"Quoted\"@elsewhere.test>\r\n", "250"),
        STEP("RCPT TO:<nobody@hehuan.test>\r\n", "550 5.1.1"), STEP("DATA\r\n", "354"),
        STEP("x\r\n.\r\n", "250")));
    /* a local part is for its own host to interpret (RFC 5321 2.3.11): passed on as it came */
    cr_assert_str_eq(spool.v[0].to[2], "\"Quoted\"@elsewhere.test");
}

Test(envelope, recipient_limit_is_452_and_keeps_those_before)
{
    struct config c = memory_config();
    struct buf in = {0}, out = {0};
    buf_add_str(&in, "EHLO a.test\r\nMAIL FROM:<>\r\n");
    for (int i = 0; i < 102; i++)
        buf_printf(&in, "RCPT TO:<u%d@backup.test>\r\n", i);
    buf_add_str(&in, "DATA\r\nx\r\n.\r\n");
    memory_session(&c, memory_peer(STRANGER, SERVICE_SMTP), buf_slice(&in), &out);
    struct step steps[110] = {STEP("EHLO", "250"), STEP("MAIL", "250")};
    for (int i = 0; i < 102; i++)
        steps[2 + i] = (struct step)STEP("RCPT", NULL);
    for (int i = 0; i < 102; i++)
        steps[2 + i].want = i < 100 ? "250" : "452 4.5.3";
    steps[104] = (struct step)STEP("DATA", "354|250");
    check_steps(steps, buf_slice(&out));
    cr_assert_eq(spool.v[0].to_count, 100);
    buf_free(&in);
    buf_free(&out);
}

Test(envelope, lengths_of_paths)
{
    char longest[65], label[64], rcpt[600];
    memset(longest, 'l', 64);
    longest[64] = 0;
    memset(label, 'd', 63);
    label[63] = 0;
    const struct { const char *fmt_local; int domains; const char *want; } rows[] = {
        {"", 1, "550 5.7.1"},      /* 64 octets of local part */
        {"x", 1, "501 5.1.3"},     /* 65 */
        {"", 2, "550 5.7.1"},
        {"", 3, "501 5.1.3"},      /* path over 256 */
        {"", 4, "501 5.1.3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int n = snprintf(rcpt, sizeof rcpt, "RCPT TO:<%s%s@", longest, rows[i].fmt_local);
        for (int d = 0; d < rows[i].domains; d++)
            n += snprintf(rcpt + n, sizeof rcpt - (size_t)n, "%s%s", d ? "." : "", label);
        n += snprintf(rcpt + n, sizeof rcpt - (size_t)n, ">\r\n");
        dialogue(STRANGER, STEPS(HELLO, MAIL, {slice_of(rcpt, (size_t)n), rows[i].want}));
    }
}

Test(envelope, submission_is_for_trusted_clients)
{
    const struct config c = memory_config();
    dialogue_with(&c, STRANGER, SERVICE_SUBMISSION,
                  STEPS(HELLO, STEP("MAIL FROM:<jerry@magedu.test>\r\n", "530 5.7.0"),
                        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503")));
    dialogue_with(&c, TRUSTED, SERVICE_SUBMISSION,
                  STEPS(HELLO, MAIL, STEP("RCPT TO:<user@elsewhere.test>\r\n", "250")));
}

Test(envelope, addresses_in_utf8_need_smtputf8)
{
    dialogue(STRANGER, STEPS(
        HELLO, STEP("MAIL FROM:<j\xc3\xbcrg@magedu.test>\r\n", "550 5.6.7"),
        STEP("MAIL FROM:<j\xfcrg@magedu.test> SMTPUTF8\r\n", "501"),
        STEP("MAIL FROM:<jerry@magedu.test>\r\n", "250"),
        STEP("RCPT TO:<t\xc3\xb6m@hehuan.test>\r\n", "553 5.6.7"), RSET,
        STEP("MAIL FROM:<j\xc3\xbcrg@magedu.test> SMTPUTF8\r\n", "250"),
        STEP("RCPT TO:<t\xc3\xb6m@hehuan.test>\r\n", "550 5.1.1"),
        STEP("RCPT TO:<tom@hehuan.test> ORCPT=utf-8;t\xc3\xb6m@x\r\n", "250"),
        STEP("DATA\r\n", "354"), STEP("Subject: \xc3\xb6\r\n\r\n.\r\n", "250")));
    cr_assert_str_eq(spool.v[0].from, "j\xc3\xbcrg@magedu.test");
    cr_assert(strstr(buf_str(&spool.v[0].text), "with UTF8SMTP id"));
}
