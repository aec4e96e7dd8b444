/* Numbers, sets, dates, names: the small pieces of commands. */
#include "reference/imapd/args.h"
#include "reference/store/utf7.h"

#include <criterion/criterion.h>

static struct buf out;

static const char *set(const char *text, uint32_t largest)
{
    struct number_set s;
    struct uid_set u = {0};
    buf_clear(&out);
    if (!number_set_parse(&s, slice_str(text)))
        return "(none)";
    number_set_resolve(&s, largest, &u);
    uid_set_text(&u, &out);
    number_set_free(&s);
    uid_set_free(&u);
    return buf_str(&out);
}

Test(imap_set, texts)
{
    cr_expect_str_eq(set("1", 9), "1");
    cr_expect_str_eq(set("5:3,1,2", 9), "1:5");
    cr_expect_str_eq(set("*", 9), "9");
    cr_expect_str_eq(set("12:*", 9), "9:12");
    cr_expect_str_eq(set("*:7,1:2", 9), "1:2,7:9");
    cr_expect_str_eq(set("*", 0), "");
    cr_expect_str_eq(set("1:4294967295,4294967295", 3), "1:4294967295");
    for (const char *const *bad = (const char *const[]){"", "0", "1:0", "1,", ",1", "4294967296", "1:2:3",
                                                        "a", "1 2", "**", "-1", NULL}; *bad; bad++)
        cr_expect_str_eq(set(*bad, 9), "(none)", "%s", *bad);
}

static bool begin(struct args *a, const char *line)
{
    static struct stream *io;
    static struct buf input;
    stream_close(io);
    buf_clear(&input);
    buf_printf(&input, "%s\r\n", line);
    io = stream_new_memory(buf_slice(&input), NULL);
    return args_begin(a, io, ARGS_MAX, false) == IO_OK;
}

static int64_t date_time(const char *text)
{
    struct args a;
    int64_t utc = -1;
    int zone = 0;
    cr_assert(begin(&a, text));
    bool good = args_date_time(&a, &utc, &zone) && args_end(&a);
    args_end_command(&a);
    return good ? utc : -1;
}

Test(imap_date, times)
{
    cr_expect_eq(date_time("\"24-Nov-2026 08:07:54 +0000\""), 1795507674);
    cr_expect_eq(date_time("\"24-nov-2026 08:07:54 -0130\""), 1795507674 + 90 * 60);
    cr_expect_eq(date_time("\" 1-Jan-1970 01:00:00 +0100\""), 0);
    for (const char *const *bad = (const char *const[]){
             "24-Nov-2026", "\"1-Jan-1970 01:00:00 +0100\"", "\"31-Feb-2026 08:07:54 +0000\"",
             "\"24-Nov-2026 24:07:54 +0000\"", "\"24-Nov-2026 08:07:54 0000\"", "\"24-Nov-26 08:07:54 +0000\"",
             "\"24-Nov-2026 08:07:54 +0000 \"", "\"\"", "\"24-Foo-2026 08:07:54 +0000\"", NULL}; *bad; bad++)
        cr_expect_eq(date_time(*bad), -1, "%s", *bad);
}

static int32_t date(const char *text)
{
    struct args a;
    int32_t day = -1;
    cr_assert(begin(&a, text));
    bool good = args_date(&a, &day) && args_end(&a);
    args_end_command(&a);
    return good ? day : -1;
}

Test(imap_date, days)
{
    cr_expect_eq(date("2-Jan-1970"), 1);
    cr_expect_eq(date("02-Jan-1970"), 1);
    cr_expect_eq(date("\"29-Feb-2024\""), 19782);
    cr_expect_eq(date("29-Feb-2023"), -1);
    cr_expect_eq(date("0-Jan-1970"), -1);
    cr_expect_eq(date("1-Jan-70"), -1);
}

static const char *mailbox(const char *text, bool utf8)
{
    struct args a;
    cr_assert(begin(&a, text));
    a.utf8 = utf8;
    buf_clear(&out);
    bool good = args_mailbox(&a, &out) && args_end(&a);
    args_end_command(&a);
    return good ? buf_str(&out) : "(none)";
}

Test(imap_args, mailbox_names)
{
    cr_expect_str_eq(mailbox("inbox", false), "INBOX");
    cr_expect_str_eq(mailbox("Inbox/x", false), "INBOX/x");
    cr_expect_str_eq(mailbox("inboxes", false), "inboxes");
    cr_expect_str_eq(mailbox("\"a &- b\"", false), "a & b");
    cr_expect_str_eq(mailbox("&ZeVnLIqe-", false), "日本語");
    cr_expect_str_eq(mailbox("&2D3eAA-", false), "😀");
    cr_expect_str_eq(mailbox("&AGE-", false), "(none)");
    cr_expect_str_eq(mailbox("&ZeVnLIqe", false), "(none)");
    cr_expect_str_eq(mailbox("&2D0-", false), "(none)");
    cr_expect_str_eq(mailbox("\"日本語\"", true), "日本語");
    cr_expect_str_eq(mailbox("\"a&b\"", true), "a&b");
}

Test(imap_args, utf7_there_and_back)
{
    struct buf there = {0}, back = {0};
    for (const char *const *name = (const char *const[]){"a", "&", "a&b", "日本語", "~peter/mail/台北/日本語", "é",
                                                         "éé", "ééé", "x😀y", "😀😀", NULL}; *name; name++) {
        buf_clear(&there);
        buf_clear(&back);
        utf8_to_utf7(slice_str(*name), &there);
        cr_expect(utf7_to_utf8(buf_slice(&there), &back), "%s", buf_str(&there));
        cr_expect_str_eq(buf_str(&back), *name);
    }
    buf_clear(&there);
    utf8_to_utf7(SLICE("~peter/mail/台北/日本語"), &there);
    cr_expect_str_eq(buf_str(&there), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");   /* RFC 3501 5.1.3 */
    buf_free(&there);
    buf_free(&back);
}
