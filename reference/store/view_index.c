/* view_index.c - a view's rows in the index. */
#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* UIDs that are promised at once, so that not every message waits for the index to be durable.
 * After a power cut those that had not been given are left out. A new mailbox promises many
 * without waiting: should the promise be lost the mailbox's line is lost as well, and the next
 * has another UIDVALIDITY. */
#define UIDS_RESERVED 10000
#define UIDS_RESERVED_FIRST 1000000
/* Ranges kept in the log of the expunged, a mailbox. */
#define VANISHED_MAX 50000

/* --- the mailbox's line ------------------------------------------------------------------- */

static void read_box(sqlite3_stmt *st, struct mailbox_row *box, struct buf *keywords)
{
    *box = (struct mailbox_row){
        .id = sqlite3_column_int64(st, 0),
        .uidvalidity = (uint32_t)sqlite3_column_int64(st, 3),
        .uidnext = (uint32_t)sqlite3_column_int64(st, 4),
        .reserved = (uint32_t)sqlite3_column_int64(st, 5),
        .modseq = (uint64_t)sqlite3_column_int64(st, 6),
        .recent = (uint32_t)sqlite3_column_int64(st, 7),
        .floor = (uint64_t)sqlite3_column_int64(st, 8),
        .messages = (uint64_t)sqlite3_column_int64(st, 10),
        .unseen = (uint64_t)sqlite3_column_int64(st, 11),
        .deleted = (uint64_t)sqlite3_column_int64(st, 12),
        .octets = (uint64_t)sqlite3_column_int64(st, 13),
        .deleted_octets = (uint64_t)sqlite3_column_int64(st, 14),
        .stamp = {sqlite3_column_int64(st, 15), sqlite3_column_int64(st, 16)},
    };
    const char *id = (const char *)sqlite3_column_text(st, 2);
    if (id)
        strncpy(box->mailboxid, id, sizeof box->mailboxid - 1);
    const char *names = (const char *)sqlite3_column_text(st, 9);
    if (keywords && names)
        buf_add_str(keywords, names);
}

/* What a damaged index may say, but no mailbox can have. */
static bool plausible(const struct mailbox_row *box)
{
    return box->id > 0 && box->id < 1 << 29 && box->uidvalidity > 0 && box->uidnext > 0 &&
           box->modseq > 0 && box->modseq < INT64_MAX / 2 && box->mailboxid[0];
}

int mailbox_row_find(struct store_account *a, const char *name, struct mailbox_row *box,
                     struct buf *keywords)
{
    sqlite3_stmt *st = index_query(&a->index, ST_MAILBOX_BY_NAME, "s", name);
    if (!st)
        return -1;
    int row = index_step(&a->index, st);
    if (row == 1)
        read_box(st, box, keywords);
    index_done(st);
    if (row == 1 && !plausible(box)) {
        a->index.damaged = true;
        errno = ESTALE;
        return -1;
    }
    if (row == 1 && box->uidvalidity > a->uidvalidity)
        a->uidvalidity = box->uidvalidity;
    return row;
}

/* RFC 9051 2.3.1.1: larger than any before. The seconds since 1970 are, also when the index with
 * the last one is lost, unless that was in the same second. */
static int64_t new_uidvalidity(struct store_account *a)
{
    int64_t now = wall_us() / 1000000, last = a->uidvalidity;
    sqlite3_stmt *st = index_query(&a->index, ST_META_GET, "s", "uidvalidity");
    if (!st)
        return -1;
    int row = index_step(&a->index, st);
    if (row == 1 && sqlite3_column_int64(st, 0) > last)
        last = sqlite3_column_int64(st, 0);
    index_done(st);
    if (row < 0)
        return -1;
    if (a->index.replaced && now > last)
        last = now;
    if (now <= last)
        now = last + 1;
    if (now < 1 || now > UINT32_MAX)
        now = 1;
    return index_run(&a->index, ST_META_SET, "si", "uidvalidity", now) < 0 ? -1 : now;
}

static int add_box(struct store_account *a, const char *name)
{
    unsigned char random[12] = {0};
    char id[32] = "P";
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(id + 1 + 2 * i, 3, "%02x", random[i]);
    int64_t uidvalidity = new_uidvalidity(a);
    if (uidvalidity < 0)
        return -1;
    return index_run(&a->index, ST_MAILBOX_ADD, "ssiii", name, id, uidvalidity, (int64_t)1,
                     (int64_t)UIDS_RESERVED_FIRST);
}

