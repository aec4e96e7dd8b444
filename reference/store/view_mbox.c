/* view_mbox.c - an mbox as the source of a view.
 *
 * A message is known by a digest of it (mbox.c), so other programs may move messages about;
 * those that are alike are taken in their order. Where each lies is remembered while the file
 * does not change; when it only grew, only what is new is read.
 *
 * Flags: the index has them at once; the file gets them when the last session has closed, in one
 * go, and with an expunge. A row's flags say beside how the file's were when they were last
 * read, so what another program has changed since is told from what we have not yet written.
 * UIDs are in the index; with the flags, X-UID and X-IMAPbase get them too, where Dovecot and alpine
 * look for them. A mailbox that the index does not know is adopted with the UIDs that others, or we before the
 * index was lost, have written there. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/lock.h"
#include "reference/store/mbox_line.h"
#include "reference/store/rewrite.h"
#include "reference/store/view_mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A change of the file within the same tick of its clock as our reading does not show in its
 * times. */
#define STAMP_AGE_NS (2 * 1000000000LL)

struct mbox_state *mbox_state(struct mailbox_view *v)
{
    if (v->mbox)
        return v->mbox;
    struct mbox_state *m = v->mbox = xcalloc(1, sizeof *m);
    m->place = v->account->place;
    if (strcmp(v->name, "INBOX") == 0) {
        m->place.path = xstrdup(v->account->place.path);
        m->place.dir = xstrdup(v->account->place.dir);
        m->place.user = xstrdup(v->account->place.user);
    } else {                       /* its locks and redo file lie beside it */
        ptrdiff_t slash = slice_rindex(slice_str(v->path), '/');
        m->place.path = xstrdup(v->path);
        m->place.dir = slice_dup(slice_sub(slice_str(v->path), 0, (size_t)slash));
        m->place.user = xstrdup(v->path + slash + 1);
    }
    return m;
}

static void forget_spots(struct mbox_state *m)
{
    mailbox_clear(&m->list);
    free(m->uids);
    m->uids = NULL;
    m->valid = false;
}

static void free_state(struct mailbox_view *v)
{
    if (!v->mbox)
        return;
    forget_spots(v->mbox);
    mailbox_place_free(&v->mbox->place);
    free(v->mbox);
    v->mbox = NULL;
}

static struct watch *watch(const struct mailbox_view *v)
{
    return watch_new(v->path, NULL);
}

static void rest(struct mailbox_view *v)
{
    (void)v;                       /* nothing is kept open */
}

/* --- which message is which --------------------------------------------------------------- */

struct name_order { const char *name; uint32_t index; };

static int by_name(const void *a, const void *b)
{
    const struct name_order *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Gives the messages of the list that belong to no row the UIDs of rows of the same name that
 * have no message. */
static void match(struct mailbox_view *v)
{
    struct mbox_state *m = v->mbox;
    bool *taken = xcalloc(v->n + 1, sizeof *taken);
    struct name_order *rows = xreallocarray(NULL, v->n + 1, sizeof *rows);
    struct name_order *files = xreallocarray(NULL, m->list.n + 1, sizeof *files);
    size_t n = 0, files_n = 0;
    for (size_t i = 0; i < m->list.n; i++) {
        struct row *r = m->uids[i] ? row_by_uid(v, m->uids[i]) : NULL;
        if (r)
            taken[r - v->v] = true;
        else
            files[files_n++] = (struct name_order){m->list.v[i].uid, (uint32_t)i};
    }
    for (size_t i = 0; i < v->n; i++) {
        if (!taken[i])
            rows[n++] = (struct name_order){row_name(v, &v->v[i]), (uint32_t)i};
    }
    qsort(rows, n, sizeof *rows, by_name);
    qsort(files, files_n, sizeof *files, by_name);
    for (size_t i = 0, k = 0; i < files_n && k < n;) {
        int order = strcmp(files[i].name, rows[k].name);
        if (order == 0)
            m->uids[files[i].index] = v->v[rows[k].index].uid;
        i += order <= 0;
        k += order >= 0;
    }
    free(taken);
    free(rows);
    free(files);
    m->ascending = true;
    for (size_t i = 1; i < m->list.n; i++)
        m->ascending = m->ascending && m->uids[i] > m->uids[i - 1];
}

static struct message *find(const struct mbox_state *m, uint32_t uid)
{
    size_t low = 0, high = m->list.n;
    while (m->ascending && low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->uids[mid] < uid)
            low = mid + 1;
        else
            high = mid;
    }
    while (low < m->list.n && m->uids[low] != uid && !m->ascending)
        low++;
    return low < m->list.n && m->uids[low] == uid ? &m->list.v[low] : NULL;
}

