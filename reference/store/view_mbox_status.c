/* view_mbox_status.c - writing the status fields of an mbox that belongs to a view, and removing messages
 * from it. */
#include "base/mem.h"
#include "reference/store/rewrite.h"
#include "reference/store/view_mbox.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* --- status fields ------------------------------------------------------------------------ */

void mbox_add_status(const struct mailbox_view *v, struct mbox_status status, uint64_t keywords,
                       size_t octets, struct buf *out)
{
    struct buf words = {0};
    for (int i = 0; i < KEYWORDS_MAX; i++) {
        if ((keywords & 1ull << i) && v->keywords[i])
            buf_printf(&words, "%s%s", words.len ? " " : "", v->keywords[i]);
    }
    status.keywords = buf_slice(&words);
    mbox_status_add(out, &status, octets);
    buf_free(&words);
}

static bool is_late(const struct row *r)
{
    return ((r->flags ^ r->flags >> ROW_SEEN_SHIFT) & FLAGS_ALL) || (r->flags & ROW_KEYWORDS_LATE);
}

struct edits {
    bool *goes;                    /* by the list's index */
    struct buf *status;            /* len 0: stays as it is */
    bool in_place;                 /* the new fields are as long as the old ones */
    size_t count;
    struct mbox_base base;         /* as it is written anew; validity 0: it is not */
};

/* Are X-UID and X-IMAPbase ours to write? Where another program has numbered the messages before we knew
 * the mailbox, its numbers are kept as they are. */
static bool numbers_are_ours(const struct mailbox_view *v)
{
    uint32_t validity = v->mbox->list.base.validity;
    return validity == 0 || validity == v->box.uidvalidity;
}

/* So many UIDs were given since X-IMAPbase was written that the loss of the index would leave some of
 * them unknown (view_mbox.c). */
static bool is_base_old(const struct mailbox_view *v)
{
    const struct mbox_base *base = &v->mbox->list.base;
    return base->validity == v->box.uidvalidity &&
           (uint64_t)base->last + MBOX_UIDS_LEFT_OUT / 2 < v->box.uidnext;
}

static bool any_late(const struct mailbox_view *v)
{
    bool late = false;
    for (size_t i = 0; i < v->n && !late; i++)
        late = is_late(&v->v[i]);
    return late;
}

/* What is to be written for the rows whose flags the file has not yet, but not over what another
 * program wrote there meanwhile. X-IMAPbase stands in the first message that stays. */
static void collect(struct mailbox_view *v, struct edits *e)
{
    struct mbox_state *m = v->mbox;
    bool ours = numbers_are_ours(v), first = true, numbered = m->list.base.validity > 0;
    bool late = any_late(v);
    e->status = xcalloc(m->list.n + 1, sizeof *e->status);
    e->in_place = true;
    for (size_t i = 0; i < m->list.n; i++) {
        const struct message *msg = &m->list.v[i];
        const struct row *r = m->uids[i] ? row_by_uid(v, m->uids[i]) : NULL;
        if (e->goes && e->goes[i])
            continue;
        bool base = first && (numbered ? i > 0 || is_base_old(v) : late);
        struct mbox_status status = {.uid = ours && r ? r->uid : msg->written_uid};
        if (first && (numbered || late))
            status.base = ours ? (struct mbox_base){v->box.uidvalidity, v->box.uidnext - 1, true}
                               : m->list.base;
        first = false;
        if (!r || !(base || is_late(r)) ||
            msg->flags != ((r->flags >> ROW_SEEN_SHIFT) & FLAGS_ALL))
            continue;
        status.flags = r->flags;
        if (status.base.validity > 0)
            e->base = status.base;
        mbox_add_status(v, status, r->keywords, (size_t)msg->status_octets, &e->status[i]);
        e->in_place = e->in_place && !msg->scattered &&
                      (int64_t)e->status[i].len == msg->status_octets;
        e->count++;
    }
}

static int write_in_place(struct mbox_state *m, struct mbox_lock *lock, const struct edits *e)
{
    for (size_t i = 0; i < m->list.n; i++) {
        const struct buf *b = &e->status[i];
        if (b->len > 0 && pwrite(lock->fd, b->data, b->len, m->list.v[i].text) != (ssize_t)b->len)
            return -1;
    }
    return sync_fd(&m->place, lock->fd);
}

static int write_anew(struct mbox_state *m, struct mbox_lock *lock, const struct edits *e)
{
    struct slice *status = xcalloc(m->list.n + 1, sizeof *status);
    for (size_t i = 0; i < m->list.n; i++)
        status[i] = buf_slice(&e->status[i]);
    int result = mbox_rewrite(&m->place, lock, &m->list, e->goes, status);
    int error = errno;
    free(status);
    errno = error;
    return result;
}

