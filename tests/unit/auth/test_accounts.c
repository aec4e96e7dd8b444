/* Look-ups, passwords and the protocol of the auth process, without a process. */
#include "reference/auth/protocol.h"
#include "tests/unit/auth/files.h"

#define HASH "$6$rounds=1000$tomsalt$" \
    "Vie6WoN7b.1ab/OqrNsw9AeuRYL6HCvlLyQI40nH0z5sdAm1IRa2x7bTYXapY6GVGcxBdTWuTdMURzUOPdzbn/"

static char *domains[] = {"hehuan.test"};
static struct config config;
static struct accounts *accounts;

static void open_world(void)
{
    struct buf errors = {0};
    config = (struct config){.local_domains = {domains, 1}, .postmaster = "tom"};
    config.users_file = make_file("tom:" HASH "\nlocked:!" HASH "\nann:" HASH ":7:8:/home/ann\n");
    config.aliases_file = make_file("staff: tom, ann@hehuan.test, \"|cmd\"\n"
                                    "bob: BOB, ann\n"
                                    "tom+lists: ann\n"
                                    "\"ann lee\": ann\n"
                                    "lost: :include:/nonexistent/list\n");
    accounts = accounts_new(&config, &errors);
    cr_assert_eq(errors.len, 0, "%s", buf_str(&errors));
}

static void close_world(void)
{
    accounts_free(accounts);
    drop_file(config.users_file);
    drop_file(config.aliases_file);
}

TestSuite(accounts, .init = open_world, .fini = close_world);

static void lookup_is(const char *address, enum auth_status want, const char *detail)
{
    struct account a;
    enum auth_status got = accounts_lookup(accounts, address, &a);
    cr_expect_eq(got, want, "%s: %d", address, got);
    if (got == AUTH_OK)
        cr_expect_str_eq(a.user, detail, "%s", address);
    if (got == AUTH_ALIAS)
        cr_expect_str_eq(a.targets[0], detail, "%s", address);
    account_free(&a);
}

Test(accounts, lookup)
{
    lookup_is("tom", AUTH_OK, "tom");
    lookup_is("TOM@Hehuan.Test", AUTH_OK, "tom");
    lookup_is("tom@magedu.test", AUTH_NO, NULL);
    lookup_is("tom@", AUTH_NO, NULL);
    lookup_is("", AUTH_NO, NULL);
    lookup_is("@hehuan.test", AUTH_NO, NULL);
    lookup_is("nobody@hehuan.test", AUTH_NO, NULL);
    lookup_is("locked@hehuan.test", AUTH_OK, "locked");
    lookup_is("staff@hehuan.test", AUTH_ALIAS, "tom");
    lookup_is("\"ann lee\"@hehuan.test", AUTH_ALIAS, "ann");
    lookup_is("\"tom\"@hehuan.test", AUTH_OK, "tom");
    lookup_is("../tom@hehuan.test", AUTH_NO, NULL);
}

Test(accounts, an_alias_that_names_itself_is_the_account)
{
    lookup_is("bob", AUTH_ALIAS, "\\BOB");
    lookup_is("\\bob", AUTH_NO, NULL);
    lookup_is("\\tom", AUTH_OK, "tom");
    lookup_is("\\staff", AUTH_NO, NULL);
}

Test(accounts, detail_after_the_plus)
{
    lookup_is("tom+x@hehuan.test", AUTH_OK, "tom");
    lookup_is("tom+lists@hehuan.test", AUTH_ALIAS, "ann");
    lookup_is("staff+x@hehuan.test", AUTH_ALIAS, "tom");
    lookup_is("+tom@hehuan.test", AUTH_NO, NULL);
}

/* RFC 5321 4.5.1 */
Test(accounts, postmaster_always_exists)
{
    lookup_is("postmaster@hehuan.test", AUTH_ALIAS, "tom");
    lookup_is("PostMaster", AUTH_ALIAS, "tom");
    lookup_is("postmaster@magedu.test", AUTH_NO, NULL);
}

Test(accounts, a_missing_include_is_for_later)
{
    lookup_is("lost", AUTH_TEMPFAIL, NULL);
}

Test(accounts, verify)
{
    struct account a;
    cr_expect_eq(accounts_verify(accounts, "tom", "tom-pw", &a), AUTH_OK);
    cr_expect_str_eq(a.user, "tom");
    account_free(&a);
    cr_expect_eq(accounts_verify(accounts, "Tom@hehuan.test", "tom-pw", &a), AUTH_OK);
    account_free(&a);
    cr_expect_eq(accounts_verify(accounts, "ann", "tom-pw", &a), AUTH_OK);
    cr_expect_eq(a.uid, 7);
    cr_expect_eq(a.gid, 8);
    cr_expect_str_eq(a.home, "/home/ann");
    account_free(&a);
    const char *wrong[][2] = {{"tom", "Tom-pw"},
                              {"tom", ""},
                              {"locked", "tom-pw"},
                              {"nobody", "tom-pw"},
                              {"staff", "tom-pw"},
                              {"tom@magedu.test", "tom-pw"},
                              {"", ""}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(accounts_verify(accounts, wrong[i][0], wrong[i][1], &a), AUTH_NO);
        cr_expect_null(a.user);
    }
}

