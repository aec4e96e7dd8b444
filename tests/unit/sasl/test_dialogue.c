/* The dialogue of SMTP and POP3, and the lines to the auth process. */
#include "base/base64.h"
#include "reference/auth/protocol.h"
#include "tests/unit/sasl/sasl_world.h"

#include <criterion/criterion.h>

TestSuite(dialogue, .init = sasl_world_begin, .fini = sasl_world_end);

/* Runs AUTH `argument` where the client goes on with `input`; what the server said is compared. */
static void golden(const char *argument, const char *input, enum sasl_outcome want,
                   const char *said)
{
    struct buf out = {0};
    struct account account;
    struct stream *io = stream_new_memory(slice_str(input), &out);
    enum sasl_outcome got = sasl_dialogue(io, &sasl_config, &everything, &memory_backend,
                                          slice_str(argument), "334 ", &account);
    stream_close(io);
    cr_expect_eq(got, want, "AUTH %s: %d", argument, got);
    cr_expect_str_eq(buf_str(&out), said, "AUTH %s", argument);
    cr_expect_eq(account.user != NULL, want == SASL_ACCEPTED);
    cr_expect_null(memory_exchange);
    account_free(&account);
    buf_free(&out);
}

/* "\0tom\0tom-pw" */
#define TOM "AHRvbQB0b20tcHc="

Test(dialogue, with_and_without_initial_response)
{
    golden("PLAIN " TOM, "", SASL_ACCEPTED, "");
    golden("plain " TOM, "", SASL_ACCEPTED, "");
    golden("PLAIN", TOM "\r\n", SASL_ACCEPTED, "334 \r\n");
    golden("PLAIN AHRvbQB3cm9uZw==", "", SASL_REFUSED, "");
    golden("PLAIN =", "", SASL_REFUSED, "");
    golden("EXTERNAL =", "", SASL_ACCEPTED, "");
    golden("EXTERNAL", "\r\n", SASL_ACCEPTED, "334 \r\n");
    golden("LOGIN", "dG9t\r\ndG9tLXB3\r\n", SASL_ACCEPTED,
           "334 VXNlciBOYW1l\r\n334 UGFzc3dvcmQ=\r\n");
    golden("LOGIN dG9t", "dG9tLXB3\r\n", SASL_ACCEPTED, "334 UGFzc3dvcmQ=\r\n");
    golden("LOGIN dG9t", "eA==\r\n", SASL_REFUSED, "334 UGFzc3dvcmQ=\r\n");
}

Test(dialogue, what_must_not_pass)
{
    golden("PLAIN", "*\r\n", SASL_CANCELLED, "334 \r\n");
    golden("LOGIN dG9t", "*\r\n", SASL_CANCELLED, "334 UGFzc3dvcmQ=\r\n");
    golden("PLAIN", "=AAA\r\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN", "AAA=BBB\r\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN", "AAA=BBBB\r\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN", TOM " \r\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN", TOM "\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN", "=\r\n", SASL_NOT_BASE64, "334 \r\n");
    golden("PLAIN ", "", SASL_NOT_BASE64, "");
    golden("PLAIN *", "", SASL_NOT_BASE64, "");
    golden("PLAIN " TOM " " TOM, "", SASL_NOT_BASE64, "");
    golden("CRAM-MD5 " TOM, "", SASL_SERVER_FIRST, "");
    golden("CRAM-MD5 =", "", SASL_SERVER_FIRST, "");
    golden("GSSAPI", "", SASL_NOT_OFFERED, "");
    golden("", "", SASL_NOT_OFFERED, "");
    golden("PLAIN", "", SASL_LOST, "334 \r\n");
    golden("PLAIN", TOM, SASL_LOST, "334 \r\n");
}

Test(dialogue, lines_are_bounded)
{
    struct buf line = {0};
    for (int i = 0; i < SASL_LINE_MAX; i++)
        buf_add_byte(&line, 'A');
    buf_add_str(&line, "\r\n");
    golden("PLAIN", buf_str(&line), SASL_REFUSED, "334 \r\n");
    buf_truncate(&line, SASL_LINE_MAX);
    buf_add_str(&line, "AAAA\r\n");
    golden("PLAIN", buf_str(&line), SASL_LINE_TOO_LONG, "334 \r\n");
    buf_free(&line);
}