struct message *mbox_message(struct mailbox_view *v, uint32_t uid)
{
    struct mbox_state *m = v->mbox;
    struct message *found = find(m, uid);
    if (!found) {                  /* a row that came after its message was read */
        match(v);
        found = find(m, uid);
    }
    return found;
}

/* --- reading the file --------------------------------------------------------------------- */

bool mbox_is_old(const struct stat *st)
{
    int64_t changed = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec;
    return changed < wall_us() * 1000 - STAMP_AGE_NS;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool mbox_unchanged(const struct mbox_state *m, const struct stat *now)
{
    return m->valid && m->trusted && same_file(&m->seen, now);
}

/* Is what we know of still there, so that only the end is new? */
static bool only_grew(const struct mbox_state *m, int fd, const struct stat *now)
{
    if (!m->valid || m->list.n == 0 || now->st_ino != m->seen.st_ino ||
        now->st_size <= m->seen.st_size)
        return false;
    const struct message *first = &m->list.v[0], *last = &m->list.v[m->list.n - 1];
    const struct message *const both[] = {first, last};
    for (int i = 0; i < 2; i++) {
        struct mailbox found = {0};
        bool same = mbox_scan(&found, fd, both[i]->start, both[i]->next) == 0 && found.n == 1 &&
                    strcmp(found.v[0].uid, both[i]->uid) == 0 && found.v[0].flags == both[i]->flags;
        mailbox_clear(&found);
        if (!same)
            return false;
    }
    return true;
}

int mbox_look(struct mailbox_view *v, struct mbox_lock *lock)
{
    struct mbox_state *m = mbox_state(v);
    size_t from = 0;
    if (mbox_unchanged(m, &lock->st))
        return 0;
    int64_t at = 0;
    if (only_grew(m, lock->fd, &lock->st)) {
        from = m->list.n;
        at = m->list.v[from - 1].next;
    } else {
        forget_spots(m);
    }
    if (mbox_scan(&m->list, lock->fd, at, lock->st.st_size) < 0) {
        forget_spots(m);
        return -1;
    }
    m->uids = xreallocarray(m->uids, m->list.n + 1, sizeof *m->uids);
    memset(m->uids + from, 0, (m->list.n - from + 1) * sizeof *m->uids);
    m->seen = lock->st;
    m->valid = true;
    m->trusted = mbox_is_old(&lock->st);
    match(v);
    return 0;
}

/* --- the scan ----------------------------------------------------------------------------- */

static uint64_t keyword_bits(struct mailbox_view *v, const char *words)
{
    struct slice rest_words = slice_str(words), word;
    uint64_t bits = 0;
    while (words && slice_word(&rest_words, &word)) {
        int bit = view_keyword_make(v, word);
        bits |= bit < 0 ? 0 : 1ull << bit;
    }
    return bits;
}

/* What the row is to be when the file says this. */
static void compare(struct mailbox_view *v, const struct message *msg, uint32_t row,
                    struct scan *out)
{
    const struct row *r = &v->v[row];
    uint32_t before = (r->flags >> ROW_SEEN_SHIFT) & FLAGS_ALL, others = before ^ msg->flags;
    uint32_t flags = (r->flags & FLAGS_ALL & ~others) | (msg->flags & others);
    uint64_t keywords = r->flags & ROW_KEYWORDS_LATE ? r->keywords : keyword_bits(v, msg->keywords);
    flags |= msg->flags << ROW_SEEN_SHIFT | (r->flags & ROW_KEYWORDS_LATE);
    r = &v->v[row];
    if (flags != r->flags || keywords != r->keywords)
        scan_note_changed(out, row, flags, keywords);
}

static void add(struct mailbox_view *v, const struct message *msg, struct scan *out)
{
    int64_t now = wall_us() / 1000000;
    struct found *f = scan_note_added(out, msg->uid);
    f->flags = msg->flags | msg->flags << ROW_SEEN_SHIFT;
    f->keywords = keyword_bits(v, msg->keywords);
    f->size = (uint64_t)(msg->size - msg->status_wire);
    f->date = msg->date < 0 ? now : msg->date;
    f->saved = now;
    if (v->mbox->list.base.validity == (out->uidvalidity ? out->uidvalidity : v->box.uidvalidity))
        f->uid = msg->written_uid;
}

/* A mailbox that has never had a message here, but has numbers of others in it. They may come with
 * the mail of a stranger: no number is believed that could do harm. */
static void adopt(struct mailbox_view *v, struct scan *out)
{
    const struct mbox_base *base = &v->mbox->list.base;
    if (v->box.uidnext > 1 || v->n > 0 || base->validity == 0 || base->last > INT32_MAX ||
        base->validity > wall_us() / 1000000)
        return;
    out->uidvalidity = base->validity;
    out->uidnext = base->last + 1 + (base->lazy ? MBOX_UIDS_LEFT_OUT : 0);
}

static void report(struct mailbox_view *v, struct scan *out)
{
    struct mbox_state *m = v->mbox;
    bool *there = xcalloc(v->n + 1, sizeof *there);
    adopt(v, out);
    for (size_t i = 0; i < m->list.n; i++) {
        struct row *r = m->uids[i] ? row_by_uid(v, m->uids[i]) : NULL;
        if (r) {
            there[r - v->v] = true;
            compare(v, &m->list.v[i], (uint32_t)(r - v->v), out);
        } else {
            add(v, &m->list.v[i], out);
        }
    }
    for (size_t i = 0; i < v->n; i++) {
        if (!there[i])
            scan_note_removed(out, (uint32_t)i);
    }
    free(there);
}

static int no_file(struct mailbox_view *v, struct scan *out)
{
    if (errno == ENOENT && strcmp(v->name, "INBOX") != 0)
        errno = ESTALE;
    if (errno != ENOENT)
        return -1;
    forget_spots(v->mbox);
    for (size_t i = 0; i < v->n; i++)
        scan_note_removed(out, (uint32_t)i);
    return 0;
}

static int scan(struct mailbox_view *v, struct scan *out)
{
    struct mbox_state *m = mbox_state(v);
    struct buf names = {0};
    struct mbox_lock lock;
    struct stat now;
    enum watch_news news = watch_take(v->watch, &names);
    buf_free(&names);
    if (news == WATCH_QUIET && !v->rescan && m->valid)
        return 0;
    if (!v->rescan && stat(v->path, &now) == 0 && mbox_unchanged(m, &now))
        return 0;
    v->rescan = true;              /* until the caller has kept what we find */
    watch_retry(v->watch, v->path, NULL);      /* it may not have been there */
    uint64_t generation = v->generation;
    if (mbox_lock(&lock, &m->place, false, MBOX_SCAN_WAIT_MS) < 0) {
        if (errno == EAGAIN && m->valid)
            return 0;              /* whoever changes it now: we look again at the next sync */
        return no_file(v, out) < 0 ? -1 : 1;
    }
    int result = mbox_look(v, &lock);
    int error = errno;
    mbox_unlock(&lock, NULL);
    if (result == 0)
        report(v, out);
    errno = error;
    if (result == 0 && generation != v->generation) {      /* making a keyword has brought others' */
        scan_free(out);
        m->valid = false;
        return 0;
    }
    return result < 0 ? -1 : 1;
}

/* --- flags -------------------------------------------------------------------------------- */

static int set_flags(struct mailbox_view *v, struct row *r, uint32_t flags, uint64_t keywords)
{
    (void)v, (void)flags;
    if (keywords != r->keywords)
        r->flags |= ROW_KEYWORDS_LATE;
    return 0;
}

const struct view_source mbox_source = {
    .watch = watch, .scan = scan, .set_flags = set_flags, .remove = mbox_remove_rows,
    .copy = mbox_copy, .drop = mbox_drop, .uncopy = mbox_uncopy, .stage = mbox_stage,
    .unstage = mbox_unstage, .place = mbox_place, .unplace = mbox_unplace, .sync = mbox_sync,
    .open = mbox_open, .rest = rest, .settle = mbox_settle, .free = free_state,
};
