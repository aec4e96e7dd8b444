/* view_sync.c - first the view is brought up to the disk and the index, then the session to the
 * view. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* How often others may come between us and a transaction. */
#define TRIES_MAX 5
/* A UID of the source's own may be so far from the last: one that a stranger put into a message must not
 * use them all up. */
#define UID_LEAP_MAX 1000000

void scan_free(struct scan *s)
{
    for (size_t i = 0; i < s->added_count; i++)
        free(s->added[i].name);
    for (size_t i = 0; i < s->changed_count; i++)
        free(s->changed[i].odd);
    free(s->added);
    free(s->changed);
    free(s->removed);
    *s = (struct scan){0};
}

/* The array with room for one more. */
static void *room(void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    *cap = *cap ? *cap * 2 : 16;
    return xreallocarray(v, *cap, size);
}

struct found *scan_note_added(struct scan *s, const char *name)
{
    s->added = room(s->added, s->added_count, &s->added_cap, sizeof *s->added);
    s->added[s->added_count] = (struct found){.name = xstrdup(name)};
    return &s->added[s->added_count++];
}

struct found_change *scan_note_changed(struct scan *s, uint32_t row, uint32_t flags,
                                       uint64_t keywords)
{
    s->changed = room(s->changed, s->changed_count, &s->changed_cap, sizeof *s->changed);
    s->changed[s->changed_count] = (struct found_change){row, flags, keywords, NULL};
    return &s->changed[s->changed_count++];
}

void scan_note_removed(struct scan *s, uint32_t row)
{
    s->removed = room(s->removed, s->removed_count, &s->removed_cap, sizeof *s->removed);
    s->removed[s->removed_count++] = row;
}

/* --- disk to view ------------------------------------------------------------------------- */

static struct slice kept_name(const struct found *f)
{
    return f->flags & (ROW_ODD | ROW_NEW) ? slice_str(f->name) : maildir_base(f->name);
}

static struct row row_of(const struct mailbox_view *v, const struct found *f, uint32_t uid)
{
    return (struct row){
        .uid = uid, .flags = f->flags, .keywords = f->keywords, .modseq = v->box.modseq,
        .size = f->size, .date = f->date,
        .saved = f->saved < 0 || f->saved > UINT32_MAX ? 0 : (uint32_t)f->saved,
    };
}

static bool is_visible(const struct row *r, const struct found_change *c)
{
    return ((r->flags ^ c->flags) & FLAGS_ALL) != 0 || r->keywords != c->keywords;
}

static struct row changed_row(const struct mailbox_view *v, const struct found_change *c)
{
    struct row r = v->v[c->row];
    if (is_visible(&r, c))
        r.modseq = v->box.modseq;
    r.flags = c->flags;
    r.keywords = c->keywords;
    return r;
}

static int write_changed(struct mailbox_view *v, const struct scan *scan)
{
    for (size_t i = 0; i < scan->changed_count; i++) {
        const struct found_change *c = &scan->changed[i];
        const struct row *old = &v->v[c->row];
        struct row r = changed_row(v, c);
        struct slice base = maildir_base(row_name(v, old));
        char *name = c->odd ? xstrdup(c->odd) : slice_dup(base);
        int result = 0;
        if (strcmp(name, row_name(v, old)) != 0)
            result = index_run(&v->account->index, ST_MESSAGE_FILE, "si", name,
                               MESSAGE_KEY(&v->box, r.uid));
        free(name);
        if (result < 0 || view_index_flags(v, &r) < 0)
            return -1;
        view_count_out(&v->box, old);
        view_count_in(&v->box, &r);
    }
    return 0;
}

/* The UIDs of what was added: those that it has in the source, where they go on from the last. Returns
 * the next. */
static uint64_t choose_uids(const struct mailbox_view *v, struct scan *scan)
{
    uint64_t next = v->box.uidnext;
    for (size_t i = 0; i < scan->added_count; i++) {
        struct found *f = &scan->added[i];
        bool too_far = f->uid > next + UID_LEAP_MAX && f->uid >= scan->uidnext;
        if (f->uid < next || too_far)
            f->uid = (uint32_t)(next = next < scan->uidnext ? scan->uidnext : next);
        next = (uint64_t)f->uid + 1;
    }
    return next < scan->uidnext ? scan->uidnext : next;
}

static int write_added(struct mailbox_view *v, struct scan *scan, bool writer)
{
    size_t kept = 0;
    for (size_t i = 0; i < scan->added_count; i++) {
        struct found *f = &scan->added[i];
        if (writer && (f->flags & ROW_NEW) && v->source->take(v, f) < 0 && errno == ENOENT) {
            free(f->name);         /* another was faster; it comes again under its new name */
            continue;
        }
        struct row r = row_of(v, f, f->uid);
        if (view_index_add(v, &r, kept_name(f)) < 0) {
            memmove(scan->added + kept, f, (scan->added_count - i) * sizeof *f);
            scan->added_count -= i - kept;
            return -1;
        }
        view_count_in(&v->box, &r);
        scan->added[kept++] = *f;
    }
    scan->added_count = kept;
    return 0;
}

