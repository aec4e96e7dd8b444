/* view_cache.c - texts made from messages once, kept in the index. A session collects what it
 * makes and writes many at once. */
#include "base/mem.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Collected before writing. */
#define PUTS_MAX 1024
#define PUT_OCTETS_MAX (1024 * 1024)
/* A longer text is not kept. */
#define CACHED_MAX (256 * 1024)

struct cache_line {
    uint32_t uid;
    enum cache_kind kind;
    size_t n;
    char *text;
};

static int64_t cache_key(const struct mailbox_row *box, enum cache_kind kind, uint32_t uid)
{
    return (int64_t)kind << 60 | MESSAGE_KEY(box, uid);
}

int cache_forget(struct index *ix, const struct mailbox_row *box, uint32_t first, uint32_t last)
{
    for (int kind = 0; kind < CACHE_KINDS; kind++) {
        if (index_run(ix, ST_CACHE_DELETE, "ii", cache_key(box, (enum cache_kind)kind, first),
                      cache_key(box, (enum cache_kind)kind, last)) < 0)
            return -1;
    }
    return 0;
}

int cache_copy(struct index *ix, const struct mailbox_row *from, uint32_t first, uint32_t last,
               const struct mailbox_row *to, uint32_t to_first)
{
    for (int k = 0; k < CACHE_KINDS; k++) {
        enum cache_kind kind = (enum cache_kind)k;
        int64_t key = cache_key(from, kind, first);
        if (index_run(ix, ST_CACHE_COPY, "iii", cache_key(to, kind, to_first) - key, key,
                      cache_key(from, kind, last)) < 0)
            return -1;
    }
    return 0;
}

static int write_lines(struct view_session *s)
{
    struct mailbox_view *v = s->view;
    struct index *ix = &v->account->index;
    if (v->gone || ix->damaged || view_begin(v, 0) < 0)
        return -1;
    struct mailbox_row before = v->box;
    if (measured_write(s) < 0) {
        measured_undo(s);
        view_abort(v, &before);
        return -1;
    }
    for (size_t i = 0; i < s->put_count; i++) {
        const struct cache_line *l = &s->puts[i];
        if (row_by_uid(v, l->uid) &&
            index_run(ix, ST_CACHE_PUT, "ib", cache_key(&v->box, l->kind, l->uid),
                      slice_of(l->text, l->n)) < 0) {
            measured_undo(s);
            view_abort(v, &before);
            return -1;
        }
    }
    if (s->measured_count == 0)
        return index_commit(ix);
    if (view_commit(v, &before) == 0)
        return 0;
    measured_undo(s);
    return -1;
}

/* What cannot be written is made again when it is needed. */
void view_cache_flush(struct view_session *s)
{
    if (s->put_count == 0 && s->measured_count == 0)
        return;
    int error = errno;
    write_lines(s);
    for (size_t i = 0; i < s->put_count; i++)
        free(s->puts[i].text);
    free(s->puts);
    s->puts = NULL;
    free(s->measured);
    s->measured = NULL;
    s->put_count = s->put_octets = s->measured_count = 0;
    errno = error;
}

void view_cache_put(struct view_session *s, uint32_t uid, enum cache_kind kind, struct slice text)
{
    if (text.n > CACHED_MAX)
        return;
    if (!s->puts)
        s->puts = xcalloc(PUTS_MAX, sizeof *s->puts);
    struct cache_line *l = &s->puts[s->put_count++];
    *l = (struct cache_line){uid, kind, text.n, xmalloc(text.n + 1)};
    if (text.n > 0)
        memcpy(l->text, text.p, text.n);
    s->put_octets += text.n;
    if (s->put_count < PUTS_MAX && s->put_octets < PUT_OCTETS_MAX)
        return;
    account_lock(s->view->account);
    view_cache_flush(s);
    account_unlock(s->view->account);
}

/* One kind of the messages of out->v. Where the text is will be known when all is read. */
static int read_kind(struct mailbox_view *v, enum cache_kind kind, uint32_t count,
                     struct cache_batch *out)
{
    struct index *ix = &v->account->index;
    sqlite3_stmt *st = index_query(ix, ST_CACHE_READ, "ii", cache_key(&v->box, kind, out->v[0].uid),
                                   cache_key(&v->box, kind, out->v[count - 1].uid));
    int row;
    uint32_t i = 0;
    if (!st)
        return -1;
    while ((row = index_step(ix, st)) == 1) {
        uint32_t uid = (uint32_t)sqlite3_column_int64(st, 0);
        size_t n = (size_t)sqlite3_column_bytes(st, 1);
        while (i < count && out->v[i].uid < uid)
            i++;
        if (i == count || out->v[i].uid != uid)
            continue;
        buf_add(&out->store, sqlite3_column_blob(st, 1), n);
        out->v[i].text[kind] = slice_of("", n);
    }
    index_done(st);
    return row;
}

int view_cache_read(struct view_session *s, uint32_t seq, uint32_t count, unsigned kinds,
                    struct cache_batch *out)
{
    struct mailbox_view *v = s->view;
    int result = 0;
    buf_clear(&out->store);
    if (count > CACHE_BATCH)
        count = CACHE_BATCH;
    if (count > s->told->n || seq > s->told->n - count + 1)
        count = seq > s->told->n ? 0 : s->told->n - seq + 1;
    for (uint32_t i = 0; i < count; i++)
        out->v[i] = (struct cached){.uid = view_uid(s, seq + i)};
    if (count == 0)
        return 0;
    account_lock(v->account);
    view_cache_flush(s);
    if (v->gone || v->account->index.damaged) {
        errno = ESTALE;
        result = -1;
    }
    for (int kind = 0; result == 0 && kind < CACHE_KINDS; kind++) {
        if (kinds & 1u << kind)
            result = read_kind(v, (enum cache_kind)kind, count, out);
    }
    int error = errno;
    account_unlock(v->account);
    size_t at = 0;                 /* they lie in the order in which they were read */
    for (int kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < count; i++) {
            struct slice *t = &out->v[i].text[kind];
            if (t->p)
                *t = result == 0 ? slice_of(out->store.data + at, t->n) : (struct slice){0};
            at += t->n;
        }
    }
    errno = error;
    return result;
}

void cache_batch_free(struct cache_batch *b)
{
    buf_free(&b->store);
}
