/* What holds for both formats. */
#include "tests/unit/store/mailbox_world.h"

#include <criterion/parameterized.h>
#include <signal.h>
#include <sys/resource.h>

static enum mailbox_format both[] = {FORMAT_MBOX, FORMAT_MAILDIR};
#define FOR_BOTH(name)                                                                      \
    ParameterizedTestParameters(store, name)                                                \
    {                                                                                       \
        return cr_make_param_array(enum mailbox_format, both, 2);                           \
    }                                                                                       \
    ParameterizedTest(enum mailbox_format *format, store, name, .fini = world_end)

FOR_BOTH(a_missing_mailbox_is_empty)
{
    world_begin(*format);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 0);
    mailbox_close(m);
    cr_assert_str_eq(get_file(world_path("tom")), "(none)");
}

FOR_BOTH(messages_come_out_as_they_went_in)
{
    static const char *const texts[] = {
        "Subject: a\n\nhello\n", "Subject: b\n\nFrom me\n>From you\n>>From all\n From\nFro\nFrom\n",
        "A: b\n\n", "A: b\n", "\n", "\n\n\n", ".\n..\n", "no newline", "From ", ">From ", "\n\nFrom x\n\n\n",
        "Subject: c\n\nFrom tom@x.test Tue Nov 24 08:07:54 2026\n\nFrom a Tue Nov 24 08:07:54 2026\n",
    };
    size_t n = sizeof texts / sizeof *texts;
    world_begin(*format);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(deliver("jerry@magedu.test", texts[i]), 0);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), n);
    for (size_t i = 0; i < n; i++) {
        struct buf want = {0};
        for (const char *c = texts[i]; *c; c++) {
            if (*c == '\n')
                buf_add_byte(&want, '\r');
            buf_add_byte(&want, *c);
        }
        if (want.data[want.len - 1] != '\n')
            buf_add_str(&want, "\r\n");
        cr_assert_str_eq(wire(m, i), buf_str(&want), "message %zu", i);
        buf_free(&want);
    }
    mailbox_close(m);
}

FOR_BOTH(text_in_single_octets_is_the_same)
{
    const char *text = "X: y\n\nFrom a\n>From b\nFroFrom c\n\n>>>From\nF\n";
    world_begin(*format);
    struct append *a = append_begin(&world_place, "");
    for (const char *c = text; *c; c++)
        cr_assert_eq(append_write(a, c, 1), 0);
    cr_assert_eq(append_commit(a, NULL), 0);
    cr_assert_eq(deliver("", text), 0);
    struct mailbox *m = open_all();
    char *first = strdup(wire(m, 0));
    cr_assert_str_eq(first, wire(m, 1));
    free(first);
    mailbox_close(m);
}

FOR_BOTH(identifiers_are_unique_and_stay)
{
    world_begin(*format);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(deliver("a@b.test", i == 4 ? "Other: x\n\n" : "Same: x\n\n"), 0);
    struct mailbox *m = open_all();
    char *uid[5];
    for (int i = 0; i < 5; i++) {
        uid[i] = strdup(mailbox_message(m, i).uid);
        cr_assert(strlen(uid[i]) >= 1 && strlen(uid[i]) <= STORE_UID_MAX);
        for (const char *c = uid[i]; *c; c++)
            cr_assert(*c >= 0x21 && *c <= 0x7e);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(uid[i], uid[j]);
    }
    mailbox_close(m);
    deliver("c@d.test", "Later: x\n\n");
    m = open_all();
    for (int i = 0; i < 5; i++) {
        cr_assert_str_eq(uid[i], mailbox_message(m, i).uid);
        free(uid[i]);
    }
    mailbox_close(m);
}

FOR_BOTH(removal_keeps_the_others_and_what_came_meanwhile)
{
    world_begin(*format);
    deliver("a@b.test", "N: 1\n\n");
    deliver("a@b.test", "N: 2\n\n");
    deliver("a@b.test", "N: 3\n\n");
    struct mailbox *m = open_all();
    char *third = strdup(mailbox_message(m, 2).uid);
    deliver("a@b.test", "N: 4\n\n");
    cr_assert_eq(mailbox_count(m), 3, "the list does not change");
    cr_assert_str_eq(wire(m, 2), "N: 3\r\n\r\n");
    cr_assert_eq(mailbox_expunge(m, (bool[]){true, true, false}), 0);
    mailbox_close(m);
    m = open_all();
    cr_assert_eq(mailbox_count(m), 2);
    cr_assert_str_eq(wire(m, 0), "N: 3\r\n\r\n");
    cr_assert_str_eq(wire(m, 1), "N: 4\r\n\r\n");
    cr_assert_str_eq(mailbox_message(m, 0).uid, third);
    free(third);
    cr_assert_eq(mailbox_expunge(m, (bool[]){true, true}), 0);
    mailbox_close(m);
    m = open_all();
    cr_assert_eq(mailbox_count(m), 0);
    mailbox_close(m);
}

FOR_BOTH(only_one_exclusive_session)
{
    world_begin(*format);
    struct mailbox *m = open_all();
    errno = 0;
    cr_assert_null(mailbox_open(&world_place, true));
    cr_assert_eq(errno, EAGAIN);
    struct mailbox *other = mailbox_open(&world_place, false);
    cr_assert(other);
    mailbox_close(other);
    cr_assert_eq(deliver("a@b.test", "N: 1\n\n"), 0, "deliveries go on");
    mailbox_close(m);
    m = open_all();
    cr_assert_eq(mailbox_count(m), 1);
    mailbox_close(m);
}

FOR_BOTH(an_abandoned_append_leaves_nothing)
{
    world_begin(*format);
    deliver("a@b.test", "N: 1\n\n");
    struct append *a = append_begin(&world_place, "x@y.test");
    for (int i = 0; i < 100000; i++)
        append_write(a, "a line of a message\n", 20);
    append_abandon(a);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 1);
    cr_assert_str_eq(wire(m, 0), "N: 1\r\n\r\n");
    mailbox_close(m);
    if (*format == FORMAT_MAILDIR)
        cr_assert_eq(rmdir(world_path("tom/tmp")), 0, "tmp/ is empty");
}

/* The limit on the size of files stands for a full disk: the write fails in the same place. */
FOR_BOTH(no_room_leaves_nothing)
{
    world_begin(*format);
    deliver("a@b.test", "N: 1\n\n");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {100000, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    struct append *a = append_begin(&world_place, "x@y.test");
    int written = 0;
    for (int i = 0; i < 100000; i++)
        written = append_write(a, "a line of a message\n", 20);
    cr_assert_eq(written, -1);
    int result = append_commit(a, NULL);
    int error = errno;
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert_eq(result, -1);
    cr_assert_eq(error, EFBIG);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 1);
    cr_assert_str_eq(wire(m, 0), "N: 1\r\n\r\n");
    mailbox_close(m);
    if (*format == FORMAT_MAILDIR)
        cr_assert_eq(rmdir(world_path("tom/tmp")), 0, "tmp/ is empty");
}

FOR_BOTH(bad_user_names_are_no_mailboxes)
{
    static const char *const bad[] = {"", ".", "..", ".tom", "a/b", "../x", "tom.lock", "a\nb", "\x7f"};
    struct mailbox_place p;
    world_begin(*format);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(mailbox_place_init(&p, &world_config, bad[i], -1, -1), "%s", bad[i]);
    char longest[STORE_USER_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[STORE_USER_MAX + 1] = 0;
    cr_assert_not(store_user_valid(slice_str(longest)));
    cr_assert(store_user_valid(slice_of(longest, STORE_USER_MAX)));
}
