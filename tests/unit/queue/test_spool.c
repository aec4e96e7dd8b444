/* The files of the spool: written, read back, changed, damaged. */
#include "base/timing.h"
#include "tests/unit/queue/spool_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

TestSuite(spool, .init = world_begin, .fini = world_end);

static const char *const tom_and_ann[] = {"tom@hehuan.test", "ann@hehuan.test", NULL};

Test(spool, a_person_can_read_it)
{
    struct envelope e = {.arrived_us = 1764000000123456, .protocol = "ESMTP",
                         .client = "198.51.100.7", .helo = "client.magedu.test",
                         .reverse_path = "jerry@magedu.test", .eight_bit = true};
    strcpy(e.id, "01k9xq3v5wz0003n0001");
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    struct queue_writer *w = queue_create(&config, &e);
    cr_assert_eq(queue_write(w, "Subject: x\r\n\r\nhello\r\n", 21), 0);
    cr_assert_eq(queue_written(w), 21);
    cr_assert(exists("incoming", e.id));
    cr_assert_eq(queue_commit(w), 0);
    cr_assert_not(exists("incoming", e.id));
    char *text = file_text("active", e.id);
    cr_expect_str_eq(text,
        "postroad 1\nid 01k9xq3v5wz0003n0001\narrived 1764000000.123456\n"
        "size 00000000000000000021\ndots 0\noctets 7\nbody 8BITMIME\nprotocol ESMTP\n"
        "client 198.51.100.7\nhelo client.magedu.test\nfrom <jerry@magedu.test>\n"
        "todo <tom@hehuan.test>\n\nSubject: x\r\n\r\nhello\r\n");
    free(text);
    envelope_drop_recipients(&e, 0);
    free(e.rcpt);
}

Test(spool, read_back_as_written)
{
    struct envelope e, back;
    const char *why;
    put(&e, "", tom_and_ann, ".dot\r\n");
    int fd = queue_open(&config, "active", e.id, &back, &why);
    cr_assert_geq(fd, 0, "%s", why);
    cr_expect_str_eq(back.id, e.id);
    cr_expect_eq(back.arrived_us, e.arrived_us);
    cr_expect_eq(back.size, 6);
    cr_expect_str_eq(back.reverse_path, "");
    cr_expect_str_eq(back.protocol, "ESMTP");
    cr_expect_str_eq(back.client, "198.51.100.7");
    cr_expect_str_eq(back.helo, "client.magedu.test");
    cr_expect_eq(back.rcpt_count, 2);
    cr_expect_str_eq(back.rcpt[1].address, "ann@hehuan.test");
    cr_expect(back.dots && !back.high_octets && !back.eight_bit);
    char text[6];
    cr_expect_eq(pread(fd, text, 6, back.message_offset), 6);
    cr_expect_eq(memcmp(text, ".dot\r\n", 6), 0);
    close(fd);
    envelope_free(&back);
}

