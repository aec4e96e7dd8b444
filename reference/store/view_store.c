/* view_store.c - changing flags, and expunging.
 *
 * First the files, then the index, then the rows in memory. A kill after the files: the next
 * sync finds that their names say something else, as if another program had done it. */
#include "base/mem.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>

void session_own(struct view_session *s, uint64_t modseq, const struct uid_set *uids)
{
    size_t at = 0;
    while (at < s->own_count && s->own[at].modseq != modseq)
        at++;
    if (at == s->own_cap) {
        s->own_cap = s->own_cap ? s->own_cap * 2 : 4;
        s->own = xreallocarray(s->own, s->own_cap, sizeof *s->own);
    }
    if (at == s->own_count)
        s->own[s->own_count++] = (struct own_change){.modseq = modseq};
    for (size_t i = 0; i < uids->n; i++)
        uid_set_add(&s->own[at].uids, uids->v[i].first, uids->v[i].last);
}

bool session_knows_change(const struct view_session *s, const struct row *r)
{
    if (r->modseq <= s->told_modseq)
        return true;
    for (size_t i = 0; i < s->own_count; i++) {
        if (s->own[i].modseq == r->modseq && uid_set_has(&s->own[i].uids, r->uid))
            return true;
    }
    return false;
}

void view_told(struct view_session *s, uint32_t seq, uint64_t modseq)
{
    struct uid_set one = {0};
    uint32_t uid = view_uid(s, seq);
    if (modseq <= s->told_modseq || uid == 0)
        return;
    uid_set_add(&one, uid, uid);
    session_own(s, modseq, &one);
    uid_set_free(&one);
}

void session_pick(struct view_session *s, const struct uid_set *uids, struct picked *out)
{
    static const struct uid_range everything = {1, UINT32_MAX};
    struct mailbox_view *v = s->view;
    const struct uid_range *ranges = uids ? uids->v : &everything;
    *out = (struct picked){0};
    for (size_t k = 0; k < (uids ? uids->n : 1); k++) {
        size_t row = row_from(v, ranges[k].first);
        for (uint32_t seq = view_seq_from(s, ranges[k].first);
             seq <= s->told->n && s->told->uid[seq - 1] <= ranges[k].last; seq++) {
            uint32_t uid = s->told->uid[seq - 1];
            while (row < v->n && v->v[row].uid < uid)
                row++;
            if (row == v->n || v->v[row].uid != uid) {
                uid_set_add(&out->missing, uid, uid);
                continue;
            }
            if (out->n == out->cap) {
                out->cap = out->cap ? out->cap * 2 : 16;
                out->rows = xreallocarray(out->rows, out->cap, sizeof *out->rows);
            }
            out->rows[out->n++] = (uint32_t)row;
        }
    }
}

void picked_free(struct picked *p)
{
    free(p->rows);
    uid_set_free(&p->missing);
    *p = (struct picked){0};
}

int session_begin(struct view_session *s, uint32_t uids)
{
    if (s->readonly) {
        errno = EROFS;
        return -1;
    }
    if (view_refresh(s->view, true) < 0)
        return -1;
    return view_begin(s->view, uids);
}

/* --- flags -------------------------------------------------------------------------------- */

struct storing {
    struct view_session *s;
    const struct flags_change *change;
    bool silent;
    struct uid_set *done, *modified, *missing;
    struct uid_set own;            /* that the client need not be told */
    struct row *after;             /* by the index into picked */
    enum written { NOT, ALONE, WITH_OTHERS } *written;     /* how the index gets it, by the same */
};

static void apply_change(const struct flags_change *c, struct row *r)
{
    uint32_t ours = r->flags & ~(uint32_t)FLAGS_ALL;
    switch (c->how) {
    case FLAGS_REPLACE:
        r->flags = ours | (c->flags & FLAGS_ALL);
        r->keywords = c->keywords;
        break;
    case FLAGS_ADD:
        r->flags |= c->flags & FLAGS_ALL;
        r->keywords |= c->keywords;
        break;
    case FLAGS_REMOVE:
        r->flags &= ~(c->flags & FLAGS_ALL);
        r->keywords &= ~c->keywords;
        break;
    }
}

