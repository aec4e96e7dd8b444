/* A view of an mbox that mail(1), mutt and others read and change too. */
#include "base/mem.h"
#include "tests/unit/store/view_world.h"

static void begin(void)
{
    view_world_begin(FORMAT_MBOX);
}

TestSuite(view_spool, .init = begin, .fini = view_world_end);

#define FROM "From jerry@magedu.test Tue Nov 24 08:07:54 2026\n"

Test(view_spool, what_others_wrote_is_read)
{
    put_file(world_path("tom"),
             FROM "Subject: 1\nStatus: RO\n\n>From here\n\n"
             FROM "X-IMAPbase: 1 7\nStatus: O\nX-Status: AF\nX-Keywords: $Label1   NonJunk    \nX-UID: 7\n"
             "Subject: 2\n\ntext\n\n"
             FROM "Subject: 3\nX-Status: D\n\tfolded\n\nno line end");
    struct view_session *s = open_view("INBOX");
    struct view_message m;
    cr_assert_str_eq(flags_of(s), "1:S 2:AF $Label1 NonJunk 3:D");
    cr_assert_str_eq(text_of(s, 1), "Subject: 1\r\n\r\nFrom here\r\n");
    cr_assert_str_eq(text_of(s, 2), "Subject: 2\r\n\r\ntext\r\n", "status fields are no part of it");
    cr_assert_str_eq(text_of(s, 3), "Subject: 3\r\n\r\nno line end\r\n");
    view_get(s, 1, &m);
    cr_assert_eq(m.internal_date, 1795507674, "of the From_ line: %lld", (long long)m.internal_date);
    view_close(s);
}

Test(view_spool, flags_are_written_when_the_last_session_closes)
{
    deliver("jerry@magedu.test", "Subject: 1\n\none\n");
    deliver("jerry@magedu.test", "Subject: 2\n\ntwo\n");
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    int bit = view_keyword_bit(s, SLICE("Junk"), true);
    store_flags(s, 2, 2, FLAGS_ADD, FLAG_SEEN | FLAG_FLAGGED, 1ull << bit);
    view_close(s);
    cr_assert_null(strstr(get_file(world_path("tom")), "Status"));
    view_close(second);
    const char *text = get_file(world_path("tom"));
    cr_assert(strstr(text, "\nStatus: RO\nX-Status: F\nX-Keywords: Junk  "), "%s", text);
    cr_assert(strstr(text, "  \nSubject: 2\n\ntwo\n\n"), "%s", text);
    cr_assert(strstr(text, "\nSubject: 1\n\none\n\nFrom "), "the other is as it was");
    struct stat before, after;
    stat(world_path("tom"), &before);
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1: 2:SF Junk");
    store_flags(s, 2, 2, FLAGS_REPLACE, FLAG_ANSWERED, 0);
    view_close(s);
    stat(world_path("tom"), &after);
    cr_assert_eq(before.st_size, after.st_size, "overwritten in place");
    text = get_file(world_path("tom"));
    cr_assert(strstr(text, "\nStatus: O\nX-Status: A\nX-Keywords:   "), "%s", text);
    unlink(world_path(".tom.index"));
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1: 2:A", "the file alone says so too");
    cr_assert_str_eq(text_of(s, 2), "Subject: 2\r\n\r\ntwo\r\n");
    view_close(s);
}

/* The index is ahead of the file, and another program changes the file. */
Test(view_spool, both_change_flags)
{
    put_file(world_path("tom"), FROM "Status: O\nX-Status: F\nA: 1\n\nbody\n\n" FROM "A: 2\n\n\n");
    struct view_session *s = open_view("INBOX");
    store_flags(s, 1, 1, FLAGS_ADD, FLAG_ANSWERED, 0);
    put_file(world_path("tom"), FROM "Status: RO\nA: 1\n\nbody\n\n" FROM "A: 2\n\n\n");
    cr_assert_str_eq(sync_text(s, true), "changed 1");
    cr_assert_str_eq(flags_of(s), "1:SA 2:", "read and unflagged by it, answered by us");
    view_close(s);
    cr_assert(strstr(get_file(world_path("tom")), "Status: RO\nX-Status: A\n"));
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:SA 2:");
    view_close(s);
}

