/* A selected mailbox: what every format must do. */
#include "tests/unit/store/view_world.h"

#include <poll.h>

#define EACH_FORMAT(name)                                                                         \
    static void name##_does(void);                                                                \
    Test(view_maildir, name, .fini = view_world_end)                                              \
    {                                                                                             \
        view_world_begin(FORMAT_MAILDIR);                                                         \
        name##_does();                                                                            \
    }                                                                                             \
    Test(view_mbox, name, .fini = view_world_end)                                                 \
    {                                                                                             \
        view_world_begin(FORMAT_MBOX);                                                            \
        name##_does();                                                                            \
    }                                                                                             \
    static void name##_does(void)

EACH_FORMAT(an_empty_inbox)
{
    struct view_session *s = open_view("inbox");
    struct view_state st;
    view_state(s, &st);
    cr_assert_eq(st.exists, 0);
    cr_assert_eq(st.recent, 0);
    cr_assert_eq(st.uidnext, 1);
    cr_assert_gt(st.uidvalidity, 1000000000);
    cr_assert_geq(st.highestmodseq, 1);
    cr_assert_str_eq(sync_text(s, true), "");
    struct view_message m;
    cr_assert(!view_get(s, 1, &m) && !view_get(s, 0, &m));
    view_close(s);
    errno = 0;
    cr_assert_null(view_open(tom, "nothing", true));
    cr_assert_eq(errno, ENOENT);
}

EACH_FORMAT(deliveries_show_at_the_next_sync)
{
    deliver("a@b.test", "Subject: 1\n\none\n");
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    struct view_state st;
    view_state(s, &st);
    cr_assert_eq(st.exists, 1);
    cr_assert_eq(st.recent, 1);
    cr_assert_eq(st.first_unseen, 1);
    cr_assert_str_eq(text_of(s, 1), "Subject: 1\r\n\r\none\r\n");
    view_state(second, &st);
    cr_assert_eq(st.recent, 0, "the first session took it");
    deliver("a@b.test", "Subject: 2\n\n");
    deliver("a@b.test", "Subject: 3\n\n");
    cr_assert_str_eq(sync_text(s, false), "exists 3 recent 3");
    cr_assert_str_eq(sync_text(second, true), "exists 3 recent 0");
    cr_assert_str_eq(text_of(second, 3), "Subject: 3\r\n\r\n");
    cr_assert_str_eq(flags_of(second), "1: 2: 3:");
    view_close(s);
    view_close(second);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1: 2: 3:", "the same UIDs");
    cr_assert_str_eq(text_of(s, 2), "Subject: 2\r\n\r\n");
    view_close(s);
}