/* Whatever the pieces, the two flags are right and the octets the same. */
Test(spool, pieces_do_not_matter)
{
    struct { const char *text; bool dots, high; } cases[] = {
        {"a\r\n", false, false}, {".\r\n", true, false}, {"a.\r\n.b\r\n", true, false},
        {"a\r\nb.c\r\n", false, false}, {"a\r\n\r\n.\r\n", true, false},
        {"0123456\xc3\xa9\r\n", false, true}, {"01234567\x80\r\n", false, true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step < 9; step++) {
            struct envelope e = {.reverse_path = "a@b"}, back;
            size_t n = strlen(cases[i].text);
            envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
            struct queue_writer *w = queue_create(&config, &e);
            for (size_t at = 0; at < n; at += step)
                queue_write(w, cases[i].text + at, at + step < n ? step : n - at);
            cr_assert_eq(queue_commit(w), 0);
            int fd = queue_open(&config, "active", e.id, &back, NULL);
            cr_assert_geq(fd, 0);
            cr_expect_eq(back.dots, cases[i].dots, "%s by %zu", cases[i].text, step);
            cr_expect_eq(back.high_octets, cases[i].high, "%s by %zu", cases[i].text, step);
            close(fd);
            envelope_free(&back);
            envelope_drop_recipients(&e, 0);
            free(e.rcpt);
        }
}

Test(spool, large_messages_pass_the_buffer)
{
    struct envelope e = {.reverse_path = "a@b"}, back;
    char *line = xmalloc(200000);
    memset(line, 'x', 200000);
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    struct queue_writer *w = queue_create(&config, &e);
    queue_write(w, line, 60000);
    queue_write(w, line, 60000);
    queue_write(w, line, 200000);
    queue_write(w, "\r\n.\r\n", 5);
    cr_assert_eq(queue_commit(w), 0);
    int fd = queue_open(&config, "active", e.id, &back, NULL);
    cr_assert_geq(fd, 0);
    cr_expect_eq(back.size, 320005);
    cr_expect(back.dots);
    close(fd);
    envelope_free(&back);
    envelope_drop_recipients(&e, 0);
    free(e.rcpt);
    free(line);
}

Test(spool, abandoned_means_nothing_is_left)
{
    struct envelope e = {.reverse_path = "a@b"};
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    struct queue_writer *w = queue_create(&config, &e);
    queue_write(w, "x", 1);
    queue_abandon(w);
    cr_expect_not(exists("incoming", e.id));
    queue_abandon(NULL);
    /* A commit that fails leaves nothing either. */
    char *active = queue_path(&config, "active", NULL);
    w = queue_create(&config, &e);
    queue_write(w, "x", 1);
    cr_assert_eq(rmdir(active), 0);
    cr_expect_eq(queue_commit(w), -1);
    cr_expect_eq(errno, ENOENT);
    cr_expect_not(exists("incoming", e.id));
    free(active);
    envelope_drop_recipients(&e, 0);
    free(e.rcpt);
}

Test(spool, no_value_can_forge_a_line)
{
    struct envelope e = {.reverse_path = "a@b\ntodo <evil@x>"}, back;
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    cr_expect_null(queue_create(&config, &e));
    cr_expect_eq(errno, EINVAL);
    e.reverse_path = "a@b";
    e.helo = "x\ntodo <evil@x>";
    struct queue_writer *w = queue_create(&config, &e);
    queue_write(w, "x", 1);
    cr_assert_eq(queue_commit(w), 0);
    int fd = queue_open(&config, "active", e.id, &back, NULL);
    cr_expect_eq(back.rcpt_count, 1);
    cr_expect_str_eq(back.helo, "x?todo <evil@x>");
    close(fd);
    envelope_free(&back);
    envelope_drop_recipients(&e, 0);
    envelope_add_recipient(&e, SLICE("tom\r\n@hehuan.test"));
    cr_expect_null(queue_create(&config, &e));
    envelope_drop_recipients(&e, 0);
    free(e.rcpt);
}

Test(spool, damaged_files_are_told_apart_from_good_ones)
{
    struct envelope e, back;
    const char *why = NULL;
    put(&e, "jerry@magedu.test", tom_and_ann, "hello\r\n");
    char *good = file_text("active", e.id), *path = queue_path(&config, "active", e.id);
    size_t n = strlen(good);
    for (size_t cut = 0; cut < n; cut++) {           /* cut off anywhere */
        cr_assert_eq(truncate(path, (off_t)cut), 0);
        errno = 0;
        cr_assert_eq(queue_open(&config, "active", e.id, &back, &why), -1, "cut at %zu", cut);
        cr_assert_eq(errno, EBADMSG);
        cr_assert_not_null(why);
        int fd = open(path, O_WRONLY | O_TRUNC);
        cr_assert_eq(write(fd, good, n), (ssize_t)n);
        close(fd);
    }
    int fd = open(path, O_WRONLY | O_APPEND);        /* an octet too many */
    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
    cr_expect_eq(queue_open(&config, "active", e.id, &back, &why), -1);
    cr_expect_eq(queue_open(&config, "active", "nosuch", &back, &why), -1);
    cr_expect_eq(errno, ENOENT);
    free(good);
    free(path);
}

/* The head is read in pieces: its end may fall on any octet of a piece. */
Test(spool, heads_of_any_length)
{
    char *name = xmalloc(9000);
    memset(name, 'x', 9000);
    for (size_t n = 8192 - 260; n < 8192; n++) {
        struct envelope e = {.reverse_path = "a@b", .helo = name}, back;
        name[n] = 0;
        envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
        struct queue_writer *w = queue_create(&config, &e);
        queue_write(w, "x\r\n", 3);
        cr_assert_eq(queue_commit(w), 0);
        int fd = queue_open(&config, "active", e.id, &back, NULL);
        cr_assert_geq(fd, 0, "%zu", n);
        cr_assert_eq(back.size, 3);
        close(fd);
        queue_remove(&config, "active", e.id);
        envelope_free(&back);
        envelope_drop_recipients(&e, 0);
        free(e.rcpt);
        name[n] = 'x';
    }
    free(name);
}

/* --- spare files ----------------------------------------------------------------------------- */

static ino_t inode_of(const char *folder, const char *id)
{
    struct stat st;
    char *path = queue_path(&config, folder, id);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    free(path);
    return st.st_ino;
}

static void retire(const struct envelope *e)
{
    struct envelope back;
    int fd = queue_open(&config, "active", e->id, &back, NULL);
    cr_assert_geq(fd, 0);
    cr_assert_eq(queue_retire(&config, e->id, fd), 0);
    close(fd);
    envelope_free(&back);
}

Test(spool, the_file_of_a_message_that_is_over_takes_the_next)
{
    struct envelope one, two;
    put(&one, "jerry@magedu.test", tom_and_ann, "a long message that leaves nothing behind\r\n");
    queue_spare_count(&config);
    ino_t inode = inode_of("active", one.id);
    retire(&one);
    cr_assert_not(exists("active", one.id));
    cr_assert(exists("spare", one.id));
    char *empty = file_text("spare", one.id);
    cr_expect_str_eq(empty, "");
    free(empty);
    sleep_ms(60);                /* writers look into the folder now and then only */
    put(&two, "ann@hehuan.test", tom_and_ann, "short\r\n");
    cr_expect_eq(inode_of("active", two.id), inode);
    cr_expect_not(exists("spare", one.id));
    struct envelope back;
    int fd = queue_open(&config, "active", two.id, &back, NULL);
    cr_assert_geq(fd, 0, "its size is as its head says");
    cr_expect_str_eq(back.reverse_path, "ann@hehuan.test");
    close(fd);
    envelope_free(&back);
}

Test(spool, without_room_for_spare_files_a_message_is_removed)
{
    struct envelope e;
    put(&e, "jerry@magedu.test", tom_and_ann, "x\r\n");  /* nobody has counted what there is room for */
    retire(&e);
    cr_expect_not(exists("active", e.id));
    cr_expect_not(exists("spare", e.id));
}

Test(spool, a_spare_file_that_another_has_or_that_vanished_is_passed_over)
{
    struct envelope one, two, three, four;
    put(&one, "jerry@magedu.test", tom_and_ann, "x\r\n");
    put(&two, "jerry@magedu.test", tom_and_ann, "x\r\n");
    queue_spare_count(&config);
    retire(&one);
    retire(&two);
    char *path = queue_path(&config, "spare", one.id);
    int other = open(path, O_RDWR);
    cr_assert_eq(flock(other, LOCK_EX), 0);
    sleep_ms(60);
    put(&three, "jerry@magedu.test", tom_and_ann, "three\r\n");
    put(&four, "jerry@magedu.test", tom_and_ann, "four\r\n");
    cr_expect(exists("spare", one.id), "it was another's");
    cr_expect_not(exists("spare", two.id));
    cr_expect(exists("active", three.id) && exists("active", four.id));
    close(other);
    free(path);
}

Test(spool, heads_that_are_none)
{
    const char *good = "postroad 1\nid a1\narrived 1.000001\nsize 1\ndots 0\noctets 7\nbody 7BIT\n"
                       "from <>\ntodo <a@b>\n\n";
    const char *bad[] = {
        "", "\n\n", "postroad 2\n\n", "postroad 1\n\n",
        "postroad 1\nid ../x\narrived 1.000001\nsize 1\nfrom <>\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.1\nsize 1\nfrom <>\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize -1\nfrom <>\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 0\nfrom <>\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 1\nfrom a@b\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 1\nfrom <>\ntudo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 1\nfrom <>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 1\nvia <c@d>\nfrom <>\ntodo <a@b>\n\n",
        "postroad 1\nid a1\narrived 1.000001\nsize 1\nfrom <>\ntodo <a@b>\n",
    };
    struct envelope e;
    const char *why = NULL;
    cr_assert(envelope_parse(slice_str(good), &e, &why), "%s", why);
    envelope_free(&e);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        why = NULL;
        cr_expect_not(envelope_parse(slice_str(bad[i]), &e, &why), "%s", bad[i]);
        cr_expect_not_null(why);
    }
}

