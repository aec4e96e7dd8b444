/* What a filter wants changed, and what comes of it. */
#include "reference/filter/changes.h"
#include "reference/filter/milter_wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct filter_changes changes;
static struct buf out;

static void begin(void)
{
    changes_init(&changes, "/tmp");
}

static void finish(void)
{
    changes_free(&changes);
    buf_free(&out);
}

TestSuite(changes, .init = begin, .fini = finish);

#define OURS "Received: from x\r\n\tby y\r\n"
#define HEADER OURS "A: 1\r\nB: 2\r\n b\r\nA: 3\r\n"

static const char *applied(void)
{
    buf_clear(&out);
    changes_apply_header(&changes, SLICE(HEADER), sizeof OURS - 1, &out);
    return buf_str(&out);
}

static bool add(enum change_kind kind, uint32_t index, const char *name, const char *value)
{
    return changes_add(&changes, kind, index, slice_str(name), slice_str(value));
}

Test(changes, fields)
{
    cr_expect(add(CHANGE_ADD, 0, "C", "4\r\n\tc"));
    cr_expect(add(CHANGE_INSERT, 0, "T", "top"));
    cr_expect(add(CHANGE_INSERT, 1, "F", " first"));
    cr_expect(add(CHANGE_INSERT, 99, "L", "last"));
    cr_expect(add(CHANGE_SET, 2, "a", "5"));
    cr_expect(add(CHANGE_SET, 1, "b", ""));
    cr_expect_str_eq(applied(), "T: top\r\n" OURS "F: first\r\nA: 1\r\na: 5\r\nC: 4\r\n\tc\r\n"
                                "L: last\r\n");
}

Test(changes, a_field_that_is_not_there)
{
    cr_expect(add(CHANGE_SET, 3, "A", "x"));       /* as Sendmail does: it is added */
    cr_expect(add(CHANGE_SET, 1, "Received", "")); /* ours is not theirs to remove */
    cr_expect_str_eq(applied(), HEADER "A: x\r\n");
}

Test(changes, our_own_part_grows_with_what_is_put_on_top)
{
    add(CHANGE_INSERT, 0, "T", "top");
    cr_expect_eq(changes_apply_header(&changes, SLICE(HEADER), sizeof OURS - 1, &out),
                 sizeof OURS - 1 + 8);
}

Test(changes, what_would_be_another_field_is_refused)
{
    cr_expect_not(add(CHANGE_ADD, 0, "A", "1\r\nB: 2"));
    cr_expect_not(add(CHANGE_ADD, 0, "A", "1\nB: 2"));
    cr_expect_not(add(CHANGE_ADD, 0, "A", "1\rB"));
    cr_expect_not(add(CHANGE_ADD, 0, "A:", "1"));
    cr_expect_not(add(CHANGE_ADD, 0, "", "1"));
    cr_expect_not(changes_add(&changes, CHANGE_ADD, 0, SLICE("A"), SLICE("a\0b")));
    cr_expect_not(add(CHANGE_ADD_RCPT, 0, "", "a b"));
    cr_expect_not(add(CHANGE_FROM, 0, "", "a\n@b"));
    cr_expect_eq(changes.n, 0);
    cr_expect(add(CHANGE_ADD, 0, "A", "1\r\n"));   /* a line end at the end is none */
}

Test(changes, there_is_a_bound)
{
    for (int i = 0; i < FILTER_CHANGES_MAX; i++)
        cr_assert(add(CHANGE_ADD, 0, "A", "1"));
    cr_expect_not(add(CHANGE_ADD, 0, "A", "1"));
}

Test(changes, envelope)
{
    struct envelope e = {.reverse_path = strdup("a@b.test")};
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    envelope_add_recipient(&e, SLICE("ann@hehuan.test"));
    add(CHANGE_FROM, 0, "", "<>");
    add(CHANGE_ADD_RCPT, 0, "", "<eve@magedu.test>");
    add(CHANGE_ADD_RCPT, 0, "", "ann@hehuan.test");
    add(CHANGE_DELETE_RCPT, 0, "", "tom@hehuan.test");
    add(CHANGE_DELETE_RCPT, 0, "", "nobody@hehuan.test");
    changes_apply_envelope(&changes, &e);
    cr_expect_str_eq(e.reverse_path, "");
    cr_assert_eq(e.rcpt_count, 2);
    cr_expect_str_eq(e.rcpt[0].address, "ann@hehuan.test");
    cr_expect_str_eq(e.rcpt[1].address, "eve@magedu.test");
    envelope_free(&e);
}

Test(changes, where_a_header_ends)
{
    cr_expect_eq(header_end(SLICE("A: 1\r\n b\r\n\r\nx: y\r\n")), 10);
    cr_expect_eq(header_end(SLICE("\r\nA: 1\r\n")), 0);
    cr_expect_eq(header_end(SLICE("A: 1\r\nno field\r\n\r\n")), 6);
    cr_expect_eq(header_end(SLICE("A: 1\r\nB: 2\r\n")), -1);
}

Test(changes, a_milter_does_only_what_it_said)
{
    cr_expect(milter_take_change(SMFIR_ADDHEADER, SLICE("A\0001\0"), SMFIF_ADDHDRS, &changes));
    cr_expect_not(milter_take_change(SMFIR_ADDHEADER, SLICE("A\0001\0"), SMFIF_CHGBODY, &changes));
    cr_expect_not(milter_take_change(SMFIR_ADDHEADER, SLICE("A\0001"), SMFIF_ALL, &changes));
    cr_expect_not(milter_take_change(SMFIR_CHGHEADER, SLICE("A\0001\0"), SMFIF_ALL, &changes));
    cr_expect_not(milter_take_change('?', SLICE(""), SMFIF_ALL, &changes));
    cr_expect_eq(changes.n, 1);
}

Test(changes, reply_codes)
{
    struct filter_result r = {0};
    cr_expect(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("550 5.7.1 no\0"), &r));
    cr_expect_eq(r.verdict.code, 550);
    cr_expect_str_eq(r.verdict.enhanced, "5.7.1");
    cr_expect_str_eq(r.verdict.text, "no");
    cr_expect(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("450 4 later\r\n\0"), &r));
    cr_expect_str_eq(r.verdict.enhanced, "4.7.1");
    cr_expect_str_eq(r.verdict.text, "4 later");
    cr_expect(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("550 4.7.1 other class\0"), &r));
    cr_expect_str_eq(r.verdict.enhanced, "5.7.1");
    cr_expect_not(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("250 2.0.0 fine\0"), &r));
    cr_expect_not(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("x\0"), &r));
    cr_expect_not(milter_take_refusal("f", SMFIR_REPLYCODE, SLICE("550 no end"), &r));
}

static int collect(void *arg, const void *p, size_t n)
{
    buf_add(arg, p, n);
    return 0;
}

Test(changes, every_kind_of_line_end_becomes_crlf)
{
    const char *portions[] = {"a\nb\r\nc\r", "d\r", "\ne\r\r\nf"};
    for (size_t i = 0; i < 3; i++)
        cr_assert(changes_add_text(&changes, slice_str(portions[i])));
    cr_assert(changes_end_text(&changes));
    cr_assert_eq(spill_copy(&changes.body, collect, &out), 0);
    cr_expect_str_eq(buf_str(&out), "a\r\nb\r\nc\r\nd\r\ne\r\n\r\nf\r\n");
}

Test(changes, a_body_of_nothing_stays_so)
{
    cr_assert(changes_add_text(&changes, SLICE("")) && changes_end_text(&changes));
    cr_expect_eq(changes.body.size, 0);
}