/* 1: changed; 0: it stays as it was; -1. */
static int store_one(struct storing *st, uint32_t row, struct row *after, enum written *written)
{
    struct mailbox_view *v = st->s->view;
    struct row *r = &v->v[row];
    *after = *r;
    if (r->modseq > st->change->unchanged_since) {
        if (st->modified)
            uid_set_add(st->modified, r->uid, r->uid);
        return 0;
    }
    apply_change(st->change, after);
    bool changes = after->flags != r->flags || after->keywords != r->keywords;
    if (changes) {
        uint32_t place = r->flags;
        if (v->source->set_flags(v, r, after->flags, after->keywords) < 0) {
            if (errno != ENOENT)
                return -1;
            if (st->missing)
                uid_set_add(st->missing, r->uid, r->uid);
            return 0;
        }
        after->flags = (after->flags & ROW_FLAGS) | (r->flags & ~(uint32_t)ROW_FLAGS);
        after->name = r->name;
        after->modseq = v->box.modseq;
        *written = place == r->flags ? WITH_OTHERS : ALONE;
        if ((place ^ r->flags) & (ROW_ODD | ROW_NEW) &&
            index_run(&v->account->index, ST_MESSAGE_FILE, "si", row_name(v, r),
                      MESSAGE_KEY(&v->box, r->uid)) < 0)
            return -1;
        view_count_out(&v->box, r);
        view_count_in(&v->box, after);
        if (!st->silent || session_knows_change(st->s, r))
            uid_set_add(&st->own, r->uid, r->uid);
    }
    if (st->done)
        uid_set_add(st->done, r->uid, r->uid);
    return changes;
}

/* Neighbours to which just the same happened. */
static int write_run(struct storing *st, uint32_t first_uid, uint32_t last_uid)
{
    const struct flags_change *c = st->change;
    struct mailbox_view *v = st->s->view;
    int64_t flags = c->flags & FLAGS_ALL, keep = -1, keep_keywords = -1;
    if (c->how == FLAGS_REPLACE) {
        keep = ~(int64_t)FLAGS_ALL;
        keep_keywords = 0;
    } else if (c->how == FLAGS_REMOVE) {
        keep = ~flags;
        keep_keywords = ~(int64_t)c->keywords;
    }
    bool adds = c->how != FLAGS_REMOVE;
    return index_run(&v->account->index, ST_MESSAGES_FLAGS, "iiiiiii", keep, adds ? flags : 0,
                     keep_keywords, adds ? (int64_t)c->keywords : 0, (int64_t)v->box.modseq,
                     MESSAGE_KEY(&v->box, first_uid), MESSAGE_KEY(&v->box, last_uid));
}

/* One statement for a whole run makes the index a small part of the work. */
static int write_index(struct storing *st, const struct picked *p)
{
    int result = 0;
    for (size_t i = 0, end; i < p->n && result == 0; i = end) {
        end = i + 1;
        if (st->written[i] == ALONE)
            result = view_index_flags(st->s->view, &st->after[i]);
        if (st->written[i] != WITH_OTHERS)
            continue;
        while (end < p->n && st->written[end] == WITH_OTHERS && p->rows[end] == p->rows[end - 1] + 1)
            end++;
        result = write_run(st, st->after[i].uid, st->after[end - 1].uid);
    }
    return result;
}

static int store_all(struct storing *st, struct picked *p)
{
    struct mailbox_view *v = st->s->view;
    struct mailbox_row before = v->box;
    int result = 0;
    bool any = false;
    st->after = xreallocarray(NULL, p->n + 1, sizeof *st->after);
    st->written = xcalloc(p->n + 1, sizeof *st->written);
    v->box.modseq++;
    for (size_t i = 0; i < p->n && result >= 0; i++) {
        result = store_one(st, p->rows[i], &st->after[i], &st->written[i]);
        any = any || result == 1;
    }
    if (result >= 0 && any)
        result = write_index(st, p);
    if (result < 0) {
        view_abort(v, &before);
    } else if (!any) {             /* nothing happened, so nothing has a new mod-sequence */
        index_rollback(&v->account->index);
        v->box = before;
        result = 0;
    } else if ((result = view_commit(v, &before)) == 0) {
        for (size_t i = 0; i < p->n; i++) {
            st->after[i].name = v->v[p->rows[i]].name;
            v->v[p->rows[i]] = st->after[i];
        }
        v->flags_modseq = v->box.modseq;
        session_own(st->s, v->box.modseq, &st->own);
        view_wake(v, st->s);
    }
    free(st->after);
    free(st->written);
    return result;
}

