/* Maildir: names, folders, and other programs at the same time. */
#include "tests/unit/store/mailbox_world.h"

#include <dirent.h>
#include <utime.h>

static void begin(void)
{
    world_begin(FORMAT_MAILDIR);
}

TestSuite(maildir, .init = begin, .fini = world_end);

static void make_folders(void)
{
    mkdir(world_path("tom"), 0700);
    mkdir(world_path("tom/tmp"), 0700);
    mkdir(world_path("tom/new"), 0700);
    mkdir(world_path("tom/cur"), 0700);
}

static char *only_file(const char *folder)
{
    static char name[256];
    DIR *d = opendir(world_path(folder));
    struct dirent *e;
    name[0] = 0;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            snprintf(name, sizeof name, "%s", e->d_name);
    closedir(d);
    return name;
}

Test(maildir, what_a_delivery_makes)
{
    struct buf path = {0};
    struct append *a = append_begin(&world_place, "jerry@magedu.test");
    append_write(a, "A: b\n\nFrom x\n", 13);
    cr_assert_eq(append_commit(a, &path), 0);
    cr_assert_str_eq(get_file(buf_str(&path)), "A: b\n\nFrom x\n", "LF, and no From_ line");
    char *name = only_file("tom/new");
    cr_assert(strstr(name, ".mail.hehuan.test,S=13,W=16"), "%s", name);
    cr_assert_eq(only_file("tom/tmp")[0], 0);
    cr_assert_eq(only_file("tom/cur")[0], 0);
    struct stat st;
    stat(buf_str(&path), &st);
    cr_assert_eq(st.st_mode & 07777, 0600);
    buf_free(&path);
}

Test(maildir, sizes_in_names_are_believed_only_when_they_fit)
{
    make_folders();
    put_file(world_path("tom/new/1.a,S=4,W=6"), "a\nb\n");
    put_file(world_path("tom/new/2.a,S=5,W=99"), "a\nb\n");
    put_file(world_path("tom/new/3.a,S=4,W=3"), "a\nb\n");
    put_file(world_path("tom/new/4.a,W=99"), "a\nb\n");
    put_file(world_path("tom/new/5.a"), "a\r\nb\r\n");
    put_file(world_path("tom/new/6.a,S=x,W=-1"), "a\nb");
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert_str_eq(wire(m, i), "a\r\nb\r\n", "message %zu", i + 1);
    mailbox_close(m);
}

Test(maildir, order_is_by_time_of_delivery)
{
    make_folders();
    put_file(world_path("tom/cur/1000000000.b:2,S"), "N: 3\n");
    put_file(world_path("tom/new/999999999.z"), "N: 1\n");
    put_file(world_path("tom/new/1000000000.a"), "N: 2\n");
    put_file(world_path("tom/new/.hidden"), "no\n");
    mkdir(world_path("tom/new/folder"), 0700);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 3);
    cr_assert_str_eq(wire(m, 0), "N: 1\r\n");
    cr_assert_str_eq(wire(m, 1), "N: 2\r\n");
    cr_assert_str_eq(wire(m, 2), "N: 3\r\n");
    cr_assert_str_eq(mailbox_message(m, 2).uid, "1000000000.b");
    mailbox_close(m);
}

Test(maildir, odd_names_get_an_identifier_that_fits)
{
    char name[256];
    make_folders();
    snprintf(name, sizeof name, "tom/new/1.%0100d", 7);
    put_file(world_path(name), "N: 1\n");
    put_file(world_path("tom/new/2.with space"), "N: 2\n");
    put_file(world_path("tom/new/3.\xc3\xa9"), "N: 3\n");
    struct mailbox *m = open_all();
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(strlen(mailbox_message(m, i).uid), 64);
    cr_assert_str_neq(mailbox_message(m, 0).uid, mailbox_message(m, 1).uid);
    mailbox_close(m);
}

Test(maildir, a_message_that_a_mail_program_moves_is_found)
{
    make_folders();
    put_file(world_path("tom/new/1.a"), "N: 1\n");
    put_file(world_path("tom/new/2.a"), "N: 2\n");
    put_file(world_path("tom/new/3.a"), "N: 3\n");
    struct mailbox *m = open_all();
    char *uid = strdup(mailbox_message(m, 1).uid);
    rename(world_path("tom/new/1.a"), world_path("tom/cur/1.a:2,"));
    rename(world_path("tom/new/2.a"), world_path("tom/cur/2.a:2,RS"));
    cr_assert_str_eq(wire(m, 0), "N: 1\r\n");
    cr_assert_str_eq(wire(m, 1), "N: 2\r\n");
    rename(world_path("tom/cur/2.a:2,RS"), world_path("tom/cur/2.a:2,S"));
    unlink(world_path("tom/new/3.a"));
    cr_assert_str_eq(wire(m, 2), "(gone)");
    cr_assert_eq(mailbox_expunge(m, (bool[]){false, true, true}), 0);
    mailbox_close(m);
    cr_assert_str_eq(only_file("tom/cur"), "1.a:2,");
    m = open_all();
    cr_assert_eq(mailbox_count(m), 1);
    mailbox_close(m);
    free(uid);
}

Test(maildir, links_are_not_followed)
{
    make_folders();
    put_file(world_path("secret"), "N: 1\n");
    cr_assert_eq(symlink(world_path("secret"), world_path("tom/new/1.a")), 0);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 0);
    mailbox_close(m);
    rmdir(world_path("tom/tmp"));
    cr_assert_eq(symlink(world_dir, world_path("tom/tmp")), 0);
    cr_assert_eq(deliver("a@b.test", "N: 2\n"), -1);
}

Test(maildir, old_leftovers_in_tmp_go)
{
    make_folders();
    put_file(world_path("tom/tmp/1.dead"), "half");
    put_file(world_path("tom/tmp/2.alive"), "half");
    utime(world_path("tom/tmp/1.dead"), &(struct utimbuf){1000, 1000});
    mailbox_close(open_all());
    cr_assert_str_eq(only_file("tom/tmp"), "2.alive");
}
