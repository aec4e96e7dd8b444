/* view.c - loaded mailboxes, and what each session has seen of them. */
#include "reference/store/view.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How long, and how many, views of an account are kept without a session. */
#define WARM_MS 60000
#define WARM_MAX 4

/* --- views -------------------------------------------------------------------------------- */

void view_free(struct mailbox_view *v)
{
    v->source->rest(v);
    if (v->source->free)
        v->source->free(v);
    watch_free(v->watch);
    rows_free(v);
    for (int i = 0; i < KEYWORDS_MAX; i++)
        free(v->keywords[i]);
    free(v->name);
    free(v->path);
    free(v);
}

void view_detach(struct mailbox_view *v)
{
    struct mailbox_view **at = &v->account->views;
    while (*at && *at != v)
        at = &(*at)->next;
    if (*at)
        *at = v->next;
    v->gone = true;
    view_wake(v, NULL);
    if (!v->sessions && v->pins == 0)
        view_free(v);
}

struct mailbox_view *view_pin(struct store_account *a, const char *name)
{
    struct mailbox_view *v = view_find(a, name);
    if (!v)
        return NULL;
    v->pins++;
    if (view_refresh(v, false) == 0)
        return v;
    view_unpin(v);
    return NULL;
}

void view_unpin(struct mailbox_view *v)
{
    int error = errno;
    if (v && --v->pins == 0 && !v->sessions && v->gone)
        view_free(v);
    errno = error;
}

void view_many(struct mailbox_view *v, size_t messages, bool begin)
{
    if (messages >= MANY && v->source->many)
        v->source->many(v, begin);
}

void views_drop_cold(struct store_account *a)
{
    int64_t before = mono_ms() - WARM_MS;
    int warm = 0;
    for (struct mailbox_view *v = a->views, *next; v; v = next) {
        next = v->next;
        if (!v->sessions && v->pins == 0 && (v->unused_since <= before || warm++ >= WARM_MAX)) {
            if (v->source->settle)
                v->source->settle(v);
            view_detach(v);
        }
    }
}

struct mailbox_view *view_find(struct store_account *a, const char *name)
{
    struct mailbox_view *v = a->views;
    while (v && strcmp(v->name, name) != 0)
        v = v->next;
    if (v) {
        v->unused_since = mono_ms();
        return v;
    }
    struct buf path = {0};
    if (folder_path(a, name, &path) < 0) {
        buf_free(&path);
        return NULL;
    }
    v = xcalloc(1, sizeof *v);
    v->account = a;
    v->source = a->place.format == FORMAT_MBOX ? &mbox_source : &maildir_source;
    v->name = xstrdup(name);
    v->path = buf_take(&path);
    v->folders[0] = v->folders[1] = -1;
    v->unused_since = mono_ms();
    if (view_load(v) < 0) {
        int error = errno;
        view_free(v);
        errno = error;
        return NULL;
    }
    v->watch = v->source->watch(v);
    v->next = a->views;
    a->views = v;
    return v;
}

struct snapshot *view_snapshot(struct mailbox_view *v)
{
    if (!v->snapshot) {
        v->snapshot = xmalloc(sizeof *v->snapshot + v->n * sizeof(uint32_t));
        v->snapshot->refs = 1;     /* the view's own */
        v->snapshot->n = (uint32_t)v->n;
        for (size_t i = 0; i < v->n; i++)
            v->snapshot->uid[i] = v->v[i].uid;
    }
    v->snapshot->refs++;
    return v->snapshot;
}

void snapshot_release(struct snapshot *s)
{
    if (s && --s->refs == 0)
        free(s);
}

void view_wake(struct mailbox_view *v, const struct view_session *but)
{
    if (v->watch)
        watch_wake(v->watch, but ? but->wake_fd : -1);
}

/* --- sessions ----------------------------------------------------------------------------- */

static struct view_session *open_session(struct store_account *a, const char *name, bool readonly)
{
    struct mailbox_view *v = view_find(a, name);
    if (!v)
        return NULL;
    struct view_session *s = xcalloc(1, sizeof *s);
    s->view = v;
    s->readonly = readonly;
    s->wake_fd = -1;
    s->told = view_snapshot(v);    /* brought up to date below */
    s->generation = v->generation;
    s->next = v->sessions;
    v->sessions = s;
    if (view_refresh(v, !readonly) < 0) {
        int error = errno;
        account_unlock(a);
        view_close(s);
        account_lock(a);
        errno = error;
        return NULL;
    }
    struct view_changes all = {0};
    session_update(s, true, &all);
    view_changes_free(&all);
    return s;
}

struct view_session *view_open(struct store_account *a, const char *name, bool readonly)
{
    struct view_session *s = NULL;
    char *clean = folder_name_clean(slice_str(name));
    if (!clean)
        return NULL;
    account_lock(a);
    views_drop_cold(a);
    /* A damaged index shows when it is read; then it is made anew, once. */
    for (int tries = 0; !s && tries < 2; tries++) {
        if (account_check_index(a) < 0)
            break;
        s = open_session(a, clean, readonly);
        if (!s && errno != ESTALE)
            break;
    }
    int error = errno;
    account_unlock(a);
    free(clean);
    errno = error;
    return s;
}

