/* Dialogues on mailboxes: what the answers look like to the octet. */
#include "reference/store/view.h"
#include "tests/unit/imapd/dialogue.h"

static const char multipart[] =
    "From: Jerry <jerry@magedu.test>\nSubject: two\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n"
    "Content-Transfer-Encoding: base64\nContent-Type: image/png\n\nAGJj\n--b--\n";

static void begin(void)
{
    dialogue_begin(FORMAT_MAILDIR);
    deliver("a@b.test", "Subject: one\nFrom: Tom <tom@hehuan.test>\n\nline\n");
    deliver("a@b.test", multipart);
}

static void end(void)
{
    store_account_forget_all();
    world_end();
}

TestSuite(imap_mailbox, .init = begin, .fini = end);

/* The same, with INBOX selected, whose answer is left out. */
#define selected(text)                                                                             \
    (strchr(strstr(answers_to(SLICE(LOGIN "s SELECT INBOX\r\n" text)), "s OK ["), '\n') + 1)
#define golden_selected(input, output) cr_assert_str_eq(selected(input), output)

Test(imap_mailbox, select_tells_the_mailbox)
{
    const char *got = answers("a SELECT INBOX\r\nb EXAMINE inbox\r\nc SELECT nowhere\r\nd FETCH 1 UID\r\n");
    const char *const has[] = {
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ",
        "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 1] ", "* OK [UIDNEXT 3] ",
        "a OK [READ-WRITE] SELECT completed\r\n* OK [CLOSED] ", "* OK [PERMANENTFLAGS ()] ",
        "* 2 EXISTS\r\n* 0 RECENT\r\n", "b OK [READ-ONLY] EXAMINE completed\r\n* OK [CLOSED] ",
        "c NO [NONEXISTENT] ", "d BAD FETCH: select a mailbox first\r\n"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++) {
        cr_assert(strstr(got, has[i]), "%s in\n%s", has[i], got);
        got = strstr(got, has[i]);
    }
}

Test(imap_mailbox, fetch_items)
{
    golden_selected("a FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])\r\n"
                    "b FETCH 2 (BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[7] BODY.PEEK[2]<1.2>)\r\n"
                    "c FETCH 2 (BINARY.SIZE[2] BINARY.PEEK[2] BINARY.PEEK[1])\r\n",
                    "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (SUBJECT)] {16}\r\nSubject: one\r\n\r\n "
                    "BODY[TEXT] {6}\r\nline\r\n)\r\na OK FETCH completed\r\n"
                    "* 2 FETCH (BODY[1] {4}\r\ntext BODY[2.MIME] {62}\r\n"
                    "Content-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\n "
                    "BODY[7] NIL BODY[2]<1> {2}\r\nGJ)\r\nb OK FETCH completed\r\n"
                    "* 2 FETCH (BINARY.SIZE[2] 3 BINARY[2] ~{3}\r\n");
}

Test(imap_mailbox, fetch_sees)
{
    golden_selected("a FETCH 1 BODY[TEXT]\r\nb FETCH 1 BODY[TEXT]\r\nc FETCH 1:* FLAGS\r\n",
                    "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {6}\r\nline\r\n)\r\n"
                    "a OK FETCH completed\r\n* 1 FETCH (BODY[TEXT] {6}\r\nline\r\n)\r\n"
                    "b OK FETCH completed\r\n* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n"
                    "* 2 FETCH (FLAGS (\\Recent))\r\nc OK FETCH completed\r\n");
}

Test(imap_mailbox, fetch_that_is_wrong)
{
    world_config.errors = 100;
    const char *got = selected(
        "a FETCH 3 UID\r\na FETCH 0 UID\r\na FETCH 1\r\na FETCH 1 ()\r\na FETCH 1 XYZZY\r\n"
        "a FETCH 1 BODY[0]\r\na FETCH 1 BODY[MIME]\r\na FETCH 1 BODY[HEADER.FIELDS]\r\n"
        "a FETCH 1 BODY[HEADER.FIELDS ()]\r\na FETCH 1 BODY[]<0.0>\r\na FETCH 1 BODY[]<0>\r\n"
        "a FETCH 1 (UID FLAGS\r\na FETCH 1 (UID))\r\na FETCH 1 BINARY[TEXT]\r\na FETCH 1 (ALL)\r\n"
        "a FETCH 1 UID (CHANGEDSINCE 0)\r\na FETCH 1 UID (VANISHED)\r\na FETCH  1 UID\r\n");
    int count = 0;
    for (; *got; got = strchr(got, '\n') + 1, count++)
        cr_expect(slice_starts(slice_str(got), SLICE("a BAD ")), "%s", got);
    cr_expect_eq(count, 18);
}