Test(spool, marks_change_four_octets)
{
    struct envelope e, back;
    put(&e, "jerry@magedu.test", tom_and_ann, "hello\r\n");
    char *before = file_text("active", e.id);
    int fd = queue_open(&config, "active", e.id, &back, NULL);
    cr_assert_eq(queue_mark(fd, &back.rcpt[0], RCPT_FAIL, false), 0);
    cr_assert_eq(queue_mark(fd, &back.rcpt[1], RCPT_DONE, true), 0);
    close(fd);
    envelope_free(&back);
    char *after = file_text("active", e.id);
    cr_expect_eq(strlen(before), strlen(after));
    cr_expect(strstr(after, "\nfail <tom@hehuan.test>\ndone <ann@hehuan.test>\n"));
    close(queue_open(&config, "active", e.id, &back, NULL));
    cr_expect_eq(back.rcpt[0].state, RCPT_FAIL);
    cr_expect_eq(back.rcpt[1].state, RCPT_DONE);
    envelope_free(&back);
    free(before);
    free(after);
}

Test(spool, rewriting_keeps_marks_and_message)
{
    struct envelope e, back;
    put(&e, "jerry@magedu.test", tom_and_ann, "hello\r\n");
    int fd = queue_open(&config, "active", e.id, &back, NULL);
    queue_mark(fd, &back.rcpt[0], RCPT_DONE, false);
    envelope_add_recipient(&back, SLICE("eve@magedu.test"));
    back.rcpt[2].via = xstrdup("tom@hehuan.test");
    cr_assert_eq(queue_rewrite(&config, fd, &back), 0);
    close(fd);
    envelope_free(&back);
    cr_expect_not(exists("incoming", e.id));
    fd = queue_open(&config, "active", e.id, &back, NULL);
    cr_assert_geq(fd, 0);
    cr_expect_eq(back.arrived_us, e.arrived_us);
    cr_expect_eq(back.rcpt_count, 3);
    cr_expect_eq(back.rcpt[0].state, RCPT_DONE);
    cr_expect_eq(back.rcpt[1].state, RCPT_TODO);
    cr_expect_str_eq(back.rcpt[2].via, "tom@hehuan.test");
    cr_expect_eq(back.size, 7);
    close(fd);
    envelope_free(&back);
}

