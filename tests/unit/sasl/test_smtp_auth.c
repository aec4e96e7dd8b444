/* AUTH and STARTTLS in SMTP sessions over memory: RFC 4954, RFC 3207. What needs real TLS is in
 * tests/drive/test_tls_sasl.py. */
#include "tests/unit/sasl/sasl_world.h"
#include "tests/unit/smtpd/dialogue.h"

#include <openssl/ssl.h>

static SSL_CTX *tls;

static void begin(void)
{
    world_begin();
    sasl_world_begin();
    tls = SSL_CTX_new(TLS_server_method());
}

static void end(void)
{
    SSL_CTX_free(tls);
    sasl_world_end();
    spool_clear();
}

TestSuite(smtp_auth, .init = begin, .fini = end);

/* A session on submission of a client that nobody trusts. */
static void session_of(struct config *c, enum service_kind kind, struct slice in, struct buf *out)
{
    struct smtpd_peer peer = *memory_peer("198.51.100.7", kind);
    const struct smtpd_ctx ctx = {.config = c, .spool = &memory_spool, .lookup = memory_lookup,
                                  .tls = tls};
    peer.sasl = &memory_backend;
    struct stream *io = stream_new_memory(in, out);
    smtpd_session(io, &peer, &ctx);
    stream_close(io);
    cr_expect_null(memory_exchange);
}

static struct config lab_config(void)
{
    struct config c = memory_config();
    c.auth_mechanisms = sasl_config.auth_mechanisms;
    c.auth_plain_without_tls = sasl_config.auth_plain_without_tls = true;
    return c;
}

static void golden_with(struct config *c, enum service_kind kind, const struct step *steps)
{
    struct buf in = {0}, out = {0};
    for (const struct step *s = steps; s->want; s++)
        buf_add_slice(&in, s->send);
    session_of(c, kind, buf_slice(&in), &out);
    check_steps(steps, buf_slice(&out));
    buf_free(&in);
    buf_free(&out);
}

static void golden(const struct step *steps)
{
    struct config c = lab_config();
    golden_with(&c, SERVICE_SUBMISSION, steps);
}

#define HELLO STEP("EHLO client.magedu.test\r\n", "250 HELP")
#define TOM "AHRvbQB0b20tcHc="

