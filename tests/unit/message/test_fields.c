/* Header fields, addresses, ENVELOPE, BODYSTRUCTURE. */
#include "reference/message/envelope.h"

#include <criterion/criterion.h>

Test(fields, walking)
{
    struct slice rest = SLICE("A: one\r\nnothing\r\n folded\r\nB : two\r\n\tmore\r\n b: x\r\nb:\r\n\r\nC: no\r\n");
    struct header_field f;
    struct buf text = {0};
    while (header_next(&rest, &f)) {
        buf_printf(&text, "%.*s=", SLICE_ARG(f.name));
        header_unfold(&text, f.value);
        buf_add_byte(&text, '|');
    }
    cr_assert_str_eq(buf_str(&text), "A=one|B=two\tmore b: x|b=|");
    struct slice header = SLICE("x: 1\nSubject: (a) b (c \\) (d)) \"(e)\"\n");
    cr_assert(header_find(header, "SUBJECT", &f));
    buf_clear(&text);
    header_strip_comments(&text, f.value);
    cr_assert_str_eq(buf_str(&text), "   b   \"(e)\"");
    cr_assert_not(header_find(header, "To", &f));
    buf_free(&text);
}

/* name|route|mailbox|host, with - for NIL, addresses separated by blanks. */
static const struct { const char *value, *list; } ADDRESSES[] = {
    {"", ""},
    {"tom@example.org", "-|-|tom|example.org"},
    {"Tom <tom@example.org>, <a@b>", "Tom|-|tom|example.org -|-|a|b"},
    {"\"Tom \\\"T\\\" Thumb\" <t@x>", "Tom \"T\" Thumb|-|t|x"},
    {"Joe Q. Public <joe@x>", "Joe Q. Public|-|joe|x"},
    {"tom@x (Tom (the) Thumb)", "Tom (the) Thumb|-|tom|x"},
    {"<tom@x> (Tom)", "Tom|-|tom|x"},
    {"Tom<@a,@b:tom@x>", "Tom|@a,@b|tom|x"},
    {"tom . t @ x . y", "-|-|tom.t|x.y"},                        /* RFC 5322 4.4 */
    {"\" a . b \"@x", "-|-|a . b|x"},
    {"tom@[192.0.2.1], tom@[IPv6:2001:db8::1]", "-|-|tom|[192.0.2.1] -|-|tom|[IPv6:2001:db8::1]"},
    {"A Group: a@x, B <b@y>; , c@z", "-|-|A Group|- -|-|a|x B|-|b|y -|-|-|- -|-|c|z"},
    {"undisclosed-recipients:;", "-|-|undisclosed-recipients|- -|-|-|-"},
    {"g: a@x", "-|-|g|- -|-|a|x -|-|-|-"},                        /* never closed */
    {"root", "-|-|root|"},
    {"a@x <a@x>", "a@x|-|a|x"},
    {"a@b@c", "-|-|a@b|c"},
    {"Tom <tom@x, <b@y>", "Tom|-|tom|x -|-|b|y"},
    {",,a@x;b@y,", "-|-|a|x -|-|b|y"},
    {"\"never ends <a@x>", "-|-|never ends <a@x>|"},
    {"=?utf-8?q?T=C3=B6m?=\r\n =?utf-8?q?x?= <t@x>", "=?utf-8?q?T=C3=B6m?= =?utf-8?q?x?=|-|t|x"},
    {"<>", "-|-||"},
};

static void add_piece(struct buf *out, struct slice s, char end)
{
    if (s.p)
        buf_add_slice(out, s);
    else
        buf_add_byte(out, '-');
    buf_add_byte(out, end);
}

Test(fields, addresses)
{
    struct mailbox_list list = {0};
    for (size_t i = 0; i < sizeof ADDRESSES / sizeof ADDRESSES[0]; i++) {
        struct buf text = {0};
        mailbox_list_parse(&list, slice_str(ADDRESSES[i].value));
        for (size_t k = 0; k < list.count; k++) {
            if (k > 0)
                buf_add_byte(&text, ' ');
            add_piece(&text, list.all[k].name, '|');
            add_piece(&text, list.all[k].route, '|');
            add_piece(&text, list.all[k].mailbox, '|');
            add_piece(&text, list.all[k].host, ' ');
            buf_truncate(&text, text.len - 1);
        }
        cr_assert_str_eq(buf_str(&text), ADDRESSES[i].list, "%s", ADDRESSES[i].value);
        buf_free(&text);
    }
    mailbox_list_free(&list);
}

