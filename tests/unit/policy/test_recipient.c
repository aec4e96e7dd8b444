/* The table of policy/recipient.h, row by row. */
#include "reference/policy/recipient.h"
#include "reference/policy/sender.h"

#include <criterion/criterion.h>

static char *local_domains[] = {"hehuan.test", "ns.hehuan.test"};
static char *relay_domains[] = {"backup.test"};

static enum auth_status answer; /* of the next look-ups */
static int asked;

static enum auth_status lookup(void *arg, const char *address)
{
    (void)address;
    cr_assert_eq(arg, &answer);
    asked++;
    return answer;
}

struct row {
    const char *to;
    bool trusted;
    enum auth_status account;
    int code;
    const char *enhanced, *rule, *envelope;
};

static void check(const struct row *r)
{
    const struct config c = {.hostname = "mail.hehuan.test", .local_domains = {local_domains, 2},
                             .relay_domains = {relay_domains, 1}};
    struct netaddr local;
    struct path to;
    struct slice rest;
    struct buf address = {0};
    struct verdict v;
    netaddr_parse(&local, SLICE("192.0.2.25"), 25);
    const struct recipient_check check = {.config = &c, .local = &local, .trusted = r->trusted,
                                          .lookup = lookup, .lookup_arg = &answer};
    cr_assert_eq(path_parse(slice_str(r->to), false, true, &to, &rest), ADDRESS_OK, "%s", r->to);
    answer = r->account;
    policy_recipient(&check, &to, &address, &v);
    cr_assert_eq(v.code, r->code, "%s: %d %s", r->to, v.code, v.rule);
    cr_assert_str_eq(v.enhanced, r->enhanced, "%s: %s", r->to, v.enhanced);
    cr_assert_str_eq(v.rule, r->rule, "%s: %s", r->to, v.rule);
    cr_assert_not_null(v.clause);
    cr_assert_gt(strlen(v.text), 0);
    if (r->envelope)
        cr_assert_str_eq(buf_str(&address), r->envelope);
    buf_free(&address);
    path_free(&to);
}