int view_store(struct view_session *s, const struct uid_set *uids, const struct flags_change *c,
               bool silent, struct uid_set *done, struct uid_set *modified, struct uid_set *missing)
{
    struct storing st = {s, c, silent, done, modified, missing, {0}, NULL, NULL};
    account_lock(s->view->account);
    int result = session_begin(s, 0);
    if (result == 0) {
        struct picked p;
        session_pick(s, uids, &p);
        view_many(s->view, p.n, true);
        result = store_all(&st, &p);
        view_many(s->view, p.n, false);
        for (size_t i = 0; missing && i < p.missing.n; i++)
            uid_set_add(missing, p.missing.v[i].first, p.missing.v[i].last);
        picked_free(&p);
    }
    int error = errno;
    account_unlock(s->view->account);
    uid_set_free(&st.own);
    errno = error;
    return result;
}

/* --- expunge ------------------------------------------------------------------------------ */

int view_remove_rows(struct mailbox_view *v, const uint32_t *rows, size_t n, uint64_t modseq)
{
    for (size_t i = 0; i < n; i++)
        view_count_out(&v->box, &v->v[rows[i]]);
    return view_index_remove(v, rows, n, modseq);
}

static int expunge(struct view_session *s, struct picked *p)
{
    struct mailbox_view *v = s->view;
    struct mailbox_row before = v->box;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (v->v[p->rows[i]].flags & FLAG_DELETED)
            p->rows[n++] = p->rows[i];
    }
    int error = n > 0 && v->source->remove(v, p->rows, &n) < 0 ? errno : 0;
    if (n == 0) {
        index_rollback(&v->account->index);
    } else {
        v->box.modseq++;
        if (view_remove_rows(v, p->rows, n, v->box.modseq) < 0) {
            view_abort(v, &before);
            return -1;
        }
        if (view_commit(v, &before) < 0)
            return -1;
        rows_remove(v, p->rows, n);
        view_wake(v, s);
    }
    errno = error;
    return error ? -1 : 0;
}

int view_expunge(struct view_session *s, const struct uid_set *uids)
{
    account_lock(s->view->account);
    int result = view_measure_for_others(s);
    if (result == 0)
        result = session_begin(s, 0);
    if (result == 0) {
        struct picked p;
        session_pick(s, uids, &p);
        size_t n = p.n;
        view_many(s->view, n, true);
        result = expunge(s, &p);
        int error = errno;
        view_many(s->view, n, false);
        picked_free(&p);
        errno = error;
    }
    int error = errno;
    account_unlock(s->view->account);
    errno = error;
    return result;
}

/* --- what is gone (RFC 7162 3.2.6) -------------------------------------------------------- */

static int logged(struct mailbox_view *v, uint64_t since, struct uid_set *out)
{
    struct index *ix = &v->account->index;
    sqlite3_stmt *st = index_query(ix, ST_VANISHED_SINCE, "ii", v->box.id, (int64_t)since);
    int row;
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1)
        uid_set_add(out, (uint32_t)sqlite3_column_int64(st, 0),
                    (uint32_t)sqlite3_column_int64(st, 1));
    index_done(st);
    return row;
}

/* Adds what of from..to is in `known`. */
static void add_known(struct uid_set *out, const struct uid_set *known, uint32_t from, uint32_t to)
{
    if (!known) {
        uid_set_add(out, from, to);
        return;
    }
    for (size_t i = 0; i < known->n; i++) {
        uint32_t first = known->v[i].first > from ? known->v[i].first : from;
        uint32_t last = known->v[i].last < to ? known->v[i].last : to;
        if (first <= last)
            uid_set_add(out, first, last);
    }
}

int view_vanished(struct view_session *s, uint64_t since, const struct uid_set *known,
                  struct uid_set *out)
{
    struct mailbox_view *v = s->view;
    struct uid_set gone = {0};
    int result = 0;
    account_lock(v->account);
    if (since < v->box.floor && v->box.uidnext > 1)
        uid_set_add(&gone, 1, v->box.uidnext - 1);
    else if (since >= v->box.floor)
        result = logged(v, since, &gone);
    for (size_t i = 0; i < gone.n; i++) {
        uint32_t next = gone.v[i].first;   /* what lies between the messages that are there */
        for (uint32_t seq = view_seq_from(s, next);; seq++) {
            uint32_t uid = view_uid(s, seq);
            uint32_t end = uid == 0 || uid > gone.v[i].last ? gone.v[i].last : uid - 1;
            if (end >= next)
                add_known(out, known, next, end);
            if (uid == 0 || uid >= gone.v[i].last)
                break;
            next = uid + 1;
        }
    }
    account_unlock(v->account);
    uid_set_free(&gone);
    return result;
}