/* The rows in memory follow when all is in the index. */
static void apply(struct mailbox_view *v, const struct scan *scan)
{
    if (scan->changed_count > 0)
        v->flags_modseq = v->box.modseq;
    for (size_t i = 0; i < scan->changed_count; i++) {
        const struct found_change *c = &scan->changed[i];
        struct row *old = &v->v[c->row], r = changed_row(v, c);
        v->in_new -= (old->flags & ROW_NEW) != 0;
        v->in_new += (r.flags & ROW_NEW) != 0;
        *old = r;
        row_rename(v, old, c->odd ? slice_str(c->odd) : maildir_base(row_name(v, old)));
    }
    rows_remove(v, scan->removed, scan->removed_count);
    for (size_t i = 0; i < scan->added_count; i++) {
        struct row r = row_of(v, &scan->added[i], scan->added[i].uid);
        row_add(v, &r, kept_name(&scan->added[i]));
    }
}

/* 1: somebody else changed the index in between, look again. */
static int keep_scan(struct mailbox_view *v, struct scan *scan, bool writer)
{
    uint64_t generation = v->generation, modseq = v->box.modseq;
    uint64_t uidnext = choose_uids(v, scan);
    if (uidnext > UINT32_MAX)
        uidnext = UINT32_MAX;
    if (view_begin(v, (uint32_t)uidnext - v->box.uidnext) < 0)
        return -1;
    if (generation != v->generation || modseq != v->box.modseq) {
        index_rollback(&v->account->index);
        v->stale = true;           /* UIDs that view_begin reserved are not */
        return 1;
    }
    struct mailbox_row before = v->box;
    v->box.modseq++;
    if (scan->uidvalidity > 0)
        v->box.uidvalidity = scan->uidvalidity;
    if (unfinished_remove(v, scan) < 0 || write_changed(v, scan) < 0 ||
        write_added(v, scan, writer) < 0 ||
        view_remove_rows(v, scan->removed, scan->removed_count, v->box.modseq) < 0) {
        view_abort(v, &before);
        return -1;
    }
    v->box.uidnext = (uint32_t)uidnext;
    memcpy(v->box.stamp, scan->stamp, sizeof v->box.stamp);
    if (view_commit(v, &before) < 0)
        return -1;
    apply(v, scan);
    return 0;
}

/* Messages that were left in new/ by sessions that may change nothing. */
static int take_rows(struct mailbox_view *v)
{
    uint64_t generation = v->generation;
    if (view_begin(v, 0) < 0)
        return -1;
    struct mailbox_row before = v->box;
    for (size_t i = 0; v->in_new > 0 && i < v->n && generation == v->generation; i++) {
        struct row *r = &v->v[i];
        if (!(r->flags & ROW_NEW))
            continue;
        if (v->source->set_flags(v, r, r->flags, r->keywords) < 0)
            continue;              /* gone: the next scan says so */
        if (view_index_flags(v, r) < 0 ||
            index_run(&v->account->index, ST_MESSAGE_FILE, "si", row_name(v, r),
                      MESSAGE_KEY(&v->box, r->uid)) < 0) {
            view_abort(v, &before);
            return -1;
        }
    }
    return view_commit(v, &before);
}

int view_refresh(struct mailbox_view *v, bool writer)
{
    uint64_t modseq = v->box.modseq, generation = v->generation;
    int again = 1;
    v->account->used = mono_ms();
    for (int tries = 0; again == 1 && tries < TRIES_MAX; tries++) {
        struct scan scan = {0};
        again = v->gone || view_check_index(v) < 0 ? -1 : 0;
        if (v->gone)
            errno = ESTALE;
        int found = again == 0 ? v->source->scan(v, &scan) : -1;
        if (found < 0)
            again = -1;
        else if (found > 0 && scan.added_count + scan.changed_count + scan.removed_count > 0)
            again = keep_scan(v, &scan, writer);
        if (found > 0 && again == 0)
            v->rescan = false;
        int error = errno;
        scan_free(&scan);
        errno = error;
    }
    if (again == 1)
        errno = EAGAIN;
    if (again == 0 && writer && v->in_new > 0)
        again = take_rows(v);
    if (again == 0 && v->unmeasured > 0 && account_counts_octets(v->account))
        again = view_measure_all(v);
    if (again != 0) {
        if (errno == ESTALE && !v->gone)
            view_detach(v);
        return -1;
    }
    if (modseq != v->box.modseq || generation != v->generation)
        view_wake(v, NULL);
    return 0;
}

/* --- view to session ---------------------------------------------------------------------- */

