/* POP3 dialogues over memory, on real mailboxes. */
#include "reference/pop3d/pop3d.h"
#include "tests/unit/store/mailbox_world.h"

#include <criterion/parameterized.h>

static enum auth_status verify(void *arg, const char *user, const char *password, const char *peer,
                               struct account *out)
{
    (void)arg, (void)peer;
    *out = (struct account){.uid = -1, .gid = -1};
    if (strcmp(user, "down") == 0)
        return AUTH_TEMPFAIL;
    if (strcmp(user, "tom") != 0 || strcmp(password, "a b ") != 0)
        return AUTH_NO;
    out->user = strdup("tom");
    out->home = strdup("");
    return AUTH_OK;
}

static const enum mailbox_format formats[] = {FORMAT_MBOX, FORMAT_MAILDIR};
static struct buf out;
static struct login_delay *delay;      /* NULL but in the test of it */

static void begin_with(enum mailbox_format format)
{
    world_begin(format);
    world_config.errors = 7;
    world_config.timeout_pop3 = 1000;
}

static void begin(void)
{
    begin_with(FORMAT_MAILDIR);
}

TestSuite(pop3, .init = begin, .fini = world_end);

/* The answers to all that the client says, the greeting left out. */
static const char *answers(struct slice input)
{
    struct pop3_ctx ctx = {.config = &world_config, .login_delay = delay};
    const char *greeting = "+OK mail.hehuan.test POP3 Postroad\r\n";
    buf_clear(&out);
    struct stream *io = stream_new_memory(input, &out);
    pop3_session(io, &ctx, &(struct login_accounts){verify, NULL, NULL, NULL}, "192.0.2.1", 1);
    stream_close(io);
    cr_assert(slice_starts(buf_slice(&out), slice_str(greeting)));
    return buf_str(&out) + strlen(greeting);
}

#define LOGIN "USER tom\r\nPASS a b \r\n"
#define LOGIN_OK(n) "+OK send PASS\r\n+OK " n " messages\r\n"
#define BYE "+OK mail.hehuan.test bye\r\n"
#define golden(input, output) cr_assert_str_eq(answers(SLICE(input)), output)

Test(pop3, log_in)
{
    golden("USER tom\r\nPASS a b\r\n" "USER nobody\r\nPASS a b \r\n" "PASS a b \r\n"
           "USER tom\r\nCAPA\r\nPASS a b \r\n" "USER down\r\nPASS x\r\n" LOGIN "USER tom\r\nQUIT\r\n",
           "+OK send PASS\r\n-ERR [AUTH] wrong user or password\r\n"
           "+OK send PASS\r\n-ERR [AUTH] wrong user or password\r\n"
           "-ERR PASS comes right after USER\r\n"
           "+OK send PASS\r\n+OK capabilities follow\r\nTOP\r\nUSER\r\nRESP-CODES\r\nPIPELINING\r\n"
           "EXPIRE NEVER\r\nUIDL\r\nIMPLEMENTATION Postroad\r\nAUTH-RESP-CODE\r\nUTF8 USER\r\nLANG\r\n.\r\n"
           "-ERR PASS comes right after USER\r\n"
           "+OK send PASS\r\n-ERR [SYS/TEMP] passwords cannot be checked now\r\n"
           LOGIN_OK("0") "-ERR USER: you are logged in\r\n" BYE);
}

Test(pop3, commands_before_the_log_in)
{
    golden("STAT\r\nNOOP\r\nAPOP tom x\r\nSTLS\r\nAUTH\r\nUSER\r\nFOO\r\nNOOP\r\n",
           "-ERR STAT: log in first\r\n-ERR NOOP: log in first\r\n-ERR APOP is not implemented\r\n"
           "-ERR STLS is not implemented\r\n-ERR AUTH: wrong number of arguments (RFC 5034 4)\r\n"
           "-ERR USER: wrong number of arguments (RFC 1939 7)\r\n-ERR unknown command\r\n"
           "-ERR too many errors, closing\r\n");
    golden("QUIT\r\nNOOP\r\n", BYE);
}