int mailbox_row_get(struct store_account *a, const char *name, struct mailbox_row *box,
                    struct buf *keywords)
{
    int row = mailbox_row_find(a, name, box, keywords);
    if (row != 0)
        return row < 0 ? -1 : 0;
    if (index_begin(&a->index, false) < 0)
        return -1;
    row = mailbox_row_find(a, name, box, keywords);
    if (row == 0)
        row = add_box(a, name);
    if (row < 0) {
        index_rollback(&a->index);
        return -1;
    }
    if (index_commit(&a->index) < 0)
        return -1;
    if (keywords)
        buf_clear(keywords);
    return mailbox_row_find(a, name, box, keywords) == 1 ? 0 : -1;
}

/* The names in order of their bits; "\" stands for a bit not in use. */
static void write_keywords(const struct mailbox_view *v, struct buf *out)
{
    for (int i = 0; i < KEYWORDS_MAX; i++)
        buf_printf(out, "%s%s", i ? " " : "", v->keywords[i] ? v->keywords[i] : "\\");
}

/* A name once given to a bit stays, so that view_keyword's pointers do. */
static void read_keywords(struct mailbox_view *v, struct slice text)
{
    struct slice word;
    for (int i = 0; i < KEYWORDS_MAX && slice_word(&text, &word); i++) {
        if (!v->keywords[i] && !slice_eq_str(word, "\\") && word.n <= KEYWORD_NAME_MAX)
            v->keywords[i] = slice_dup(word);
    }
}

int mailbox_row_save(struct mailbox_view *v)
{
    const struct mailbox_row *b = &v->box;
    struct buf keywords = {0};
    write_keywords(v, &keywords);
    int result = index_run(&v->account->index, ST_MAILBOX_SAVE, "iiiiiisiiiiiiii",
        (int64_t)b->uidvalidity, (int64_t)b->uidnext, (int64_t)b->reserved, (int64_t)b->modseq,
        (int64_t)b->recent, (int64_t)b->floor, buf_str(&keywords), (int64_t)b->messages,
        (int64_t)b->unseen, (int64_t)b->deleted, (int64_t)b->octets, (int64_t)b->deleted_octets,
        b->stamp[0], b->stamp[1], b->id);
    buf_free(&keywords);
    return result;
}

int mailbox_row_delete(struct store_account *a, const struct mailbox_row *box)
{
    struct index *ix = &a->index;
    if (index_run(ix, ST_MESSAGE_DELETE, "ii", MESSAGE_KEY(box, 0),
                  MESSAGE_KEY(box, UINT32_MAX)) < 0 ||
        cache_forget(ix, box, 0, UINT32_MAX) < 0 ||
        index_run(ix, ST_VANISHED_DELETE, "i", box->id) < 0 ||
        index_run(ix, ST_MAILBOX_DELETE, "i", box->id) < 0)
        return -1;
    return 0;
}

/* --- rows --------------------------------------------------------------------------------- */

static struct row read_row(sqlite3_stmt *st)
{
    return (struct row){
        .uid = (uint32_t)sqlite3_column_int64(st, 0),
        .flags = (uint32_t)sqlite3_column_int64(st, 1),
        .keywords = (uint64_t)sqlite3_column_int64(st, 2),
        .modseq = (uint64_t)sqlite3_column_int64(st, 3),
        .size = (uint64_t)sqlite3_column_int64(st, 4),
        .date = sqlite3_column_int64(st, 5),
        .saved = (uint32_t)sqlite3_column_int64(st, 6),
    };
}

static struct slice read_name(sqlite3_stmt *st)
{
    const void *p = sqlite3_column_text(st, 7);
    return slice_of(p, p ? strlen(p) : 0);
}

int view_load(struct mailbox_view *v)
{
    struct index *ix = &v->account->index;
    struct buf keywords = {0};
    int row = mailbox_row_get(v->account, v->name, &v->box, &keywords);
    read_keywords(v, buf_slice(&keywords));
    buf_free(&keywords);
    if (row < 0)
        return -1;
    sqlite3_stmt *st = index_query(ix, ST_MESSAGES, "ii", MESSAGE_KEY(&v->box, 1),
                                   MESSAGE_KEY(&v->box, UINT32_MAX));
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1) {
        struct row r = read_row(st);
        struct slice name = read_name(st);
        if (r.uid >= v->box.uidnext || name.n == 0 || memchr(name.p, '/', name.n)) {
            ix->damaged = true;    /* would be another message's UID, or a file elsewhere */
            errno = ESTALE;
            row = -1;
            break;
        }
        row_add(v, &r, name);
    }
    index_done(st);
    return row;
}

/* --- what other processes did ------------------------------------------------------------- */

