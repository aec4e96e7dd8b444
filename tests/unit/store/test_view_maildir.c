/* A view of a Maildir that others change too, and whose index may be lost. */
#include "reference/store/view_internal.h"
#include "tests/unit/store/view_world.h"

#include <dirent.h>
#include <pthread.h>

static void begin(void)
{
    view_world_begin(FORMAT_MAILDIR);
}

TestSuite(view_others, .init = begin, .fini = view_world_end);

/* The names in the folder that contain `part`, in order, with what follows the first comma or colon
 * only. */
static const char *endings(const char *folder)
{
    static char out[1000];
    struct dirent **names;
    int n = scandir(world_path(folder), &names, NULL, alphasort);
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        char *colon = strchr(names[i]->d_name, ':');
        if (names[i]->d_name[0] != '.') {
            strcat(out, out[0] ? " " : "");
            strcat(out, colon ? colon : "-");
        }
        free(names[i]);
    }
    free(names);
    return out;
}

static void move(const char *from, const char *to)
{
    cr_assert_eq(rename(world_path(from), world_path(to)), 0, "%s: %s", from, strerror(errno));
}

static void make_maildir(void)
{
    mkdir(world_path("tom"), 0700);
    mkdir(world_path("tom/tmp"), 0700);
    mkdir(world_path("tom/new"), 0700);
    mkdir(world_path("tom/cur"), 0700);
}

Test(view_others, an_existing_maildir_is_adopted)
{
    make_maildir();
    put_file(world_path("tom/cur/1000000003.c:2,RS"), "N: 3\n");
    put_file(world_path("tom/new/1000000009.d"), "N: 4\n");
    put_file(world_path("tom/cur/999999999.a:2,FTPbq"), "N: 1\n");
    put_file(world_path("tom/cur/1000000002.b"), "N: 2");
    put_file(world_path("tom/cur/1000000001.b2,S=6,W=8:2,"), "N\n:1\n\n");
    put_file(world_path("tom/dovecot-keywords"), "0 $Label1\n1 NonJunk\n16 later\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:FD NonJunk later 2: 3: 4:SA 5:");
    cr_assert_str_eq(text_of(s, 1), "N: 1\r\n");
    cr_assert_str_eq(text_of(s, 2), "N\r\n:1\r\n\r\n", "a wrong size in a name is put right");
    cr_assert_str_eq(text_of(s, 3), "N: 2");
    cr_assert_str_eq(text_of(s, 5), "N: 4\r\n");
    cr_assert_str_eq(endings("tom/new"), "", "it was moved to cur/");
    cr_assert_eq(store_flags(s, 1, 3, FLAGS_ADD, FLAG_SEEN, 0), 0);
    cr_assert_str_eq(endings("tom/cur"), ":2,S :2,S :2,RS :2, :2,FPSTbq", "P of others stays");
    view_close(s);
}

Test(view_others, a_mail_program_renames_and_removes)
{
    make_maildir();
    put_file(world_path("tom/cur/1.a:2,"), "N: 1\n");
    put_file(world_path("tom/cur/2.b:2,"), "N: 2\n");
    put_file(world_path("tom/cur/3.c:2,"), "N: 3\n");
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    move("tom/cur/1.a:2,", "tom/cur/1.a:2,S");
    unlink(world_path("tom/cur/2.b:2,"));
    put_file(world_path("tom/cur/4.d:2,FS"), "N: 4\n");
    cr_assert_str_eq(text_of(s, 1), "N: 1\r\n", "found under its new name");
    cr_assert_str_eq(text_of(s, 2), "(gone)");
    cr_assert_str_eq(sync_text(s, false), "exists 4 recent 4 changed 1");
    cr_assert_str_eq(sync_text(s, true), "expunged 2 vanished 2");
    cr_assert_str_eq(flags_of(s), "1:S 3: 4:SF");
    move("tom/cur/3.c:2,", "tom/cur/3.c:2,SR");    /* not the order in which we write them */
    cr_assert_str_eq(sync_text(s, true), "changed 2");
    cr_assert_str_eq(text_of(s, 2), "N: 3\r\n");
    cr_assert_eq(store_flags(s, 3, 3, FLAGS_ADD, FLAG_FLAGGED, 0), 0);
    cr_assert_eq(access(world_path("tom/cur/3.c:2,FRS"), F_OK), 0);
    cr_assert_str_eq(sync_text(second, true), "expunged 2 vanished 2 exists 3 recent 0 changed 1,2");
    move("tom/cur/3.c:2,FRS", "tom/cur/3.c:2,T");
    struct flags_change c = {FLAGS_ADD, FLAG_SEEN, 0, UINT64_MAX};
    struct uid_set three = uids(3, 3), done = {0}, missing = {0};
    unlink(world_path("tom/cur/1.a:2,S"));
    cr_assert_eq(view_store(s, &three, &c, false, &done, NULL, &missing), 0);
    cr_assert_eq(access(world_path("tom/cur/3.c:2,ST"), F_OK), 0, "onto what the other had done");
    cr_assert_str_eq(flags_of(s), "1:S 3:SD 4:SF");
    uid_set_free(&three);
    uid_set_free(&done);
    uid_set_free(&missing);
    view_close(s);
    view_close(second);
}

