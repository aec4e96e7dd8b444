#include "conformance/runner/imap.h"
#include "conformance/runner/match.h"
#include "conformance/runner/run.h"
#include "tests/unit/conform/parsed.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Does the wire answer to the expectation? `line` is what stands behind "S:". */
static bool answers(const char *service, const char *expectation, struct slice wire,
                    struct env *env, char **why)
{
    struct parsed p;
    struct buf text = {0};
    buf_printf(&text, "client c to %s\n  S: %s\n", service, expectation);
    parse_text(&p, buf_str(&text));
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    const struct client *c = p.s->parts[0].client;
    const struct expect *e = c->steps[0].expect;
    struct stream *s = stream_new_memory(wire, NULL);
    struct reply r = {0};
    struct judgement j = {0};
    answer_read(s, c->proto, e->lines || (c->proto == PROTO_POP3 && e->item_count), &r);
    match_reply(e, c->proto, &r, env, &j);
    bool ok = j.matched;
    if (why)
        *why = buf_take(&j.why);
    answer_free(&r);
    judgement_free(&j);
    stream_close(s);
    parsed_free(&p);
    buf_free(&text);
    return ok;
}

static bool smtp(const char *expectation, const char *wire)
{
    struct env env = {0};
    bool ok = answers("smtp", expectation, slice_str(wire), &env, NULL);
    env_free(&env);
    return ok;
}

Test(match, codes)
{
    cr_assert(smtp("250", "250 ok\r\n"));
    cr_assert(smtp("250", "250\r\n"));
    cr_assert(smtp("25x|503", "251 ok\r\n"));
    cr_assert(smtp("permfail", "554 no\r\n"));
    cr_assert_not(smtp("250", "251 ok\r\n"));
    cr_assert_not(smtp("tempfail", "554 no\r\n"));
    cr_assert(smtp("550 5.1.1", "550-5.1.1 a\r\n550 5.1.1 b\r\n"));
    cr_assert_not(smtp("550 5.1.1", "550-5.1.1 a\r\n550 b\r\n"));
    cr_assert(smtp("550 5.x.x", "550 5.7.1 a\r\n"));
    cr_assert_not(smtp("550 5.1.1", "550 5.1.10 a\r\n"));
    cr_assert(smtp("220 /^mx\\.test /", "220 mx.test hello\r\n"));
    cr_assert_not(smtp("220 \"mx\"", "220 mx.test\r\n"));
}

Test(match, invalid_replies_never_match)
{
    cr_assert_not(smtp("250", "250 ok\n"));
    cr_assert_not(smtp("250", "250-a\r\n251 b\r\n"));
    cr_assert_not(smtp("250", "250ok\r\n"));
    cr_assert_not(smtp("250", "25 ok\r\n"));
    cr_assert_not(smtp("250", "250-only\r\n"));
    cr_assert_not(smtp("250", "250 a\rb\r\n"));
    cr_assert(smtp("closed", ""));
    cr_assert_not(smtp("closed", "250 ok\r\n"));
}

Test(match, keywords)
{
    const char *ehlo = "250-mx\r\n250-pipelining\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";
    cr_assert(smtp("250 has PIPELINING, SIZE /\\d+/", ehlo));
    cr_assert_not(smtp("250 has STARTTLS", ehlo));
    cr_assert_not(smtp("250 lacks SIZE /.*/", ehlo));
    cr_assert_not(smtp("250 has SIZE", ehlo));
    cr_assert_not(smtp("250\n    PIPELINING\n    nothing else", ehlo));
    cr_assert(smtp("250\n    8BITMIME\n    PIPELINING\n    SIZE $n:number\n    nothing else", ehlo));
    cr_assert_not(smtp("250\n    in order\n    8BITMIME\n    PIPELINING", ehlo));
    cr_assert_not(smtp("250 has mx", ehlo));
}

