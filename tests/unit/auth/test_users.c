/* The users file and its passwords. */
#include "reference/auth/password.h"
#include "reference/auth/users.h"
#include "tests/unit/auth/files.h"

static void refused(const char *text, const char *message)
{
    struct users u;
    struct buf errors = {0};
    cr_expect_not(users_parse(&u, slice_str(text), "users", &errors), "accepted: %s", text);
    cr_expect(strstr(buf_str(&errors), message), "for %s: %s", text, buf_str(&errors));
    cr_expect_eq(u.n, 0);
    buf_free(&errors);
}

Test(users, both_forms)
{
    struct users u;
    struct buf errors = {0};
    cr_assert(users_parse(&u, SLICE("# people\r\nTom:$6$x$y\n\njerry:!:1000:1001:/home/jerry\n"),
                          "users", &errors),
              "%s", buf_str(&errors));
    const struct user_entry *tom = users_find(&u, SLICE("tOM")),
                            *jerry = users_find(&u, SLICE("jerry"));
    cr_assert(tom && jerry);
    cr_expect_str_eq(tom->name, "tom");
    cr_expect_str_eq(tom->secret, "$6$x$y");
    cr_expect_eq(tom->uid, -1);
    cr_expect_str_eq(tom->home, "");
    cr_expect_eq(jerry->uid, 1000);
    cr_expect_eq(jerry->gid, 1001);
    cr_expect_str_eq(jerry->home, "/home/jerry");
    cr_expect_eq(jerry->line, 4);
    cr_expect_null(users_find(&u, SLICE("to")));
    cr_expect_null(users_find(&u, SLICE("tom\0")));
    cr_expect_null(users_find(&u, SLICE("")));
    users_free(&u);
    buf_free(&errors);
}

Test(users, errors_name_file_line_and_remedy)
{
    refused("tom\n", "users:1: not two or five fields");
    refused("tom:x:1:2\n", "users:1: not two or five fields");
    refused("tom:x:1:2:/h:y\n", "users:1: more than five fields");
    refused("# ok\ntom:\n", "users:2: no secret");
    refused("../tom:x\n", "users:1: not a user name");
    refused("tom:x:-1:2:/h\n", "users:1: uid and gid");
    refused("tom:x:4294967295:2:/h\n", "users:1: uid and gid");
    refused("tom:x:1:2:h\n", "users:1: home must be");
    refused("tom:x\nann:y\nTOM:z\n", "users:3: tom is also in line 1");
}

Test(users, names_fit_to_be_file_names)
{
    const char *good[] = {"tom", "Tom.Cat", "a-b_c", "0", "x.lockx"};
    const char *bad[] = {"",    ".",        "..",       ".tom",       "-tom", "a/b",
                         "a b", "tom.lock", "tom.LOCK", "t\xc3\xb6m", "a@b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(user_name_valid(slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(user_name_valid(slice_str(bad[i])), "%s", bad[i]);
    char name[66];
    memset(name, 'a', sizeof name);
    cr_expect(user_name_valid(slice_of(name, 64)));
    cr_expect_not(user_name_valid(slice_of(name, 65)));
}

Test(password, fits_and_does_not)
{
    const char *hash =
        "$6$rounds=1000$tomsalt$"
        "Vie6WoN7b.1ab/OqrNsw9AeuRYL6HCvlLyQI40nH0z5sdAm1IRa2x7bTYXapY6GVGcxBdTWuTdMURzUOPdzbn/";
    cr_expect(password_fits(hash, "tom-pw"));
    cr_expect_not(password_fits(hash, "tom-pw "));
    cr_expect_not(password_fits(hash, ""));
    cr_expect_not(password_fits("!", "!"));
    cr_expect_not(password_fits("*", "*"));
    cr_expect_not(password_fits("*0", "*0"));
    cr_expect_not(password_fits("", ""));
}

Test(password, new_hash_fits, .timeout = 20)
{
    char *hash = password_hash("sesame");
    cr_assert(hash && hash[0] == '$');
    cr_expect(password_fits(hash, "sesame"));
    cr_expect_not(password_fits(hash, "Sesame"));
    free(hash);
    char *long_one = xasprintf("%0600d", 0);
    cr_expect_null(password_hash(long_one));
    free(long_one);
}