static void deliver_three(void)
{
    deliver("a@b.test", "Subject: 1\n\n.\n..\n.x\nFrom y\nlast\n");
    deliver("a@b.test", "Subject: 2\n\n");
    deliver("a@b.test", "Subject: 3\n\nbody\n");
}

ParameterizedTestParameters(pop3_formats, the_whole_dialogue)
{
    return cr_make_param_array(const enum mailbox_format, (void *)formats, 2);
}

ParameterizedTest(const enum mailbox_format *format, pop3_formats, the_whole_dialogue,
                  .fini = world_end)
{
    begin_with(*format);
    deliver_three();
    golden(LOGIN "STAT\r\nLIST\r\nLIST 2\r\nRETR 1\r\nTOP 1 0\r\nTOP 1 2\r\nTOP 3 99\r\nDELE 1\r\n"
           "STAT\r\nLIST\r\nLIST 1\r\nRETR 1\r\nDELE 1\r\nTOP 1 0\r\nUIDL 1\r\nRSET\r\nstat\r\n"
           "DELE 2\r\nNOOP\r\nQUIT\r\n",
           LOGIN_OK("3") "+OK 3 73\r\n"
           "+OK 3 messages (73 octets)\r\n1 39\r\n2 14\r\n3 20\r\n.\r\n+OK 2 14\r\n"
           "+OK 39 octets\r\nSubject: 1\r\n\r\n..\r\n...\r\n..x\r\nFrom y\r\nlast\r\n.\r\n"
           "+OK top of message follows\r\nSubject: 1\r\n\r\n.\r\n"
           "+OK top of message follows\r\nSubject: 1\r\n\r\n..\r\n...\r\n.\r\n"
           "+OK top of message follows\r\nSubject: 3\r\n\r\nbody\r\n.\r\n"
           "+OK message 1 will be removed at QUIT\r\n+OK 2 34\r\n"
           "+OK 2 messages (34 octets)\r\n2 14\r\n3 20\r\n.\r\n-ERR no such message\r\n"
           "-ERR no such message\r\n-ERR no such message\r\n-ERR no such message\r\n"
           "-ERR no such message\r\n+OK 3 messages (73 octets)\r\n+OK 3 73\r\n"
           "+OK message 2 will be removed at QUIT\r\n+OK\r\n" BYE);
    golden(LOGIN "LIST\r\nQUIT\r\n",
           LOGIN_OK("2") "+OK 2 messages (59 octets)\r\n1 39\r\n2 20\r\n.\r\n" BYE);
}

ParameterizedTestParameters(pop3_formats, without_quit_nothing_is_removed)
{
    return cr_make_param_array(const enum mailbox_format, (void *)formats, 2);
}

ParameterizedTest(const enum mailbox_format *format, pop3_formats, without_quit_nothing_is_removed,
                  .fini = world_end)
{
    begin_with(*format);
    deliver_three();
    answers(SLICE(LOGIN "DELE 1\r\nDELE 2\r\nDELE 3\r\n"));
    answers(SLICE(LOGIN "DELE 1\r\nQUI"));
    answers(SLICE(LOGIN "DELE 1\r\nQUIT\n"));
    golden(LOGIN "STAT\r\n", LOGIN_OK("3") "+OK 3 73\r\n");
}

Test(pop3, unique_ids_stay)
{
    deliver_three();
    char *first = strdup(answers(SLICE(LOGIN "UIDL\r\nUIDL 2\r\nQUIT\r\n")));
    cr_assert_str_eq(answers(SLICE(LOGIN "UIDL\r\nUIDL 2\r\nQUIT\r\n")), first);
    const char *line = strstr(first, "\r\n2 ") + 4;
    char *single = strstr(first, ".\r\n+OK 2 ") + 9;
    cr_assert_eq(strncmp(line, single, strcspn(line, "\r")), 0);
    free(first);
}

