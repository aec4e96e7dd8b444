/* mbox: From_ lines, quoting, locks, and what other programs leave behind. */
#include "reference/store/lock.h"
#include "reference/store/mbox_line.h"
#include "tests/unit/store/mailbox_world.h"

#include <signal.h>
#include <sys/wait.h>
#include <utime.h>

#define DATE " Tue Nov 24 08:07:54 2026"

static void begin(void)
{
    world_begin(FORMAT_MBOX);
}

TestSuite(mbox, .init = begin, .fini = world_end);

static size_t count(const char *text)
{
    put_file(world_path("tom"), text);
    struct mailbox *m = open_all();
    size_t n = mailbox_count(m);
    for (size_t i = 0; i < n; i++)
        wire(m, i);
    mailbox_close(m);
    return n;
}

static bool from_line(const char *text, bool first)
{
    struct line_piece p = {slice_str(text), true, true, strlen(text) + 1};
    return mbox_is_from_line(&p, first);
}

Test(mbox, from_lines)
{
    cr_assert(from_line("From a@b.test" DATE, false));
    cr_assert(from_line("From a@b.test  Tue Nov  4 08:07 2026", false));
    cr_assert(from_line("From MAILER-DAEMON Tue Nov 24 08:07:54 MET 2026", false));
    cr_assert(from_line("From \"a b\"@c.test" DATE " remote from here", false));
    cr_assert_not(from_line("From here on it is hard", false));
    cr_assert(from_line("From here on it is hard", true));
    cr_assert_not(from_line("From a Tue Nov 32 08:07:54 2026", false));
    cr_assert_not(from_line("From a Tue Nox 24 08:07:54 2026", false));
    cr_assert_not(from_line("From a ueN Nov 24 08:07:54 2026", false));
    cr_assert_not(from_line(">From a" DATE, false));
    cr_assert_not(from_line("From: a" DATE, false));
    cr_assert_not(from_line("Fromage", true));
}

Test(mbox, quoting)
{
    cr_assert(mbox_is_quoted(SLICE(">From ")));
    cr_assert(mbox_is_quoted(SLICE(">>>From x")));
    cr_assert_not(mbox_is_quoted(SLICE("From x")));
    cr_assert_not(mbox_is_quoted(SLICE(">From")));
    cr_assert_not(mbox_is_quoted(SLICE(">>")));
    cr_assert_not(mbox_is_quoted(SLICE("> From x")));
}