Test(match, captures)
{
    struct env env = {0};
    struct slice v;
    cr_assert(answers("smtp", "250 /queued as (?<qid>\\S+)/", SLICE("250 queued as A1.\r\n"), &env, NULL));
    cr_assert(answers("smtp", "250 /queued as (?<qid>\\S+)/", SLICE("250 queued as A1.\r\n"), &env, NULL));
    cr_assert_not(answers("smtp", "250 /queued as (?<qid>\\S+)/", SLICE("250 queued as B2.\r\n"), &env, NULL),
                  "a group whose name has a value is compared");
    cr_assert(env_get(&env, SLICE("qid"), &v));
    cr_assert(slice_eq_str(v, "A1."));
    env_set(&env, SLICE("x"), SLICE("a+b"));
    cr_assert(answers("pop3", "+OK lines\n    1 $x\n    nothing else", SLICE("+OK\r\n1 a+b\r\n.\r\n"), &env, NULL));
    cr_assert_not(answers("pop3", "+OK lines\n    1 $x", SLICE("+OK\r\n1 aab\r\n.\r\n"), &env, NULL));
    env_free(&env);
}

Test(match, pop3)
{
    struct env env = {0};
    cr_assert(answers("pop3", "+OK \"2 320\"", SLICE("+OK 2 320\r\n"), &env, NULL));
    cr_assert_not(answers("pop3", "+OK", SLICE("+ok\r\n"), &env, NULL));
    cr_assert_not(answers("pop3", "+OK", SLICE("+OKAY\r\n"), &env, NULL));
    cr_assert(answers("pop3", "-ERR [IN-USE]", SLICE("-ERR [in-use] busy\r\n"), &env, NULL));
    cr_assert_not(answers("pop3", "+OK lines", SLICE("+OK\r\n1 2\r\n"), &env, NULL));
    cr_assert(answers("pop3", "+OK lines\n    .\n    nothing else", SLICE("+OK\r\n..\r\n.\r\n"), &env, NULL));
    env_free(&env);
}

/* Does the IMAP response fit the pattern? */
static bool imap(const char *pattern, struct slice response, struct env *env)
{
    struct parsed p;
    struct buf text = {0};
    buf_printf(&text, "client c to imap\n  S: %s\n", pattern);
    parse_text(&p, buf_str(&text));
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    const char *why = NULL;
    const struct expect *e = p.s->parts[0].client->steps[0].expect;
    bool ok = match_imap(&e->alts[0], response, env, &why);
    parsed_free(&p);
    buf_free(&text);
    return ok;
}

Test(imap, data)
{
    struct env env = {0};
    struct slice v;
    cr_assert(imap("* 3 EXISTS", SLICE("* 3 exists"), &env));
    cr_assert_not(imap("* 3 EXISTS", SLICE("* 3 EXISTS 4"), &env));
    cr_assert(imap("* LIST (...) \"/\" INBOX", SLICE("* LIST (\\HasNoChildren) \"/\" \"INBOX\""), &env));
    cr_assert(imap("* LIST (...) \"/\" \"a b\"", SLICE("* LIST () \"/\" {3}\r\na b"), &env));
    cr_assert_not(imap("* LIST (...) NIL INBOX", SLICE("* LIST () \"NIL\" INBOX"), &env));
    cr_assert(imap("* OK [UIDVALIDITY $u:number]", SLICE("* OK [UIDVALIDITY 17] fine"), &env));
    cr_assert(env_get(&env, SLICE("u"), &v) && slice_eq_str(v, "17"));
    cr_assert_not(imap("* OK [UIDVALIDITY $u]", SLICE("* OK [UIDVALIDITY 18] fine"), &env));
    cr_assert(imap("* 1 FETCH {UID 5, FLAGS (\\Seen)}", SLICE("* 1 FETCH (FLAGS (\\seen) UID 5)"), &env));
    cr_assert_not(imap("* 1 FETCH {UID 6}", SLICE("* 1 FETCH (FLAGS (6) UID 5)"), &env));
    cr_assert(imap("* 1 FETCH (BODY[HEADER.FIELDS (A B)] /x$/)",
                   SLICE("* 1 FETCH (BODY[HEADER.FIELDS (A B)] {4}\r\na\r\nx)"), &env));
    cr_assert(imap("a1 OK [READ-WRITE]", SLICE("a1 OK [READ-WRITE] done"), &env));
    cr_assert_not(imap("a1 OK [READ-WRITE]", SLICE("a1 OK done"), &env));
    cr_assert_not(imap("a1 OK", SLICE("a2 OK done"), &env));
    cr_assert(imap("* CAPABILITY ... B ...", SLICE("* CAPABILITY A B"), &env));
    cr_assert(imap("* 1 FETCH {BINARY[1] ~/^a/}", SLICE("* 1 FETCH (BINARY[1] ~{2}\r\nab)"), &env));
    cr_assert_not(imap("* 1 FETCH {BINARY[1] ~/^a/}", SLICE("* 1 FETCH (BINARY[1] {2}\r\nab)"), &env));
    cr_assert(imap("* SEARCH ... 7", SLICE("* SEARCH 7 1 7"), &env));
    cr_assert_not(imap("* CAPABILITY ... B ...", SLICE("* CAPABILITY A BC C"), &env));
    cr_assert(imap("+", SLICE("+ go on"), &env));
    env_free(&env);
}