static const struct { const char *header, *envelope; } ENVELOPES[] = {
    {"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Date: d\nSubject: a \"b\"\n c\nFrom: T <t@x>\nTo: a@b\nMessage-ID: <i@d>\nIn-Reply-To: <r@d>\n",
     "(\"d\" \"a \\\"b\\\" c\" ((\"T\" NIL \"t\" \"x\")) ((\"T\" NIL \"t\" \"x\")) ((\"T\" NIL \"t\" \"x\")) "
     "((NIL NIL \"a\" \"b\")) NIL NIL \"<r@d>\" \"<i@d>\")"},
    {"From: t@x\nSender: s@x\nReply-To:\nSubject:\n",
     "(NIL \"\" ((NIL NIL \"t\" \"x\")) ((NIL NIL \"s\" \"x\")) ((NIL NIL \"t\" \"x\")) NIL NIL NIL NIL NIL)"},
    /* RFC 5322 3.6 allows one field each; of several the addresses are put together */
    {"To: a@x\nCC: c@x\nTo: b@x\nSubject: 1\nSubject: 2\n",
     "(NIL \"1\" NIL NIL NIL ((NIL NIL \"a\" \"x\")(NIL NIL \"b\" \"x\")) ((NIL NIL \"c\" \"x\")) "
     "NIL NIL NIL)"},
    {"Subject: \xc3\xa4\n", "(NIL {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)"},
};

Test(fields, envelopes)
{
    for (size_t i = 0; i < sizeof ENVELOPES / sizeof ENVELOPES[0]; i++) {
        struct envelope e;
        struct buf text = {0};
        envelope_read(&e, slice_str(ENVELOPES[i].header));
        envelope_write(&text, &e);
        cr_assert_str_eq(buf_str(&text), ENVELOPES[i].envelope);
        buf_free(&text);
    }
}

static const struct { const char *text, *body, *structure; } BODIES[] = {
    {"\nhello\n",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 7 1)",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL)"},
    {"Content-Type: image/png; name*0=a; name*1=b\nContent-ID: <i>\nContent-Description: d\n"
     "Content-Transfer-Encoding: BASE64\nContent-Disposition: attachment; filename*=utf-8''%c3%a4\n"
     "Content-Language: en, fr\nContent-Location: l\nContent-MD5: m\n\nAAAA",
     "(\"image\" \"png\" (\"name\" \"ab\") \"<i>\" \"d\" \"BASE64\" 4)",
     "(\"image\" \"png\" (\"name\" \"ab\") \"<i>\" \"d\" \"BASE64\" 4 \"m\" (\"attachment\" "
     "(\"filename*\" \"utf-8''%C3%A4\")) (\"en\" \"fr\") \"l\")"},
    {"Content-Type: multipart/mixed; boundary=x\nContent-Disposition: inline\n\n--x\n"
     "Content-Type: text/html\n\na\nb\n--x\nContent-Type: message/rfc822\n\nSubject: s\n\nz\n--x--\n",
     "((\"text\" \"html\" NIL NIL NIL \"7BIT\" 4 1)(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 15 "
     "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
     "\"7BIT\" 1 0) 2) \"mixed\")",
     "((\"text\" \"html\" NIL NIL NIL \"7BIT\" 4 1 NIL NIL NIL NIL)(\"message\" \"rfc822\" NIL NIL NIL "
     "\"7BIT\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") "
     "NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"x\") "
     "(\"inline\" NIL) NIL NIL)"},
    {"Content-Type: multipart/mixed\n\n",
     "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) \"mixed\")",
     "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)"},
    /* a value for old readers beside an extended one: both are shown */
    {"Content-Type: image/png; name=a; name*=utf-8''b\n\n",
     "(\"image\" \"png\" (\"name\" \"a\" \"name*\" \"utf-8''b\") NIL NIL \"7BIT\" 0)",
     "(\"image\" \"png\" (\"name\" \"a\" \"name*\" \"utf-8''b\") NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)"},
};

Test(fields, body_structures)
{
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++) {
        struct mime_message *m = mime_parse(slice_str(BODIES[i].text));
        struct buf text = {0};
        bodystructure_write(&text, m->root, false);
        cr_assert_str_eq(buf_str(&text), BODIES[i].body);
        buf_clear(&text);
        bodystructure_write(&text, m->root, true);
        cr_assert_str_eq(buf_str(&text), BODIES[i].structure);
        mime_message_free(m);
        buf_free(&text);
    }
}
