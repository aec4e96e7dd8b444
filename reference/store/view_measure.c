/* view_measure.c - size and date of messages, when they are wanted.
 *
 * To find them each file must be opened, which takes longer than all the rest of adopting a large
 * Maildir, and SELECT tells neither. So such messages are ROW_UNMEASURED at first, and whoever wants
 * their size or date, or reads them anyway, finds out. A limit of octets wants all of them at once.
 *
 * What a session finds out it writes together with other things (view_cache_flush); until then
 * another may do the same work, which does no harm. */
#include "base/mem.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>

static bool is_unmeasured(const struct mailbox_view *v, const struct row *r)
{
    return v->source->measure && (r->flags & ROW_UNMEASURED);
}

static struct row measured_row(const struct row *r, const struct measured *m)
{
    struct row after = *r;
    after.flags &= ~(uint32_t)ROW_UNMEASURED;
    after.size = m->size;
    after.date = m->date;
    if (after.saved == 0 && m->date > 0 && m->date <= UINT32_MAX)
        after.saved = (uint32_t)m->date;
    return after;
}

static int keep(struct mailbox_view *v, struct row *r, const struct measured *m)
{
    struct row after = measured_row(r, m);
    if (index_run(&v->account->index, ST_MESSAGE_MEASURED, "iiii", (int64_t)after.flags,
                  (int64_t)after.size, after.date, MESSAGE_KEY(&v->box, r->uid)) < 0)
        return -1;
    view_count_out(&v->box, r);
    view_count_in(&v->box, &after);
    *r = after;
    v->unmeasured--;
    return 0;
}

static void take_back(struct mailbox_view *v, struct row *r)
{
    r->flags |= ROW_UNMEASURED;
    r->size = 0;
    r->date = 0;
    v->unmeasured++;
}

/* --- all ---------------------------------------------------------------------------------- */

static int measure_rows(struct mailbox_view *v, const uint32_t *rows, size_t n)
{
    size_t done = 0;
    uint32_t *kept = xreallocarray(NULL, n + 1, sizeof *kept);
    int result = 0;
    for (size_t i = 0; i < n && v->unmeasured > 0 && result == 0; i++) {
        struct row *r = &v->v[rows[i]];
        struct measured m;
        if (!is_unmeasured(v, r) || v->source->measure(v, r, &m) < 0)
            continue;
        result = keep(v, r, &m);
        if (result == 0)
            kept[done++] = rows[i];
    }
    int error = errno;
    for (size_t i = 0; i < done && result < 0; i++)
        take_back(v, &v->v[kept[i]]);
    free(kept);
    errno = error;
    return result;
}

int view_measure_all(struct mailbox_view *v)
{
    if (v->unmeasured == 0 || !v->source->measure)
        return 0;
    if (view_begin(v, 0) < 0)
        return -1;
    struct mailbox_row before = v->box;
    uint32_t *rows = xreallocarray(NULL, v->n + 1, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (is_unmeasured(v, &v->v[i]))
            rows[n++] = (uint32_t)i;
    }
    int result = measure_rows(v, rows, n);
    if (result < 0) {
        view_abort(v, &before);
    } else if ((result = view_commit(v, &before)) < 0) {
        for (size_t i = 0; i < n; i++) {
            if (!(v->v[rows[i]].flags & ROW_UNMEASURED))
                take_back(v, &v->v[rows[i]]);
        }
    }
    int error = errno;
    free(rows);
    errno = error;
    return result;
}

int view_measure_for_others(struct view_session *s)
{
    return s->view->sessions->next ? view_measure_all(s->view) : 0;
}

/* --- a session's -------------------------------------------------------------------------- */

void session_note_measured(struct view_session *s, uint32_t uid, uint64_t size, int64_t date)
{
    if (s->measured_count == MEASURED_MAX)
        view_cache_flush(s);
    if (!s->measured)
        s->measured = xcalloc(MEASURED_MAX, sizeof *s->measured);
    s->measured[s->measured_count++] = (struct measured){uid, size, date};
}

void session_measure(struct view_session *s, struct row *r, struct view_message *out)
{
    struct mailbox_view *v = s->view;
    struct measured m;
    if (!is_unmeasured(v, r))
        return;
    out->measured = false;
    if (v->source->measure(v, r, &m) < 0)
        return;
    struct row after = measured_row(r, &m);
    out->measured = true;
    out->size = after.size;
    out->internal_date = after.date;
    out->save_date = after.saved;
    session_note_measured(s, r->uid, m.size, m.date);
}

int measured_write(struct view_session *s)
{
    struct mailbox_view *v = s->view;
    size_t kept = 0;
    for (size_t i = 0; i < s->measured_count; i++) {
        const struct measured *m = &s->measured[i];
        struct row *r = row_by_uid(v, m->uid);
        if (!r || !is_unmeasured(v, r))
            continue;
        s->measured[kept] = *m;
        if (keep(v, r, m) < 0) {
            s->measured_count = kept;
            return -1;
        }
        kept++;
    }
    s->measured_count = kept;
    return 0;
}

void measured_undo(struct view_session *s)
{
    for (size_t i = 0; i < s->measured_count; i++) {
        struct row *r = row_by_uid(s->view, s->measured[i].uid);
        if (r && !(r->flags & ROW_UNMEASURED))
            take_back(s->view, r);
    }
}