Test(view_others, changes_while_nobody_looks)
{
    put_message("INBOX", 0, "word", "N: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "N: 2\r\n\r\n");
    start_again();
    struct dirent **names;
    int n = scandir(world_path("tom/cur"), &names, NULL, alphasort);
    cr_assert_eq(n, 4);
    char from[400], to[400];
    snprintf(from, sizeof from, "tom/cur/%.200s", names[2]->d_name);
    snprintf(to, sizeof to, "tom/cur/%.200s", names[2]->d_name);
    strcpy(strchr(to, ':'), ":2,Sa");
    cr_assert(strstr(from, ":2,a"));
    move(from, to);
    snprintf(from, sizeof from, "tom/cur/%.200s", names[3]->d_name);
    unlink(world_path(from));
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    deliver("a@b.test", "N: 3\n\n");
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:S word 3:");
    struct uid_set gone = {0};
    cr_assert_eq(view_vanished(s, 1, NULL, &gone), 0);
    cr_assert(uid_set_has(&gone, 2) && uid_set_count(&gone) == 1);
    uid_set_free(&gone);
    view_close(s);
}

Test(view_others, a_readonly_session_leaves_new)
{
    deliver("a@b.test", "N: 1\n\n");
    struct view_session *s = view_open(tom, "INBOX", true);
    cr_assert_str_eq(text_of(s, 1), "N: 1\r\n\r\n");
    cr_assert_str_eq(endings("tom/new"), "-");
    view_close(s);
    start_again();
    s = view_open(tom, "INBOX", true);
    cr_assert_str_eq(endings("tom/new"), "-");
    struct view_session *writer = open_view("INBOX");
    cr_assert_str_eq(endings("tom/new"), "");
    cr_assert_str_eq(endings("tom/cur"), ":2,");
    cr_assert_str_eq(text_of(s, 1), "N: 1\r\n\r\n");
    cr_assert_str_eq(flags_of(writer), "1:");
    view_close(writer);
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:", "the UID is the same");
    view_close(s);
}

/* --- the index ---------------------------------------------------------------------------- */

Test(view_others, a_lost_index_is_made_anew)
{
    struct folder_status was, is;
    folder_create(tom, "x", USE_SENT, NULL);
    put_message("x", FLAG_SEEN, "word", "N: 1\r\n\r\n");
    folder_status(tom, "x", true, &was);
    struct view_session *s = open_view("x");
    unlink(world_path(".tom.index"));
    unlink(world_path(".tom.index-wal"));
    unlink(world_path(".tom.index-shm"));
    cr_assert_eq(folder_status(tom, "x", true, &is), 0, "%s", strerror(errno));
    cr_assert_gt(is.uidvalidity, was.uidvalidity, "RFC 9051 2.3.1.1");
    cr_assert_eq(is.messages, 1);
    cr_assert_str_eq(sync_text(s, true), "gone");
    view_close(s);
    s = open_view("x");
    cr_assert_str_eq(flags_of(s), "1:S word");
    struct folder f;
    cr_assert(folder_find(tom, "x", &f) == 0 && f.use == USE_SENT);
    view_close(s);
}

/* Octets anywhere in the file are overwritten: every answer must be right or a new UIDVALIDITY. */
Test(view_others, a_damaged_index_is_made_anew, .timeout = 60)
{
    struct folder_status st;
    for (int i = 0; i < 50; i++)
        put_message("INBOX", FLAG_SEEN, "word", "N: 1\r\n\r\n");
    for (unsigned seed = 1; seed <= 60; seed++) {
        store_account_put(tom);
        store_account_forget_all();
        int fd = open(world_path(".tom.index"), O_RDWR);
        struct stat file;
        fstat(fd, &file);
        unsigned r = seed;
        for (int i = 0; i < 40; i++) {
            char octets[64];
            for (size_t k = 0; k < sizeof octets; k++)
                octets[k] = (char)rand_r(&r);
            off_t at = seed % 3 == 0 ? rand_r(&r) % 100 : rand_r(&r) % file.st_size;
            cr_assert_eq(pwrite(fd, octets, sizeof octets, at), sizeof octets);
        }
        if (seed % 5 == 0)
            cr_assert_eq(ftruncate(fd, rand_r(&r) % file.st_size), 0);
        close(fd);
        tom = store_account_get(&world_config, "tom", "", -1, -1);
        cr_assert(tom, "%u: %s", seed, strerror(errno));
        struct view_session *s = view_open(tom, "INBOX", false);
        for (int tries = 0; !s && tries < 3; tries++)
            s = view_open(tom, "INBOX", false);
        cr_assert(s, "%u: %s", seed, strerror(errno));
        cr_assert_eq(view_count(s), 50);
        store_flags(s, 1, 60, FLAGS_ADD, FLAG_FLAGGED, 0);
        view_close(s);
        cr_assert(folder_status(tom, "INBOX", true, &st) == 0 || folder_status(tom, "INBOX", true, &st) == 0);
        cr_assert_eq(st.messages, 50);
    }
}

Test(view_others, uids_go_on_after_the_system_was_started_again)
{
    struct folder_status was, is;
    put_message("INBOX", 0, NULL, "N: 1\r\n\r\n");
    folder_status(tom, "INBOX", true, &was);
    store_account_put(tom);
    store_account_forget_all();
    struct index ix;
    cr_assert_eq(index_open(&ix, world_path(".tom.index"), false), 0);
    cr_assert_eq(index_run(&ix, ST_META_SET, "sb", "boot", SLICE("another")), 0);
    index_close(&ix);
    tom = store_account_get(&world_config, "tom", "", -1, -1);
    folder_status(tom, "INBOX", true, &is);
    cr_assert_eq(is.uidvalidity, was.uidvalidity);
    cr_assert_gt(is.uidnext, was.uidnext, "what may have been given is left out");
    cr_assert_gt(is.highestmodseq, was.highestmodseq);
    cr_assert_eq(put_message("INBOX", 0, NULL, "N: 2\r\n\r\n"), is.uidnext);
}

/* Another process, with an index connection of its own. */
Test(view_others, two_processes_share_an_index)
{
    put_message("INBOX", 0, NULL, "N: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "N: 2\r\n\r\n");
    struct config other_config = world_config;     /* another configuration is another account object */
    struct store_account *other = store_account_get(&other_config, "tom", "", -1, -1);
    struct view_session *s = open_view("INBOX"), *o = view_open(other, "INBOX", false);
    cr_assert_neq((void *)other, (void *)tom);
    int bit = view_keyword_bit(s, SLICE("word"), true), bit2 = view_keyword_bit(o, SLICE("Other"), true);
    cr_assert_neq(bit, bit2);
    cr_assert_eq(store_flags(s, 1, 1, FLAGS_ADD, FLAG_SEEN, 1ull << bit), 0);
    cr_assert_eq(store_flags(o, 2, 2, FLAGS_ADD, FLAG_DELETED, 1ull << bit2), 0);
    cr_assert_str_eq(sync_text(o, true), "changed 1");
    cr_assert_str_eq(flags_of(o), "1:S word 2:D Other");
    cr_assert_eq(put_message("INBOX", 0, NULL, "N: 3\r\n\r\n"), 3);
    cr_assert_eq(view_expunge(o, NULL), 0);
    cr_assert_str_eq(sync_text(o, true), "expunged 2 vanished 2 exists 2 recent 1");
    cr_assert_str_eq(sync_text(s, true), "expunged 2 vanished 2 exists 2 recent 1");
    struct view_message a, b;
    view_get(s, 2, &a);
    view_get(o, 2, &b);
    cr_assert(a.uid == 3 && b.uid == 3 && a.modseq == b.modseq);
    view_close(o);
    store_account_put(other);
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:S word 3:");
    view_close(s);
}

Test(view_others, an_index_is_closed_while_nobody_needs_it)
{
    struct config other_config = world_config;
    put_message("INBOX", 0, NULL, "N: 1\r\n\r\n");
    struct view_session *s = open_view("INBOX");
    index_park(&tom->index);
    cr_assert_null(tom->index.db);
    struct store_account *other = store_account_get(&other_config, "tom", "", -1, -1);
    struct view_session *o = view_open(other, "INBOX", false);
    store_flags(o, 1, 1, FLAGS_ADD, FLAG_SEEN, 0);
    view_close(o);
    store_account_put(other);
    cr_assert_str_eq(sync_text(s, true), "changed 1");
    index_park(&tom->index);
    cr_assert_eq(put_message("INBOX", 0, NULL, "N: 2\r\n\r\n"), 2);
    cr_assert_str_eq(sync_text(s, true), "exists 2 recent 2");
    index_park(&tom->index);
    unlink(world_path(".tom.index"));
    cr_assert_str_eq(sync_text(s, true), "gone", "it was removed meanwhile");
    view_close(s);
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:S 2:");
    view_close(s);
}

/* --- threads ------------------------------------------------------------------------------ */

struct worker { pthread_t thread; unsigned seed; bool writes; };

static void *work(void *arg)
{
    struct worker *w = arg;
    struct view_session *s = view_open(tom, "INBOX", false);
    for (int i = 0; s && i < 60; i++) {
        struct view_message m;
        struct view_changes c;
        struct uid_set set = {0};
        uint32_t n = view_count(s), seq = n ? (uint32_t)rand_r(&w->seed) % n + 1 : 1;
        switch (rand_r(&w->seed) % 6) {
        case 0:
            put_message("INBOX", 0, NULL, "N: x\r\n\r\nbody\r\n");
            break;
        case 1:
            store_flags(s, view_uid(s, seq), view_uid(s, seq), FLAGS_ADD, FLAG_SEEN, 0);
            break;
        case 2:
            store_flags(s, view_uid(s, seq), view_uid(s, seq), FLAGS_ADD, FLAG_DELETED, 0);
            view_expunge(s, NULL);
            break;
        case 3:
            if (n > 0) {
                struct message_text *t = view_text(s, seq);
                message_text_free(t);
            }
            break;
        case 4:
            deliver("a@b.test", "N: y\n\n");
            break;
        case 5:
            if (n > 0) {
                struct view_copied copied;
                uid_set_add(&set, view_uid(s, seq), view_uid(s, seq));
                view_copy(s, &set, "INBOX", seq % 2, &copied);
                view_copied_free(&copied);
            }
        }
        uid_set_free(&set);
        uint32_t last = view_uid(s, n);
        if (view_sync(s, i % 3 != 0, &c) < 0 || c.gone)
            break;
        view_changes_free(&c);
        for (seq = 1; seq <= view_count(s); seq++) {
            if (!view_get(s, seq, &m) || m.uid != view_uid(s, seq) ||
                (seq > 1 && m.uid <= view_uid(s, seq - 1)))
                return (void *)"wrong numbers";
        }
        if (view_uid(s, view_count(s)) < last && i % 3 == 0)
            return (void *)"lost messages without being told";
    }
    view_close(s);
    return NULL;
}

Test(view_others, many_threads, .timeout = 60)
{
    struct worker w[6] = {{.seed = 1}};
    for (unsigned i = 0; i < 6; i++) {
        w[i].seed = i + 1;
        cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        void *result;
        pthread_join(w[i].thread, &result);
        cr_assert_null(result, "%s", (const char *)result);
    }
    struct view_session *s = open_view("INBOX");
    struct folder_status st;
    folder_status(tom, "INBOX", true, &st);
    cr_assert_eq(st.messages, view_count(s));
    uint32_t deleted = 0, unseen = 0;
    uint64_t octets = 0;
    for (uint32_t seq = 1; seq <= view_count(s); seq++) {
        struct view_message m;
        view_get(s, seq, &m);
        cr_assert_eq(strncmp(text_of(s, seq), "N: ", 3), 0);
        octets += m.size;
        deleted += (m.flags & FLAG_DELETED) != 0;
        unseen += !(m.flags & FLAG_SEEN);
    }
    cr_assert(st.size == octets && st.deleted == deleted && st.unseen == unseen, "the counts are right");
    view_close(s);
}