Test(pop3, message_numbers)
{
    deliver_three();
    world_config.errors = 100;
    golden(LOGIN "RETR 0\r\nRETR 4\r\nRETR 1 2\r\nRETR\r\nRETR -1\r\nRETR 99999999999999999999\r\n"
           "RETR +1\r\nTOP 1\r\nTOP 1 x\r\nTOP 1 -1\r\nLIST  1\r\nLIST x\r\nDELE 1\x01\r\nUIDL 9\r\n"
           "RETR 01\r\n",
           LOGIN_OK("3") "-ERR no such message\r\n-ERR no such message\r\n"
           "-ERR RETR: wrong number of arguments (RFC 1939 5)\r\n"
           "-ERR RETR: wrong number of arguments (RFC 1939 5)\r\n-ERR a message number is needed\r\n"
           "-ERR a message number is needed\r\n-ERR a message number is needed\r\n"
           "-ERR TOP: wrong number of arguments (RFC 1939 7)\r\n"
           "-ERR TOP takes a number of lines, 0 or more\r\n"
           "-ERR TOP takes a number of lines, 0 or more\r\n"
           "-ERR LIST: wrong number of arguments (RFC 1939 5)\r\n-ERR a message number is needed\r\n"
           "-ERR control characters in a command\r\n-ERR no such message\r\n"
           "+OK 39 octets\r\nSubject: 1\r\n\r\n..\r\n...\r\n..x\r\nFrom y\r\nlast\r\n.\r\n");
}

Test(pop3, broken_lines)
{
    struct buf in = {0};
    golden("QUIT\nCAPA now\r\n", "-ERR a line ends in CRLF\r\n"
           "-ERR CAPA: wrong number of arguments (RFC 2449 5)\r\n");
    buf_add_str(&in, "USER ");
    while (in.len < 253)
        buf_add_byte(&in, 'x');
    buf_add_str(&in, "\r\nUSER ");
    while (in.len < 255 + 254)
        buf_add_byte(&in, 'x');
    buf_add_str(&in, "\r\nQUIT\r\n");
    cr_assert_str_eq(answers(buf_slice(&in)),
                     "+OK send PASS\r\n-ERR the line is too long\r\n" BYE);
    buf_free(&in);
}

Test(pop3, the_maildrop_in_use)
{
    deliver_three();
    struct mailbox *m = open_all();
    golden(LOGIN "STAT\r\n", "+OK send PASS\r\n-ERR [IN-USE] the maildrop is in use\r\n"
           "-ERR STAT: log in first\r\n");
    mailbox_close(m);
    golden(LOGIN "QUIT\r\n" , LOGIN_OK("3") BYE);
}

Test(pop3, a_maildrop_that_is_none)
{
    put_file(world_path("tom"), "not a Maildir");
    golden(LOGIN, "+OK send PASS\r\n-ERR [SYS/PERM] the maildrop cannot be read\r\n");
    world_config.mailbox_format = FORMAT_MBOX;
    golden(LOGIN, "+OK send PASS\r\n-ERR [SYS/PERM] the maildrop cannot be read\r\n");
}

Test(pop3, long_lines_are_not_cut)
{
    struct buf text = {0}, want = {0};
    buf_add_str(&text, "A: b\n\n.");
    for (int i = 0; i < 200000; i++)
        buf_add_byte(&text, '.');
    buf_add_str(&text, "\nend\n");
    deliver("a@b.test", buf_str(&text));
    buf_add_str(&want, LOGIN_OK("1") "+OK 200016 octets\r\nA: b\r\n\r\n..");
    for (int i = 0; i < 200000; i++)
        buf_add_byte(&want, '.');
    buf_add_str(&want, "\r\nend\r\n.\r\n");
    cr_assert_str_eq(answers(SLICE(LOGIN "RETR 1\r\n")), buf_str(&want));
    buf_free(&text);
    buf_free(&want);
}

