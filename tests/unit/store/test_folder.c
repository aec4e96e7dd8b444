/* Mailboxes by name. */
#include "tests/unit/store/view_world.h"

static void begin(void)
{
    view_world_begin(FORMAT_MAILDIR);
}

TestSuite(folder_maildir, .init = begin, .fini = view_world_end);

/* "INBOX[children] a(no) a/b[\Sent,subscribed]" */
static const char *list_text(void)
{
    static struct buf b;
    struct folder_list l;
    buf_clear(&b);
    cr_assert_eq(folder_list(tom, &l), 0, "%s", strerror(errno));
    for (size_t i = 0; i < l.n; i++) {
        const struct folder *f = &l.v[i];
        buf_printf(&b, "%s%s", i ? " " : "", f->name);
        if (!f->selectable)
            buf_add_str(&b, f->exists ? "(level)" : "(none)");
        if (f->has_children)
            buf_add_byte(&b, '+');
        if (f->subscribed)
            buf_add_byte(&b, '*');
        if (f->child_subscribed)
            buf_add_byte(&b, '.');
        for (unsigned bit = 1; bit <= USE_IMPORTANT; bit <<= 1) {
            if (f->use & bit)
                buf_add_str(&b, folder_use_name(bit));
        }
    }
    folder_list_free(&l);
    return buf_str(&b);
}

