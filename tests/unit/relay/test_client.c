/* The client against servers that are texts: what it says and what it makes of the answers. */
#include "base/mem.h"
#include "reference/relay/client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EHLO "220 mail.hehuan.test ESMTP\r\n" \
             "250-mail.hehuan.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n" \
             "250-SIZE 1000\r\n250 HELP\r\n"
#define PLAIN "220 mail.hehuan.test\r\n250 mail.hehuan.test\r\n"
#define GREETED "EHLO relay.magedu.test\r\n"
#define MAX_RCPT 200

static struct config config = {.hostname = "relay.magedu.test", .timeout_greeting = 1000,
    .timeout_mail = 1000, .timeout_rcpt = 1000, .timeout_data = 1000, .timeout_block = 1000,
    .timeout_end = 1000};

struct world {
    struct buf said;             /* by the client */
    struct client *cl;
    struct relay_message m;
    struct relay_recipient *r;
    size_t n;
    FILE *file;
    char settled[MAX_RCPT + 1];  /* verdicts in the order of their settling */
};

static void on_settled(void *arg, const struct relay_recipient *r)
{
    struct world *w = arg;
    size_t n = strlen(w->settled);
    w->settled[n] = r->verdict == VERDICT_DELIVERED ? (char)('a' + r->index)
                                                    : (char)('A' + r->index);
}

static struct world *world(const char *server, bool lmtp, const char *text, size_t n)
{
    static const char *const names[] = {"tom@hehuan.test", "ann@hehuan.test", "eve@hehuan.test"};
    struct world *w = xcalloc(1, sizeof *w);
    w->cl = client_new(&config, stream_new_memory(slice_str(server), &w->said), lmtp,
                       "mail.hehuan.test", "192.0.2.25");
    w->file = tmpfile();
    fputs(text, w->file);
    fflush(w->file);
    w->m = (struct relay_message){.id = "m1", .reverse_path = "jerry@magedu.test", .dots = true,
        .fd = fileno(w->file), .size = (int64_t)strlen(text), .settled = on_settled,
        .settled_arg = w};
    w->n = n;
    w->r = xcalloc(n, sizeof *w->r);
    for (size_t i = 0; i < n; i++) {
        w->r[i].to = names[i % 3];
        w->r[i].index = i;
        w->r[i].take = true;
    }
    return w;
}

static void world_free(struct world *w)
{
    client_free(w->cl);
    recipients_free(w->r, w->n);
    buf_free(&w->said);
    fclose(w->file);
    free(w);
}

/* Greets, transacts, and gives the verdicts as text: d(elivered), t(emporary), f(ailed). */
static const char *run(struct world *w)
{
    static char verdicts[MAX_RCPT + 1];
    cr_assert(client_greet(w->cl), "no welcome");
    client_transact(w->cl, &w->m, w->r, w->n);
    stream_flush(w->cl->s);
    for (size_t i = 0; i < w->n; i++)
        verdicts[i] = "?dtf"[w->r[i].verdict];
    verdicts[w->n] = 0;
    return verdicts;
}

#define SAID(w, text) cr_expect_str_eq(buf_str(&(w)->said), text)

Test(client, pipelined_transaction)
{
    struct world *w = world(EHLO "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued as X\r\n", false,
                            "Subject: x\r\n\r\n.dot\r\n..two\r\nno.dot\r\n", 1);
    w->m.eight_bit = true;
    cr_expect_str_eq(run(w), "d");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test> SIZE=35 BODY=8BITMIME\r\n"
            "RCPT TO:<tom@hehuan.test>\r\nDATA\r\n"
            "Subject: x\r\n\r\n..dot\r\n...two\r\nno.dot\r\n.\r\n");
    cr_expect_str_eq(w->r[0].reply, "250 2.0.0 queued as X");
    cr_expect_str_eq(w->r[0].status, "2.0.0");
    cr_expect_str_eq(w->r[0].host, "mail.hehuan.test");
    cr_expect_str_eq(w->r[0].address, "192.0.2.25");
    cr_expect_not(w->cl->broken);
    cr_expect_not(w->cl->dirty);
    world_free(w);
}