void view_close(struct view_session *s)
{
    if (!s)
        return;
    struct mailbox_view *v = s->view;
    struct store_account *a = v->account;
    view_idle_end(s);
    account_lock(a);
    view_cache_flush(s);
    struct view_session **at = &v->sessions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    snapshot_release(s->told);
    ghosts_drop(v);
    v->unused_since = mono_ms();
    if (!v->sessions && !v->gone && v->source->settle)
        v->source->settle(v);
    if (!v->sessions)
        v->source->rest(v);
    if (v->gone && !v->sessions && v->pins == 0)
        view_free(v);
    account_unlock(a);
    for (size_t i = 0; i < s->own_count; i++)
        uid_set_free(&s->own[i].uids);
    free(s->own);
    uid_set_free(&s->recent);
    free(s);
}

bool view_readonly(const struct view_session *s)
{
    return s->readonly;
}

void view_state(struct view_session *s, struct view_state *out)
{
    struct mailbox_view *v = s->view;
    account_lock(v->account);
    *out = (struct view_state){
        .exists = s->told->n, .recent = s->recent_count, .uidnext = s->uidnext_told,
        .uidvalidity = v->box.uidvalidity, .highestmodseq = s->told_modseq,
    };
    memcpy(out->mailboxid, v->box.mailboxid, sizeof out->mailboxid);
    for (uint32_t seq = 1; seq <= s->told->n && !out->first_unseen; seq++) {
        bool expunged;
        const struct row *r = session_row(s, seq, &expunged);
        if (r && !(r->flags & FLAG_SEEN))
            out->first_unseen = seq;
    }
    account_unlock(v->account);
}

/* --- messages ----------------------------------------------------------------------------- */

uint32_t view_count(const struct view_session *s)
{
    return s->told->n;
}

uint32_t view_uid(const struct view_session *s, uint32_t seq)
{
    return seq >= 1 && seq <= s->told->n ? s->told->uid[seq - 1] : 0;
}

uint32_t view_seq_from(const struct view_session *s, uint32_t uid)
{
    uint32_t low = 0, high = s->told->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->told->uid[mid] < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low + 1;
}

uint32_t view_seq(const struct view_session *s, uint32_t uid)
{
    uint32_t seq = view_seq_from(s, uid);
    return view_uid(s, seq) == uid && uid != 0 ? seq : 0;
}

const struct row *session_row(struct view_session *s, uint32_t seq, bool *expunged)
{
    struct mailbox_view *v = s->view;
    *expunged = false;
    if (seq < 1 || seq > s->told->n)
        return NULL;
    if (s->told == v->snapshot)    /* the session sees just what is there */
        return &v->v[seq - 1];
    const struct row *r = row_by_uid(v, s->told->uid[seq - 1]);
    if (!r) {
        *expunged = true;
        r = ghost_by_uid(v, s->told->uid[seq - 1]);
    }
    return r;
}

/* A copy's name says what it is a copy of (view_copy.c); others are known by their own names. */
static uint64_t emailid(const struct mailbox_view *v, const struct row *r)
{
    struct slice base = maildir_base(row_name(v, r));
    return maildir_emailid(base);
}

bool view_get(struct view_session *s, uint32_t seq, struct view_message *out)
{
    return view_get_many(s, seq, 1, false, out) == 1;
}

uint32_t view_get_many(struct view_session *s, uint32_t first, uint32_t count, bool measured,
                       struct view_message *out)
{
    struct mailbox_view *v = s->view;
    uint32_t done = 0;
    account_lock(v->account);
    for (; done < count; done++) {
        struct view_message *m = &out[done];
        bool expunged;
        const struct row *r = session_row(s, first + done, &expunged);
        if (!r)
            break;
        *m = (struct view_message){
            .uid = r->uid, .flags = r->flags & FLAGS_ALL, .keywords = r->keywords,
            .modseq = r->modseq, .size = r->size, .emailid = emailid(v, r),
            .internal_date = r->date, .save_date = r->saved,
            .recent = s->recent.n > 0 && uid_set_has(&s->recent, r->uid), .expunged = expunged,
            .measured = !(r->flags & ROW_UNMEASURED) || !v->source->measure,
        };
        if (measured && !m->measured && !expunged)
            session_measure(s, row_by_uid(v, r->uid), m);
    }
    account_unlock(v->account);
    return done;
}

/* --- idle --------------------------------------------------------------------------------- */

int view_idle_begin(struct view_session *s)
{
    if (s->wake_fd >= 0)
        return s->wake_fd;
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake_fd < 0)
        return -1;
    watch_add_fd(s->view->watch, s->wake_fd);
    /* What came between the last sync and this moment must not wait for the next event. */
    uint64_t one = 1;
    if (write(s->wake_fd, &one, sizeof one) < 0)
        return -1;
    account_lock(s->view->account);
    s->view->source->rest(s->view);
    index_rest(&s->view->account->index);
    account_unlock(s->view->account);
    return s->wake_fd;
}

void view_idle_end(struct view_session *s)
{
    if (s->wake_fd < 0)
        return;
    watch_remove_fd(s->view->watch, s->wake_fd);
    close(s->wake_fd);
    s->wake_fd = -1;
}