Test(smtp_auth, who_logs_in_may_send_anywhere)
{
    golden(STEPS(HELLO, STEP("MAIL FROM:<tom@hehuan.test>\r\n", "530 5.7.0"),
                 STEP("AUTH PLAIN " TOM "\r\n", "235 2.7.0"),
                 STEP("MAIL FROM:<tom@hehuan.test>\r\n", "250"),
                 STEP("RCPT TO:<jerry@elsewhere.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                 STEP("x: y\r\n\r\nz\r\n.\r\n", "250")));
    cr_assert_eq(spool_committed(), 1);
    cr_expect(strstr(buf_str(&spool.v[0].text), " with ESMTPA id "), "%s",
              buf_str(&spool.v[0].text));
}

/* RFC 4505: whoever is nobody in particular may do what everybody may. */
Test(smtp_auth, anonymous_gives_no_right)
{
    struct config c = lab_config();
    c.auth_anonymous = sasl_config.auth_anonymous;
    golden_with(&c, SERVICE_SUBMISSION,
                STEPS(HELLO, STEP("AUTH ANONYMOUS Z3Vlc3Q=\r\n", "235 2.7.0"),
                      STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"),
                      STEP("MAIL FROM:<plain@hehuan.test>\r\n", "530 5.7.0")));
    c.auth_smtp = true;
    golden_with(&c, SERVICE_SMTP,
                STEPS(HELLO, STEP("AUTH ANONYMOUS Z3Vlc3Q=\r\n", "235 2.7.0"),
                      STEP("MAIL FROM:<plain@hehuan.test>\r\n", "250"),
                      STEP("RCPT TO:<jerry@elsewhere.test>\r\n", "550 5.7.1"),
                      STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"), STEP("DATA\r\n", "354"),
                      STEP("x: y\r\n\r\nz\r\n.\r\n", "250")));
    cr_assert_eq(spool_committed(), 1);
    cr_expect(strstr(buf_str(&spool.v[0].text), " with ESMTP id "), "%s", buf_str(&spool.v[0].text));
}

Test(smtp_auth, order)
{
    golden(STEPS(STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"), STEP("HELO a.test\r\n", "250"),
                 STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"), HELLO,
                 STEP("AUTH\r\n", "501 5.5.4"), STEP("AUTH PLAIN " TOM "\r\n", "235 2.7.0"),
                 STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"), STEP("RSET\r\n", "250"), HELLO,
                 STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"),
                 STEP("MAIL FROM:<tom@hehuan.test>\r\n", "250"),
                 STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1")));
    struct config c = lab_config();
    c.auth_smtp = true;
    golden_with(&c, SERVICE_SMTP,
                STEPS(HELLO, STEP("MAIL FROM:<tom@hehuan.test>\r\n", "250"),
                      STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"),
                      STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"),
                      STEP("AUTH PLAIN " TOM "\r\n", "503 5.5.1"), STEP("DATA\r\n", "354"),
                      STEP("x\r\n.\r\n", "250"), STEP("AUTH PLAIN " TOM "\r\n", "235 2.7.0")));
}

Test(smtp_auth, replies_to_what_goes_wrong)
{
    golden(STEPS(HELLO, STEP("AUTH PLAIN AHRvbQB3cm9uZw==\r\n", "535 5.7.8"),
                 STEP("AUTH PLAIN AG5vYm9keQB4\r\n", "535 5.7.8"),
                 STEP("AUTH PLAIN\r\n", "334 "), STEP("*\r\n", "501 5.7.0"),
                 STEP("AUTH PLAIN\r\n", "334 "), STEP("=AAA\r\n", "501 5.5.2"),
                 STEP("AUTH PLAIN AAA=BBB=\r\n", "501 5.5.2"),
                 STEP("AUTH CRAM-MD5 " TOM "\r\n", "501 5.7.0"),
                 STEP("AUTH GSSAPI\r\n", "504 5.5.4"), STEP("AUTH EXTERNAL =\r\n", "504 5.5.4"),
                 STEP("AUTH LOGIN\r\n", "334 VXNlciBOYW1l"), STEP("dG9t\r\n", "334 UGFzc3dvcmQ="),
                 STEP("dG9tLXB3\r\n", "235 2.7.0"), STEP("NOOP\r\n", "250")));
    struct buf in = {0}, out = {0};
    struct config c = lab_config();
    buf_add_str(&in, "EHLO a\r\nAUTH PLAIN\r\n");
    for (int i = 0; i < SASL_LINE_MAX + 4; i++)
        buf_add_byte(&in, 'A');
    buf_add_str(&in, "\r\nNOOP\r\n");
    session_of(&c, SERVICE_SUBMISSION, buf_slice(&in), &out);
    cr_expect(strstr(buf_str(&out), "\r\n334 \r\n500 5.5.6 "), "%s", buf_str(&out));
    cr_expect(slice_ends(buf_slice(&out), SLICE("250 2.0.0 ok\r\n")));
    buf_free(&in);
    buf_free(&out);
}

/* EHLO's answer of a session. */
static char *extensions(struct config *c, enum service_kind kind)
{
    struct buf out = {0};
    session_of(c, kind, SLICE("EHLO a\r\n"), &out);
    return buf_take(&out);
}

Test(smtp_auth, what_is_offered)
{
    struct config c = lab_config();
    char *text = extensions(&c, SERVICE_SUBMISSION);
    cr_expect(strstr(text, "\r\n250-STARTTLS\r\n250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN "
                           "LOGIN\r\n"), "%s", text);
    free(text);
    text = extensions(&c, SERVICE_SMTP);      /* D15: off unless configured */
    cr_expect_null(strstr(text, "AUTH"), "%s", text);
    free(text);
    c.auth_smtp = true;
    c.auth_plain_without_tls = false;
    text = extensions(&c, SERVICE_SMTP);
    cr_expect(strstr(text, "AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5\r\n"), "%s", text);
    free(text);
    c.auth_mechanisms.n = 2;                  /* PLAIN, LOGIN: nothing is left without TLS */
    text = extensions(&c, SERVICE_SUBMISSION);
    cr_expect_null(strstr(text, "AUTH"), "%s", text);
    free(text);
    golden_with(&c, SERVICE_SUBMISSION,
                STEPS(HELLO, STEP("AUTH PLAIN " TOM "\r\n", "538 5.7.11"),
                      STEP("AUTH X\r\n", "504 5.5.4")));
}

Test(smtp_auth, not_known_where_it_is_off)
{
    struct config c = lab_config();
    golden_with(&c, SERVICE_SMTP,
                STEPS(HELLO, STEP("AUTH PLAIN " TOM "\r\n", "502 5.5.1"),
                      STEP("MAIL FROM:<a@b.test> AUTH=<>\r\n", "555 5.5.4")));
}

Test(smtp_auth, the_parameter_of_mail)
{
    struct config c = lab_config();
    c.auth_smtp = true;
#define AGAIN STEP("RSET\r\n", "250")
    golden_with(&c, SERVICE_SMTP,
                STEPS(HELLO, STEP("MAIL FROM:<a@b.test> AUTH=<>\r\n", "250"), AGAIN,
                      STEP("MAIL FROM:<e=mc2@b.test> AUTH=e+3Dmc2@b.test\r\n", "250"), AGAIN,
                      STEP("MAIL FROM:<a@b.test> AUTH=e+3dmc2@b.test\r\n", "501 5.5.4"),
                      STEP("MAIL FROM:<a@b.test> AUTH=e+3\r\n", "501 5.5.4"),
                      STEP("MAIL FROM:<a@b.test> AUTH=a+00@b.test\r\n", "501 5.5.4"),
                      STEP("MAIL FROM:<a@b.test> AUTH=a\r\n", "501 5.5.4"),
                      STEP("MAIL FROM:<a@b.test> AUTH\r\n", "501 5.5.4"),
                      STEP("MAIL FROM:<a@b.test> AUTH=<> AUTH=<>\r\n", "501 5.5.4")));
}

Test(smtp_auth, wrong_guesses_end_the_session)
{
    struct config c = lab_config();
    c.errors = 2;
    golden_with(&c, SERVICE_SUBMISSION,
                STEPS(HELLO, STEP("AUTH PLAIN AHRvbQB4\r\n", "535"),
                      STEP("AUTH PLAIN AHRvbQB5\r\n", "535|421 4.7.0")));
}

Test(smtp_auth, starttls)
{
    golden(STEPS(STEP("STARTTLS now\r\n", "501 5.5.4")));
    golden(STEPS(HELLO, STEP("STARTTLS\r\nNOOP\r\n", "421 4.7.0")));
    SSL_CTX_free(tls);
    tls = NULL;
    golden(STEPS(HELLO, STEP("STARTTLS\r\n", "502 5.5.1"), STEP("NOOP\r\n", "250")));
}
