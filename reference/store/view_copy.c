/* view_copy.c - COPY and MOVE within an account: all messages or none.
 *
 * A kill in the middle of a COPY can leave some copies, which the next sync finds as new
 * messages; the client was told nothing. In a MOVE each message is in one of the two mailboxes
 * at any time. */
#include "base/mem.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>

struct copying {
    struct view_session *s;
    struct mailbox_view *from, *to;
    bool move;
    struct picked picked;
    struct found *made;            /* by the index into picked.rows */
    size_t n;                      /* made and in the index so far */
    int bits[KEYWORDS_MAX];        /* of the destination; -1: no such keyword there */
    uint32_t first_uid;
};

void view_copied_free(struct view_copied *c)
{
    uid_set_free(&c->from);
    uid_set_free(&c->to);
    *c = (struct view_copied){0};
}

/* The destination gets the keywords that it lacks, as far as it has room. */
static void map_keywords(struct copying *c)
{
    uint64_t used = 0;
    for (size_t i = 0; i < c->picked.n; i++)
        used |= c->from->v[c->picked.rows[i]].keywords;
    for (int i = 0; i < KEYWORDS_MAX; i++) {
        const char *name = c->from->keywords[i];
        c->bits[i] = i;
        if (c->from != c->to)
            c->bits[i] = name && (used & 1ull << i) ? view_keyword_make(c->to, slice_str(name))
                : -1;
    }
}

static uint64_t mapped(const struct copying *c, uint64_t keywords)
{
    uint64_t result = 0;
    for (int i = 0; i < KEYWORDS_MAX; i++) {
        if ((keywords & 1ull << i) && c->bits[i] >= 0)
            result |= 1ull << c->bits[i];
    }
    return result;
}

static struct row new_row(const struct copying *c, size_t i)
{
    const struct found *f = &c->made[i];
    return (struct row){
        .uid = c->first_uid + (uint32_t)i, .flags = f->flags, .keywords = f->keywords,
        .modseq = c->to->box.modseq, .size = f->size, .date = f->date, .saved = (uint32_t)f->saved,
    };
}

static int copy_one(struct copying *c, size_t i)
{
    struct row *r = &c->from->v[c->picked.rows[i]];
    struct found *f = &c->made[i];
    *f = (struct found){.flags = r->flags & (ROW_FLAGS | ROW_UNMEASURED),
                        .keywords = mapped(c, r->keywords), .size = r->size, .date = r->date};
    if (c->from->source->copy(c->from, r, c->to, c->move, f) < 0)
        return -1;
    c->n++;
    struct row made = new_row(c, i);
    if (view_index_add(c->to, &made, slice_str(f->name)) < 0)
        return -1;
    view_count_in(&c->to->box, &made);
    return 0;
}

/* Neighbours at once. */
static int copy_cached(struct copying *c)
{
    const struct row *rows = c->from->v;
    int result = 0;
    for (size_t i = 0, end; i < c->n && result == 0; i = end) {
        uint32_t first = rows[c->picked.rows[i]].uid;
        for (end = i + 1; end < c->n && rows[c->picked.rows[end]].uid == first + (end - i);)
            end++;
        result = cache_copy(&c->to->account->index, &c->from->box, first,
                            first + (uint32_t)(end - i) - 1, &c->to->box,
                            c->first_uid + (uint32_t)i);
    }
    return result;
}

static void undo(struct copying *c)
{
    int error = errno;
    for (size_t i = 0; i < c->n; i++)
        c->from->source->uncopy(c->from, &c->from->v[c->picked.rows[i]], c->to, c->move,
                                &c->made[i]);
    c->n = 0;
    errno = error;
}

/* Messages that are gone from the disk are left out: the next sync tells. */
static void leave_out(struct copying *c, size_t i)
{
    memmove(c->picked.rows + i, c->picked.rows + i + 1,
            (c->picked.n - i - 1) * sizeof *c->picked.rows);
    c->picked.n--;
}