static int reload_rows(struct mailbox_view *v, uint64_t since)
{
    struct index *ix = &v->account->index;
    sqlite3_stmt *st = index_query(ix, ST_MESSAGES_SINCE, "iii", MESSAGE_KEY(&v->box, 1),
                                   MESSAGE_KEY(&v->box, UINT32_MAX), (int64_t)since);
    int row;
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1) {
        struct row r = read_row(st), *known = row_by_uid(v, r.uid);
        if (!known && (v->n == 0 || v->v[v->n - 1].uid < r.uid)) {
            row_add(v, &r, read_name(st));
        } else if (known) {
            v->in_new -= (known->flags & ROW_NEW) != 0;
            v->in_new += (r.flags & ROW_NEW) != 0;
            v->unmeasured -= (known->flags & ROW_UNMEASURED) != 0;
            v->unmeasured += (r.flags & ROW_UNMEASURED) != 0;
            row_rename(v, known, read_name(st));
            r.name = known->name;
            *known = r;
        }
    }
    index_done(st);
    return row;
}

/* Sizes do not come with a mod-sequence. */
static int reload_measured(struct mailbox_view *v)
{
    struct index *ix = &v->account->index;
    sqlite3_stmt *st = index_query(ix, ST_MESSAGES, "ii", MESSAGE_KEY(&v->box, 1),
                                   MESSAGE_KEY(&v->box, UINT32_MAX));
    int row;
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1) {
        struct row r = read_row(st), *known = row_by_uid(v, r.uid);
        if (!known || !(known->flags & ROW_UNMEASURED) || (r.flags & ROW_UNMEASURED))
            continue;
        known->flags &= ~(uint32_t)ROW_UNMEASURED;
        known->size = r.size;
        known->date = r.date;
        v->unmeasured--;
    }
    index_done(st);
    return row;
}

static int reload_vanished(struct mailbox_view *v, uint64_t since)
{
    struct index *ix = &v->account->index;
    struct uid_set gone = {0};
    sqlite3_stmt *st = index_query(ix, ST_VANISHED_SINCE, "ii", v->box.id, (int64_t)since);
    int row;
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1)
        uid_set_add(&gone, (uint32_t)sqlite3_column_int64(st, 0),
                    (uint32_t)sqlite3_column_int64(st, 1));
    index_done(st);
    uint32_t *doomed = xreallocarray(NULL, v->n + 1, sizeof *doomed);
    size_t n = 0;
    for (size_t k = 0; k < gone.n; k++) {
        for (size_t i = row_from(v, gone.v[k].first); i < v->n &&
             v->v[i].uid <= gone.v[k].last; i++)
            doomed[n++] = (uint32_t)i;
    }
    rows_remove(v, doomed, n);
    free(doomed);
    uid_set_free(&gone);
    return row;
}

int view_reload(struct mailbox_view *v)
{
    struct mailbox_row now;
    struct buf keywords = {0};
    int row = mailbox_row_find(v->account, v->name, &now, &keywords);
    read_keywords(v, buf_slice(&keywords));
    buf_free(&keywords);
    if (row < 0)
        return -1;
    if (row == 0 || now.id != v->box.id) {
        errno = ESTALE;
        return -1;
    }
    v->stale = false;
    if (now.recent < v->box.recent)
        now.recent = v->box.recent;
    if (v->unmeasured > 0 && now.octets != v->box.octets && reload_measured(v) < 0) {
        v->stale = true;
        return -1;
    }
    if (now.modseq == v->box.modseq && now.uidnext == v->box.uidnext) {
        v->box = now;
        return 0;
    }
    uint64_t since = v->box.modseq;
    v->box = now;
    v->flags_modseq = now.modseq;
    if (reload_rows(v, since) < 0 || reload_vanished(v, since) < 0) {
        v->stale = true;
        v->box.modseq = since;
        return -1;
    }
    return 0;
}

int view_check_index(struct mailbox_view *v)
{
    if (index_changed(&v->account->index)) {
        for (struct mailbox_view *each = v->account->views; each; each = each->next)
            each->stale = true;
    }
    return v->stale ? view_reload(v) : 0;
}

/* --- writing ------------------------------------------------------------------------------ */

static bool must_reserve(const struct mailbox_view *v, uint32_t uids)
{
    return uids > 0 && (uint64_t)v->box.uidnext + uids > v->box.reserved;
}

