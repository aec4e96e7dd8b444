#include "conformance/runner/env.h"
#include "tests/unit/conform/parsed.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void complains(const char *text, const char *want)
{
    char *got = complaints(text);
    cr_assert(strstr(got, want), "wanted \"%s\" in:\n%s", want, got);
    free(got);
}

Test(parse, head_and_parts)
{
    struct parsed p;
    parse_text(&p,
               "title    A title\n"
               "covers   D05 rfc5321/5.1/x\n"
               "level    SHOULD NOT\n"
               "# a comment\n"
               "needs    relay, submission\n"
               "patience 200ms\n"
               "\n"
               "zone hehuan.test\n"
               "  @ MX 5 mail\n"
               "  mail 300 A 192.0.2.25\n"
               "server mail at 192.0.2.25:25 smtp accepts everything\n"
               "client j to submission as jerry\n"
               "  send fixture plain.eml from <a@b> to <c@d>, <e@f>\n"
               "within 10s mail has 1 message for <c@d> [D05]\n"
               "and dns was asked hehuan.test MX exactly once\n");
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    cr_assert_str_eq(p.s->title, "A title");
    cr_assert_eq(p.s->level, LEVEL_SHOULD);
    cr_assert_eq(p.s->covers.n, 2);
    cr_assert(ids_have(&p.s->tagged, "D05"));
    cr_assert_eq(p.s->needs.n, 2);
    cr_assert_eq(p.s->patience_ms, 200);
    cr_assert_eq(p.s->part_count, 5);
    cr_assert_eq(p.s->parts[0].zone->row_count, 2);
    cr_assert_str_eq(p.s->parts[0].zone->rows[1].rest, "300 A 192.0.2.25");
    const struct message *m = p.s->parts[2].client->steps[0].message;
    cr_assert_eq(m->to_count, 2);
    cr_assert_eq(p.s->parts[3].within_ms, 10000);
    cr_assert_eq(p.s->parts[4].check->count.n, 1);
    parsed_free(&p);
}

Test(parse, exact_bytes)
{
    struct parsed p;
    parse_text(&p, "client c to smtp\n  C> a\\r\\n\\0\\x41\\{3 xy}\\s\n  C: end\n");
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    struct buf out = {0};
    const char *missing;
    const struct step *steps = p.s->parts[0].client->steps;
    cr_assert(text_bytes(&steps[0].text, &(struct env){0}, &out, &missing));
    cr_assert(slice_eq(buf_slice(&out), SLICE("a\r\n\0Axyxyxy ")));
    cr_assert_not(steps[0].crlf);
    cr_assert(steps[1].crlf);
    buf_free(&out);
    parsed_free(&p);
}

Test(parse, expectations)
{
    struct parsed p;
    parse_text(&p, "client c to smtp\n"
                   "  S: 503|530 5.5.x|permfail or WARN 250 or INFO closed within 2s [rfc5321/4/x]\n"
                   "  S: 250 has PIPELINING, SIZE /\\d*/ lacks STARTTLS\n"
                   "  S: nothing within 300ms\n"
                   "  S: 250\n"
                   "    not AUTH\n"
                   "    nothing else\n");
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    const struct step *s = p.s->parts[0].client->steps;
    cr_assert_eq(s[0].expect->alt_count, 5);
    cr_assert_str_eq(s[0].expect->alts[1].enhanced, "5.5.x");
    cr_assert_str_eq(s[0].expect->alts[2].code, "5xx");
    cr_assert_eq(s[0].expect->alts[3].verdict, V_WARN);
    cr_assert_eq(s[0].expect->alts[4].verdict, V_INFO);
    cr_assert_eq(s[0].expect->alts[4].kind, ALT_CLOSED);
    cr_assert_eq(s[0].expect->within_ms, 2000);
    cr_assert_eq(s[1].expect->item_count, 3);
    cr_assert(s[1].expect->items[2].negative);
    cr_assert_eq(s[2].expect->within_ms, 300);
    cr_assert(s[3].expect->nothing_else);
    cr_assert_eq(p.s->check_count, 4);
    parsed_free(&p);
}

Test(parse, rules)
{
    struct parsed p;
    parse_text(&p, "server m at [2001:db8::25]:2525 lmtp stopped\n"
                   "  offers SIZE 100, 8BITMIME\n"
                   "  on RCPT <a@b>: twice 451 4.3.0 later, then after 2s accept and close\n"
                   "  optional on connect: drop\n"
                   "m now on RCPT: 550 no\n");
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    const struct server *m = p.s->parts[0].server;
    cr_assert_str_eq(m->address, "2001:db8::25");
    cr_assert_eq(m->port, 2525);
    cr_assert(m->stopped);
    cr_assert_eq(m->offer_count, 2);
    cr_assert_eq(m->rules[0].reaction_count, 2);
    cr_assert_eq(m->rules[0].reactions[0].times, 2);
    cr_assert_eq(m->rules[0].reactions[1].after_ms, 2000);
    cr_assert(m->rules[0].reactions[1].then_close);
    cr_assert(m->rules[1].optional);
    cr_assert_eq(p.s->parts[1].kind, PART_RULE);
    parsed_free(&p);
}