/* The list follows what was written. */
static void follow(struct mailbox_view *v, struct mbox_lock *lock, const struct edits *e)
{
    struct mbox_state *m = v->mbox;
    int64_t shift = 0;
    size_t kept = 0;
    for (size_t i = 0; i < m->list.n; i++) {
        struct message msg = m->list.v[i];
        const struct row *r = m->uids[i] ? row_by_uid(v, m->uids[i]) : NULL;
        int64_t longer = e->status[i].len > 0 ? (int64_t)e->status[i].len - msg.status_octets : 0;
        if (e->goes && e->goes[i]) {
            shift -= msg.next - msg.start;
            free(msg.uid);
            free(msg.keywords);
            continue;
        }
        msg.start += shift;
        msg.text += shift;
        shift += longer;
        msg.text_end += shift;
        msg.next += shift;
        if (e->status[i].len > 0) {
            msg.status_octets += longer;
            msg.scattered = false;
            msg.written_uid = numbers_are_ours(v) ? m->uids[i] : msg.written_uid;
            msg.flags = r ? r->flags & FLAGS_ALL : msg.flags;
        }
        m->uids[kept] = m->uids[i];
        m->list.v[kept++] = msg;
    }
    if (e->base.validity > 0 || (e->goes && e->goes[0]))
        m->list.base = e->base;
    m->list.n = kept;
    m->valid = fstat(lock->fd, &m->seen) == 0;
    m->trusted = false;            /* another may change it in the same tick */
}

static int note_written(struct mailbox_view *v, const struct edits *e)
{
    struct mbox_state *m = v->mbox;
    for (size_t i = 0; i < m->list.n; i++) {
        struct row *r = e->status[i].len > 0 ? row_by_uid(v, m->uids[i]) : NULL;
        if (!r)
            continue;
        r->flags &= ~(uint32_t)(ROW_SEEN | ROW_KEYWORDS_LATE);
        r->flags |= (r->flags & FLAGS_ALL) << ROW_SEEN_SHIFT;
        if (view_index_flags(v, r) < 0)
            return -1;
    }
    return 0;
}

/* In a transaction, the file locked and looked at. Frees what is in e. */
static int write_edits(struct mailbox_view *v, struct mbox_lock *lock, struct edits *e)
{
    size_t n = v->mbox->list.n;
    collect(v, e);
    int result = e->in_place && !e->goes ? write_in_place(v->mbox, lock, e)
                                         : write_anew(v->mbox, lock, e);
    if (result == 0) {
        result = note_written(v, e);
        follow(v, lock, e);
    }
    int error = errno;
    for (size_t i = 0; i < n; i++)
        buf_free(&e->status[i]);
    free(e->status);
    free(e->goes);
    errno = error;
    return result;
}

void mbox_settle(struct mailbox_view *v)
{
    struct mbox_state *m = mbox_state(v);
    struct mbox_lock lock;
    if (!(any_late(v) || is_base_old(v)) || v->account->index.damaged ||
        mbox_lock(&lock, &m->place, false, MBOX_SCAN_WAIT_MS) < 0)
        return;                    /* what is not written stays in the index */
    if (mbox_look(v, &lock) == 0 && view_begin(v, 0) == 0) {
        struct mailbox_row before = v->box;
        struct edits e = {0};
        if (write_edits(v, &lock, &e) < 0)
            view_abort(v, &before);
        else
            view_commit(v, &before);
    }
    mbox_unlock(&lock, NULL);
}

/* --- removing ----------------------------------------------------------------------------- */

int mbox_drop(struct mailbox_view *v, const uint32_t *rows, size_t n)
{
    struct mbox_state *m = mbox_state(v);
    struct mbox_lock lock;
    if (mbox_lock(&lock, &m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return errno == ENOENT ? 0 : -1;
    struct edits e = {0};
    int result = mbox_look(v, &lock);
    if (result == 0) {
        e.goes = xcalloc(m->list.n + 1, sizeof *e.goes);
        for (size_t i = 0; i < n; i++) {
            const struct message *msg = mbox_message(v, v->v[rows[i]].uid);
            if (msg)
                e.goes[msg - m->list.v] = true;
        }
        result = write_edits(v, &lock, &e);
    }
    int error = errno;
    mbox_unlock(&lock, NULL);
    errno = error;
    return result;
}

int mbox_remove_rows(struct mailbox_view *v, uint32_t *rows, size_t *n)
{
    int result = mbox_drop(v, rows, *n);
    if (result < 0)
        *n = 0;
    return result;
}