EACH_FORMAT(flags_and_keywords_are_kept)
{
    put_message("INBOX", FLAG_SEEN | FLAG_DRAFT, "$Label1", "A: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "A: 2\r\n\r\n");
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    int junk = view_keyword_bit(s, SLICE("Junk"), true);
    cr_assert_geq(junk, 0);
    cr_assert_eq(view_keyword_bit(s, SLICE("JUNK"), true), junk);
    cr_assert_eq(view_keyword_bit(s, SLICE("a b"), true), -1);
    cr_assert_eq(view_keyword_bit(s, SLICE("none"), false), -1);
    cr_assert_eq(store_flags(s, 1, 2, FLAGS_ADD, FLAG_FLAGGED, 1ull << junk), 0);
    cr_assert_str_eq(flags_of(s), "1:SFX $Label1 Junk 2:F Junk");
    cr_assert_eq(store_flags(s, 1, 1, FLAGS_REMOVE, FLAG_SEEN, 0), 0);
    cr_assert_eq(store_flags(s, 2, 2, FLAGS_REPLACE, FLAG_ANSWERED | FLAG_DELETED, 0), 0);
    cr_assert_str_eq(sync_text(s, true), "", "own changes are not told again");
    cr_assert_str_eq(sync_text(second, false), "changed 1,2");
    cr_assert_str_eq(sync_text(second, false), "");
    cr_assert_str_eq(flags_of(second), "1:FX $Label1 Junk 2:AD");
    view_close(s);
    view_close(second);
    start_again();
    s = open_view("INBOX");
    cr_assert_str_eq(flags_of(s), "1:FX $Label1 Junk 2:AD");
    view_close(s);
}

EACH_FORMAT(unchanged_since)
{
    put_message("INBOX", 0, NULL, "A: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "A: 2\r\n\r\n");
    struct view_session *s = open_view("INBOX");
    struct view_state st;
    view_state(s, &st);
    cr_assert_eq(store_flags(s, 2, 2, FLAGS_ADD, FLAG_SEEN, 0), 0);
    struct uid_set all = uids(1, 9), done = {0}, modified = {0}, missing = {0};
    struct flags_change c = {FLAGS_ADD, FLAG_FLAGGED, 0, st.highestmodseq};
    cr_assert_eq(view_store(s, &all, &c, false, &done, &modified, &missing), 0);
    cr_assert(uid_set_has(&done, 1) && uid_set_count(&done) == 1);
    cr_assert(uid_set_has(&modified, 2) && uid_set_count(&modified) == 1);
    cr_assert_eq(missing.n, 0);
    struct view_message m;
    view_get(s, 1, &m);
    cr_assert_gt(m.modseq, st.highestmodseq);
    uint64_t before = m.modseq;
    cr_assert_eq(store_flags(s, 1, 1, FLAGS_ADD, FLAG_FLAGGED, 0), 0);
    view_get(s, 1, &m);
    cr_assert_eq(m.modseq, before, "nothing changed, so no new mod-sequence");
    uid_set_free(&all);
    uid_set_free(&done);
    uid_set_free(&modified);
    view_close(s);
}

EACH_FORMAT(expunging_changes_numbers_at_a_sync_only)
{
    for (int i = 0; i < 5; i++)
        put_message("INBOX", i == 1 || i == 3 ? FLAG_DELETED : FLAG_SEEN, NULL, "A: b\r\n\r\ntext\r\n");
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    struct view_state st;
    struct view_message m;
    view_state(s, &st);
    struct uid_set two = uids(1, 2);
    cr_assert_eq(view_expunge(s, &two), 0);
    cr_assert_eq(view_count(s), 5);
    cr_assert_str_eq(sync_text(s, true), "expunged 2 vanished 2");
    cr_assert_eq(view_expunge(s, NULL), 0);
    cr_assert_str_eq(sync_text(s, true), "expunged 3 vanished 4");
    cr_assert_str_eq(flags_of(s), "1:S 3:S 5:S");
    deliver("a@b.test", "New: 1\n\n");
    cr_assert_str_eq(sync_text(second, false), "exists 6 recent 1");
    cr_assert_eq(view_count(second), 6);
    cr_assert(view_get(second, 2, &m));
    cr_assert(m.expunged && m.uid == 2 && m.flags == FLAG_DELETED && m.size == 14);
    cr_assert_str_eq(text_of(second, 2), "(gone)");
    cr_assert_str_eq(text_of(second, 3), "A: b\r\n\r\ntext\r\n");
    cr_assert_eq(view_seq(second, 4), 4);
    cr_assert_str_eq(sync_text(second, true), "expunged 4,2 vanished 2,4");
    cr_assert_str_eq(flags_of(second), "1:S 3:S 5:S 6:");
    cr_assert_eq(view_seq(second, 4), 0);
    cr_assert_eq(view_seq_from(second, 4), 3);
    struct uid_set gone = {0}, known = uids(1, 3);
    struct buf b = {0};
    cr_assert_eq(view_vanished(s, st.highestmodseq, NULL, &gone), 0);
    cr_assert_eq(view_vanished(s, st.highestmodseq, &known, &gone), 0);
    uid_set_text(&gone, &b);
    cr_assert_str_eq(buf_str(&b), "2,4");
    buf_free(&b);
    uid_set_free(&gone);
    uid_set_free(&known);
    uid_set_free(&two);
    view_close(s);
    view_close(second);
}

EACH_FORMAT(a_readonly_session_changes_nothing)
{
    put_message("INBOX", FLAG_DELETED, NULL, "A: b\r\n\r\n");
    struct view_session *s = view_open(tom, "INBOX", true);
    struct view_state st;
    view_state(s, &st);
    cr_assert_eq(st.recent, 1);
    errno = 0;
    cr_assert_eq(store_flags(s, 1, 1, FLAGS_ADD, FLAG_SEEN, 0), -1);
    cr_assert_eq(errno, EROFS);
    cr_assert_eq(view_expunge(s, NULL), -1);
    cr_assert_eq(errno, EROFS);
    view_close(s);
    s = open_view("INBOX");
    view_state(s, &st);
    cr_assert_eq(st.recent, 1, "EXAMINE leaves \\Recent to the next");
    view_close(s);
}

EACH_FORMAT(copies_and_moves)
{
    cr_assert_eq(folder_create(tom, "Archive/2026", 0, NULL), 0, "%s", strerror(errno));
    put_message("INBOX", FLAG_SEEN, "$Label1", "A: 1\r\n\r\n");
    put_message("INBOX", 0, NULL, "A: 2\r\n\r\n");
    put_message("INBOX", 0, NULL, "A: 3\r\n\r\n");
    put_message("Archive/2026", 0, "other", "A: 0\r\n\r\n");
    struct view_session *s = open_view("INBOX"), *archive = open_view("Archive/2026");
    struct uid_set set = uids(1, 2), three = uids(3, 9);
    struct view_copied c;
    struct view_message m, copy;
    cr_assert_eq(view_copy(s, &set, "Archive/2026", false, &c), 0, "%s", strerror(errno));
    cr_assert_eq(c.to.n, 1);
    cr_assert(c.to.v[0].first == 2 && c.to.v[0].last == 3 && c.from.v[0].last == 2);
    view_copied_free(&c);
    cr_assert_str_eq(sync_text(archive, false), "exists 3 recent 3");
    cr_assert_str_eq(flags_of(archive), "1: other 2:S $Label1 3:");
    cr_assert_str_eq(text_of(archive, 3), "A: 2\r\n\r\n");
    view_get(s, 1, &m);
    view_get(archive, 2, &copy);
    cr_assert_eq(copy.internal_date, 1000000000);
    cr_assert_eq(copy.emailid, m.emailid, "RFC 8474 5.1");
    view_get(s, 2, &m);
    cr_assert_neq(copy.emailid, m.emailid);
    cr_assert_eq(view_copy(s, &three, "archive/2026", true, &c), -1, "names are case-sensitive");
    cr_assert_eq(errno, ENOENT);
    view_copied_free(&c);
    cr_assert_eq(view_copy(s, &three, "Archive/2026", true, &c), 0);
    cr_assert(uid_set_at(&c.to, 0) == 4 && uid_set_at(&c.from, 0) == 3 && uid_set_count(&c.to) == 1);
    view_copied_free(&c);
    cr_assert_str_eq(sync_text(s, true), "expunged 3 vanished 3");
    cr_assert_str_eq(sync_text(archive, true), "exists 4 recent 4");
    cr_assert_str_eq(text_of(archive, 4), "A: 3\r\n\r\n");
    cr_assert_eq(view_copy(s, &set, "INBOX", true, &c), 0, "into itself: new UIDs");
    cr_assert_eq(uid_set_at(&c.to, 1), 5);
    view_copied_free(&c);
    cr_assert_str_eq(sync_text(s, true), "expunged 2,1 vanished 1:2 exists 2 recent 2");
    cr_assert_str_eq(flags_of(s), "4:S $Label1 5:");
    cr_assert_str_eq(text_of(s, 2), "A: 2\r\n\r\n");
    uid_set_free(&set);
    uid_set_free(&three);
    view_close(s);
    view_close(archive);
}

EACH_FORMAT(several_messages_come_in_together)
{
    struct uid_set got = {0};
    uint32_t uidvalidity;
    struct view_append *b = view_append_begin(tom, "INBOX");
    cr_assert(b);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(view_append_message(b, 0, NULL, 0, INT64_MIN, 20), 0);
        cr_assert_eq(view_append_write(b, "A: b\r", 5), 0);
        cr_assert_eq(view_append_write(b, "\n\r", 2), 0);
        cr_assert_eq(view_append_write(b, "\nx\r\n", 4), 0);
    }
    struct view_session *s = open_view("INBOX");
    cr_assert_eq(view_count(s), 0, "none is there before all are");
    cr_assert_eq(view_append_commit(b, &uidvalidity, &got), 0);
    cr_assert_eq(uid_set_count(&got), 3);
    cr_assert_str_eq(sync_text(s, true), "exists 3 recent 3");
    cr_assert_str_eq(text_of(s, 3), "A: b\r\n\r\nx\r\n");
    b = view_append_begin(tom, "INBOX");
    view_append_message(b, 0, NULL, 0, INT64_MIN, 3);
    view_append_write(b, "abc", 3);
    view_append_abandon(b);
    cr_assert_str_eq(sync_text(s, true), "");
    cr_assert_null(view_append_begin(tom, "nowhere"));
    cr_assert_eq(errno, ENOENT);
    uid_set_free(&got);
    view_close(s);
}

EACH_FORMAT(large_messages_from_any_place)
{
    struct buf text = {0};
    buf_add_str(&text, "Subject: large\r\n\r\n");
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "line %d%.*s\r\n", i, i % 60, "............................................................");
    struct uid_set got = {0};
    uint32_t uidvalidity;
    struct view_append *b = view_append_begin(tom, "INBOX");
    view_append_message(b, 0, NULL, 0, INT64_MIN, text.len);
    for (size_t at = 0; at < text.len; at += 1001)
        view_append_write(b, text.data + at, text.len - at < 1001 ? text.len - at : 1001);
    cr_assert_eq(view_append_commit(b, &uidvalidity, &got), 0);
    struct view_session *s = open_view("INBOX");
    cr_assert_str_eq(text_of(s, 1), buf_str(&text));
    unsigned seed = 5;
    for (int i = 0; i < 200; i++) {
        struct message_text *t = view_text(s, 1);
        for (int k = 0; k < 3; k++) {
            size_t at = (size_t)rand_r(&seed) % (text.len + 10), n = (size_t)rand_r(&seed) % 9000;
            char got_text[9000];
            size_t want = at >= text.len ? 0 : text.len - at < n ? text.len - at : n;
            cr_assert_eq(message_text_read(t, at, got_text, n), (int64_t)want, "%zu+%zu", at, n);
            cr_assert_eq(memcmp(got_text, text.data + at, want), 0, "%zu+%zu", at, n);
        }
        message_text_free(t);
    }
    uid_set_free(&got);
    buf_free(&text);
    view_close(s);
}