Test(recipient, table)
{
    static const struct row rows[] = {
        {"<tom@hehuan.test>", false, AUTH_OK, 250, "2.1.5", "local-recipient", "tom@hehuan.test"},
        {"<\"tom\"@NS.hehuan.test>", false, AUTH_ALIAS, 250, "2.1.5", "local-recipient",
         "tom@NS.hehuan.test"},
        {"<tom@[192.0.2.25]>", false, AUTH_OK, 250, "2.1.5", "local-recipient", "tom@hehuan.test"},
        {"<tom@[192.0.2.26]>", false, AUTH_OK, 550, "5.7.1", "relay-refused", NULL},
        {"<tom@hehuan.test>", true, AUTH_NO, 550, "5.1.1", "unknown-user", NULL},
        {"<tom@hehuan.test>", true, AUTH_TEMPFAIL, 451, "4.3.0", "accounts-unavailable", NULL},
        {"<\"\"@hehuan.test>", false, AUTH_OK, 550, "5.1.1", "unknown-user", NULL},
        {"<a%b@hehuan.test>", false, AUTH_OK, 250, "2.1.5", "local-recipient", "a%b@hehuan.test"},
        {"<a%b@hehuan.test>", false, AUTH_NO, 550, "5.7.1", "relay-route-in-local-part", NULL},
        {"<a%b@hehuan.test>", true, AUTH_NO, 550, "5.1.1", "unknown-user", NULL},
        {"<\"a@b\"@hehuan.test>", false, AUTH_OK, 550, "5.7.1", "relay-route-in-local-part", NULL},
        {"<a@backup.test>", false, AUTH_NO, 250, "2.1.5", "relay-domain", "a@backup.test"},
        {"<a!b@backup.test>", false, AUTH_OK, 550, "5.7.1", "relay-route-in-local-part", NULL},
        {"<a!b@backup.test>", true, AUTH_NO, 250, "2.1.5", "trusted-client", "a!b@backup.test"},
        {"<a@elsewhere.test>", false, AUTH_OK, 550, "5.7.1", "relay-refused", NULL},
        {"<\"a\"@elsewhere.test>", true, AUTH_NO, 250, "2.1.5", "trusted-client",
         "\"a\"@elsewhere.test"},
        {"<postmaster>", false, AUTH_TEMPFAIL, 250, "2.1.5", "postmaster",
         "postmaster@hehuan.test"},
        {"<PostMaster@ns.hehuan.test>", false, AUTH_NO, 250, "2.1.5", "postmaster",
         "PostMaster@ns.hehuan.test"},
        {"<postmaster@elsewhere.test>", false, AUTH_OK, 550, "5.7.1", "relay-refused", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

Test(recipient, no_account_is_asked_for_where_none_can_be)
{
    static const struct row rows[] = {
        {"<postmaster>", false, AUTH_TEMPFAIL, 250, "2.1.5", "postmaster", NULL},
        {"<a@backup.test>", false, AUTH_OK, 250, "2.1.5", "relay-domain", NULL},
        {"<a@elsewhere.test>", false, AUTH_OK, 550, "5.7.1", "relay-refused", NULL},
        {"<\"a@b\"@hehuan.test>", false, AUTH_OK, 550, "5.7.1", "relay-route-in-local-part", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
    cr_assert_eq(asked, 0);
}

/* RFC 6409 4.2, for submission only. */
Test(recipient, submission_takes_whole_names_of_domains)
{
    const struct config c = {.hostname = "mail.hehuan.test", .local_domains = {local_domains, 2}};
    const struct { const char *to; bool submission; int code; } rows[] = {
        {"<a@elsewhere>", true, 554}, {"<a@elsewhere>", false, 250},
        {"<a@elsewhere.test>", true, 250}, {"<a@[192.0.2.26]>", true, 250}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct path to;
        struct slice rest;
        struct buf address = {0};
        struct verdict v;
        const struct recipient_check check = {.config = &c, .trusted = true, .lookup = lookup,
                                              .submission = rows[i].submission,
                                              .lookup_arg = &answer};
        cr_assert_eq(path_parse(slice_str(rows[i].to), false, true, &to, &rest), ADDRESS_OK);
        policy_recipient(&check, &to, &address, &v);
        cr_assert_eq(v.code, rows[i].code, "%s: %d", rows[i].to, v.code);
        buf_free(&address);
        path_free(&to);
    }
}

Test(sender, submission_takes_whole_names_of_domains)
{
    struct path from = {.address = "jerry@magedu", .local = "jerry", .domain = "magedu"};
    struct path none = {.address = "", .local = "", .domain = ""};
    struct verdict v;
    struct sender_check c = {.service = SERVICE_SUBMISSION, .trusted = true};
    policy_sender(&c, &from, &v);
    cr_assert_eq(v.code, 554);
    policy_sender(&c, &none, &v);
    cr_assert_eq(v.code, 250);
    c.service = SERVICE_SMTP;
    policy_sender(&c, &from, &v);
    cr_assert_eq(v.code, 250);
}

Test(sender, submission_needs_trust)
{
    struct path from = {.address = "jerry@magedu.test", .local = "jerry", .domain = "magedu.test"};
    struct verdict v;
    const struct { enum service_kind service; bool trusted; int code; } rows[] = {
        {SERVICE_SMTP, false, 250}, {SERVICE_SMTP, true, 250},
        {SERVICE_SUBMISSION, true, 250}, {SERVICE_SUBMISSION, false, 530}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sender_check c = {.service = rows[i].service, .trusted = rows[i].trusted};
        policy_sender(&c, &from, &v);
        cr_assert_eq(v.code, rows[i].code);
    }
}
