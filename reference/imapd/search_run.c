/* search_run.c - which messages match: batch by batch in the order of the mailbox. */
#include "reference/imapd/search.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/message/decode.h"
#include "reference/message/subject.h"

#include <stdlib.h>

enum { SECONDS_OF_A_DAY = 86400 };

struct run {
    struct session *s;
    const struct search_program *program;
    bool summaries;                        /* each hit must have its own */
    int64_t now;                           /* seconds: one instant for the whole search */

    struct view_message messages[CACHE_BATCH];
    uint32_t first, count;                 /* sequence numbers of the batch */
    struct cache_batch cache;
    bool cache_read;                       /* for this batch */

    /* The message that is looked at. */
    const struct view_message *message;
    uint32_t seq;
    struct summary summary;
    bool has_summary, gone;
    const bool *found;                     /* NULL: its text was not looked at yet */
    struct slice header;
    bool has_header;

    struct text_scan *scan;
    struct buf made, scratch, folded;
};

/* ---- what of a message is read when it is needed ------------------------------------------- */

static struct message_text *open_text(struct run *r)
{
    struct message_text *text = r->gone ? NULL : view_text(r->s->view, r->seq);
    r->gone = text == NULL;                /* another session removed it: nothing of it matches */
    return text;
}

static void need_header(struct run *r)
{
    if (r->has_header)
        return;
    struct message_text *text = open_text(r);
    r->has_header = true;
    r->header = text ? text_scan_header(r->scan, text) : slice_of(NULL, 0);
    message_text_free(text);
}

static void make_summary(struct run *r)
{
    buf_clear(&r->made);
    need_header(r);
    summary_make(&r->made, r->header);
    summary_read(buf_slice(&r->made), &r->summary);
    if (!r->gone)
        view_cache_put(r->s->view, r->message->uid, CACHE_FIELDS, buf_slice(&r->made));
}

static void need_summary(struct run *r)
{
    if (r->has_summary)
        return;
    if (!r->cache_read) {
        r->cache_read = true;
        if (view_cache_read(r->s->view, r->first, r->count, 1u << CACHE_FIELDS, &r->cache) != 0)
            for (uint32_t i = 0; i < r->count; i++)
                r->cache.v[i] = (struct cached){.uid = r->messages[i].uid};
    }
    r->has_summary = true;
    const struct cached *cached = &r->cache.v[r->seq - r->first];
    if (!cached->text[CACHE_FIELDS].p || cached->uid != r->message->uid ||
        !summary_read(cached->text[CACHE_FIELDS], &r->summary))
        make_summary(r);
}

