/* secret.h: the forms of the users file. */
#include "reference/auth/secret.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <stdlib.h>

static const struct secret_costs costs = {"$6$rounds=1000$nobody$", 4096, NULL};

/* RFC 7677 3's example: user, pencil. */
#define PENCIL                                                                                     \
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="    \
    ",wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

Test(secret, the_keys_of_the_rfc_s_example)
{
    struct scram_keys stored, made;
    cr_assert(secret_scram(PENCIL, SCRAM_SHA_256, &stored));
    cr_expect_not(secret_scram(PENCIL, SCRAM_SHA_1, &made));
    made = stored;
    memset(made.stored, 0, sizeof made.stored);
    memset(made.server, 0, sizeof made.server);
    scram_keys_make(SCRAM_SHA_256, "pencil", &made);
    cr_expect_arr_eq(made.stored, stored.stored, 32);
    cr_expect_arr_eq(made.server, stored.server, 32);
    cr_expect(secret_fits(PENCIL, "pencil", &costs));
    cr_expect_not(secret_fits(PENCIL, "Pencil", &costs));
    cr_expect_not(secret_fits(PENCIL, "", &costs));
}

Test(secret, plain_and_none)
{
    cr_expect(secret_fits("{PLAIN}a b", "a b", &costs));
    cr_expect(secret_fits("{plain}a b", "a b", &costs));
    cr_expect_not(secret_fits("{PLAIN}a b", "a b ", &costs));
    cr_expect_not(secret_fits("{PLAIN}a b", "{PLAIN}a b", &costs));
    cr_expect_not(secret_fits(NULL, "", &costs));
    cr_expect_not(secret_fits(NULL, "x", &costs));
    cr_expect_not(secret_fits("!{PLAIN}x", "x", &costs));
    cr_expect_not(secret_fits("!", "", &costs));
    cr_expect_not(secret_fits("", "", &costs));
    cr_expect_not(secret_fits("x", "x", &costs));
}

Test(secret, a_new_one_fits_and_is_salted)
{
    static const char *const schemes[] = {"scram-sha-1", "SCRAM-SHA-256", "crypt"};
    for (int i = 0; i < 3; i++) {
        char *a = secret_make(schemes[i], "tom-pw");
        char *b = secret_make(schemes[i], "tom-pw");
        cr_expect_null(secret_problem(slice_str(a)), "%s", a);
        cr_expect_str_neq(a, b);
        cr_expect(secret_fits(a, "tom-pw", &costs));
        cr_expect_not(secret_fits(a, "tom-pv", &costs));
        free(a);
        free(b);
    }
    char *plain = secret_make("plain", "a b");
    cr_expect_str_eq(plain, "{PLAIN}a b");
    free(plain);
    cr_expect_null(secret_make("plain", "a:b"));
    cr_expect_null(secret_make("md5", "x"));
    cr_expect_null(secret_make("crypt", ""));
    cr_expect_null(secret_make("crypt", "\xff"));
    cr_expect_null(secret_make("scram-sha-256", "a\tb"));
}

Test(secret, problems_are_named)
{
    static const char *const bad[] = {
        "{SSHA}xxx", "{", "{PLAIN}", "{PLAIN}\xff", "{PLAIN}a\tb", "!{MD5}x",
        "{SCRAM-SHA-256}", "{SCRAM-SHA-256}4095,W22Z,WG5d,wfPL",
        "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d,wfPL",
        "{SCRAM-SHA-1}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        PENCIL ",x", "{SCRAM-SHA-256}99999999,W22Z,WG5d,wfPL"};
    static const char *const good[] = {"!", "*", "$6$x$y", "!$6$x$y", "{PLAIN}x", "!{PLAIN}x",
                                       PENCIL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not_null(secret_problem(slice_str(bad[i])), "%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_null(secret_problem(slice_str(good[i])), "%s", good[i]);
}

/* ---- schemes of other programs --------------------------------------------------------------- */

static void fits_only(const char *secret, const char *password)
{
    char *wrong = xasprintf("%sX", password);
    cr_expect_null(secret_problem(slice_str(secret)), "%s", secret);
    cr_expect(secret_fits(secret, password, &costs), "%s", secret);
    cr_expect_not(secret_fits(secret, wrong, &costs), "%s", secret);
    cr_expect_not(secret_fits(secret, "", &costs), "%s", secret);
    free(wrong);
    char *locked = xasprintf("!%s", secret);
    cr_expect_not(secret_fits(locked, password, &costs), "%s", locked);
    free(locked);
}

Test(secret, every_method_of_crypt)
{
    static const struct { const char *prefix; unsigned long count; } methods[] = {
        {"$y$", 1},  {"$gy$", 1}, {"$7$", 6}, {"$2b$", 4},   {"$2a$", 4}, {"$6$", 1000},
        {"$5$", 1000}, {"$sha1", 24}, {"$md5", 4}, {"$1$", 0}, {"_", 1},   {"", 0}, {"$3$", 0},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char *setting = crypt_gensalt_ra(methods[i].prefix, methods[i].count, NULL, 0);
        cr_assert(setting, "%s", methods[i].prefix);
        char *hash = xstrdup(crypt("pw-7", setting));
        char *named = xasprintf("{CRYPT}%s", hash);
        fits_only(hash, "pw-7");
        fits_only(named, "pw-7");
        cr_expect_str_eq(secret_scheme(hash), "crypt");
        free(setting);
        free(hash);
        free(named);
    }
}

Test(secret, digests_as_directories_keep_them)
{
    /* Of "secret", by openssl dgst; the salted ones with the salt "salt". */
    static const char *const secrets[] = {
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
        "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
        "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        fits_only(secrets[i], "secret");
    static const char *const bad[] = {"{SHA}", "{SHA}x", "{SSHA}AAAA", "{SHA}!!!!", "{CRYPT}",
                                      "{ARGON2}x", "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
                                      "{SHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(secret_problem(slice_str(bad[i])), "%s", bad[i]);
}

Test(secret, argon2)
{
    char *made = secret_make("argon2", "pw");
    cr_assert(made);
    fits_only(made, "pw");
    cr_expect_str_eq(secret_scheme(made), "argon2");
    free(made);
    /* Of the argon2 program: echo -n pw | argon2 somesalt -id -t 2 -m 10 -e */
    cr_expect_not(secret_fits("{ARGON2}$argon2id$v=19$m=999999999,t=2,p=1$c29tZXNhbHQ$AAAA", "pw",
                              &costs), "more memory than we have");
    char *ssha = secret_make("ssha", "pw");
    fits_only(ssha, "pw");
    free(ssha);
}
