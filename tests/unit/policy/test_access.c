/* Patterns of access lists, verdicts of the configuration, counters. */
#include "base/mem.h"
#include "reference/policy/access_list.h"
#include "reference/policy/action.h"
#include "reference/policy/rates.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum list_answer find(const char *pattern, struct subject s, const char *client)
{
    struct netaddr a;
    struct buf why = {0}, reason = {0};
    struct access_list *l = access_list_new(pattern, "/");
    if (client) {
        cr_assert(netaddr_parse(&a, slice_str(client), 0));
        s.client = &a;
    }
    enum list_answer answer = access_list_find(l, &s, &why, &reason);
    access_list_free(l);
    buf_free(&why);
    buf_free(&reason);
    return answer;
}

Test(access, clients)
{
    static const struct { const char *pattern, *client; enum list_answer answer; } rows[] = {
        {"198.51.100.7", "198.51.100.7", LIST_YES},
        {"198.51.100.7", "198.51.100.70", LIST_NO},
        {"198.51.100.0/24", "198.51.100.255", LIST_YES},
        {"198.51.100.77/24", "198.51.100.1", LIST_YES},   /* bits beyond the length do not count */
        {"198.51.100.0/24", "198.51.101.0", LIST_NO},
        {"198.51.100.4/31", "198.51.100.5", LIST_YES},
        {"198.51.100.4/31", "198.51.100.6", LIST_NO},
        {"0.0.0.0/0", "203.0.113.1", LIST_YES},
        {"0.0.0.0/0", "2001:db8::1", LIST_NO},
        {"128.0.0.0/1", "203.0.113.1", LIST_YES},
        {"128.0.0.0/1", "127.0.0.1", LIST_NO},
        {"2001:DB8::/32", "2001:db8:ffff::9", LIST_YES},
        {"2001:db8::/33", "2001:db8:ffff::9", LIST_NO},
        {"2001:DB8:0::7", "2001:db8::7", LIST_YES},
        {"198.51.100.7", "::ffff:198.51.100.7", LIST_YES},
        {"::/0", "2001:db8::7", LIST_YES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(find(rows[i].pattern, (struct subject){.kind = SUBJECT_CLIENT}, rows[i].client),
                     rows[i].answer, "%s in %s", rows[i].client, rows[i].pattern);
}

Test(access, names_and_mailboxes)
{
    static const struct {
        enum subject_kind kind;
        const char *pattern, *text;
        enum list_answer answer;
    } rows[] = {
        {SUBJECT_NAME, "Mail.Example.org", "mail.example.ORG", LIST_YES},
        {SUBJECT_NAME, "example.org", "mail.example.org", LIST_NO},
        {SUBJECT_NAME, ".example.org", "a.b.example.org", LIST_YES},
        {SUBJECT_NAME, ".example.org", "example.org", LIST_NO},
        {SUBJECT_NAME, ".ample.org", "example.org", LIST_NO},
        {SUBJECT_NAME, ".org", "", LIST_NO},
        {SUBJECT_MAILBOX, "jerry@magedu.test", "Jerry@Magedu.Test", LIST_YES},
        {SUBJECT_MAILBOX, "@magedu.test", "x@magedu.test", LIST_YES},
        {SUBJECT_MAILBOX, "magedu.test", "x@magedu.test", LIST_YES},
        {SUBJECT_MAILBOX, "magedu.test", "x@sub.magedu.test", LIST_NO},
        {SUBJECT_MAILBOX, ".magedu.test", "x@sub.magedu.test", LIST_YES},
        {SUBJECT_MAILBOX, ".magedu.test", "x@magedu.test", LIST_NO},
        {SUBJECT_MAILBOX, "jerry@", "jerry@any.test", LIST_YES},
        {SUBJECT_MAILBOX, "<>", "", LIST_YES},
        {SUBJECT_MAILBOX, "@", "x@any.test", LIST_NO},
        {SUBJECT_MAILBOX, "@magedu.test", "\"a@b\"@magedu.test", LIST_YES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(find(rows[i].pattern, (struct subject){rows[i].kind, NULL, rows[i].text, NULL},
                          NULL), rows[i].answer, "%s in %s", rows[i].text, rows[i].pattern);
}

Test(access, a_file)
{
    char path[] = "/tmp/accessXXXXXX", *source;
    static const char text[] = "# comment\n\n  198.51.100.0/24 \t spam all day # why\r\n"
                               "<>  tom@hehuan.test  no bounces\n@a.test @b.test\n\nlast.test";
    struct buf why = {0}, reason = {0}, errors = {0};
    struct netaddr client;
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    source = xasprintf("file:%s", path);
    struct access_list *l = access_list_new(source, "/");
    cr_assert(access_list_check(l, &errors));
    netaddr_parse(&client, SLICE("198.51.100.9"), 0);
    cr_assert_eq(access_list_find(l, &(struct subject){SUBJECT_CLIENT, &client, NULL, NULL}, &why,
                                  &reason), LIST_YES);
    cr_assert_str_eq(buf_str(&reason), "spam all day ");
    cr_assert_not_null(strstr(buf_str(&why), ":3 198.51.100.0/24"));
    struct subject pair = {SUBJECT_PAIR, NULL, "", "TOM@hehuan.test"};
    cr_assert_eq(access_list_find(l, &pair, &why, &reason), LIST_YES);
    pair = (struct subject){SUBJECT_PAIR, NULL, "x@a.test", "y@b.test"};
    cr_assert_eq(access_list_find(l, &pair, &why, &reason), LIST_YES);
    pair = (struct subject){SUBJECT_PAIR, NULL, "x@b.test", "y@a.test"};
    cr_assert_eq(access_list_find(l, &pair, &why, &reason), LIST_NO);
    cr_assert_eq(access_list_find(l, &(struct subject){SUBJECT_NAME, NULL, "last.test", NULL},
                                  &why, &reason), LIST_YES);
    unlink(path);
    access_list_free(l);
    l = access_list_new(source, "/");
    cr_assert_eq(access_list_find(l, &pair, &why, &reason), LIST_UNKNOWN);
    cr_assert_not(access_list_check(l, &errors));
    access_list_free(l);
    free(source);
    buf_free(&why);
    buf_free(&reason);
    buf_free(&errors);
}

Test(action, good_ones)
{
    static const struct { const char *text; enum action_kind kind; int code;
                          const char *enhanced, *rest; } rows[] = {
        {"accept", ACTION_ACCEPT, 0, NULL, NULL},
        {"reject", ACTION_REJECT, 0, NULL, NULL},
        {"reject 554 5.7.1 go away", ACTION_REJECT, 554, "5.7.1", "go away"},
        {"reject 550 mail is not wanted", ACTION_REJECT, 550, NULL, "mail is not wanted"},
        {"reject 5.7.25 no name", ACTION_REJECT, 0, "5.7.25", "no name"},
        {"reject nothing but text", ACTION_REJECT, 0, NULL, "nothing but text"},
        {"defer 451 4.7.1", ACTION_DEFER, 451, "4.7.1", NULL},
        {"tag X-Spam: yes, it is", ACTION_TAG, 0, NULL, "X-Spam: yes, it is"},
        {"quarantine spam@a.test", ACTION_QUARANTINE, 0, NULL, "spam@a.test"},
        {"hold", ACTION_HOLD, 0, NULL, NULL},
        {"discard", ACTION_DISCARD, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct action a;
        const char *why;
        cr_assert(action_parse(slice_str(rows[i].text), &a, &why), "%s", rows[i].text);
        cr_assert_eq(a.kind, rows[i].kind);
        cr_assert_eq(a.code, rows[i].code, "%s", rows[i].text);
        cr_assert_str_eq(a.enhanced ? a.enhanced : "-", rows[i].enhanced ? rows[i].enhanced : "-");
        cr_assert_str_eq(a.text ? a.text : "-", rows[i].rest ? rows[i].rest : "-");
        action_free(&a);
    }
}

Test(action, bad_ones)
{
    static const char *const rows[] = {"", "refuse", "reject 450", "defer 550", "tag", "tag X y",
                                       "quarantine a b", "hold it", "accept 250"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct action a;
        const char *why;
        cr_assert_not(action_parse(slice_str(rows[i]), &a, &why), "%s", rows[i]);
        cr_assert(strlen(why) > 10);
        action_free(&a);
    }
}

Test(action, text)
{
    struct buf out = {0};
    const struct action_word words[] = {{"client", "198.51.100.7"}, {"reason", "bad\r\nX: y\xc3"},
                                        {"name", NULL}, {0}};
    action_text(&out, "$client ($name) $reason $unknown $", words);
    cr_assert_str_eq(buf_str(&out), "198.51.100.7 (-) bad??X: y? $unknown $");
    buf_free(&out);
}

Test(rates, windows)
{
    struct rates *r = rates_new(100);
    for (int i = 1; i <= 10; i++)
        cr_assert_eq(rates_count(r, "a", 1000, 5000), i);
    cr_assert_eq(rates_count(r, "b", 1000, 5000), 1);
    cr_assert_eq(rates_count(r, "a", 1000, 6500), 6);     /* half of the ten, and this one */
    cr_assert_eq(rates_count(r, "a", 1000, 9000), 1);
    /* More clients than there is room for: no growth, no crash, and the newest are known. */
    char key[20];
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "%d", i);
        rates_count(r, key, 1000, 10000 + i);
    }
    cr_assert_eq(rates_count(r, "9999", 1000, 20000), 2);
    rates_free(r);
}
