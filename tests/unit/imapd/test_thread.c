/* Threads of RFC 5256 3, and what makes an algorithm slow or deep. */
#include "base/mem.h"
#include "reference/imapd/thread.h"

#include <criterion/criterion.h>

struct mail {
    const char *id, *references, *in_reply_to, *subject;   /* NULL: no such field */
    int64_t date;
};

static void add_mail(struct thread_tree *t, uint32_t number, const struct mail *m)
{
    struct buf header = {0}, text = {0};
    struct summary s;
    if (m->id)
        buf_printf(&header, "Message-ID: %s\n", m->id);
    if (m->references)
        buf_printf(&header, "References: %s\n", m->references);
    if (m->in_reply_to)
        buf_printf(&header, "In-Reply-To: %s\n", m->in_reply_to);
    if (m->subject)
        buf_printf(&header, "Subject: %s\n", m->subject);
    summary_make(&text, buf_slice(&header));
    cr_assert(summary_read(buf_slice(&text), &s));
    thread_add(t, number, m->date, &s);
    buf_free(&header);
    buf_free(&text);
}

/* The messages are numbered from 1. */
static void check(const struct mail *mails, size_t count, bool references, const char *want)
{
    struct thread_tree *t = thread_new();
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        add_mail(t, (uint32_t)i + 1, &mails[i]);
    if (references)
        thread_references(t, &out);
    else
        thread_ordered_subject(t, &out);
    cr_assert_str_eq(buf_str(&out), want);
    buf_free(&out);
    thread_free(t);
}
#define CHECK(references, want, ...) \
    do { \
        static const struct mail mails_[] = {__VA_ARGS__}; \
        check(mails_, sizeof mails_ / sizeof mails_[0], references, want); \
    } while (0)

Test(thread, ordered_subject)
{
    check(NULL, 0, false, "");
    CHECK(false, " (2)(1 3)", {.subject = "b", .date = 5}, {.subject = "a", .date = 1},
          {.subject = "Re: B", .date = 9});
    CHECK(false, " (3 (2)(1))", {.subject = "a", .date = 3}, {.subject = "re: a", .date = 2},
          {.subject = "A", .date = 1});
}

Test(thread, by_references)
{
    check(NULL, 0, true, "");
    /* a chain, whose last message names its parent only */
    CHECK(true, " (1 2 3)", {"<a@x>", NULL, NULL, "s", 1}, {"<b@x>", "<a@x>", NULL, "Re: s", 2},
          {"<c@x>", NULL, "text <b@x> more <z@x>", "Re: s", 3});
    /* siblings by date; equal dates by number */
    CHECK(true, " (1 (3)(2)(4))", {"<a@x>", NULL, NULL, "s", 1}, {"<b@x>", "<a@x>", NULL, "t", 5},
          {"<c@x>", "<a@x>", NULL, "u", 4}, {"<d@x>", "<a@x>", NULL, "v", 5});
    /* two replies to what is not there: the dummy stays at the top, and goes when there is one */
    CHECK(true, " ((1)(2))(3)", {"<a@x>", "<no@x>", NULL, "s", 1}, {"<b@x>", "<no@x>", NULL, "t", 2},
          {"<c@x>", "<none@x>", NULL, "u", 3});
    /* a dummy in the middle gives its place to its children */
    CHECK(true, " (1 (2)(3))", {"<a@x>", NULL, NULL, "s", 1},
          {"<b@x>", "<a@x> <no@x>", NULL, "t", 2}, {"<c@x>", "<a@x> <no@x>", NULL, "u", 3});
    /* the quoted identifier is the same (RFC 5256 3) */
    CHECK(true, " (1 2)", {"<\"a\"@x>", NULL, NULL, "s", 1}, {"<b@x>", "<a@x>", NULL, "t", 2});
    /* an identifier twice: the second message stands alone */
    CHECK(true, " (1 3)(2)", {"<a@x>", NULL, NULL, "s", 1}, {"<a@x>", NULL, NULL, "t", 2},
          {"<c@x>", "<a@x>", NULL, "u", 3});
    /* loops are not made */
    CHECK(true, " (2 1)", {"<a@x>", "<b@x>", NULL, "s", 1}, {"<b@x>", "<a@x>", NULL, "t", 2});
    CHECK(true, " (1)", {"<a@x>", "<a@x>", NULL, "s", 1});
    /* the reply came first, with a shorter list of ancestors than its parent */
    CHECK(true, " (3 2 1)", {"<c@x>", "<b@x>", NULL, "Re: s", 3}, {"<b@x>", "<a@x>", NULL, "Re: s", 2},
          {"<a@x>", NULL, NULL, "s", 1});
}

Test(thread, by_subject)
{
    /* RFC 5256 3 step 5: a reply goes below, two originals get a dummy, an empty subject stays alone */
    CHECK(true, " (1 2)", {"<a@x>", NULL, NULL, "s", 1}, {"<b@x>", NULL, NULL, "Re: s", 2});
    CHECK(true, " ((1)(2))", {"<a@x>", NULL, NULL, "s", 1}, {"<b@x>", NULL, NULL, "s", 2});
    CHECK(true, " ((1)(2)(3))", {"<a@x>", NULL, NULL, "s", 1}, {"<b@x>", NULL, NULL, "s", 2},
          {"<c@x>", NULL, NULL, "Re: s", 3});
    CHECK(true, " (1)(2)", {"<a@x>", NULL, NULL, "Re:", 1}, {"<b@x>", NULL, NULL, "", 2});
    CHECK(true, " (2 1)", {"<a@x>", NULL, NULL, "Re: s", 1}, {"<b@x>", NULL, NULL, "s", 2});
    /* two dummies become one */
    CHECK(true, " ((1)(2)(3)(4))", {"<a@x>", "<n@x>", NULL, "s", 1}, {"<b@x>", "<n@x>", NULL, "s", 2},
          {"<c@x>", "<m@x>", NULL, "s", 3}, {"<d@x>", "<m@x>", NULL, "s", 4});
}

/* As deep as the mailbox is large, and as broad: in a moment, without a deep stack. */
Test(thread, large, .timeout = 20)
{
    enum { MANY = 30000 };
    for (int broad = 0; broad < 2; broad++) {
        struct thread_tree *t = thread_new();
        struct buf out = {0};
        for (int i = 0; i < MANY; i++) {
            struct mail m = {xasprintf("<%d@x>", i), xasprintf("<%d@x>", broad ? 0 : i - 1), NULL,
                             "s", i};
            add_mail(t, (uint32_t)i + 1, &m);
            free((void *)m.id);
            free((void *)m.references);
        }
        thread_references(t, &out);
        struct slice rest = buf_slice(&out);
        int numbers = 0;
        for (size_t i = 1; i < rest.n; i++)
            numbers += rest.p[i] >= '0' && rest.p[i] <= '9' && (rest.p[i - 1] < '0' || rest.p[i - 1] > '9');
        cr_assert_eq(numbers, MANY);
        buf_free(&out);
        thread_free(t);
    }
}
