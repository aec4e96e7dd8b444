/* Names go into queries as values: nothing in them is ever more than that. And the messages of bearer
 * tokens. */
#include "reference/auth/sasl_oauth.h"
#include "reference/auth/template.h"

#include <criterion/criterion.h>

static struct account_query of(const char *address, const char *local, const char *domain)
{
    return (struct account_query){.address = address, .local = local, .domain = domain};
}

Test(template, sql_has_places_only)
{
    struct buf sql = {0};
    char places[TEMPLATE_PLACES_MAX + 1];
    cr_expect_null(template_sql("SELECT a FROM b WHERE c = %u AND d LIKE '%%x' AND e = %n", &sql,
                                places));
    cr_expect_str_eq(buf_str(&sql), "SELECT a FROM b WHERE c = ? AND d LIKE '%x' AND e = ?");
    cr_expect_str_eq(places, "un");
    cr_expect(template_sql("%x", &sql, places));
    cr_expect(template_sql("%", &sql, places));
    cr_expect(template_sql("%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u", &sql, places), "more than 16");
    struct account_query q = of("a@b", "a", "b");
    cr_expect_str_eq(template_value('d', &q), "b");
    buf_free(&sql);
}

Test(template, ldap_values_are_escaped)
{
    static const struct { const char *name, *filter; } cases[] = {
        {"jerry", "(uid=jerry)"},
        {"*", "(uid=\\2a)"},
        {"a)(uid=*", "(uid=a\\29\\28uid=\\2a)"},
        {"a\\2a", "(uid=a\\5c2a)"},
        {"\xc3\xa4\x01/", "(uid=\\c3\\a4\\01\\2f)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct account_query q = of(cases[i].name, cases[i].name, "");
        struct buf filter = {0};
        cr_expect_null(template_ldap("(uid=%n)", &q, &filter));
        cr_expect_str_eq(buf_str(&filter), cases[i].filter);
        buf_free(&filter);
    }
}

static void reads(bool xoauth2, struct slice message, const char *user, const char *token)
{
    struct oauth_message m;
    cr_assert(oauth_read(xoauth2, message, &m), "%.*s", SLICE_ARG(message));
    cr_expect_str_eq(m.user, user);
    cr_expect_str_eq(m.token, token);
    oauth_message_free(&m);
}

Test(template, messages_with_tokens)
{
    reads(false, SLICE("n,,\1auth=Bearer abc\1\1"), "", "abc");
    reads(false, SLICE("y,a=to=2Cm=3D,\1host=h\1port=1\1auth=bearer a/b+c==\1\1"), "to,m=", "a/b+c==");
    reads(true, SLICE("user=tom\1auth=Bearer abc\1\1"), "tom", "abc");
    static const struct slice bad[] = {
        SLICE(""), SLICE("n,,"), SLICE("n,,\1\1"), SLICE("n,,\1auth=Bearer \1\1"),
        SLICE("n,,\1auth=Bearer a b\1\1"), SLICE("n,,\1auth=Bearer a\0b\1\1"),
        SLICE("n,a=t\0m,\1auth=Bearer a\1\1"), SLICE("n,a=t=m,\1auth=Bearer a\1\1"),
        SLICE("p=x,,\1auth=Bearer a\1\1"), SLICE("n,,x\1auth=Bearer a\1\1"),
        SLICE("n,,\1auth=Bearer a\1"), SLICE("n,,\1auth=Bearer a\1\1x"), SLICE("n,,\1auth\1\1"),
    };
    struct oauth_message m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(oauth_read(false, bad[i], &m), "%zu", i);
    cr_expect_not(oauth_read(true, SLICE("auth=Bearer abc\1\1"), &m));
    cr_expect_not(oauth_read(true, SLICE("user=a\1user=b\1auth=Bearer abc\1\1"), &m));
}
