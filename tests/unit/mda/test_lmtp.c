/* LMTP dialogues over memory, delivering into a real mail folder. */
#include "reference/mda/mda.h"
#include "tests/unit/store/mailbox_world.h"

static enum auth_status lookup(void *arg, const char *address, struct account *out)
{
    (void)arg;
    *out = (struct account){.uid = -1, .gid = -1};
    if (strcmp(address, "down@hehuan.test") == 0)
        return AUTH_TEMPFAIL;
    if (strcmp(address, "staff@hehuan.test") == 0 || strcmp(address, "bob@hehuan.test") == 0) {
        out->user = strndup(address, strcspn(address, "@"));
        return AUTH_ALIAS;
    }
    const char *user = strcmp(address, "tom@hehuan.test") == 0     ? "tom"
                       : strcmp(address, "ann@hehuan.test") == 0   ? "ann"
                       : strcmp(address, "odd@hehuan.test") == 0   ? "../odd"
                       : strcmp(address, "postmaster") == 0        ? "tom"
                       : strcmp(address, "\\bob") == 0             ? "bob"
                                                                   : NULL;
    if (!user)
        return AUTH_NO;
    out->user = strdup(user);
    out->home = strdup("");
    return AUTH_OK;
}

static int deliver_errno;

static int deliver_or_fail(const struct config *c, const struct account *a, const char *sender,
                           struct incoming *message, struct buf *path)
{
    if (strcmp(a->user, "ann") == 0 && deliver_errno) {
        errno = deliver_errno;
        return -1;
    }
    return mda_deliver(c, a, sender, message, path);
}

static void begin(void)
{
    world_begin(FORMAT_MAILDIR);
    world_config.message_size = 500000;
    world_config.recipients = 3;
    world_config.errors = 7;
    world_config.timeout_command = 1000;
    deliver_errno = 0;
}

TestSuite(lmtp, .init = begin, .fini = world_end);

static struct buf out;

/* The replies to all that the client says, the greeting left out. */
static const char *replies(struct slice input)
{
    struct mda_ctx ctx = {.config = &world_config, .deliver = deliver_or_fail};
    buf_clear(&out);
    struct stream *io = stream_new_memory(input, &out);
    mda_session(io, &ctx, &(struct mda_accounts){lookup, NULL}, 1);
    stream_close(io);
    const char *greeting = "220 mail.hehuan.test LMTP Postroad\r\n";
    cr_assert(slice_starts(buf_slice(&out), slice_str(greeting)));
    return buf_str(&out) + strlen(greeting);
}

#define LHLO "LHLO a.test\r\n"
#define LHLO_OK "250-mail.hehuan.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n" \
                "250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 516384\r\n"
#define FROM "MAIL FROM:<jerry@magedu.test>\r\n"
#define FROM_OK "250 2.1.0 sender ok\r\n"
#define TO(who) "RCPT TO:<" who "@hehuan.test>\r\n"
#define TO_OK "250 2.1.5 recipient ok\r\n"
#define GO "354 send the message, end it with a line of one dot\r\n"
#define DELIVERED(who) "250 2.0.0 <" who "@hehuan.test> delivered\r\n"

#define golden(input, output) cr_assert_str_eq(replies(SLICE(input)), output)

/* The text of the user's messages, one after the other. */
static const char *mailbox_of(const char *user)
{
    static struct buf all;
    struct mailbox_place place;
    buf_clear(&all);
    buf_add_str(&all, "");
    mailbox_place_init(&place, &world_config, user, -1, -1);
    struct mailbox *m = mailbox_open(&place, false);
    for (size_t i = 0; i < mailbox_count(m); i++)
        buf_add_str(&all, wire(m, i));
    mailbox_close(m);
    mailbox_place_free(&place);
    return buf_str(&all);
}

Test(lmtp, one_reply_for_each_recipient_in_order)
{
    golden(LHLO FROM TO("tom") TO("nobody") TO("ann") TO("tom")
           "DATA\r\nSubject: a\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
           LHLO_OK FROM_OK TO_OK "550 5.1.1 <nobody@hehuan.test> has no mailbox here\r\n" TO_OK TO_OK
           GO DELIVERED("tom") DELIVERED("ann") DELIVERED("tom")
           "221 2.0.0 mail.hehuan.test closing\r\n");
    const char *text = "Return-Path: <jerry@magedu.test>\r\nSubject: a\r\n\r\n.dot\r\n";
    cr_assert_str_eq(mailbox_of("ann"), text);
    cr_assert_eq(strlen(mailbox_of("tom")), 2 * strlen(text));
}