/* --- RFC 6856, RFC 2449 6.5 ------------------------------------------------------------------- */

Test(pop3, utf8_headers_are_for_those_who_asked)
{
    deliver("a@b.test", "Subject: gr\xc3\xbc\xc3\x9f\n\nx\n");
    deliver("a@b.test", "Subject: gr\xfc\xdf\n\nx\n");              /* no UTF-8: it goes as it came */
    deliver("a@b.test", "Subject: x\n\ngr\xc3\xbc\xc3\x9f\n");
    golden(LOGIN "RETR 1\r\nTOP 1 0\r\nTOP 2 0\r\nRETR 3\r\nUTF8\r\nLIST 1\r\nQUIT\r\n",
           LOGIN_OK("3") "-ERR [UTF8] message 1 has UTF-8 in its header; say UTF8 first\r\n"
           "-ERR [UTF8] message 1 has UTF-8 in its header; say UTF8 first\r\n"
           "+OK top of message follows\r\nSubject: gr\xfc\xdf\r\n\r\n.\r\n"
           "+OK 22 octets\r\nSubject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n.\r\n"
           "-ERR UTF8: you are logged in\r\n+OK 1 22\r\n" BYE);
    golden("UTF8\r\nSTLS\r\n" LOGIN "RETR 1\r\nQUIT\r\n",
           "+OK UTF-8 from now on\r\n-ERR STLS is not implemented\r\n" LOGIN_OK("3")
           "+OK 22 octets\r\nSubject: gr\xc3\xbc\xc3\x9f\r\n\r\nx\r\n.\r\n" BYE);
}

Test(pop3, names_and_passwords_are_prepared)
{
    golden("USER t\xc3\r\nUSER t\xe2\x80\xaa\r\n"          /* no UTF-8; RFC 4013 2.3 prohibits U+202A */
           "USER tom\r\nPASS a\xff\r\n"
           "USER to\xc2\xadm\r\nPASS a\xc2\xa0" "b \r\nQUIT\r\n",   /* 2.1: the soft hyphen is nothing */
           "-ERR that is no name in UTF-8\r\n-ERR that is no name in UTF-8\r\n"
           "+OK send PASS\r\n-ERR [AUTH] wrong user or password\r\n" LOGIN_OK("0") BYE);
}

Test(pop3, languages)
{
    golden("LANG\r\nLANG *\r\nLANG en-GB\r\nLANG sv\r\nQUIT\r\n",
           "+OK languages follow\r\nen English\r\n.\r\n+OK en replies are in English\r\n"
           "+OK en replies are in English\r\n"
           "-ERR this language is not spoken here; LANG lists those that are\r\n" BYE);
}

Test(pop3, who_logged_in_lately_must_wait)
{
    world_config.pop3_login_delay = 60000;
    delay = login_delay_new(60000);
    golden(LOGIN "QUIT\r\n", LOGIN_OK("0") BYE);
    golden("USER tom\r\nPASS x\r\n" LOGIN "QUIT\r\n",
           "+OK send PASS\r\n-ERR [AUTH] wrong user or password\r\n"
           "+OK send PASS\r\n-ERR [LOGIN-DELAY] the last log-in was less than 60 s ago\r\n" BYE);
    golden("CAPA\r\nQUIT\r\n",
           "+OK capabilities follow\r\nTOP\r\nUSER\r\nRESP-CODES\r\nLOGIN-DELAY 60\r\n"
           "PIPELINING\r\nEXPIRE NEVER\r\nUIDL\r\nIMPLEMENTATION Postroad\r\nAUTH-RESP-CODE\r\n"
           "UTF8 USER\r\nLANG\r\n.\r\n" BYE);
    login_delay_free(delay);
    delay = NULL;
}