Test(spool, deferred_until_to_the_microsecond)
{
    struct envelope e;
    int64_t next = wall_us() + 1234567;
    put(&e, "jerry@magedu.test", tom_and_ann, "x");
    cr_expect_eq(queue_next_try(&config, e.id), -1);
    cr_assert_eq(queue_defer(&config, e.id, next), 0);
    cr_expect_eq(queue_next_try(&config, e.id), next);
    cr_expect_str_eq(queue_find(&config, e.id), "deferred");
    cr_assert_eq(queue_retry_now(&config, e.id), 0);
    cr_expect_leq(queue_next_try(&config, e.id), wall_us());
    cr_assert_eq(queue_move(&config, e.id, "deferred", "hold"), 0);
    cr_expect_str_eq(queue_find(&config, e.id), "hold");
    queue_log(&config, e.id, "tom@hehuan.test", "deferred", "mail", "192.0.2.25", "450 a\nb");
    char *log = file_text("log", e.id);
    cr_expect(strstr(log, "Z tom@hehuan.test deferred mail[192.0.2.25] 450 a\\nb\n"), "%s", log);
    free(log);
    cr_assert_eq(queue_remove(&config, "hold", e.id), 0);
    cr_expect_not(exists("log", e.id));
    cr_expect_null(queue_find(&config, e.id));
}