Test(lmtp, failures_are_told_for_the_recipient_alone)
{
    static const struct { int error; const char *reply; } cases[] = {
        {EAGAIN, "450 4.2.0 "}, {ENOSPC, "452 4.3.1 "}, {EDQUOT, "452 4.2.2 "},
        {EFBIG, "452 4.2.2 "}, {EBADMSG, "451 4.2.0 "}, {EACCES, "451 4.3.0 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        deliver_errno = cases[i].error;
        const char *said = replies(SLICE(LHLO FROM TO("ann") TO("tom") "DATA\r\nA: b\r\n.\r\n"));
        const char *end = strstr(said, GO) + strlen(GO);
        cr_assert(strncmp(end, cases[i].reply, 10) == 0, "%s", end);
        cr_assert_str_eq(strchr(end, '\n') + 1, DELIVERED("tom"));
    }
}

Test(lmtp, smtp_greetings_are_refused)
{
    golden("EHLO a.test\r\nHELO a.test\r\nLHLO\r\nLHLO a_b\r\nLHLO [192.0.2.1]\r\n",
           "500 5.5.1 this is LMTP: send LHLO\r\n500 5.5.1 this is LMTP: send LHLO\r\n"
           "501 5.5.4 LHLO takes a domain name or an address literal\r\n"
           "501 5.5.4 LHLO takes a domain name or an address literal\r\n" LHLO_OK);
}

Test(lmtp, order_of_commands)
{
    golden(FROM "NOOP\r\n" LHLO TO("tom") "DATA\r\n" FROM FROM "DATA\r\n" TO("nobody")
           "DATA\r\nRSET\r\n" TO("tom"),
           "503 5.5.1 MAIL is out of order: send LHLO first\r\n250 2.0.0 ok\r\n" LHLO_OK
           "503 5.5.1 RCPT is out of order: send MAIL first\r\n"
           "503 5.5.1 no recipient was accepted\r\n" FROM_OK
           "503 5.5.1 MAIL is out of order: a transaction is open\r\n"
           "503 5.5.1 no recipient was accepted\r\n"
           "550 5.1.1 <nobody@hehuan.test> has no mailbox here\r\n"
           "503 5.5.1 no recipient was accepted\r\n250 2.0.0 reset\r\n"
           "503 5.5.1 RCPT is out of order: send MAIL first\r\n"
           "421 4.7.0 mail.hehuan.test too many errors, closing\r\n");
}

Test(lmtp, accounts)
{
    golden(LHLO FROM TO("down") TO("staff") TO("bob") TO("odd") "RCPT TO:<postmaster>\r\n"
           TO("tom") TO("tom"),
           LHLO_OK FROM_OK "451 4.3.0 accounts cannot be looked up now, try later\r\n"
           "550 5.1.1 <staff@hehuan.test> has no mailbox here\r\n" TO_OK
           "550 5.1.1 <odd@hehuan.test> has no mailbox here\r\n" TO_OK TO_OK
           "452 4.5.3 too many recipients, send the rest in another transaction\r\n");
}

Test(lmtp, parameters)
{
    golden(LHLO "MAIL FROM:<> BODY=8BITMIME SIZE=500000\r\nRSET\r\n"
           "MAIL FROM:<> SIZE=516385\r\nMAIL FROM:<> SIZE=x\r\nMAIL FROM:<> FOO=1\r\n"
           "MAIL FROM:<>BODY=7BIT\r\n" FROM "RCPT TO:<tom@hehuan.test> NOTIFY=NEVER\r\n"
           "RCPT TO:<>\r\n",
           LHLO_OK FROM_OK "250 2.0.0 reset\r\n"
           "552 5.3.4 the message is larger than this server takes\r\n"
           "501 5.5.4 SIZE= takes a number of octets\r\n"
           "555 5.5.4 parameter FOO=1 was not offered\r\n501 5.1.7 write FROM:<address>\r\n" FROM_OK
           "555 5.5.4 parameter NOTIFY=NEVER was not offered\r\n501 5.1.3 write TO:<address>\r\n");
}

Test(lmtp, small_commands)
{
    golden("VRFY tom\r\nVRFY\r\nHELP\r\nRSET now\r\nnoop x y\r\nFOO\r\nquit\r\nNOOP\r\n",
           "252 2.1.5 send RCPT to find out\r\n501 5.5.4 VRFY takes a user or an address\r\n"
           "502 5.5.1 HELP is not implemented\r\n501 5.5.4 RSET takes no argument\r\n250 2.0.0 ok\r\n"
           "500 5.5.2 unknown command\r\n221 2.0.0 mail.hehuan.test closing\r\n");
}

Test(lmtp, broken_lines)
{
    golden("NOOP\nNO\rOP\r\nNOOP \x01\r\nNOOP\r\n",
           "500 5.5.2 a line ends in CRLF\r\n500 5.5.2 a command is printable ASCII\r\n"
           "500 5.5.2 a command is printable ASCII\r\n250 2.0.0 ok\r\n");
    struct buf in = {0};
    for (int i = 0; i < 3000; i++)
        buf_add_byte(&in, 'A');
    buf_add_str(&in, "\r\nNOOP\r\n");
    cr_assert_str_eq(replies(buf_slice(&in)), "500 5.5.2 the line is too long\r\n250 2.0.0 ok\r\n");
    buf_free(&in);
}

Test(lmtp, the_end_of_a_message_is_one_thing_only)
{
    golden(LHLO FROM TO("tom") "DATA\r\nA: b\r\n\r\nx\n.\nMAIL FROM:<evil@x.test>\r\n.\r\nNOOP\r\n",
           LHLO_OK FROM_OK TO_OK GO "554 5.6.0 a line does not end in CRLF\r\n250 2.0.0 ok\r\n");
    golden(LHLO FROM TO("tom") "DATA\r\nA: b\r\n\r\nx\r.\r\n.\r\nNOOP\r\n",
           LHLO_OK FROM_OK TO_OK GO "554 5.6.0 a line does not end in CRLF\r\n250 2.0.0 ok\r\n");
    cr_assert_str_eq(mailbox_of("tom"), "");
}

Test(lmtp, a_lost_connection_delivers_nothing)
{
    golden(LHLO FROM TO("tom") "DATA\r\nA: b\r\n\r\nhalf\r\n", LHLO_OK FROM_OK TO_OK GO);
    cr_assert_str_eq(mailbox_of("tom"), "");
}

Test(lmtp, return_path_is_ours_alone)
{
    golden(LHLO "MAIL FROM:<>\r\n" TO("tom")
           "DATA\r\nReturn-Path: <a@b.test>\r\n\tfolded\r\nReceived: from a\r\n by b; x\r\n"
           "return-path : <c@d.test>\r\nSubject: x\r\nReturn-Path:\r\n \r\n\r\n"
           "Return-Path: <in-the-body@x.test>\r\n.\r\n",
           LHLO_OK FROM_OK TO_OK GO DELIVERED("tom"));
    cr_assert_str_eq(mailbox_of("tom"), "Return-Path: <>\r\nReceived: from a\r\n by b; x\r\n"
                     "Subject: x\r\n\r\nReturn-Path: <in-the-body@x.test>\r\n");
}

Test(lmtp, messages_without_a_header)
{
    golden(LHLO FROM TO("tom") "DATA\r\n.\r\n" FROM TO("tom") "DATA\r\nno header\r\nReturn-Path: x\r\n.\r\n",
           LHLO_OK FROM_OK TO_OK GO DELIVERED("tom") FROM_OK TO_OK GO DELIVERED("tom"));
    cr_assert_str_eq(mailbox_of("tom"), "Return-Path: <jerry@magedu.test>\r\n"
                     "Return-Path: <jerry@magedu.test>\r\nno header\r\nReturn-Path: x\r\n");
}

static void large_message(struct buf *in, size_t octets)
{
    buf_add_str(in, LHLO FROM TO("tom") "DATA\r\nA: b\r\n\r\n");
    for (size_t n = 8; n < octets; n += 50)
        buf_add_str(in, "123456789.123456789.123456789.123456789.12345678\r\n");
    buf_add_str(in, ".\r\nNOOP\r\n");
}

Test(lmtp, large_messages)
{
    struct buf in = {0};
    large_message(&in, 499900);
    cr_assert_str_eq(replies(buf_slice(&in)), LHLO_OK FROM_OK TO_OK GO DELIVERED("tom")
                     "250 2.0.0 ok\r\n");
    char *text = strdup(mailbox_of("tom"));
    const char *data = strstr(buf_str(&in), "DATA\r\n") + 6;
    cr_assert_eq(strncmp(strchr(text, '\n') + 1, data, strlen(data) - 9), 0);
    cr_assert_eq(strlen(strchr(text, '\n') + 1), strlen(data) - 9);
    free(text);
    buf_clear(&in);
    large_message(&in, 516484);   /* the limit, and the fields that smtpd may add */
    cr_assert_str_eq(replies(buf_slice(&in)), LHLO_OK FROM_OK TO_OK GO
                     "552 5.3.4 the message is larger than this server takes\r\n250 2.0.0 ok\r\n");
    buf_free(&in);
}

Test(lmtp, the_queue_id_is_found_in_the_trace)
{
    struct incoming m;
    incoming_init(&m, "/tmp", 0);
    incoming_feed(&m, SLICE("Received: from a ([192.0.2.1])\r\n\tby b with ESMTP id 6a1f;\r\n\tx\r\n"
                            "Received: by id other\r\n.\r\n"));
    cr_assert_str_eq(m.id, "6a1f");
    incoming_free(&m);
    incoming_init(&m, "/tmp", 0);
    incoming_feed(&m, SLICE("Subject: id forged\r\nReceived: by id other\r\n.\r\n"));
    cr_assert_str_eq(m.id, "");
    incoming_free(&m);
}