Test(imap_mailbox, store_and_expunge)
{
    golden_selected("a STORE 1 +FLAGS (\\Deleted work)\r\nb STORE 2 FLAGS.SILENT \\Seen\r\nc UID STORE 2 -FLAGS ()\r\n"
                    "d STORE 1 +FLAGS (\\Recentish)\r\ne EXPUNGE\r\nf UID EXPUNGE 2\r\n"
                    "g STORE 1 +FLAGS \\Deleted\r\nh CLOSE\r\ni STATUS INBOX (MESSAGES)\r\n",
                    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n"
                    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] flags that are kept\r\n"
                    "* 1 FETCH (FLAGS (\\Deleted work \\Recent))\r\n"
                    "a OK STORE completed\r\n"
                    "b OK STORE completed\r\n"
                    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\r\nc OK STORE completed\r\n"
                    "d BAD STORE: expected a flag of RFC 9051 2.3.2 or a keyword (RFC 9051 6.4.6)\r\n"
                    "* 1 EXPUNGE\r\ne OK EXPUNGE completed\r\nf OK EXPUNGE completed\r\n"
                    "* 1 FETCH (FLAGS (\\Deleted \\Seen \\Recent))\r\ng OK STORE completed\r\n"
                    "h OK CLOSE completed\r\n* STATUS INBOX (MESSAGES 0)\r\ni OK STATUS completed\r\n");
}

Test(imap_mailbox, readonly)
{
    const char *got = answers("a EXAMINE INBOX\r\nb STORE 1 +FLAGS \\Seen\r\nc EXPUNGE\r\nd MOVE 1 INBOX\r\n"
                              "e FETCH 1 BODY[TEXT]\r\nf CLOSE\r\n");
    cr_expect(strstr(got, "b NO [CANNOT] "));
    cr_expect(strstr(got, "c NO [CANNOT] "));
    cr_expect(strstr(got, "d NO [CANNOT] "));
    cr_expect(strstr(got, "* 1 FETCH (BODY[TEXT] {6}\r\nline\r\n)\r\ne OK"));
    cr_expect(strstr(got, "f OK "));
}

Test(imap_mailbox, list_and_lsub)
{
    const char *got = answers(
        "a CREATE x/y/z\r\nb LIST \"\" \"\"\r\nc LIST \"\" %\r\nd LIST \"\" x/%\r\ne LIST x/ y*\r\nf SUBSCRIBE x/y/z\r\n"
        "g LSUB \"\" %\r\nh LSUB \"\" *\r\ni LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %\r\nj LIST (RECURSIVEMATCH) \"\" %\r\n"
        "k LIST \"\" (INBOX x) RETURN (STATUS (MESSAGES))\r\n");
    const char *const has[] = {
        "* LIST (\\Noselect) \"/\" \"\"\r\nb OK", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (",
        ") \"/\" x\r\nc OK", "\\HasChildren) \"/\" x/y\r\nd OK", "\"/\" x/y\r\n* LIST (\\HasNoChildren) \"/\" x/y/z\r\ne OK",
        "f OK", "* LSUB (\\Noselect) \"/\" x\r\ng OK", "* LSUB () \"/\" x/y/z\r\nh OK",
        "\"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\ni OK", "j BAD",
        "\"/\" INBOX\r\n* STATUS INBOX (MESSAGES 2)\r\n", "k OK"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++) {
        cr_assert(strstr(got, has[i]), "%s in\n%s", has[i], got);
        got = strstr(got, has[i]);
    }
}

Test(imap_mailbox, append_of_8bit_headers)
{
    golden("a APPEND INBOX {15+}\r\nSubject: \xc3\xa9\r\n\r\n\r\n",
           "a NO [CANNOT] the header has octets above 127: ENABLE UTF8=ACCEPT first\r\n");
    cr_assert(strstr(answers("b APPEND INBOX {16+}\r\nSubject: e\r\n\r\n\xc3\xa9\r\n"), "b OK [APPENDUID "));
    cr_assert(strstr(answers("a ENABLE UTF8=ACCEPT\r\nb APPEND INBOX UTF8 (~{15+}\r\nSubject: \xc3\xa9\r\n\r\n)\r\n"),
                     "b OK [APPENDUID "));
}

Test(imap_mailbox, append_that_is_wrong)
{
    world_config.message_size = 100;
    const char *got = answers("a APPEND nowhere {5+}\r\n12345\r\nb APPEND INBOX {101+}\r\n"
                              "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                              "0\r\nc APPEND INBOX (\\Seen \\Foo) {1+}\r\nx\r\nd APPEND INBOX \"24-Nov\" {1+}\r\nx\r\n"
                              "e APPEND INBOX {0+}\r\n\r\nf APPEND INBOX\r\ng APPEND INBOX {1+}\r\nx y\r\n"
                              "h STATUS INBOX (MESSAGES)\r\n");
    const char *const has[] = {"a NO [TRYCREATE] ", "b NO [TOOBIG] ", "c BAD ", "d BAD ", "e NO [CANNOT] ", "f BAD ",
                               "g BAD ", "* STATUS INBOX (MESSAGES 2)\r\nh OK"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++) {
        cr_assert(strstr(got, has[i]), "%s in\n%s", has[i], got);
        got = strstr(got, has[i]);
    }
}
