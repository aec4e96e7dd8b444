/* SEARCH, SORT and THREAD over real mailboxes: every key, every return option. */
#include "reference/store/view.h"
#include "tests/unit/imapd/dialogue.h"

/* Three messages. The sizes are those of the literals. */
#define FIRST "From: \"J\xc3\xb6rg\" <joerg@x.test>\r\nTo: tom@x.test\r\nSubject: Re: [list] Apples\r\n" \
    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <one@x>\r\nX-Spam: No, 1.0\r\n\r\nfirst body\r\n"
#define SECOND "From: anna@x.test\r\nTo: Tom <tom@x.test>\r\nCc: z@x.test\r\n" \
    "Subject: =?iso-8859-1?q?B=E4ume?=\r\nDate: Tue, 8 Feb 1994 00:00:00 +0000\r\n" \
    "References: <one@x>\r\nMessage-ID: <two@x>\r\nContent-Type: text/plain; charset=iso-8859-1\r\n" \
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nK=E4se und Wurst, la=\r\nnger Text\r\n"
#define THIRD "Subject: apples\r\nFrom: Zoe <bert@x.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" \
    "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nU3RyYXdiZXJyaWVz\r\n" \
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner one\r\n\r\nplums\r\n--b\r\n" \
    "Content-Type: application/octet-stream; name=hidden.bin\r\n\r\nsecret\r\n--b--\r\n"

static void add_append(struct buf *script, const char *options, const char *text)
{
    buf_printf(script, "a APPEND INBOX %s {%zu+}\r\n%s\r\n", options, strlen(text), text);
}

static void begin(void)
{
    struct buf script = {0};
    dialogue_begin(FORMAT_MAILDIR);
    buf_add_str(&script, LOGIN "e ENABLE UTF8=ACCEPT\r\n");    /* a name in UTF-8 is among them */
    add_append(&script, "(\\Seen $Work) \" 7-Feb-1994 23:59:59 +0000\"", FIRST);
    add_append(&script, "(\\Flagged) \" 8-Feb-1994 00:00:00 +0000\"", SECOND);
    add_append(&script, "(\\Draft)", THIRD);
    cr_assert_not_null(strstr(answers_to(buf_slice(&script)), "a OK [APPENDUID"));
    buf_free(&script);
}

static void end(void)
{
    store_account_forget_all();
    world_end();
}

TestSuite(search, .init = begin, .fini = end);

/* What the server says to one more command, up to its tagged answer. */
static const char *answer(const char *command)
{
    static struct buf got;
    struct buf script = {0};
    buf_printf(&script, LOGIN "s SELECT INBOX\r\nx %s\r\nn NOOP\r\n", command);
    const char *from = strstr(answers_to(buf_slice(&script)), "s OK [READ-WRITE]");
    cr_assert_not_null(from);
    from = strchr(from, '\n') + 1;
    const char *stop = strstr(from, "n OK NOOP");
    cr_assert_not_null(stop, "%s", from);
    buf_clear(&got);
    buf_add(&got, from, (size_t)(stop - from));
    buf_free(&script);
    return buf_str(&got);
}

/* "1 3" for * SEARCH 1 3. */
static void check(const char *keys, const char *want)
{
    struct buf command = {0}, expected = {0};
    buf_printf(&command, "SEARCH %s", keys);
    buf_printf(&expected, "* SEARCH%s%s\r\nx OK SEARCH completed\r\n", *want ? " " : "", want);
    cr_assert_str_eq(answer(buf_str(&command)), buf_str(&expected), "%s", keys);
    buf_free(&command);
    buf_free(&expected);
}