EACH_FORMAT(an_idle_session_is_woken)
{
    struct view_session *s = open_view("INBOX"), *second = open_view("INBOX");
    struct pollfd p = {.fd = view_idle_begin(s), .events = POLLIN};
    cr_assert_geq(p.fd, 0);
    cr_assert_str_eq(sync_text(s, true), "");
    cr_assert_eq(poll(&p, 1, 50), 0, "nothing happened");
    deliver("a@b.test", "A: 1\n\n");
    cr_assert_eq(poll(&p, 1, 2000), 1, "a delivery");
    cr_assert_str_eq(sync_text(s, true), "exists 1 recent 1");
    cr_assert_str_eq(sync_text(second, true), "exists 1 recent 0");
    while (poll(&p, 1, 100) == 1)
        sync_text(s, true);
    store_flags(second, 1, 1, FLAGS_ADD, FLAG_SEEN, 0);
    cr_assert_eq(poll(&p, 1, 2000), 1, "a flag");
    cr_assert_str_eq(sync_text(s, true), "changed 1");
    view_idle_end(s);
    view_close(s);
    view_close(second);
}

EACH_FORMAT(texts_are_cached)
{
    for (int i = 0; i < 3; i++)
        put_message("INBOX", FLAG_DELETED, NULL, "A: 1\r\n\r\n");
    struct view_session *s = open_view("INBOX");
    static struct cache_batch batch;
    unsigned kinds = 1u << CACHE_ENVELOPE | 1u << CACHE_FIELDS;
    cr_assert_eq(view_cache_read(s, 1, 3, kinds, &batch), 0);
    cr_assert_null(batch.v[0].text[CACHE_ENVELOPE].p);
    view_cache_put(s, 1, CACHE_ENVELOPE, SLICE("one"));
    view_cache_put(s, 3, CACHE_ENVELOPE, SLICE("three"));
    view_cache_put(s, 3, CACHE_FIELDS, SLICE("fields"));
    view_cache_put(s, 2, CACHE_BODY, SLICE("body"));
    cr_assert_eq(view_cache_read(s, 1, 200, kinds, &batch), 0);
    cr_assert(slice_eq_str(batch.v[0].text[CACHE_ENVELOPE], "one"));
    cr_assert_null(batch.v[1].text[CACHE_BODY].p, "not asked for");
    cr_assert_null(batch.v[1].text[CACHE_ENVELOPE].p);
    cr_assert(slice_eq_str(batch.v[2].text[CACHE_ENVELOPE], "three"));
    cr_assert(slice_eq_str(batch.v[2].text[CACHE_FIELDS], "fields"));
    struct uid_set set = uids(3, 3);
    struct view_copied c;
    cr_assert_eq(view_copy(s, &set, "INBOX", false, &c), 0);
    cr_assert_eq(view_expunge(s, &set), 0);
    sync_text(s, true);
    view_cache_put(s, 2, CACHE_ENVELOPE, SLICE("two"));
    view_close(s);
    start_again();
    s = open_view("INBOX");
    cr_assert_eq(view_cache_read(s, 2, 2, kinds, &batch), 0);
    cr_assert(slice_eq_str(batch.v[0].text[CACHE_ENVELOPE], "two"));
    cr_assert_eq(batch.v[1].uid, 4);
    cr_assert(slice_eq_str(batch.v[1].text[CACHE_FIELDS], "fields"), "a copy has the same");
    view_copied_free(&c);
    uid_set_free(&set);
    cache_batch_free(&batch);
    view_close(s);
}

