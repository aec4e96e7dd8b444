/* view_world.h - shorthands over account.h, folder.h and view.h, and texts to compare. */
#ifndef TESTS_UNIT_STORE_VIEW_WORLD_H
#define TESTS_UNIT_STORE_VIEW_WORLD_H

#include "reference/store/view.h"
#include "tests/unit/store/mailbox_world.h"

static struct store_account *tom;

static inline void view_world_begin(enum mailbox_format format)
{
    world_begin(format);
    tom = store_account_get(&world_config, "tom", world_path("home"), -1, -1);
    cr_assert(tom, "%s", strerror(errno));
}

static inline void view_world_end(void)
{
    store_account_put(tom);
    store_account_forget_all();
    world_end();
}

/* As if the process had ended and another began. */
static inline void start_again(void)
{
    store_account_put(tom);
    store_account_forget_all();
    tom = store_account_get(&world_config, "tom", world_path("home"), -1, -1);
    cr_assert(tom, "%s", strerror(errno));
}

static inline struct view_session *open_view(const char *name)
{
    struct view_session *s = view_open(tom, name, false);
    cr_assert(s, "%s: %s", name, strerror(errno));
    return s;
}

/* Appends one; its UID, or 0 with errno. */
static inline uint32_t put_message(const char *mailbox, uint32_t flags, const char *keyword,
                                   const char *text)
{
    struct uid_set uids = {0};
    uint32_t uidvalidity, uid = 0;
    struct slice k = slice_str(keyword);
    struct view_append *b = view_append_begin(tom, mailbox);
    if (!b)
        return 0;
    if (view_append_message(b, flags, &k, keyword ? 1 : 0, 1000000000, strlen(text)) == 0)
        view_append_write(b, text, strlen(text));
    if (view_append_commit(b, &uidvalidity, &uids) == 0)
        uid = uid_set_at(&uids, 0);
    uid_set_free(&uids);
    return uid;
}

/* Message by sequence number, as on the wire; "(gone)". */
static inline const char *text_of(struct view_session *s, uint32_t seq)
{
    static struct buf b;
    struct view_message m;
    char chunk[7000];
    struct message_text *t = view_text(s, seq);
    buf_clear(&b);
    if (!t)
        return errno == ENOENT ? "(gone)" : strerror(errno);
    int64_t n;
    while ((n = message_text_read(t, b.len, chunk, sizeof chunk)) > 0)
        buf_add(&b, chunk, (size_t)n);
    cr_assert_eq(n, 0);
    cr_assert_eq(view_get_many(s, seq, 1, true, &m), 1);
    cr_assert_eq(m.size, b.len, "the size told is the size given");
    cr_assert_eq(message_text_size(t), b.len);
    message_text_free(t);
    return buf_str(&b);
}

/* "1:S 2: 3:DS $Forwarded" - UID, flags and keywords of every message. */
static inline const char *flags_of(struct view_session *s)
{
    static struct buf b;
    buf_clear(&b);
    for (uint32_t seq = 1; seq <= view_count(s); seq++) {
        struct view_message m;
        cr_assert(view_get(s, seq, &m));
        buf_printf(&b, "%s%u:", seq > 1 ? " " : "", m.uid);
        for (unsigned i = 0; i < 5; i++) {
            if (m.flags & 1u << i)
                buf_add_byte(&b, "SAFDX"[i]);
        }
        for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
            if (m.keywords & 1ull << i)
                buf_printf(&b, " %s", view_keyword(s, i) ? view_keyword(s, i) : "?");
        }
    }
    return buf_str(&b);
}

/* "expunged 3,1 vanished 1,3 exists 4 recent 1 changed 2" */
static inline const char *sync_text(struct view_session *s, bool allow_expunge)
{
    static struct buf b;
    struct view_changes c;
    buf_clear(&b);
    cr_assert_eq(view_sync(s, allow_expunge, &c), 0, "%s", strerror(errno));
    if (c.gone)
        buf_add_str(&b, "gone");
    for (size_t i = 0; i < c.expunged_count; i++)
        buf_printf(&b, "%s%u", i ? "," : "expunged ", c.expunged[i]);
    if (c.vanished.n) {
        buf_add_str(&b, " vanished ");
        uid_set_text(&c.vanished, &b);
    }
    if (c.exists_changed)
        buf_printf(&b, "%sexists %u recent %u", b.len ? " " : "", c.exists, c.recent);
    for (size_t i = 0; i < c.changed_count; i++)
        buf_printf(&b, "%s%u", i ? "," : b.len ? " changed " : "changed ", c.changed[i]);
    view_changes_free(&c);
    return buf_str(&b);
}

static inline struct uid_set uids(uint32_t from, uint32_t to)
{
    struct uid_set s = {0};
    uid_set_add(&s, from, to);
    return s;
}

/* STORE of the UIDs from..to. */
static inline int store_flags(struct view_session *s, uint32_t from, uint32_t to, enum flags_how how,
                              uint32_t flags, uint64_t keywords)
{
    struct uid_set set = uids(from, to);
    struct flags_change c = {how, flags, keywords, UINT64_MAX};
    int result = view_store(s, &set, &c, true, NULL, NULL, NULL);
    uid_set_free(&set);
    return result;
}

#endif