Test(mbox, what_a_delivery_writes)
{
    cr_assert_eq(deliver("jerry@magedu.test", "A: b\n\nFrom x\n"), 0);
    cr_assert_eq(deliver("\"odd\nFrom x\"@a.test", "\n"), 0);
    cr_assert_eq(deliver("", "C: d\n"), 0);
    const char *text = get_file(world_path("tom"));
    cr_assert(strncmp(text, "From jerry@magedu.test ", 23) == 0);
    cr_assert(strstr(text, "\nA: b\n\n>From x\n\nFrom \"odd_From_x\"@a.test "));
    cr_assert(strstr(text, "\nFrom MAILER-DAEMON "));
    cr_assert_str_eq(text + strlen(text) - 7, "\nC: d\n\n");
    struct stat st;
    cr_assert_eq(stat(world_path("tom"), &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0660);
    cr_assert_eq(access(world_path("tom.lock"), F_OK), -1);
}

Test(mbox, messages_of_other_programs)
{
    cr_assert_eq(count(""), 0);
    cr_assert_eq(count("\n\n"), 0);
    cr_assert_eq(count("From a" DATE "\n"), 1);
    cr_assert_eq(count("From a" DATE), 1, "not even a line end");
    cr_assert_eq(count("From a" DATE "\nA: b\n\ntext\n\nFrom b" DATE "\n\n"), 2);
    cr_assert_eq(count("From a" DATE "\nA: b\n\ntext\nFrom b" DATE "\nx\n"), 1,
                 "no empty line before");
    cr_assert_eq(count("From a" DATE "\nA: b\n\ntext\n\nFrom here on\nx\n"), 1, "no date");
    cr_assert_eq(count("From a" DATE "\r\nA: b\r\n\r\ntext\r\n\r\nFrom b" DATE "\r\n\r\n"), 2, "CRLF");
    cr_assert_eq(count("\nFrom a" DATE "\nA: b\n\nFrom b" DATE "\nC: d\n\n\n\nFrom c" DATE "\n"), 3);
}

Test(mbox, text_of_other_programs)
{
    count("From a" DATE "\nA: b\n\n>From x\nFrom here\n\nend\n\n\nFrom b" DATE "\r\nC: d\r\n\r\ne\r\n");
    struct mailbox *m = open_all();
    cr_assert_str_eq(wire(m, 0), "A: b\r\n\r\nFrom x\r\nFrom here\r\n\r\nend\r\n\r\n");
    cr_assert_str_eq(wire(m, 1), "C: d\r\n\r\ne\r\n");
    mailbox_close(m);
}

Test(mbox, a_file_that_is_none)
{
    put_file(world_path("tom"), "root:x:0:0\n");
    cr_assert_null(mailbox_open(&world_place, true));
    cr_assert_eq(errno, EBADMSG);
    cr_assert_eq(deliver("a@b.test", "N: 1\n"), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert_str_eq(get_file(world_path("tom")), "root:x:0:0\n");
    unlink(world_path("tom"));
    put_file(world_path("target"), "From a" DATE "\n\n");
    cr_assert_eq(symlink(world_path("target"), world_path("tom")), 0);
    cr_assert_eq(deliver("a@b.test", "N: 1\n"), -1, "links are not followed");
    unlink(world_path("tom"));
    cr_assert_eq(link(world_path("target"), world_path("tom")), 0);
    cr_assert_eq(deliver("a@b.test", "N: 1\n"), -1, "nor is a file of two names written");
    cr_assert_eq(errno, EBADMSG);
}

Test(mbox, an_append_mends_the_end)
{
    static const char *const ends[] = {"", "\n", "\n\n"};
    for (int i = 0; i < 3; i++) {
        struct buf text = {0};
        buf_printf(&text, "From a" DATE "\nA: b\n\nx%s", ends[i]);
        put_file(world_path("tom"), buf_str(&text));
        buf_free(&text);
        cr_assert_eq(deliver("c@d.test", "N: 2\n"), 0);
        struct mailbox *m = open_all();
        cr_assert_eq(mailbox_count(m), 2);
        cr_assert_str_eq(wire(m, 0), "A: b\r\n\r\nx\r\n");
        mailbox_close(m);
    }
}

Test(mbox, identifiers_survive_what_mail_programs_write)
{
    count("From a" DATE "\nA: b\n\ntext\n\nFrom b" DATE "\nA: c\nStatus: O\n\ntext\n");
    struct mailbox *m = open_all();
    char *first = strdup(mailbox_message(m, 0).uid), *second = strdup(mailbox_message(m, 1).uid);
    mailbox_close(m);
    count("From a" DATE "\nA: b\nStatus: RO\nX-Status: A\nContent-Length: 5\nLines: 1\n\ntext\n\n"
          "From b" DATE "\nA: c\nX-UID: 7\n \n\ntext\n");
    m = open_all();
    cr_assert_str_eq(mailbox_message(m, 0).uid, first);
    cr_assert_str_eq(mailbox_message(m, 1).uid, second);
    mailbox_close(m);
    free(first);
    free(second);
}

/* Another program removed the first message and marked the second while the session was open. */
Test(mbox, messages_are_found_again)
{
    count("From a" DATE "\nN: 1\n\n\nFrom b" DATE "\nN: 2\n\n\nFrom c" DATE "\nN: 3\n\n\n");
    struct mailbox *m = open_all();
    put_file(world_path("tom"),
             "From b" DATE "\nN: 2\nStatus: R\n\n\nFrom c" DATE "\nN: 3\n\n\nFrom d" DATE "\nN: 4\n\n\n");
    cr_assert_null(mailbox_read(m, 0));
    cr_assert_eq(errno, ENOENT);
    struct message_reader *r = mailbox_read(m, 1);
    struct line_piece p;
    cr_assert_eq(message_line(r, &p), 1);
    cr_assert(slice_eq_str(p.text, "N: 2"));
    message_reader_free(r);
    cr_assert_str_eq(wire(m, 2), "N: 3\r\n\r\n");
    cr_assert_eq(mailbox_expunge(m, (bool[]){true, true, false}), 0);
    mailbox_close(m);
    cr_assert_str_eq(get_file(world_path("tom")),
                     "From c" DATE "\nN: 3\n\n\nFrom d" DATE "\nN: 4\n\n\n");
}

/* --- removing --------------------------------------------------------------------------------- */

Test(mbox, removal_keeps_the_file)
{
    struct stat before, after;
    count("From a" DATE "\nN: 1\n\n\nFrom b" DATE "\nN: 2\n\n\n");
    cr_assert_eq(chmod(world_path("tom"), 0640), 0);
    stat(world_path("tom"), &before);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_expunge(m, (bool[]){true, false}), 0);
    mailbox_close(m);
    stat(world_path("tom"), &after);
    cr_assert_eq(after.st_mode, before.st_mode);
    cr_assert_eq(after.st_ino, before.st_ino);
    cr_assert_str_eq(get_file(world_path("tom")), "From b" DATE "\nN: 2\n\n\n");
    cr_assert_eq(access(world_path(".tom.rewrite"), F_OK), -1);
    cr_assert_eq(access(world_path(".tom.redo"), F_OK), -1);
}

#define M(n) "From " n DATE "\nN: " n "\n\ntext of message " n "\n\n"

/* A process removed messages 2 and 4 of five and was killed after the redo file was there, with
 * `done` octets of it in the mbox, cut or not; another program then appended `later`. */
static void recover(size_t done, bool cut, const char *later)
{
    static const char before[] = M("1") M("2") M("3") M("4") M("5"), kept[] = M("3") M("5");
    size_t one = strlen(M("1")), new_size = 3 * one;
    put_file(world_path("tom"), before);
    struct buf head = {0}, box = {0};
    char command[512];
    snprintf(command, sizeof command, "tail -c +%zu %s | sha256sum | cut -d' ' -f1", new_size + 1,
             world_path("tom"));
    FILE *p = popen(command, "r");
    char digest[65] = "";
    cr_assert_eq(fscanf(p, "%64s", digest), 1);
    pclose(p);
    buf_printf(&head, "postroad-redo 1 %zu %zu %zu %s\n%s", one, new_size, 5 * one, digest, kept);
    put_file(world_path(".tom.redo"), buf_str(&head));
    buf_add_str(&box, before);
    memcpy(box.data + one, kept, done);
    if (cut)
        buf_truncate(&box, new_size);
    buf_add_str(&box, later);
    put_file(world_path("tom"), buf_str(&box));
    struct mailbox *m = open_all();
    struct buf want = {0};
    buf_printf(&want, "%s%s%s", M("1"), kept, later);
    cr_assert_str_eq(get_file(world_path("tom")), buf_str(&want));
    cr_assert_eq(mailbox_count(m), later[0] ? 4 : 3);
    mailbox_close(m);
    cr_assert_eq(access(world_path(".tom.redo"), F_OK), -1);
    cr_assert_eq(access(world_path("tom.lock"), F_OK), -1);
    buf_free(&head), buf_free(&box), buf_free(&want);
}

Test(mbox, a_killed_removal_is_finished)
{
    size_t n = strlen(M("3") M("5"));
    for (size_t done = 0; done <= n; done++) {
        recover(done, false, "");
        recover(done, false, M("6"));
    }
    recover(n, true, "");
    recover(n, true, M("6"));
}

Test(mbox, a_redo_file_that_is_broken_changes_nothing)
{
    static const char *const bad[] = {"", "x", "postroad-redo 1 0 0 99999999 x\n",
        "postroad-redo 1 -5 0 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
        "postroad-redo 1 0 2 2 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_file(world_path(".tom.redo"), bad[i]);
        cr_assert_eq(count(M("1") M("2")), 2);
        cr_assert_str_eq(get_file(world_path("tom")), M("1") M("2"));
        cr_assert_eq(access(world_path(".tom.redo"), F_OK), -1);
    }
}

Test(mbox, a_role_that_starts_finishes_removals)
{
    static const char text[] = M("1") M("2");
    put_file(world_path("tom"), text);
    struct buf redo = {0};
    buf_printf(&redo, "postroad-redo 1 0 %zu %zu ", strlen(M("2")), strlen(text));
    FILE *p = popen("printf 'From 2 Tue Nov 24 08:07:54 2026\\nN: 2\\n\\ntext of message 2\\n\\n' "
                    "| sha256sum | cut -d' ' -f1", "r");
    char digest[65] = "";
    cr_assert_eq(fscanf(p, "%64s", digest), 1);
    pclose(p);
    buf_printf(&redo, "%s\n%s", digest, M("2"));
    put_file(world_path(".tom.redo"), buf_str(&redo));
    cr_assert_eq(store_prepare(&world_config), 0);
    cr_assert_str_eq(get_file(world_path("tom")), M("2"));
    buf_free(&redo);
}

/* --- locks ------------------------------------------------------------------------------------ */

Test(mbox, a_dot_lock_of_another_is_respected)
{
    struct mbox_lock lock;
    char text[32];
    snprintf(text, sizeof text, "%d", (int)getppid());
    put_file(world_path("tom.lock"), text);
    cr_assert_eq(mbox_lock(&lock, &world_place, true, 60), -1);
    cr_assert_eq(errno, EAGAIN);
    put_file(world_path("tom.lock"), "");
    cr_assert_eq(mbox_lock(&lock, &world_place, true, 60), -1, "who made it is not known");
    utime(world_path("tom.lock"), &(struct utimbuf){1000, 1000});
    cr_assert_eq(mbox_lock(&lock, &world_place, true, 60), 0, "but it is very old");
    mbox_unlock(&lock, NULL);
    put_file(world_path("tom.lock"), "999999999");
    cr_assert_eq(mbox_lock(&lock, &world_place, true, 60), 0, "its process is dead");
    mbox_unlock(&lock, NULL);
    cr_assert_eq(access(world_path("tom.lock"), F_OK), -1);
}

Test(mbox, an_fcntl_lock_of_another_is_respected)
{
    struct mbox_lock lock;
    int ready[2];
    put_file(world_path("tom"), "");
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(world_path("tom"), O_RDWR);
        struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        fcntl(fd, F_SETLK, &fl);
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    char c;
    cr_assert_eq(read(ready[0], &c, 1), 1);
    cr_assert_eq(mbox_lock(&lock, &world_place, false, 60), -1);
    cr_assert_eq(errno, EAGAIN);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert_eq(mbox_lock(&lock, &world_place, false, 60), 0);
    mbox_unlock(&lock, NULL);
}

/* A delivery that was killed in its midst: the next one cuts its half off. */
Test(mbox, a_killed_append_is_cut_off)
{
    deliver("a@b.test", "N: 1\n\n");
    char *before = strdup(get_file(world_path("tom")));
    pid_t child = fork();
    if (child == 0) {
        struct append *a = append_begin(&world_place, "killed@b.test");
        for (int i = 0; i < 100000; i++)
            append_write(a, "a line of a message\n", 20);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    cr_assert_gt(strlen(get_file(world_path("tom"))), strlen(before) + 1000000);
    cr_assert_eq(access(world_path("tom.lock"), F_OK), 0);
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m), 1);
    mailbox_close(m);
    cr_assert_str_eq(get_file(world_path("tom")), before);
    free(before);
}