static int copy_all(struct copying *c)
{
    struct mailbox_view *from = c->from, *to = c->to;
    struct mailbox_row before_from = from->box, before_to = to->box;
    int result = 0;
    c->first_uid = to->box.uidnext;
    to->box.modseq++;
    for (size_t i = 0; i < c->picked.n && result == 0;) {
        result = copy_one(c, i);
        if (result < 0 && errno == ENOENT && c->n == i) {
            leave_out(c, i);
            result = 0;
        } else {
            i++;
        }
    }
    to->box.uidnext += (uint32_t)c->n;
    if (result == 0)
        result = copy_cached(c);
    if (result == 0 && c->move && from->source->drop)
        result = from->source->drop(from, c->picked.rows, c->picked.n);
    if (result == 0 && c->move) {
        if (from != to)
            from->box.modseq++;
        result = view_remove_rows(from, c->picked.rows, c->picked.n, from->box.modseq);
    }
    if (result == 0 && to->mark)
        result = unfinished_over(to, to->mark);
    if (result == 0 && from != to)
        result = mailbox_row_save(from);
    if (result == 0 && view_commit(to, &before_to) == 0)
        return 0;
    undo(c);
    view_abort(to, &before_to);
    view_abort(from, &before_from);
    return -1;
}

static void apply(struct copying *c, struct view_copied *out)
{
    struct mailbox_view *from = c->from, *to = c->to;
    out->uidvalidity = to->box.uidvalidity;
    for (size_t i = 0; i < c->n; i++) {
        uid_set_push(&out->from, from->v[c->picked.rows[i]].uid);
        uid_set_push(&out->to, c->first_uid + (uint32_t)i);
    }
    if (c->move)
        rows_remove(from, c->picked.rows, c->picked.n);
    for (size_t i = 0; i < c->n; i++) {
        struct row r = new_row(c, i);
        row_add(to, &r, slice_str(c->made[i].name));
    }
    if (c->n > 0) {
        view_wake(to, NULL);
        if (c->move)
            view_wake(from, c->s);
    }
}

static int over_quota(const struct copying *c)
{
    uint64_t octets = 0;
    for (size_t i = 0; i < c->picked.n; i++)
        octets += c->from->v[c->picked.rows[i]].size;
    return account_check_quota(c->from->account, octets, c->picked.n);
}

/* Both views up to date and in one transaction. */
static int begin(struct copying *c, const struct uid_set *uids)
{
    if (view_refresh(c->from, !c->s->readonly) < 0)
        return -1;
    if (c->move && view_measure_for_others(c->s) < 0)
        return -1;
    session_pick(c->s, uids, &c->picked);
    map_keywords(c);
    if (!c->move && over_quota(c) < 0)
        return -1;
    if (!c->move && c->picked.n > 1 && c->to->source == &maildir_source &&
        unfinished_note(c->to, &c->to->mark) < 0)
        return -1;
    if (view_begin(c->to, (uint32_t)c->picked.n) < 0)
        return -1;
    if (view_check_index(c->from) < 0) {
        index_rollback(&c->from->account->index);
        return -1;
    }
    picked_free(&c->picked);       /* another process may have changed the rows meanwhile */
    session_pick(c->s, uids, &c->picked);
    return 0;
}

int view_copy(struct view_session *s, const struct uid_set *uids, const char *dest, bool move,
              struct view_copied *out)
{
    struct store_account *a = s->view->account;
    char *clean = folder_name_clean(slice_str(dest));
    *out = (struct view_copied){0};
    if (!clean)
        return -1;
    account_lock(a);
    struct copying c = {.s = s, .from = s->view, .move = move};
    int result = -1, error = EROFS;
    if (!move || !s->readonly) {
        c.to = view_pin(a, clean);
        error = errno;
    }
    if (c.to) {
        result = begin(&c, uids);
        if (result == 0) {
            c.made = xcalloc(c.picked.n + 1, sizeof *c.made);
            size_t n = c.picked.n;
            view_many(c.from, n, true);
            view_many(c.to, n, true);
            result = copy_all(&c);
            int failed = errno;
            view_many(c.from, n, false);
            view_many(c.to, n, false);
            errno = failed;
        }
        if (result == 0)
            apply(&c, out);
        if (result == 0 && c.n > 0)
            result = c.to->source->sync(c.to);
        error = errno;
        for (size_t i = 0; c.made && i < c.n; i++)
            free(c.made[i].name);
        free(c.made);
        picked_free(&c.picked);
        c.to->mark = 0;
        view_unpin(c.to);
    }
    account_unlock(a);
    free(clean);
    errno = error;
    return result;
}