static const struct { const char *keys, *found; } KEYS[] = {
    {"ALL", "1 2 3"}, {"SEEN", "1"}, {"UNSEEN", "2 3"}, {"FLAGGED", "2"}, {"DRAFT", "3"},
    {"UNDRAFT", "1 2"}, {"ANSWERED", ""}, {"NOT ANSWERED", "1 2 3"}, {"KEYWORD $work", "1"},
    {"UNKEYWORD $Work", "2 3"}, {"KEYWORD nobody", ""}, {"RECENT", ""}, {"OLD", "1 2 3"},
    {"2", "2"}, {"2:*", "2 3"}, {"*", "3"}, {"7:9", ""}, {"9:*", "3"}, {"UID 1,3", "1 3"}, {"NOT 2", "1 3"},
    {"OR SEEN FLAGGED", "1 2"}, {"(SEEN FLAGGED)", ""}, {"NOT (OR SEEN FLAGGED)", "3"},
    {"BEFORE 8-Feb-1994", "1"}, {"ON 8-feb-1994", "2"}, {"SINCE \"8-Feb-1994\"", "2 3"},
    {"SENTON 7-Feb-1994", "1"}, {"SENTBEFORE 8-Feb-1994", "1"}, {"SENTSINCE 8-Feb-1994", "2 3"},
    {"OLDER 1000", "1 2"}, {"YOUNGER 1000", "3"}, {"SAVEDSINCE 1-Jan-2020", "1 2 3"},
    {"SAVEDATESUPPORTED", "1 2 3"}, {"LARGER 100000", ""}, {"SMALLER 100000", "1 2 3"},
    {"FROM joerg", "1"}, {"FROM JORG", ""}, {"FROM {5+}\r\nJ\xc3\x96RG", "1"}, {"TO tom", "1 2"}, {"CC z@", "2"},
    {"BCC \"\"", ""}, {"SUBJECT APPLE", "1 3"}, {"SUBJECT {6+}\r\nb\xc3\x84ume", "2"},
    {"CHARSET ISO-8859-1 SUBJECT {5+}\r\nb\xc4ume", "2"}, {"CHARSET US-ASCII SUBJECT \"\"", "1 2 3"},
    {"HEADER X-Spam \"no, 1\"", "1"}, {"HEADER X-SPAM \"\"", "1"}, {"HEADER Message-ID TWO@", "2"},
    {"HEADER References \"\"", "2"}, {"HEADER Subject re:", "1"},
    {"BODY {5+}\r\nk\xc3\xa4se", "2"}, {"BODY longer", ""}, {"BODY \"langer text\"", "2"},
    {"BODY \"wurst, lA\"", "2"}, {"BODY strawBERRIES", "3"},
    {"BODY plums", "3"}, {"BODY inner", "3"}, {"BODY secret", ""}, {"BODY hidden", ""},
    {"TEXT hidden.bin", "3"}, {"TEXT one@x", "1 2"}, {"BODY one@x", ""}, {"TEXT \"\"", "1 2 3"},
    {"TEXT body TEXT first", "1"}, {"OR TEXT first BODY plums", "1 3"}, {"NOT TEXT first", "2 3"},
    {"EMAILID M0000000000000000", ""}, {"THREADID T1", ""},
};

Test(search, keys)
{
    check("NEW", "2 3");               /* the first session that sees them */
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        check(KEYS[i].keys, KEYS[i].found);
}

static const struct { const char *command, *want; } RETURNS[] = {
    {"UID SEARCH 2:3", "* SEARCH 2 3\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN () UNSEEN", "* ESEARCH (TAG \"x\") ALL 2:3\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN (MIN MAX COUNT) ALL",
     "* ESEARCH (TAG \"x\") MIN 1 MAX 3 COUNT 3\r\nx OK SEARCH completed\r\n"},
    {"UID SEARCH RETURN (COUNT) ANSWERED", "* ESEARCH (TAG \"x\") UID COUNT 0\r\nx OK SEARCH completed\r\n"},
    {"UID SEARCH RETURN (ALL) NOT 2", "* ESEARCH (TAG \"x\") UID ALL 1,3\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN (SAVE) UNSEEN\r\nx SEARCH $ FLAGGED",
     "x OK SEARCH completed\r\n* SEARCH 2\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN (SAVE MAX) UNSEEN\r\nx UID SEARCH UID $",
     "* ESEARCH (TAG \"x\") MAX 3\r\nx OK SEARCH completed\r\n* SEARCH 3\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN (SAVE) ALL\r\nx SEARCH RETURN (SAVE) CHARSET X-NO ALL\r\nx SEARCH $",
     "x OK SEARCH completed\r\nx NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] charset is not known\r\n"
     "* SEARCH\r\nx OK SEARCH completed\r\n"},
    {"SEARCH RETURN (SAVE) 2\r\nx SEARCH RETURN (SAVE) NONSENSE\r\nx SEARCH NOT $",
     "x OK SEARCH completed\r\nx BAD SEARCH: expected a search key (RFC 9051 6.4.4)\r\n* SEARCH 1 3\r\nx OK SEARCH completed\r\n"},
    {"SORT (SUBJECT) UTF-8 ALL", "* SORT 1 3 2\r\nx OK SORT completed\r\n"},
    {"SORT (REVERSE SUBJECT) US-ASCII ALL", "* SORT 2 1 3\r\nx OK SORT completed\r\n"},
    {"SORT (FROM) UTF-8 ALL", "* SORT 2 3 1\r\nx OK SORT completed\r\n"},
    {"SORT (DISPLAYFROM) UTF-8 ALL", "* SORT 2 1 3\r\nx OK SORT completed\r\n"},
    {"SORT (DATE) UTF-8 ALL", "* SORT 2 1 3\r\nx OK SORT completed\r\n"},
    {"UID SORT (REVERSE ARRIVAL) UTF-8 1:2", "* SORT 2 1\r\nx OK SORT completed\r\n"},
    {"SORT RETURN (MIN MAX ALL COUNT) (REVERSE SUBJECT) UTF-8 ALL",
     "* ESEARCH (TAG \"x\") MIN 2 MAX 3 COUNT 3 ALL 2,1,3\r\nx OK SORT completed\r\n"},
    {"THREAD REFERENCES UTF-8 ALL", "* THREAD (3 1 2)\r\nx OK THREAD completed\r\n"},
    {"THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD (2)(1 3)\r\nx OK THREAD completed\r\n"},
    {"UID THREAD REFERENCES UTF-8 ANSWERED", "* THREAD\r\nx OK THREAD completed\r\n"},
};