Test(parse, table_makes_scenarios)
{
    struct parsed p;
    parse_text(&p, "title Case $name\ntable name | code\n  one | 250|251\n  two | 5\\|6\nlevel MUST\n"
                   "client c to smtp\n  S: ${code}\n");
    cr_assert_eq(p.all.n, 2);
    cr_assert_str_eq(p.all.v[0]->id, "t#one");
    cr_assert_str_eq(p.all.v[0]->title, "Case one");
    cr_assert_eq(p.all.v[0]->parts[0].client->steps[0].expect->alt_count, 2);
    cr_assert(p.all.v[1]->broken);
    parsed_free(&p);
}

Test(parse, errors_have_places)
{
    complains("tilte x\n", "t.scn:1:1: error: \"tilte\" is nothing that a line can begin with; did you "
                           "mean \"title\"?");
    complains("client c to smtp\n  S: 25O\n", "t.scn:2:9: error: \"25O\" is no reply");
    complains("client c to smtp\n  C: \\q\n", "t.scn:2:7: error: unknown escape");
    complains("client c to smtp\n  S: 250 /(/\n", "t.scn:2:12: error: this expression is wrong");
    complains("client c to smtp\n\tS: 250\n", "a tab");
    complains("client c to smtp\n", "a client without steps");
    complains("then mail has 1 message\n", "no server is called \"mail\"");
    complains("server m at 192.0.2.300 smtp\n", "no address");
    complains("server m at 192.0.2.3:25 smtp\n  on RCTP: accept\n", "nearest: RCPT");
    complains("server m at 192.0.2.3:25 smtp\n  on RCPT: 450 x, then accept\n",
              "this reaction never ends");
    complains("table a | b\n  x\n", "has 1 cells, the table has 2 columns");
    complains("  title x\n", "belongs to nothing above it");
    complains("zone a.test\n  @ MXX 5 mail\n", "\"MXX\" is no record type");
    complains("include x.inc\n", "include is not possible here");
}

Test(parse, brackets_that_are_no_ids_stay_text)
{
    struct parsed p;
    parse_text(&p, "client c to imap\n  S: a OK [READ-WRITE]\n  S: a OK [READ-ONLY] [rfc3501/6/x, D18]\n");
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    cr_assert_eq(p.s->parts[0].client->steps[0].ids.n, 0);
    cr_assert_eq(p.s->parts[0].client->steps[1].ids.n, 2);
    parsed_free(&p);
}

static char *lint(const char *text, const char *requirements)
{
    struct parsed p;
    struct catalogue c = {0};
    struct diags d = {0};
    parse_text(&p, text);
    cr_assert_eq(p.diags.errors, 0, "%s", buf_str(&p.diags.text));
    catalogue_read(&c, "r.req", slice_str(requirements), &d);
    catalogue_finish(&c, &d);
    lint_scenario(p.s, &c, "conformance", &d);
    char *out = buf_take(&d.text);
    catalogue_free(&c);
    parsed_free(&p);
    return out;
}

static const char *const rows = "rfc1/2/a\n  level MUST\n  text A.\n  seen wire\n\n"
                                "rfc1/2/b\n  level MUST\n  text B.\n  seen no: hidden\n";

Test(lint, finds)
{
    static const struct { const char *text, *want; } cases[] = {
        {"covers rfc1/2/a\nlevel MUST\nclient c to smtp\n  S: 220\n", "the title is missing"},
        {"title x\ncovers rfc1/2/aa\nlevel MUST\nclient c to smtp\n  S: 220\n", "the nearest is rfc1/2/a"},
        {"title x\ncovers rfc1/2/b\nlevel MUST\nclient c to smtp\n  S: 220\n", "cannot be observed"},
        {"title x\ncovers rfc1/2/a D01\nlevel MUST\nclient c to smtp\n  S: 220 [D01]\n",
         "stands on no expectation"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\nclient c to smtp\n  S: xxx [rfc1/2/a]\n",
         "proves nothing"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\nclient c to smtp\n  C: $x\n  S: 220\n",
         "$x has no value"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\nserver m at 192.0.2.2 smtp\n"
         "then m has at least 0 messages\n", "cannot fail"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\nserver m at 192.0.2.2 smtp\n"
         "within 2s m has no message\n", "for T"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\nserver m at 192.0.2.2 smtp\n  on RCPT: accept\n"
         "  on RCPT <a>: drop\nthen m has 1 message\n", "has no effect"},
        {"title x\ncovers rfc1/2/a\nlevel MUST\n", "can fail"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = lint(cases[i].text, rows);
        cr_assert(strstr(got, cases[i].want), "wanted \"%s\" in:\n%s", cases[i].want, got);
        free(got);
    }
    char *clean = lint("title x\ncovers rfc1/2/a\nlevel MUST\nclient c to smtp\n  S: 220 /(?<n>x)/\n"
                       "  C: $n\n  S: 250 [rfc1/2/a]\n", rows);
    cr_assert_str_eq(clean, "");
    free(clean);
}