static bool count_one(void *arg, const char *id)
{
    cr_expect(queue_id_valid(id));
    return ++*(int *)arg < 5;
}

Test(spool, listing_passes_over_what_is_no_message)
{
    struct envelope e;
    int n = 0;
    char *stray = queue_path(&config, "active", "README.txt");
    close(open(stray, O_CREAT | O_WRONLY, 0600));
    free(stray);
    for (int i = 0; i < 3; i++)
        put(&e, "jerry@magedu.test", tom_and_ann, "x");
    cr_expect_eq(queue_list(&config, "active", count_one, &n), 0);
    cr_expect_eq(n, 3);
    for (int i = 0; i < 5; i++)
        put(&e, "jerry@magedu.test", tom_and_ann, "x");
    n = 0;
    queue_list(&config, "active", count_one, &n);
    cr_expect_eq(n, 5, "until it returns false");
}

Test(spool, ids_are_new_each_time_and_sort_by_time)
{
    char a[QUEUE_ID_MAX], b[QUEUE_ID_MAX];
    queue_new_id(a);
    for (int i = 0; i < 10000; i++) {
        queue_new_id(b);
        cr_assert(queue_id_valid(b));
        cr_assert_str_neq(a, b);
        memcpy(a, b, sizeof a);
    }
    queue_new_id(a);
    sleep_ms(2);
    queue_new_id(b);
    cr_expect_lt(strcmp(a, b), 0);
    cr_expect_not(queue_id_valid(""));
    cr_expect_not(queue_id_valid("../x"));
    cr_expect_not(queue_id_valid("A"));
    cr_expect_not(queue_id_valid("0123456789012345678901234567890123"));
}

Test(spool, the_sweep_takes_only_what_has_no_writer)
{
    struct envelope e = {.reverse_path = "a@b"};
    envelope_add_recipient(&e, SLICE("tom@hehuan.test"));
    struct queue_writer *w = queue_create(&config, &e);
    char *left = queue_path(&config, "incoming", "leftover");
    close(open(left, O_CREAT | O_WRONLY, 0600));
    cr_expect_eq(queue_sweep(&config), 0, "both are too young to be sure");
    free(left);
    queue_abandon(w);
    envelope_drop_recipients(&e, 0);
    free(e.rcpt);
}

Test(retry, wait_as_long_again_as_it_has_waited)
{
    struct { int64_t age, wait; } cases[] = {
        {0, 300}, {100, 300}, {300, 300}, {301, 301}, {600, 600}, {4199, 4199}, {4200, 4200},
        {4201, 4200}, {1000000, 4200}, {-5, 300},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(queue_retry_wait(cases[i].age, 300, 4200), cases[i].wait, "%ld",
                     (long)cases[i].age);
}