EACH_FORMAT(the_quota_is_kept)
{
    world_config.quota = 40;
    cr_assert_eq(put_message("INBOX", 0, NULL, "A: 1\r\n\r\n"), 1);
    cr_assert_eq(put_message("INBOX", 0, NULL, "A: 1\r\n\r\n"), 2);
    cr_assert_eq(put_message("INBOX", 0, NULL, "A: 1\r\n\r\n0123456789012345678\r\n"), 0);
    cr_assert_eq(errno, EDQUOT);
    struct view_session *s = open_view("INBOX");
    struct uid_set set = uids(1, 2), one = uids(1, 1);
    struct view_copied c;
    struct store_quota q;
    cr_assert_eq(view_copy(s, &one, "INBOX", false, &c), 0);
    view_copied_free(&c);
    cr_assert_eq(view_copy(s, &set, "INBOX", false, &c), 0);
    view_copied_free(&c);
    cr_assert_eq(view_copy(s, &one, "INBOX", false, &c), -1);
    cr_assert_eq(errno, EDQUOT);
    view_copied_free(&c);
    cr_assert_eq(store_account_quota(tom, &q), 0);
    cr_assert(q.octets == 40 && q.octets_limit == 40 && q.messages == 5 && q.messages_limit == 0);
    cr_assert_eq(store_flags(s, 1, 9, FLAGS_ADD, FLAG_DELETED, 0), 0);
    struct folder_status st;
    cr_assert_eq(folder_status(tom, "INBOX", true, &st), 0);
    cr_assert(st.messages == 5 && st.deleted == 2 && st.deleted_size == 16 && st.size == 40, "unknown UIDs are not touched");
    uid_set_free(&set);
    uid_set_free(&one);
    view_close(s);
}