Test(imap, invalid)
{
    struct arena a = {0};
    struct imap_node n;
    const char *why;
    cr_assert_not(imap_parse(&a, SLICE("* LIST (a"), &n, &why));
    cr_assert_not(imap_parse(&a, SLICE("* X \"a"), &n, &why));
    cr_assert_not(imap_parse(&a, SLICE("* X {9}\r\nabc"), &n, &why));
    cr_assert_not(imap_parse(&a, SLICE("*"), &n, &why));
    cr_assert_not(imap_parse(&a, SLICE(""), &n, &why));
    struct buf deep = {0};
    buf_add_str(&deep, "* X ");
    for (int i = 0; i < 5000; i++)
        buf_add_byte(&deep, '(');
    cr_assert_not(imap_parse(&a, buf_slice(&deep), &n, &why));
    buf_free(&deep);
    arena_free(&a);
}

Test(message, comparison)
{
    struct ids except = {0}, none = {0}, added = {0};
    struct arena a = {0};
    struct buf why = {0};
    struct slice sent = SLICE("A: 1\r\nB: 2\r\n\r\nbody\r\n");
    struct slice got = SLICE("Received: x\r\n\ty\r\nA: 1\r\nB: 2\r\n\r\nbody\r\n");
    cr_assert_not(messages_equal(sent, got, &except, &none, &why));
    ids_add(&a, &except, "received");
    cr_assert(messages_equal(sent, got, &except, &none, &why));
    cr_assert_not(messages_equal(sent, SLICE("A: 1\r\nB: 2\r\n\r\nbody\n"), &except, &none, &why));
    /* The header ends at the empty line: a body that looks like a header field is body. */
    cr_assert_not(messages_equal(SLICE("A: 1\r\n\r\nReceived: q\r\n"), SLICE("A: 1\r\n\r\n"), &except, &none, &why));
    /* What the target adds may be more than was sent, never less. */
    ids_add(&a, &added, "B");
    cr_assert(messages_equal(SLICE("A: 1\r\n\r\n"), SLICE("B: 2\r\nA: 1\r\n\r\n"), &except, &added, &why));
    cr_assert_not(messages_equal(SLICE("B: 2\r\nA: 1\r\n\r\n"), SLICE("A: 1\r\n\r\n"), &except, &added, &why));
    buf_free(&why);
    arena_free(&a);
}

Test(content, ends_only_at_crlf_dot_crlf)
{
    static const struct { struct slice wire, content; bool ends; } cases[] = {
        {{"a\r\n.\r\nX", 8}, {"a\r\n", 3}, true},
        {{"..a\r\n.\r\n", 8}, {".a\r\n", 4}, true},
        {{"a\n.\r\n", 5}, {0}, false},
        {{"a\r\n.\n", 5}, {0}, false},
        {{".\r\n", 3}, {"", 0}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream *s = stream_new_memory(cases[i].wire, NULL);
        struct buf out = {0};
        cr_assert_eq(read_content(s, &out) == IO_OK, cases[i].ends, "case %zu", i);
        if (cases[i].ends)
            cr_assert(slice_eq(buf_slice(&out), cases[i].content), "case %zu", i);
        buf_free(&out);
        stream_close(s);
    }
}