Test(view_spool, another_program_removes_and_moves)
{
    put_file(world_path("tom"), FROM "A: 1\n\n\n" FROM "A: same\n\n\n" FROM "A: same\n\n\n" FROM "A: 4\n\n\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1: 2: 3: 4:");
    put_file(world_path("tom"), FROM "A: 4\n\n\n" FROM "A: same\n\n\n" FROM "A: 5\n\n\n");
    cr_assert_str_eq(sync_text(s, true), "expunged 3,1 vanished 1,3 exists 3 recent 3");
    cr_assert_str_eq(flags_of(s), "2: 4: 5:");
    cr_assert_str_eq(text_of(s, 1), "A: same\r\n\r\n");
    cr_assert_str_eq(text_of(s, 2), "A: 4\r\n\r\n");
    cr_assert_str_eq(text_of(s, 3), "A: 5\r\n\r\n");
    unlink(world_path("tom"));     /* mail(1) removes an empty one */
    cr_assert_str_eq(sync_text(s, true), "expunged 3,2,1 vanished 2,4:5");
    deliver("jerry@magedu.test", "A: 6\n\n");
    cr_assert_str_eq(sync_text(s, true), "exists 1 recent 1");
    cr_assert_str_eq(flags_of(s), "6:");
    view_close(s);
}

Test(view_spool, expunging_keeps_what_others_brought)
{
    for (int i = 1; i <= 5; i++) {
        char text[40];
        snprintf(text, sizeof text, "A: %d\n\nFrom me\n", i);
        deliver("jerry@magedu.test", text);
    }
    struct view_session *s = open_view("INBOX");
    store_flags(s, 2, 3, FLAGS_ADD, FLAG_DELETED, 0);
    store_flags(s, 5, 5, FLAGS_ADD, FLAG_SEEN, 0);
    deliver("jerry@magedu.test", "A: 6\n\n");
    cr_assert_eq(view_expunge(s, NULL), 0);
    cr_assert_str_eq(sync_text(s, true), "expunged 3,2 vanished 2:3 exists 4 recent 4");
    cr_assert_str_eq(text_of(s, 1), "A: 1\r\n\r\nFrom me\r\n");
    cr_assert_str_eq(text_of(s, 2), "A: 4\r\n\r\nFrom me\r\n");
    cr_assert_str_eq(text_of(s, 3), "A: 5\r\n\r\nFrom me\r\n");
    cr_assert_str_eq(text_of(s, 4), "A: 6\r\n\r\n");
    cr_assert(strstr(get_file(world_path("tom")), "Status: RO"), "flags were written on the way");
    cr_assert_null(strstr(get_file(world_path("tom")), "A: 3"));
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1: 4: 5:S 6:");
    view_close(s);
}

Test(view_spool, what_a_client_brings_comes_out_the_same)
{
    const char *text = "Subject: x\r\nStatus: RO\r\nX-UID: 9\r\n\r\nFrom me\r\n>From you\r\n\r\n\r\n.\r\n\r\n";
    cr_assert_eq(put_message("INBOX", FLAG_SEEN, "word", text), 1);
    cr_assert_eq(put_message("INBOX", 0, NULL, "\r\nno header\r\n"), 2);
    struct view_session *s = open_view("INBOX");
    struct view_message m;
    cr_assert_str_eq(flags_of(s), "1:S word 2:");
    cr_assert_str_eq(text_of(s, 1), "Subject: x\r\n\r\nFrom me\r\n>From you\r\n\r\n\r\n.\r\n\r\n");
    cr_assert_str_eq(text_of(s, 2), "\r\nno header\r\n");
    view_get(s, 1, &m);
    cr_assert_eq(m.internal_date, 1000000000);
    view_close(s);
}