Test(search, returns)
{
    for (size_t i = 0; i < sizeof RETURNS / sizeof RETURNS[0]; i++)
        cr_assert_str_eq(answer(RETURNS[i].command), RETURNS[i].want, "%s", RETURNS[i].command);
}

Test(search, with_modseq)
{
    const char *got = answer("SEARCH MODSEQ 1");
    cr_assert_not_null(strstr(got, "* SEARCH 1 2 3 (MODSEQ "), "%s", got);
    got = answer("SEARCH RETURN (COUNT) MODSEQ \"/flags/\\\\draft\" all 1");
    cr_assert_not_null(strstr(got, "* ESEARCH (TAG \"x\") COUNT 3 MODSEQ "), "%s", got);
    got = answer("SEARCH MODSEQ 999999999");
    cr_assert_not_null(strstr(got, "* SEARCH\r\n"), "%s", got);
}

/* RFC 9051 7.3.4: IMAP4rev2 has ESEARCH only; UTF8=ACCEPT alone has no CHARSET (RFC 6855 3). */
Test(search, enabled)
{
    const char *got = answer("ENABLE IMAP4rev2\r\nx SEARCH CHARSET UTF-8 SEEN");
    cr_assert_not_null(strstr(got, "* ESEARCH (TAG \"x\") ALL 1\r\n"), "%s", got);
    got = answer("ENABLE UTF8=ACCEPT\r\nx SEARCH CHARSET UTF-8 SEEN");
    cr_assert_not_null(strstr(got, "x BAD "), "%s", got);
}

Test(search, wrong)
{
    static const char *const WRONG[] = {
        "", "SEARCH", "SEARCH ", "SEARCH SEEN ", "SEARCH (SEEN", "SEARCH ()", "SEARCH NOT", "SEARCH OR SEEN",
        "SEARCH LARGER", "SEARCH LARGER x", "SEARCH ON 99-Feb-1994", "SEARCH HEADER x", "SEARCH 0",
        "SEARCH RETURN (X) ALL", "SEARCH RETURN ALL", "SEARCH OLDER 0", "SEARCH MODSEQ", "SEARCH SEEN)",
        "SORT () UTF-8 ALL", "SORT (REVERSE) UTF-8 ALL", "SORT (X) UTF-8 ALL", "SORT (DATE) ALL",
        "SORT DATE UTF-8 ALL", "THREAD X UTF-8 ALL", "THREAD REFERENCES ALL", "SEARCH CHARSET UTF-8",
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        const char *got = answer(WRONG[i]);
        cr_assert_not_null(strstr(got, " BAD "), "%s: %s", WRONG[i], got);
    }
}

/* Bounded: keys, depth, texts. */
Test(search, bounds)
{
    struct buf command = {0};
    buf_add_str(&command, "SEARCH ");
    for (int i = 0; i < 100; i++)
        buf_add_byte(&command, '(');
    cr_assert_not_null(strstr(answer(buf_str(&command)), "x BAD "));
    buf_clear(&command);
    buf_add_str(&command, "SEARCH ALL");
    for (int i = 0; i < 2100; i++)
        buf_add_str(&command, " SEEN");
    cr_assert_not_null(strstr(answer(buf_str(&command)), "x BAD "));
    buf_clear(&command);
    buf_add_str(&command, "SEARCH ALL");
    for (int i = 0; i < 70; i++)
        buf_add_str(&command, " TEXT x");
    cr_assert_not_null(strstr(answer(buf_str(&command)), "x BAD "));
    buf_free(&command);
}