static void need_text(struct run *r)
{
    static const bool nothing[SEARCH_TEXTS_MAX];
    if (r->found)
        return;
    struct message_text *text = open_text(r);
    r->has_header = false;                 /* its place is used now */
    r->found = text ? text_scan_message(r->scan, text) : nothing;
    message_text_free(text);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static bool contains(struct slice hay, struct slice text)
{
    return hay.p && (text.n == 0 ||
                     (hay.n >= text.n && memmem(hay.p, hay.n, text.p, text.n) != NULL));
}

static bool folded_contains(struct run *r, struct slice hay, struct slice text)
{
    buf_clear(&r->folded);
    text_fold(&r->folded, hay);
    return contains(slice_of(buf_str(&r->folded), r->folded.len), text);
}

static bool matches_summary(struct run *r, const struct search_key *key)
{
    need_summary(r);
    struct slice field = r->summary.field[key->field];
    if (!field.p || key->field < SUMMARY_MESSAGE_ID)
        return contains(field, key->text);
    return folded_contains(r, field, key->text);
}

static bool matches_header(struct run *r, const struct search_key *key)
{
    struct header_field field;
    need_header(r);
    for (struct slice rest = r->header; header_next(&rest, &field);) {
        if (!slice_ieq(field.name, key->name))
            continue;
        buf_clear(&r->scratch);
        decode_header(&r->scratch, field.value);
        if (folded_contains(r, slice_of(buf_str(&r->scratch), r->scratch.len), key->text))
            return true;
    }
    return false;
}

static int32_t day_of(int64_t seconds)
{
    return (int32_t)((seconds - (seconds < 0 ? SECONDS_OF_A_DAY - 1 : 0)) / SECONDS_OF_A_DAY);
}

/* `since` includes the day, `before` does not (RFC 9051 6.4.4). */
static bool matches_day(enum search_kind kind, enum search_kind before, int32_t day, int32_t key)
{
    return kind == before ? day < key : kind == before + 1 ? day == key : day >= key;
}

static bool matches_sent(struct run *r, const struct search_key *key)
{
    need_summary(r);
    /* RFC 5256 2.2: without a date of its own it is that of its arrival. */
    int32_t day = r->summary.has_date ? r->summary.sent_day : day_of(r->message->internal_date);
    return !r->gone && matches_day(key->kind, KEY_SENT_BEFORE, day, key->day);
}

static bool matches(struct run *r, const struct search_key *key);

static bool matches_view(struct run *r, const struct search_key *key)
{
    const struct view_message *m = r->message;
    switch (key->kind) {
    case KEY_ALL: return true;
    case KEY_FLAG: return (m->flags & key->flag) != 0;
    case KEY_RECENT: return m->recent;
    case KEY_KEYWORD: return key->bit >= 0 && (m->keywords >> key->bit & 1) != 0;
    case KEY_NUMBERS: return uid_set_has(&key->set, r->seq);
    case KEY_UIDS: return uid_set_has(&key->set, m->uid);
    case KEY_LARGER: return m->size > key->number;
    case KEY_SMALLER: return m->size < key->number;
    case KEY_BEFORE: case KEY_ON: case KEY_SINCE:
        return matches_day(key->kind, KEY_BEFORE, day_of(m->internal_date), key->day);
    case KEY_OLDER: return m->internal_date <= r->now - (int64_t)key->number;
    case KEY_YOUNGER: return m->internal_date >= r->now - (int64_t)key->number;
    case KEY_SAVED_BEFORE: case KEY_SAVED_ON: case KEY_SAVED_SINCE:
        /* RFC 8514 4.3: where there is no save date, the internal date stands for it. */
        return matches_day(key->kind, KEY_SAVED_BEFORE,
                           day_of(m->save_date ? m->save_date : m->internal_date), key->day);
    case KEY_SAVE_DATES: return true;
    case KEY_MODSEQ: return m->modseq >= key->number;
    case KEY_EMAILID: return key->number != 0 && m->emailid == key->number;
    default: return false;                 /* KEY_THREADID: messages have none here */
    }
}

static bool matches_children(struct run *r, const struct search_key *key)
{
    bool all = key->kind == KEY_AND;
    for (const struct search_key *child = key->child; child; child = child->next)
        if (matches(r, child) != all)
            return !all;
    return all;
}

/* The depth is that of the program: ARGS_DEPTH_MAX. */
static bool matches(struct run *r, const struct search_key *key)
{
    bool yes;
    switch (key->kind) {
    case KEY_AND: case KEY_OR:
        yes = matches_children(r, key);
        break;
    case KEY_SENT_BEFORE: case KEY_SENT_ON: case KEY_SENT_SINCE:
        yes = matches_sent(r, key);
        break;
    case KEY_SUMMARY:
        yes = matches_summary(r, key);
        break;
    case KEY_HEADER:
        yes = matches_header(r, key);
        break;
    case KEY_BODY: case KEY_TEXT:
        need_text(r);
        yes = r->found[key->text_index];
        break;
    default:
        yes = matches_view(r, key);
    }
    return yes != key->negated;
}

/* ---- the run ------------------------------------------------------------------------------- */

static void begin_message(struct run *r, uint32_t i)
{
    r->message = &r->messages[i];
    r->seq = r->first + i;
    r->has_summary = r->has_header = r->gone = false;
    r->found = NULL;
}

static void run_batch(struct run *r, search_found *found, void *arg)
{
    r->cache_read = false;
    for (uint32_t i = 0; i < r->count; i++) {
        begin_message(r, i);
        if (!matches(r, r->program->root))
            continue;
        if (r->summaries)
            need_summary(r);
        struct search_hit hit = {r->message, r->seq, r->summaries ? &r->summary : NULL};
        found(arg, &hit);
    }
}

/* The ranges of sequence numbers outside which nothing can match: those of a set that all keys are
 * under, else everything. */
static void candidates(struct run *r, struct uid_set *out)
{
    struct view_session *view = r->s->view;
    uint32_t count = view_count(view);
    for (const struct search_key *key = r->program->root->child; key; key = key->next) {
        if (key->negated || (key->kind != KEY_NUMBERS && key->kind != KEY_UIDS))
            continue;
        for (size_t i = 0; i < key->set.n; i++) {
            uint32_t first = key->set.v[i].first, last = key->set.v[i].last;
            if (key->kind == KEY_UIDS) {
                first = view_seq_from(view, first);
                last = last == UINT32_MAX ? count : view_seq_from(view, last + 1) - 1;
            }
            if (last > count)
                last = count;
            if (first <= last)
                uid_set_add(out, first, last);
        }
        return;
    }
    uid_set_add(out, count > 0 ? 1 : 0, count);
}

/* Does any key ask for a size or a date? Those of the header fall back to the internal date. */
static bool wants_measure(const struct search_key *key)
{
    if ((key->kind >= KEY_LARGER && key->kind <= KEY_SAVE_DATES) ||
        (key->kind >= KEY_SENT_BEFORE && key->kind <= KEY_SENT_SINCE))
        return true;
    bool wants = false;
    for (const struct search_key *k = key->child; k && !wants; k = k->next)
        wants = wants_measure(k);
    return wants;
}

bool search_run(struct session *s, const struct search_program *p, bool summaries,
                search_found *found, void *arg)
{
    struct run *r = xcalloc(1, sizeof *r);
    struct uid_set ranges = {0};
    bool going = true;
    r->s = s;
    r->program = p;
    r->summaries = summaries;
    r->now = wall_us() / 1000000;
    r->scan = text_scan_new(p);
    candidates(r, &ranges);
    for (size_t i = 0; i < ranges.n && going; i++)
        for (uint32_t at = ranges.v[i].first; at <= ranges.v[i].last && going; at += r->count) {
            uint32_t want = ranges.v[i].last - at + 1;
            r->first = at;
            r->count = view_get_many(s->view, at, want < CACHE_BATCH ? want : CACHE_BATCH,
                                     r->summaries || wants_measure(p->root), r->messages);
            if (r->count == 0)
                break;
            run_batch(r, found, arg);
            going = !s->ctx->service || !service_stopping(s->ctx->service);
        }
    uid_set_free(&ranges);
    text_scan_free(r->scan);
    cache_batch_free(&r->cache);
    buf_free(&r->made);
    buf_free(&r->scratch);
    buf_free(&r->folded);
    free(r);
    return going;
}