Test(view_spool, mailboxes_are_files)
{
    struct folder f;
    cr_assert_eq(folder_create(tom, "a/b", 0, NULL), 0, "%s", strerror(errno));
    cr_assert_eq(access(world_path(".tom.mail/a/b"), F_OK), 0);
    cr_assert_eq(folder_create(tom, ".x/y.lock", 0, NULL), 0, "%s", strerror(errno));
    cr_assert_eq(access(world_path(".tom.mail/&AC4-x/y&AC4-lock"), F_OK), 0);
    cr_assert_eq(folder_create(tom, "a/b/c", 0, NULL), -1);
    cr_assert_neq(errno, 0);
    cr_assert(folder_find(tom, "a", &f) == 0 && f.exists && !f.selectable && f.has_children && !f.no_inferiors);
    cr_assert(folder_find(tom, "a/b", &f) == 0 && f.selectable && f.no_inferiors);
    put_file(world_path(".tom.mail/old"), FROM "A: 1\n\n\n");
    struct view_session *s = open_view("old");
    cr_assert_str_eq(text_of(s, 1), "A: 1\r\n\r\n");
    cr_assert_eq(folder_rename(tom, "old", "a/new"), 0, "%s", strerror(errno));
    cr_assert_str_eq(sync_text(s, true), "");
    store_flags(s, 1, 1, FLAGS_ADD, FLAG_SEEN, 0);
    cr_assert_eq(put_message("a/new", 0, NULL, "A: 2\r\n\r\n"), 2);
    cr_assert_str_eq(sync_text(s, true), "exists 2 recent 2");
    cr_assert_str_eq(text_of(s, 2), "A: 2\r\n\r\n");
    view_close(s);
    cr_assert_eq(folder_rename(tom, "a", "b"), 0);
    s = open_view("b/new");
    cr_assert_str_eq(flags_of(s), "1:S 2:");
    view_close(s);
    cr_assert_eq(folder_delete(tom, "b/new"), 0);
    cr_assert_eq(folder_delete(tom, "b/b"), 0);
    cr_assert_eq(folder_find(tom, "b", NULL), -1, "a level that led to nothing goes");
    cr_assert_eq(folder_delete(tom, ".x/y.lock"), 0);
}

/* --- X-IMAPbase and X-UID ----------------------------------------------------------------- */

static uint32_t validity_of(struct view_session *s)
{
    struct view_state st;
    view_state(s, &st);
    return st.uidvalidity;
}

/* A message as Dovecot and alpine number it. */
#define NUMBERED(n, uid) FROM "N: " n "\nStatus: RO\nX-UID: " uid "\n\ntext\n\n"

Test(view_spool, numbers_of_others_are_adopted)
{
    put_file(world_path("tom"), FROM "X-IMAPbase: 1234567890 0000000009\nX-UID: 3\nN: 1\n\ntext\n\n"
             NUMBERED("2", "9") NUMBERED("3", "5") FROM "N: 4\n\n\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_eq(validity_of(s), 1234567890);
    cr_assert_str_eq(flags_of(s), "3: 9:S 10:S 11:", "one that does not ascend is no UID");
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "3: 9:S 10:S 11:");
    cr_assert_eq(validity_of(s), 1234567890);
    view_close(s);
}