int view_begin(struct mailbox_view *v, uint32_t uids)
{
    struct index *ix = &v->account->index;
    bool durable;
    if (v->gone) {
        errno = ESTALE;
        return -1;
    }
    do {                           /* another process may have used up what was reserved */
        durable = must_reserve(v, uids);
        if (index_begin(ix, durable) < 0)
            return -1;
        if (view_check_index(v) < 0) {
            index_rollback(ix);
            return -1;
        }
        if (must_reserve(v, uids) && !durable)
            index_rollback(ix);
    } while (must_reserve(v, uids) && !durable);
    uint64_t end = (uint64_t)v->box.uidnext + uids;
    if (end >= UINT32_MAX) {       /* RFC 9051 2.3.1.1: UIDs are 32 bits; only a new UIDVALIDITY helps */
        index_rollback(ix);
        ix->damaged = true;
        errno = ESTALE;
        return -1;
    }
    if (must_reserve(v, uids))
        v->box.reserved = end + UIDS_RESERVED < UINT32_MAX ? (uint32_t)end + UIDS_RESERVED
                                                           : UINT32_MAX;
    return 0;
}

void view_abort(struct mailbox_view *v, const struct mailbox_row *before)
{
    index_rollback(&v->account->index);
    v->box = *before;
    v->stale = v->rescan = true;
}

int view_commit(struct mailbox_view *v, const struct mailbox_row *before)
{
    if (mailbox_row_save(v) == 0 && index_commit(&v->account->index) == 0)
        return 0;
    view_abort(v, before);
    return -1;
}

int view_index_add(struct mailbox_view *v, const struct row *r, struct slice name)
{
    return index_run(&v->account->index, ST_MESSAGE_ADD, "iiiiiiit",
                     MESSAGE_KEY(&v->box, r->uid), (int64_t)r->flags, (int64_t)r->keywords,
                     (int64_t)r->modseq, (int64_t)r->size, r->date, (int64_t)r->saved, name);
}

int view_index_flags(struct mailbox_view *v, const struct row *r)
{
    return index_run(&v->account->index, ST_MESSAGE_FLAGS, "iiii", (int64_t)r->flags,
                     (int64_t)r->keywords, (int64_t)r->modseq, MESSAGE_KEY(&v->box, r->uid));
}

/* The oldest half goes when there are too many: who comes from before then gets a longer answer. */
static int prune_vanished(struct mailbox_view *v)
{
    struct index *ix = &v->account->index;
    sqlite3_stmt *st = index_query(ix, ST_VANISHED_COUNT, "i", v->box.id);
    if (!st)
        return -1;
    int64_t count = index_step(ix, st) == 1 ? sqlite3_column_int64(st, 0) : 0;
    index_done(st);
    if (count <= VANISHED_MAX)
        return 0;
    if (!(st = index_query(ix, ST_VANISHED_NTH, "ii", v->box.id, count - VANISHED_MAX / 2)))
        return -1;
    if (index_step(ix, st) == 1)
        v->box.floor = (uint64_t)sqlite3_column_int64(st, 0);
    index_done(st);
    return index_run(ix, ST_VANISHED_PRUNE, "ii", v->box.id, (int64_t)v->box.floor);
}

static int remove_run(struct mailbox_view *v, uint32_t first, uint32_t last, uint64_t modseq)
{
    struct index *ix = &v->account->index;
    if (index_run(ix, ST_MESSAGE_DELETE, "ii", MESSAGE_KEY(&v->box, first),
                  MESSAGE_KEY(&v->box, last)) < 0 ||
        cache_forget(ix, &v->box, first, last) < 0)
        return -1;
    return index_run(ix, ST_VANISHED_ADD, "iiii", v->box.id, (int64_t)modseq, (int64_t)first,
                     (int64_t)last);
}

int view_index_remove(struct mailbox_view *v, const uint32_t *doomed, size_t n, uint64_t modseq)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;        /* neighbours make one range */
        while (end < n && doomed[end] == doomed[end - 1] + 1)
            end++;
        if (remove_run(v, v->v[doomed[i]].uid, v->v[doomed[end - 1]].uid, modseq) < 0)
            return -1;
        i = end;
    }
    return prune_vanished(v);
}

/* --- counts ------------------------------------------------------------------------------- */

static void count(struct mailbox_row *box, const struct row *r, uint64_t by)
{
    box->messages += by;
    box->octets += by * r->size;
    if (!(r->flags & FLAG_SEEN))
        box->unseen += by;
    if (r->flags & FLAG_DELETED) {
        box->deleted += by;
        box->deleted_octets += by * r->size;
    }
}

void view_count_in(struct mailbox_row *box, const struct row *r)
{
    count(box, r, 1);
}

void view_count_out(struct mailbox_row *box, const struct row *r)
{
    count(box, r, (uint64_t)-1);
}