Test(mbox, a_lock_file_that_lies_cuts_nothing)
{
    deliver("a@b.test", "N: 1\n\n");
    char *before = strdup(get_file(world_path("tom")));
    static const char *const lies[] = {"1 postroad 3\n", "1 postroad -5\n", "1 postroad 99999\n",
                                       "1 postroad 7 8\n"};
    for (int i = 0; i < 4; i++) {
        put_file(world_path("tom.lock"), lies[i]);
        struct mailbox *m = open_all();
        mailbox_close(m);
        cr_assert_str_eq(get_file(world_path("tom")), before, "%s", lies[i]);
    }
    free(before);
}

/* Many processes append and one removes: nothing is lost, nothing doubled. */
Test(mbox, appends_and_rewrites_at_the_same_time, .timeout = 60)
{
    enum { WRITERS = 4, EACH = 25 };
    pid_t writer[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        if ((writer[w] = fork()) == 0) {
            char text[64];
            int bad = 0;
            for (int i = 0; i < EACH; i++) {
                snprintf(text, sizeof text, "N: %d-%d\n\n", w, i);
                bad += deliver("a@b.test", text) != 0;
            }
            _exit(bad);
        }
    }
    size_t removed = 0;
    for (int round = 0; round < 30; round++) {
        struct mailbox *m = open_all();
        size_t n = mailbox_count(m);
        bool *doomed = calloc(n + 1, sizeof *doomed);
        for (size_t i = 0; i < n; i += 2)
            doomed[i] = true, removed++;
        cr_assert_eq(mailbox_expunge(m, doomed), 0);
        free(doomed);
        mailbox_close(m);
        usleep(2000);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        waitpid(writer[w], &status, 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct mailbox *m = open_all();
    cr_assert_eq(mailbox_count(m) + removed, WRITERS * EACH);
    mailbox_close(m);
}
