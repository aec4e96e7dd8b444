/* A Maildir of so many messages that they are adopted without being opened (view_measure.c). */
#include "reference/store/view_internal.h"
#include "tests/unit/store/view_world.h"

enum { LARGE = MANY + 10 };
#define TEXT "N: 1\nbody\n"
enum { TEXT_OCTETS = 12 };             /* on the wire */
#define DATE 1700000000

static void begin(void)
{
    view_world_begin(FORMAT_MAILDIR);
    mkdir(world_path("tom"), 0700);
    mkdir(world_path("tom/tmp"), 0700);
    mkdir(world_path("tom/new"), 0700);
    mkdir(world_path("tom/cur"), 0700);
    for (int i = 0; i < LARGE; i++) {
        char name[100];
        snprintf(name, sizeof name, "tom/cur/%d.a%s", 1000000000 + i, i % 2 ? ":2,S" : ":2,");
        put_file(world_path(name), TEXT);
        struct timespec date[] = {{.tv_sec = DATE}, {.tv_sec = DATE}};
        cr_assert_eq(utimensat(AT_FDCWD, world_path(name), date, 0), 0);
    }
    mkdir(world_path("tom/cur/1.folder:2,"), 0700);
}

TestSuite(view_large, .init = begin, .fini = view_world_end, .timeout = 60);

static void check_measured(struct view_session *s, uint32_t seq)
{
    struct view_message m;
    cr_assert_eq(view_get_many(s, seq, 1, true, &m), 1);
    cr_assert(m.measured);
    cr_assert_eq(m.size, TEXT_OCTETS, "%u: %llu", seq, (unsigned long long)m.size);
    cr_assert_eq(m.internal_date, DATE);
    cr_assert_eq(m.save_date, 1000000000 + seq - 1);
}

static void check_total(uint64_t messages)
{
    struct folder_status st;
    cr_assert_eq(folder_status(tom, "INBOX", true, &st), 0);
    cr_assert_eq(st.messages, messages);
    cr_assert_eq(st.size, messages * TEXT_OCTETS, "%llu", (unsigned long long)st.size);
}

Test(view_large, sizes_are_found_out_when_they_are_wanted)
{
    struct view_session *s = open_view("INBOX");
    struct view_message m;
    cr_assert_eq(view_count(s), LARGE, "a folder is no message");
    cr_assert(view_get(s, 7, &m) && !m.measured);
    check_measured(s, 7);
    check_measured(s, LARGE);
    cr_assert_eq(s->view->unmeasured, LARGE, "they are noted, and written with others");
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert(view_get(s, 7, &m) && m.measured);
    cr_assert_eq(s->view->unmeasured, LARGE - 2);
    check_total(LARGE);
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_eq(s->view->unmeasured, 0);
    check_measured(s, 1);
    check_total(LARGE);
    view_close(s);
}

Test(view_large, what_is_read_is_measured)
{
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(text_of(s, 3), "N: 1\r\nbody\r\n");
    account_lock(tom);
    view_cache_flush(s);
    account_unlock(tom);
    struct view_message m;
    cr_assert(view_get(s, 3, &m) && m.measured && m.size == TEXT_OCTETS);
    view_close(s);
}

/* Flags, copies and removals of what is not measured leave the counts right. */
Test(view_large, others_do_not_wait_for_it)
{
    struct view_session *s = open_view("INBOX"), *o = open_view("INBOX");
    struct view_copied copied;
    struct view_message m;
    struct folder_status st;
    struct uid_set some = uids(1, 100), few = uids(101, 110);
    cr_assert_eq(store_flags(s, 1, LARGE, FLAGS_ADD, FLAG_FLAGGED, 0), 0);
    cr_assert_eq(folder_create(tom, "x", 0, NULL), 0);
    cr_assert_eq(view_copy(s, &some, "x", false, &copied), 0);
    view_copied_free(&copied);
    cr_assert_eq(folder_status(tom, "x", true, &st), 0);
    cr_assert(st.messages == 100 && st.size == 100 * TEXT_OCTETS);
    cr_assert(view_get(s, 200, &m) && !m.measured && m.flags == (FLAG_FLAGGED | FLAG_SEEN));
    cr_assert_eq(view_copy(s, &few, "x", true, &copied), 0);
    view_copied_free(&copied);
    cr_assert(view_get(o, 105, &m) && m.expunged && m.measured && m.size == TEXT_OCTETS,
              "who has not been told that it is gone may ask for its size");
    check_total(LARGE - 10);
    uid_set_free(&some);
    uid_set_free(&few);
    view_close(o);
    view_close(s);
}

/* Another process has measured them. */
Test(view_large, two_processes_count_once)
{
    struct config other_config = world_config;
    struct store_account *other = store_account_get(&other_config, "tom", "", -1, -1);
    struct view_session *s = open_view("INBOX"), *o = view_open(other, "INBOX", false);
    cr_assert(o && o->view->unmeasured == LARGE);
    check_total(LARGE);
    check_measured(o, 5);
    view_close(o);
    store_account_put(other);
    check_total(LARGE);
    view_close(s);
}

/* A limit of octets needs all sizes. */
Test(view_large, a_quota_measures_all)
{
    store_account_limit(tom, LARGE * TEXT_OCTETS + 1);
    struct view_session *s = open_view("INBOX");
    struct store_quota q;
    cr_assert_eq(s->view->unmeasured, 0);
    cr_assert_eq(store_account_quota(tom, &q), 0);
    cr_assert_eq(q.octets, LARGE * TEXT_OCTETS);
    view_close(s);
}