/* RFC 4616 2: 255 octets of each part must be taken. */
Test(dialogue, plain_takes_255_octets_of_each_part)
{
    struct buf message = {0}, text = {0};
    for (int i = 0; i < 3 * 256 - 1; i++)
        buf_add_byte(&message, i % 256 == 255 ? 0 : 'a');
    buf_add_str(&text, "PLAIN ");
    buf_add_base64(&text, buf_slice(&message));
    golden(buf_str(&text), "", SASL_REFUSED, "");
    buf_free(&message);
    buf_free(&text);
}

/* ---- over the auth socket's lines ------------------------------------------------------------ */

static struct sasl_connection connection;
static int refusals;

static void count(const char *peer, const char *user, enum auth_status status, int64_t began_ms)
{
    (void)user, (void)began_ms;
    refusals += status == AUTH_NO && strcmp(peer, "192.0.2.1") == 0;
}

static enum sasl_status ask(struct buf *request, struct buf *challenge, struct account *out)
{
    struct buf answer = {0};
    buf_clear(challenge);
    *out = (struct account){0};
    cr_assert(slice_ends(buf_slice(request), SLICE("}\n")));
    bool good = auth_answer(sasl_accounts, &connection, slice_trim(buf_slice(request)), &answer);
    cr_assert(good, "%s", buf_str(request));
    enum sasl_status s = sasl_read_answer(slice_trim(buf_slice(&answer)), challenge, out);
    buf_free(&answer);
    buf_clear(request);
    return s;
}

Test(dialogue, exchanges_over_the_auth_socket)
{
    struct buf request = {0}, challenge = {0};
    struct account account;
    struct slice plain = slice_of("\0tom\0tom-pw", 11), name = SLICE("tom"), wrong = SLICE("no");
    connection = (struct sasl_connection){.server = sasl_world_server, .verdict = count};
    refusals = 0;

    sasl_write_start(&request, &everything, "PLAIN", &plain);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_OK);
    cr_expect_str_eq(account.user, "tom");
    account_free(&account);

    sasl_write_start(&request, &everything, "LOGIN", NULL);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_CONTINUE);
    cr_expect_str_eq(buf_str(&challenge), "User Name");
    sasl_write_step(&request, name);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_CONTINUE);
    sasl_write_step(&request, wrong);
    cr_expect_eq(refusals, 0);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_NO);
    cr_expect_eq(refusals, 1);
    cr_expect_null(connection.exchange);

    sasl_write_start(&request, &everything, "LOGIN", NULL);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_CONTINUE);
    sasl_write_cancel(&request);
    cr_expect_eq(ask(&request, &challenge, &account), SASL_NO);
    cr_expect_null(connection.exchange);
    cr_expect_eq(refusals, 1);
    sasl_connection_end(&connection);
    buf_free(&request);
    buf_free(&challenge);
}

Test(dialogue, requests_that_make_no_sense_end_the_connection)
{
    static const char *const bad[] = {
        "{\"op\":\"sasl-step\",\"data\":\"\"}",
        "{\"op\":\"sasl-start\"}",
        "{\"op\":\"sasl-other\"}",
        "{\"op\":\"sasl-start\",\"mechanism\":\"PLAIN\",\"service\":\"smtp\",\"peer\":\"\","
        "\"tls\":false,\"exporter\":\"\",\"unique\":\"\"}",
        "{\"op\":\"sasl-start\",\"mechanism\":\"PLAIN\",\"service\":\"smtp\",\"peer\":\"\","
        "\"tls\":true,\"exporter\":\"?\",\"unique\":\"\"}",
        "{\"op\":\"sasl-start\",\"mechanism\":\"PLAIN\",\"service\":\"smtp\",\"peer\":\"\","
        "\"tls\":true,\"exporter\":\"\",\"unique\":\"\",\"initial\":1}",
    };
    struct buf answer = {0};
    connection = (struct sasl_connection){.server = sasl_world_server};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(auth_answer(sasl_accounts, &connection, slice_str(bad[i]), &answer), "%s",
                      bad[i]);
    cr_expect_eq(answer.len, 0);
    cr_expect_null(connection.exchange);
    sasl_connection_end(&connection);
    buf_free(&answer);
}