Test(folder_maildir, made_listed_deleted)
{
    struct buf id = {0}, other = {0};
    cr_assert_str_eq(list_text(), "INBOX");
    cr_assert_eq(folder_create(tom, "a/b/", 0, &id), 0, "%s", strerror(errno));
    cr_assert_eq(folder_create(tom, "Sent", USE_SENT, &other), 0);
    cr_assert_str_eq(list_text(), "INBOX Sent\\Sent a+ a/b");
    cr_assert(id.len > 5 && strcmp(buf_str(&id), buf_str(&other)) != 0);
    cr_assert_eq(access(world_path("tom/.a.b/cur"), F_OK), 0);
    cr_assert_eq(folder_create(tom, "a", 0, NULL), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(folder_create(tom, "inbox", 0, NULL), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(folder_create(tom, "Sent2", USE_SENT, NULL), -1);
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(folder_delete(tom, "a"), 0);
    cr_assert_str_eq(list_text(), "INBOX Sent\\Sent a(none)+ a/b");
    cr_assert_eq(folder_delete(tom, "a"), -1);
    cr_assert_eq(errno, EPERM);
    cr_assert_null(view_open(tom, "a", true));
    cr_assert_eq(folder_delete(tom, "a/b"), 0);
    cr_assert_str_eq(list_text(), "INBOX Sent\\Sent");
    cr_assert_eq(folder_delete(tom, "a"), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(folder_delete(tom, "INBOX"), -1);
    cr_assert_eq(errno, EPERM);
    buf_free(&id);
    buf_free(&other);
}

Test(folder_maildir, made_again_it_is_another)
{
    struct folder_status was, is;
    folder_create(tom, "x", USE_TRASH, NULL);
    put_message("x", 0, NULL, "A: b\r\n\r\n");
    struct view_session *s = open_view("x");
    cr_assert_eq(folder_status(tom, "x", true, &was), 0);
    cr_assert_eq(was.messages, 1);
    cr_assert_eq(folder_delete(tom, "x"), 0);
    cr_assert_str_eq(sync_text(s, true), "gone");
    cr_assert_eq(store_flags(s, 1, 1, FLAGS_ADD, FLAG_SEEN, 0), -1);
    cr_assert_eq(errno, ESTALE);
    cr_assert_str_eq(text_of(s, 1), "(gone)");
    view_close(s);
    cr_assert_eq(folder_create(tom, "x", 0, NULL), 0);
    cr_assert_eq(folder_status(tom, "x", true, &is), 0);
    cr_assert_eq(is.messages, 0);
    cr_assert_gt(is.uidvalidity, was.uidvalidity);
    cr_assert_str_neq(is.mailboxid, was.mailboxid);
    cr_assert_str_eq(list_text(), "INBOX x", "the use went with the old one");
}

Test(folder_maildir, renamed_with_all_below)
{
    struct folder_status was, is;
    folder_create(tom, "a/b/c", 0, NULL);
    folder_create(tom, "a/b", USE_JUNK, NULL);
    put_message("a/b/c", FLAG_SEEN, "word", "A: b\r\n\r\n");
    folder_status(tom, "a/b/c", true, &was);
    struct view_session *s = open_view("a/b/c");
    folder_subscribe(tom, "a/b", true);
    cr_assert_eq(folder_rename(tom, "a/b", "a/b/x"), -1);
    cr_assert_eq(errno, EPERM);
    cr_assert_eq(folder_rename(tom, "a/b", "a"), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(folder_rename(tom, "none", "n"), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(folder_rename(tom, "a/b", "new/name"), 0, "%s", strerror(errno));
    cr_assert_str_eq(list_text(), "INBOX a. a/b(none)* new+ new/name+ new/name/c");
    folder_status(tom, "new/name/c", true, &is);
    cr_assert_eq(is.uidvalidity, was.uidvalidity);
    cr_assert_str_eq(is.mailboxid, was.mailboxid, "RFC 8474 4: it stays when renamed");
    cr_assert_str_eq(flags_of(s), "1:S word");
    cr_assert_str_eq(sync_text(s, true), "");
    cr_assert_eq(put_message("new/name/c", 0, NULL, "A: 2\r\n\r\n"), 2);
    cr_assert_str_eq(sync_text(s, true), "exists 2 recent 2");
    cr_assert_str_eq(text_of(s, 1), "A: b\r\n\r\n");
    view_close(s);
}

Test(folder_maildir, the_inbox_is_emptied_by_renaming)
{
    folder_create(tom, "INBOX/below", 0, NULL);
    put_message("INBOX", FLAG_SEEN, NULL, "A: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "A: 2\r\n\r\n");
    cr_assert_eq(folder_rename(tom, "Inbox", "old"), 0, "%s", strerror(errno));
    cr_assert_str_eq(list_text(), "INBOX+ INBOX/below old");
    struct folder_status st;
    folder_status(tom, "INBOX", true, &st);
    cr_assert(st.messages == 0 && st.uidnext == 3);
    folder_status(tom, "old", true, &st);
    cr_assert(st.messages == 2 && st.unseen == 1);
}

Test(folder_maildir, subscriptions_need_no_mailbox)
{
    cr_assert_eq(folder_subscribe(tom, "inbox", true), 0);
    cr_assert_eq(folder_subscribe(tom, "news/today", true), 0);
    cr_assert_eq(folder_subscribe(tom, "news/today", true), 0);
    cr_assert_str_eq(list_text(), "INBOX* news/today(none)*");
    start_again();
    cr_assert_eq(folder_subscribe(tom, "news/today", false), 0);
    cr_assert_str_eq(list_text(), "INBOX*");
    cr_assert_eq(folder_find(tom, "INBOX", NULL), 0);
    cr_assert_eq(folder_find(tom, "news/today", NULL), -1);
}

Test(folder_maildir, folders_of_another_program)
{
    const char *folders[] = {".Sent", ".Liste.&AOQA9gD8-", ".bad&name", "..x", ".a..b", ".INBOX", ".&AC4-x",
                             ".half"};
    put_message("INBOX", 0, NULL, "A: 1\r\n\r\n");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[100];
        snprintf(path, sizeof path, "tom/%s", folders[i]);
        mkdir(world_path(path), 0700);
        for (int k = 0; k < 3 && strcmp(folders[i], ".half"); k++) {
            snprintf(path, sizeof path, "tom/%s/%s", folders[i], (const char *[]){"tmp", "new", "cur"}[k]);
            mkdir(world_path(path), 0700);
        }
    }
    put_file(world_path("tom/subscriptions"), "Sent\nListe.&AOQA9gD8-\n");
    cr_assert_str_eq(list_text(), "INBOX .x Liste(none)+. Liste/\u00e4\u00f6\u00fc* Sent*");
    cr_assert_eq(folder_create(tom, "v1.0/x&y", 0, NULL), 0);
    cr_assert_eq(access(world_path("tom/.v1&AC4-0.x&-y/cur"), F_OK), 0);
}

Test(folder_maildir, no_name_leads_out)
{
    static const char *const bad[] = {"", "/", "/etc", "a//b", "..", "../x", "a/../../x", ".", "a/.",
                                      "a\tb", "a\x7f", "\xff", "a\xe2\x80\xa8", "a\r\n", "//"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        cr_assert_eq(folder_create(tom, bad[i], 0, NULL), -1, "%s", bad[i]);
        cr_assert_eq(errno, EINVAL, "%s", bad[i]);
        cr_assert_null(view_open(tom, bad[i], true));
        cr_assert_eq(folder_rename(tom, "INBOX", bad[i]), -1);
        cr_assert_eq(folder_subscribe(tom, bad[i], true), -1);
    }
    char *name = folder_name_clean(slice_of("a\0b", 3));
    cr_assert_null(name, "NUL");
    char longname[400];
    memset(longname, 'x', sizeof longname - 1);
    longname[sizeof longname - 1] = 0;
    cr_assert_eq(folder_create(tom, longname, 0, NULL), -1);
    cr_assert_eq(errno, ENAMETOOLONG);
    name = folder_name_clean(SLICE("inBox/A\xcc\x88/"));
    cr_assert_str_eq(name, "INBOX/\xc3\x84", "INBOX, and normalisation form C");
    free(name);
    cr_assert_str_eq(list_text(), "INBOX");
}