Test(client, without_extensions_step_by_step)
{
    struct world *w = world(PLAIN "250 ok\r\n550 no\r\n", false, "x\r\n", 1);
    cr_expect_str_eq(run(w), "f");
    /* Nobody was accepted: no DATA. */
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test>\r\nRCPT TO:<tom@hehuan.test>\r\n");
    cr_expect_str_eq(w->r[0].status, "5.0.0");
    cr_expect(w->cl->dirty);
    world_free(w);
}

Test(client, the_end_of_the_message_is_a_line_of_its_own)
{
    struct { const char *text, *sent; } cases[] = {
        {"", ".\r\n"}, {"x", "x\r\n.\r\n"}, {"x\r\n", "x\r\n.\r\n"}, {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"}, {"\r\n.\r\n", "\r\n..\r\n.\r\n"}, {"\r\n", "\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world(PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false,
                                cases[i].text, 1);
        cr_expect_str_eq(run(w), "d");
        struct buf want = {0};
        buf_printf(&want, GREETED "MAIL FROM:<jerry@magedu.test>\r\n"
                   "RCPT TO:<tom@hehuan.test>\r\nDATA\r\n%s", cases[i].sent);
        SAID(w, buf_str(&want));
        buf_free(&want);
        world_free(w);
    }
}

Test(client, dots_at_the_seams_of_pieces)
{
    struct buf text = {0}, want = {0};
    while (text.len < 65536 - 2)
        buf_add_byte(&text, 'x');
    buf_add_str(&text, "\r\n.seam\r\n");
    struct world *w = world(PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false,
                            buf_str(&text), 1);
    cr_expect_str_eq(run(w), "d");
    buf_add_str(&want, "x\r\n..seam\r\n.\r\n");
    cr_expect(slice_ends(buf_slice(&w->said), buf_slice(&want)));
    buf_free(&text);
    buf_free(&want);
    world_free(w);
}

Test(client, what_each_reply_means)
{
    struct { const char *replies, *verdicts; bool broken; } cases[] = {
        {"250 ok\r\n250 a\r\n550 b\r\n450 c\r\n354 go\r\n250 ok\r\n", "dft", false},
        {"250 ok\r\n250 a\r\n251 b\r\n550 c\r\n354 go\r\n450 later\r\n", "ttf", false},
        {"250 ok\r\n250 a\r\n250 b\r\n550 c\r\n354 go\r\n554 spam\r\n", "fff", false},
        {"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n451 no data\r\n", "ttt", false},
        {"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n554 no data\r\n", "fff", false},
        {"550 sender\r\n503 a\r\n503 b\r\n503 c\r\n503 d\r\n", "fff", false},
        {"450 sender\r\n503 a\r\n503 b\r\n503 c\r\n503 d\r\n", "ttt", false},
        {"250 ok\r\n550 a\r\n550 b\r\n450 c\r\n554 none\r\n", "fft", false},
        /* RFC 2920 3.1: DATA was taken although nobody is there: an empty message ends it. */
        {"250 ok\r\n550 a\r\n550 b\r\n550 c\r\n354 go\r\n554 none\r\n", "fff", false},
        {"250 ok\r\n552 a\r\n452 b\r\n250 c\r\n354 go\r\n250 ok\r\n", "ttd", false},
        /* RFC 1870 6.4: 552 for the size is final; 5.5.3 is too many recipients. */
        {"250 ok\r\n552 5.3.4 a\r\n552 5.5.3 b\r\n250 c\r\n354 go\r\n250 ok\r\n", "ftd", false},
        {"250 ok\r\n250 a\r\n421 bye\r\n", "ttt", true},
        {"421 bye\r\n", "ttt", true},
        {"", "ttt", true},
        {"250 ok\r\n550 a\r\n", "ftt", true},
        {"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n", "ttt", true},
        {"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n250 strange\r\n250 ok\r\n", "ttt", true},
        {"354 strange\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n250 ok\r\n", "ttt", false},
        {"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n354 again\r\n", "ttt", true},
        {"nonsense\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n250 ok\r\n", "ttt", true},
        {"250 ok\n250 a\n250 b\n250 c\n354 go\n250 ok\n", "ttt", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf server = {0};
        buf_printf(&server, EHLO "%s", cases[i].replies);
        struct world *w = world(buf_str(&server), false, "x\r\n", 3);
        const char *verdicts = run(w);
        cr_expect_str_eq(verdicts, cases[i].verdicts, "%s: %s", cases[i].replies, verdicts);
        cr_expect_eq(w->cl->broken, cases[i].broken, "%s", cases[i].replies);
        for (size_t k = 0; k < w->n; k++)
            cr_expect(w->r[k].reply && w->r[k].reply[0] && w->r[k].status[0]);
        world_free(w);
        buf_free(&server);
    }
}

Test(client, failures_and_deliveries_are_settled_at_once)
{
    struct world *w = world(EHLO "250 ok\r\n250 a\r\n550 b\r\n450 c\r\n354 go\r\n250 ok\r\n", false,
                            "x\r\n", 3);
    run(w);
    cr_expect_str_eq(w->settled, "Ba");
    world_free(w);
}

Test(client, lmtp_has_a_reply_for_each_accepted)
{
    struct world *w = world("220 lmtp\r\n250-x\r\n250 PIPELINING\r\n"
                            "250 ok\r\n250 a\r\n550 b\r\n250 c\r\n354 go\r\n"
                            "250 2.1.5 a\r\n452 4.2.2 c\r\n", true, "x\r\n", 3);
    cr_expect_str_eq(run(w), "dft");
    cr_expect_str_eq(w->r[2].status, "4.2.2");
    cr_expect_str_eq(w->settled, "Ba");
    cr_expect(slice_starts(buf_slice(&w->said), SLICE("LHLO relay.magedu.test\r\n")));
    world_free(w);
    /* The second reply never comes: the first one stands. */
    w = world("220 lmtp\r\n250-x\r\n250 PIPELINING\r\n"
              "250 ok\r\n250 a\r\n250 b\r\n354 go\r\n250 a\r\n", true, "x\r\n", 2);
    cr_expect_str_eq(run(w), "dt");
    world_free(w);
}

Test(client, only_the_sender_says_that_content_is_mime)
{
    /* RFC 5321 2.4: octets over 127 alone do not make BODY=8BITMIME true. */
    struct world *w = world(EHLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "x\r\n", 1);
    w->m.high_octets = true;
    cr_expect_str_eq(run(w), "d");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test> SIZE=3\r\n"
            "RCPT TO:<tom@hehuan.test>\r\nDATA\r\nx\r\n.\r\n");
    world_free(w);
}

Test(client, what_a_server_cannot_take_is_not_sent)
{
    struct world *w = world(PLAIN, false, "x\r\n", 1);
    w->m.high_octets = true;
    cr_expect_str_eq(run(w), "f");
    cr_expect_str_eq(w->r[0].status, "5.6.3");
    SAID(w, GREETED);
    world_free(w);

    w = world(EHLO, false, "x\r\n", 1);
    w->m.size = 1001;
    cr_expect_str_eq(run(w), "f");
    cr_expect_str_eq(w->r[0].status, "5.3.4");
    SAID(w, GREETED);
    world_free(w);

    w = world(EHLO, false, "x\r\n", 1);
    w->r[0].to = "t\xc3\xb6m@hehuan.test";
    cr_expect_str_eq(run(w), "f");
    cr_expect_str_eq(w->r[0].status, "5.6.7");
    world_free(w);

    /* Declared 8BITMIME, but all of it is 7-bit: any server can take it. */
    w = world(PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "x\r\n", 1);
    w->m.eight_bit = true;
    cr_expect_str_eq(run(w), "d");
    cr_expect_lt(slice_find(buf_slice(&w->said), SLICE("BODY")), 0);
    world_free(w);
}

Test(client, helo_where_ehlo_is_unknown)
{
    struct world *w = world("220 old\r\n502 what?\r\n250 old\r\n", false, "x\r\n", 1);
    cr_expect(client_greet(w->cl));
    stream_flush(w->cl->s);
    SAID(w, GREETED "HELO relay.magedu.test\r\n");
    cr_expect_not(w->cl->pipelining);
    world_free(w);
    w = world("220 old\r\n502 what?\r\n502 no\r\n", false, "x\r\n", 1);
    cr_expect_not(client_greet(w->cl));
    world_free(w);
    w = world("220 busy\r\n451 not now\r\n250 x\r\n", false, "x\r\n", 1);
    cr_expect_not(client_greet(w->cl), "4yz to EHLO is no reason for HELO");
    world_free(w);
    w = world("220 l\r\n500 what?\r\n250 x\r\n", true, "x\r\n", 1);
    cr_expect_not(client_greet(w->cl), "LMTP has only LHLO");
    world_free(w);
}

Test(client, greetings_that_are_no_welcome)
{
    const char *cases[] = {"554 go away\r\n", "421 busy\r\n", "250 ok\r\n", "", "220 lf only\n",
                           "HTTP/1.1 400 Bad Request\r\n"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world(cases[i], false, "x\r\n", 1);
        cr_expect_not(client_greet(w->cl), "%s", cases[i]);
        world_free(w);
    }
}

Test(client, rset_before_the_next_transaction_where_needed)
{
    struct world *w = world(EHLO "250 ok\r\n550 no\r\n554 none\r\n"
                            "250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"
                            "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "x\r\n", 1);
    cr_expect_str_eq(run(w), "f");
    client_transact(w->cl, &w->m, w->r, w->n);
    cr_expect_eq(w->r[0].verdict, VERDICT_DELIVERED);
    client_transact(w->cl, &w->m, w->r, w->n);
    stream_flush(w->cl->s);
    SAID(w, GREETED
         "MAIL FROM:<jerry@magedu.test> SIZE=3\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\n"
         "RSET\r\n"
         "MAIL FROM:<jerry@magedu.test> SIZE=3\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\nx\r\n.\r\n"
         "MAIL FROM:<jerry@magedu.test> SIZE=3\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\nx\r\n.\r\n");
    world_free(w);
}

Test(client, a_kept_connection_that_died_decides_nothing)
{
    const char *cases[] = {"", "421 timed out\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct buf server = {0};
        buf_printf(&server, PLAIN "%s", cases[i]);
        struct world *w = world(buf_str(&server), false, "x\r\n", 1);
        cr_assert(client_greet(w->cl));
        cr_expect_not(client_transact(w->cl, &w->m, w->r, 1), "%s", cases[i]);
        cr_expect(w->cl->broken);
        world_free(w);
        buf_free(&server);
    }
    struct world *w = world(PLAIN "550 no\r\n", false, "x\r\n", 1);
    cr_assert(client_greet(w->cl));
    cr_expect(client_transact(w->cl, &w->m, w->r, 1));
    world_free(w);
}

Test(client, many_recipients_go_in_bounded_groups)
{
    struct buf server = {0};
    buf_add_str(&server, EHLO "250 ok\r\n");
    for (int i = 0; i < MAX_RCPT; i++)
        buf_add_str(&server, "250 ok\r\n");
    buf_add_str(&server, "354 go\r\n250 ok\r\n");
    struct world *w = world(buf_str(&server), false, "x\r\n", MAX_RCPT);
    const char *verdicts = run(w);
    cr_expect_eq(strspn(verdicts, "d"), MAX_RCPT);
    world_free(w);
    buf_free(&server);
}

Test(client, a_message_that_cannot_be_read_is_never_ended)
{
    struct world *w = world(EHLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "short\r\n", 1);
    w->m.size = 500;             /* the file is shorter */
    cr_expect_str_eq(run(w), "t");
    cr_expect(w->cl->broken);
    cr_expect_not(slice_ends(buf_slice(&w->said), SLICE("\r\n.\r\n")));
    world_free(w);
}

#define CHUNKING "220 mail.hehuan.test ESMTP\r\n250-mail.hehuan.test\r\n250-8BITMIME\r\n" \
                 "250-BINARYMIME\r\n250 CHUNKING\r\n"

Test(client, one_chunk_when_the_server_takes_chunks)
{
    struct world *w = world(CHUNKING "250 ok\r\n250 ok\r\n550 no\r\n250 2.0.0 taken\r\n", false,
                            ".no dots\r\nno end", 2);
    w->m.binary = true;
    cr_expect_str_eq(run(w), "df");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test> BODY=BINARYMIME\r\n"
            "RCPT TO:<tom@hehuan.test>\r\nRCPT TO:<ann@hehuan.test>\r\n"
            "BDAT 16 LAST\r\n.no dots\r\nno end");
    world_free(w);
}

Test(client, nobody_accepted_means_no_chunk)
{
    struct world *w = world(CHUNKING "250 ok\r\n550 no\r\n", false, "x\r\n", 1);
    cr_expect_str_eq(run(w), "f");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test>\r\nRCPT TO:<tom@hehuan.test>\r\n");
    world_free(w);
}

Test(client, binary_content_is_encoded_for_others)
{
    char spool[] = "/tmp/postroad-unit-XXXXXX", folder[64];
    cr_assert(mkdtemp(spool));
    snprintf(folder, sizeof folder, "%s/incoming", spool);
    cr_assert_eq(mkdir(folder, 0700), 0);
    config.spool = spool;
    struct world *w = world(EHLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false,
                            "MIME-Version: 1.0\r\nContent-Type: a/b\r\n\r\n.\nx", 1);
    w->m.binary = true;
    cr_expect_str_eq(run(w), "d");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test> SIZE=81\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\n"
            "MIME-Version: 1.0\r\nContent-Type: a/b\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\nLgp4\r\n.\r\n");
    world_free(w);
    /* It is no MIME: returned. */
    w = world(EHLO, false, "Subject: x\r\n\r\n.\nx", 1);
    w->m.binary = true;
    cr_expect_str_eq(run(w), "f");
    cr_expect_str_eq(w->r[0].status, "5.6.3");
    world_free(w);
    rmdir(folder);
    rmdir(spool);
}

Test(client, internationalized_mail_goes_where_it_is_understood)
{
    struct world *w = world("220 x\r\n250-x\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
                            "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "x\r\n", 1);
    w->r[0].to = "t\xc3\xb6m@hehuan.test";
    cr_expect_str_eq(run(w), "d");
    SAID(w, GREETED "MAIL FROM:<jerry@magedu.test> SMTPUTF8\r\n"
            "RCPT TO:<t\xc3\xb6m@hehuan.test>\r\nDATA\r\nx\r\n.\r\n");
    world_free(w);
    /* Elsewhere only the recipients that are ASCII get it. */
    w = world(PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false, "Subject: x\r\n\r\n", 2);
    w->r[0].to = "t\xc3\xb6m@hehuan.test";
    w->m.utf8 = true;
    cr_expect_str_eq(run(w), "fd");
    cr_expect_str_eq(w->r[0].status, "5.6.7");
    world_free(w);
    w = world(PLAIN, false, "Subject: \xc3\xb6\r\n\r\n", 1);
    w->m.utf8 = true;
    cr_expect_str_eq(run(w), "f");
    world_free(w);
}