static void list_expunged(struct view_session *s, struct view_changes *out)
{
    const struct mailbox_view *v = s->view;
    uint32_t *seqs = xreallocarray(NULL, s->told->n + 1, sizeof *seqs);
    size_t n = 0, row = 0;
    for (uint32_t i = 0; i < s->told->n; i++) {
        while (row < v->n && v->v[row].uid < s->told->uid[i])
            row++;
        if (row < v->n && v->v[row].uid == s->told->uid[i])
            continue;
        seqs[n++] = i + 1;
        uid_set_add(&out->vanished, s->told->uid[i], s->told->uid[i]);
    }
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t swap = seqs[i];
        seqs[i] = seqs[n - 1 - i];
        seqs[n - 1 - i] = swap;
    }
    out->expunged = seqs;
    out->expunged_count = n;
}

/* The old picture and what came after it. */
static struct snapshot *longer_picture(const struct view_session *s)
{
    const struct mailbox_view *v = s->view;
    uint32_t old = s->told->n, last = old > 0 ? s->told->uid[old - 1] : 0;
    size_t from = row_from(v, last + 1);
    struct snapshot *all = xmalloc(sizeof *all + (old + v->n - from) * sizeof(uint32_t));
    all->refs = 1;
    all->n = old + (uint32_t)(v->n - from);
    memcpy(all->uid, s->told->uid, old * sizeof(uint32_t));
    for (size_t i = from; i < v->n; i++)
        all->uid[old + i - from] = v->v[i].uid;
    return all;
}

/* Messages up to old_last, that the client knew, with flags that it does not know. */
static void list_changed(struct view_session *s, uint32_t old_last, struct view_changes *out)
{
    const struct mailbox_view *v = s->view;
    size_t row = 0, cap = 0;
    for (uint32_t i = 0; i < s->told->n && s->told->uid[i] <= old_last; i++) {
        while (row < v->n && v->v[row].uid < s->told->uid[i])
            row++;
        if (row == v->n || v->v[row].uid != s->told->uid[i] ||
            session_knows_change(s, &v->v[row]))
            continue;
        if (out->changed_count == cap) {
            cap = cap ? cap * 2 : 16;
            out->changed = xreallocarray(out->changed, cap, sizeof *out->changed);
        }
        out->changed[out->changed_count++] = i + 1;
    }
}

static uint32_t count_told(const struct view_session *s, const struct uid_set *set)
{
    uint32_t count = 0;
    for (size_t i = 0; i < set->n; i++) {
        uint32_t from = view_seq_from(s, set->v[i].first);
        uint32_t to = set->v[i].last == UINT32_MAX ? s->told->n + 1
                                                   : view_seq_from(s, set->v[i].last + 1);
        count += to - from;
    }
    return count;
}

/* RFC 3501 2.3.2: the first session that may change the mailbox is told of a message as recent; one
 * that may not is told, but leaves it to the next. */
static void take_recent(struct view_session *s)
{
    struct mailbox_view *v = s->view;
    if (v->box.recent >= v->box.uidnext)
        return;
    uid_set_add(&s->recent, v->box.recent, v->box.uidnext - 1);
    if (s->readonly)
        return;
    v->box.recent = v->box.uidnext;
    index_run(&v->account->index, ST_MAILBOX_RECENT, "ii", (int64_t)v->box.recent, v->box.id);
}

void session_update(struct view_session *s, bool allow_expunge, struct view_changes *out)
{
    struct mailbox_view *v = s->view;
    uint32_t old = s->told->n, old_last = old > 0 ? s->told->uid[old - 1] : 0;
    if (s->generation != v->generation) {
        if (allow_expunge)
            list_expunged(s, out);
        struct snapshot *now = allow_expunge ? view_snapshot(v) : longer_picture(s);
        snapshot_release(s->told);
        s->told = now;
        if (allow_expunge)
            s->generation = v->generation;
    }
    out->exists_changed = s->told->n > 0 && s->told->uid[s->told->n - 1] > old_last;
    if (v->flags_modseq > s->told_modseq)
        list_changed(s, old_last, out);
    s->told_modseq = v->box.modseq;
    s->uidnext_told = v->box.uidnext;
    for (size_t i = 0; i < s->own_count; i++)
        uid_set_free(&s->own[i].uids);
    s->own_count = 0;
    take_recent(s);
    s->recent_count = count_told(s, &s->recent);
    unsigned keywords = keywords_in_use(v);
    out->keywords_changed = keywords != s->keywords_told;
    s->keywords_told = keywords;
    out->exists = s->told->n;
    out->recent = s->recent_count;
    ghosts_drop(v);
}

int view_sync(struct view_session *s, bool allow_expunge, struct view_changes *out)
{
    struct mailbox_view *v = s->view;
    uint64_t count;
    *out = (struct view_changes){0};
    if (s->wake_fd >= 0 && read(s->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return -1;
    account_lock(v->account);
    int result = view_refresh(v, !s->readonly);
    int error = errno;
    if (v->gone) {
        out->gone = true;
        result = 0;
    } else if (result == 0) {
        session_update(s, allow_expunge, out);
    }
    account_unlock(v->account);
    errno = error;
    return result;
}

void view_changes_free(struct view_changes *c)
{
    free(c->expunged);
    free(c->changed);
    uid_set_free(&c->vanished);
    *c = (struct view_changes){0};
}