Test(view_spool, no_harm_comes_of_a_strangers_numbers)
{
    put_file(world_path("tom"), FROM "X-IMAPbase: 4294967295 7\nX-UID: 7\nN: 1\n\ntext\n\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_neq(validity_of(s), 4294967295, "that is in the future");
    cr_assert_str_eq(flags_of(s), "1:");
    store_flags(s, 1, 1, FLAGS_ADD, FLAG_SEEN, 0);
    view_close(s);
    cr_assert(strstr(get_file(world_path("tom")), "X-IMAPbase: 4294967295 0000000007\nX-UID: 7\nStatus: RO\n"),
              "what others numbered before stays as it is");

    char *text = xasprintf(FROM "X-IMAPbase: %u 1\nX-UID: 1\nN: 1\n\ntext\n\n" NUMBERED("2", "4294967290")
                           NUMBERED("3", "70"), (s = open_view("INBOX"), validity_of(s)));
    put_file(world_path("tom"), text);
    sync_text(s, true);
    cr_assert_str_eq(flags_of(s), "1: 2:S 70:S", "%s", flags_of(s));
    view_close(s);
    free(text);
    put_file(world_path("tom"), FROM "X-IMAPbase: 1 4294967290\nN: 5\n\n\n");
    unlink(world_path(".tom.index"));
    start_again();
    s = open_view("INBOX");
    cr_assert_neq(validity_of(s), 1);
    view_close(s);
}

/* What alpine leaves in an mbox without messages (and when others came since). */
Test(view_spool, the_message_of_alpine_itself_is_not_shown)
{
    put_file(world_path("tom"),
             "From MAILER-DAEMON Tue Nov 24 08:07:54 2026\nDate: 24 Nov 2026 08:07:54 +0000\n"
             "From: Mail System Internal Data <MAILER-DAEMON@mail.hehuan.test>\n"
             "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
             "X-IMAP: 1234567890 0000000009\nStatus: RO\n\nThis text is part of the internal format\n\n"
             FROM "N: 1\nX-UID: 9\n\ntext\n\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "9:");
    cr_assert_eq(validity_of(s), 1234567890);
    store_flags(s, 9, 9, FLAGS_ADD, FLAG_DELETED, 0);
    cr_assert_eq(view_expunge(s, NULL), 0);
    view_close(s);
    const char *text = get_file(world_path("tom"));
    cr_assert(strstr(text, "INTERNAL DATA") && !strstr(text, "N: 1"), "%s", text);
    s = open_view("INBOX");
    cr_assert_eq(put_message("INBOX", 0, NULL, "N: 2\r\n\r\n"), 10);
    cr_assert_str_eq((sync_text(s, true), text_of(s, 1)), "N: 2\r\n\r\n");
    view_close(s);
}

/* Written with the flags, in the message that is the first; they outlive the index. */
Test(view_spool, numbers_are_written)
{
    for (int i = 1; i <= 4; i++)
        deliver("jerry@magedu.test", (const char *[]){"", "N: 1\n\n", "N: 2\n\n", "N: 3\n\n", "N: 4\n\n"}[i]);
    struct view_session *s = open_view("INBOX");
    uint32_t validity = validity_of(s);
    store_flags(s, 3, 3, FLAGS_ADD, FLAG_SEEN, 0);
    view_close(s);
    char *base = xasprintf("X-IMAPbase: %010u 00000000004\n", validity);
    const char *text = get_file(world_path("tom"));
    cr_assert(strstr(text, base) < strstr(text, "N: 1") && strstr(text, "X-UID: 1\n"), "%s", text);
    cr_assert(strstr(text, "\nX-UID: 3\nStatus: RO\n"), "%s", text);

    s = open_view("INBOX");
    store_flags(s, 1, 1, FLAGS_ADD, FLAG_DELETED, 0);
    cr_assert_eq(view_expunge(s, NULL), 0);
    view_close(s);
    text = get_file(world_path("tom"));
    cr_assert(!strstr(text, "N: 1") && strstr(text, base) < strstr(text, "N: 2") &&
              strstr(text, "X-UID: 2\n"), "%s", text);
    cr_assert_null(strstr(strstr(text, base) + 1, base));

    unlink(world_path(".tom.index"));
    start_again();
    s = open_view("INBOX");
    cr_assert_eq(validity_of(s), validity);
    cr_assert_str_eq(flags_of(s), "2: 3:S 10005:", "one that has no number there gets one that was never given");
    view_close(s);
    free(base);
}