static void rewrite(const char *file, const char *text)
{
    char *fresh = make_file(text);
    cr_assert_eq(rename(fresh, file), 0);
    free(fresh);
}

Test(accounts, files_are_read_again)
{
    rewrite(config.users_file, "eve:!\n");
    lookup_is("eve", AUTH_OK, "eve");
    lookup_is("tom", AUTH_NO, NULL);
    /* An error keeps what was good, and the correction is seen. */
    rewrite(config.users_file, "eve:!\nbroken\n");
    lookup_is("eve", AUTH_OK, "eve");
    rewrite(config.users_file, "max:!\n");
    lookup_is("eve", AUTH_NO, NULL);
    lookup_is("max", AUTH_OK, "max");
    unlink(config.users_file);
    lookup_is("max", AUTH_OK, "max");
    rewrite(config.aliases_file, "new: max\n");
    lookup_is("new", AUTH_ALIAS, "max");
}

Test(accounts, unreadable_from_the_start_is_for_later)
{
    struct config c = config;
    struct buf errors = {0};
    struct account a;
    c.users_file = "/nonexistent/users";
    struct accounts *other = accounts_new(&c, &errors);
    cr_expect(strstr(buf_str(&errors), "/nonexistent/users: cannot read"));
    cr_expect_eq(accounts_lookup(other, "tom", &a), AUTH_TEMPFAIL);
    cr_expect_eq(accounts_verify(other, "tom", "tom-pw", &a), AUTH_TEMPFAIL);
    accounts_free(other);
    buf_free(&errors);
}

/* ---- the protocol ---------------------------------------------------------------------------- */

static int refusals;
static void count_refusal(const char *peer, const char *user, enum auth_status status,
                          int64_t began_ms)
{
    cr_expect_gt(began_ms, 0);
    refusals += status == AUTH_NO && strcmp(peer, "192.0.2.1") == 0 && strcmp(user, "tom") == 0;
}

static enum auth_status round_trip(struct buf *request, struct account *out)
{
    struct buf answer = {0};
    struct slice line = slice_trim(buf_slice(request));
    struct sasl_connection c = {.verdict = count_refusal};
    cr_assert(auth_answer(accounts, &c, line, &answer), "%s", buf_str(request));
    cr_expect(slice_ends(buf_slice(&answer), SLICE("}\n")));
    enum auth_status s = auth_read_answer(slice_trim(buf_slice(&answer)), out);
    buf_free(&answer);
    buf_free(request);
    return s;
}

Test(accounts, protocol_round_trip)
{
    struct buf request = {0};
    struct account a;
    auth_write_lookup(&request, "staff");
    cr_expect_eq(round_trip(&request, &a), AUTH_ALIAS);
    cr_assert_eq(a.target_count, 3);
    cr_expect_str_eq(a.targets[2], "|cmd");
    account_free(&a);

    auth_write_verify(&request, "ann", "tom-pw", "192.0.2.1");
    cr_expect_null(strstr(buf_str(&request), "tom-pw"));
    cr_expect_eq(round_trip(&request, &a), AUTH_OK);
    cr_expect_eq(a.uid, 7);
    cr_expect_str_eq(a.home, "/home/ann");
    account_free(&a);

    auth_write_verify(&request, "tom", "\xff\"\\", "192.0.2.1");
    cr_expect_eq(round_trip(&request, &a), AUTH_NO);
    auth_write_lookup(&request, "\xff\"\\\r\n");
    cr_expect_eq(round_trip(&request, &a), AUTH_NO);
    cr_expect_eq(refusals, 1);
}

Test(accounts, requests_that_cannot_be_understood)
{
    const char *bad[] = {"",
                         "{",
                         "[]",
                         "null",
                         "{}",
                         "{\"op\":\"lookup\"}",
                         "{\"op\":\"verify\",\"user\":\"tom\"}",
                         "{\"op\":\"lookup\",\"address\":1}",
                         "{\"op\":\"drop\",\"address\":\"x\"}",
                         "{\"op\":\"lookup\",\"address\":\"a\\u0000b\"}"};
    struct buf answer = {0};
    struct sasl_connection c = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(auth_answer(accounts, &c, slice_str(bad[i]), &answer), "%s", bad[i]);
    cr_expect_eq(answer.len, 0);
    /* A password that is no hex is a wrong one, whatever the account's is. */
    cr_expect(auth_answer(accounts, &c,
                          SLICE("{\"op\":\"verify\",\"user\":\"tom\",\"password\":\"xx\"}"),
                          &answer));
    cr_expect_str_eq(buf_str(&answer), "{\"status\":\"no\"}\n");
    buf_free(&answer);
}

Test(accounts, answers_that_cannot_be_understood)
{
    const char *bad[] = {"", "x", "{}", "{\"status\":\"yes\"}", "{\"status\":1}", "[\"ok\"]"};
    struct account a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(auth_read_answer(slice_str(bad[i]), &a), AUTH_TEMPFAIL, "%s", bad[i]);
}
