/* view_append.c - adding messages from a client: all of a command or none (RFC 3502).
 *
 * A message is first written where it means nothing to anybody (stage), made durable, and given its
 * place and UID together with the others. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK (64 * 1024)

struct staged {
    int fd;
    char *tmp;                     /* the source's own name for it; may be NULL */
    struct found found;            /* name: NULL until it has its place */
    uint64_t file_octets;
    bool ends_in_lf;
};

struct view_append {
    struct store_account *account;
    char *mailbox;
    struct mailbox_view *view;     /* pinned */
    struct staged *v;
    size_t n, cap;
    struct buf out;                /* of the last message, not yet written */
    bool cr;                       /* its last octet was a CR, held back */
    char last;                     /* octet stored */
    uint64_t octets;               /* announced, of all */
    int error;                     /* errno of the first failure */
};

static int fail(struct view_append *b, int error)
{
    if (!b->error)
        b->error = error;
    errno = b->error;
    return -1;
}

struct view_append *view_append_begin(struct store_account *a, const char *mailbox)
{
    char *clean = folder_name_clean(slice_str(mailbox));
    if (!clean)
        return NULL;
    account_lock(a);
    struct mailbox_view *v = account_check_index(a) == 0 ? view_pin(a, clean) : NULL;
    int error = errno;
    account_unlock(a);
    if (!v) {
        free(clean);
        errno = error;
        return NULL;
    }
    struct view_append *b = xcalloc(1, sizeof *b);
    b->account = a;
    b->mailbox = clean;
    b->view = v;
    return b;
}

static int flush(struct view_append *b)
{
    struct staged *m = &b->v[b->n - 1];
    size_t done = 0;
    while (done < b->out.len && !b->error) {
        ssize_t n = write(m->fd, b->out.data + done, b->out.len - done);
        if (n < 0 && errno != EINTR)
            return fail(b, errno);
        done += n < 0 ? 0 : (size_t)n;
    }
    m->file_octets += b->out.len;
    buf_clear(&b->out);
    return b->error ? fail(b, 0) : 0;
}

/* Octets as they are stored. */
static void store(struct view_append *b, struct slice text)
{
    struct staged *m = &b->v[b->n - 1];
    m->found.size += text.n;
    for (const char *p = text.p, *end = p + text.n;
         (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        m->found.size += (p > text.p ? p[-1] : b->last) != '\r';
    if (text.n > 0)
        b->last = text.p[text.n - 1];
    buf_add_slice(&b->out, text);
}

/* The last message is complete. */
static int finish(struct view_append *b)
{
    if (b->n == 0 || b->error)
        return b->error ? fail(b, 0) : 0;
    if (b->cr)
        store(b, SLICE("\r"));
    b->cr = false;
    b->v[b->n - 1].ends_in_lf = b->last == '\n';
    return flush(b);
}

static uint64_t keyword_bits(struct view_append *b, const struct slice *keywords, size_t n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int bit = view_keyword_make(b->view, keywords[i]);
        bits |= bit < 0 ? 0 : 1ull << bit;
    }
    return bits;
}

int view_append_message(struct view_append *b, uint32_t flags, const struct slice *keywords,
                        size_t n,
                        int64_t date, uint64_t octets)
{
    if (finish(b) < 0)
        return -1;
    int64_t now = wall_us() / 1000000;
    struct staged m = {.fd = -1, .found = {.flags = flags & FLAGS_ALL, .saved = now,
                                           .date = date == INT64_MIN ? now : date}};
    account_lock(b->account);
    int error = 0;
    if (account_check_quota(b->account, b->octets + octets, b->n + 1) < 0) {
        error = errno;
    } else {
        m.found.keywords = keyword_bits(b, keywords, n);
        m.fd = b->view->source->stage(b->view, &m.tmp);
        error = errno;
    }
    account_unlock(b->account);
    if (m.fd < 0)
        return fail(b, error);
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->v = xreallocarray(b->v, b->cap, sizeof *b->v);
    }
    b->v[b->n++] = m;
    b->octets += octets;
    b->last = 0;
    return 0;
}

int view_append_write(struct view_append *b, const void *p, size_t n)
{
    struct slice text = slice_of(p, n);
    if (b->error || b->n == 0)
        return fail(b, EINVAL);
    while (text.n > 0) {
        ptrdiff_t cr = slice_index(text, '\r');
        if (b->cr && text.p[0] != '\n')
            store(b, SLICE("\r"));
        b->cr = cr >= 0;
        size_t end = cr < 0 ? text.n : (size_t)cr;
        store(b, slice_sub(text, 0, end));
        text = slice_sub(text, end + (cr >= 0), text.n);
        if (b->out.len >= CHUNK && flush(b) < 0)
            return -1;
    }
    return 0;
}

static struct row row_of(const struct view_append *b, size_t i, uint32_t first_uid)
{
    const struct found *f = &b->v[i].found;
    return (struct row){
        .uid = first_uid + (uint32_t)i, .flags = f->flags, .keywords = f->keywords,
        .modseq = b->view->box.modseq, .size = f->size, .date = f->date,
            .saved = (uint32_t)f->saved,
    };
}

static int place_all(struct view_append *b)
{
    struct mailbox_view *v = b->view;
    if (view_refresh(v, false) < 0)
        return -1;
    if (b->n > 1 && v->source == &maildir_source && unfinished_note(v, &v->mark) < 0)
        return -1;
    if (view_begin(v, (uint32_t)b->n) < 0)
        return -1;
    struct mailbox_row before = v->box;
    uint32_t first_uid = v->box.uidnext;
    int result = 0;
    v->box.modseq++;
    v->box.uidnext += (uint32_t)b->n;
    for (size_t i = 0; i < b->n && result == 0; i++) {
        struct staged *m = &b->v[i];
        result = v->source->place(v, m->fd, m->tmp, m->file_octets, m->ends_in_lf, &m->found);
        if (result < 0)
            break;
        struct row r = row_of(b, i, first_uid);
        result = view_index_add(v, &r, slice_str(m->found.name));
        view_count_in(&v->box, &r);
    }
    if (result == 0 && v->mark)
        result = unfinished_over(v, v->mark);
    if (result == 0)
        result = view_commit(v, &before);
    else
        view_abort(v, &before);
    if (result < 0) {
        int error = errno;
        for (size_t i = 0; i < b->n; i++) {
            if (b->v[i].found.name)
                v->source->unplace(v, &b->v[i].found);
        }
        errno = error;
        return -1;
    }
    for (size_t i = 0; i < b->n; i++) {
        struct row r = row_of(b, i, first_uid);
        row_add(v, &r, slice_str(b->v[i].found.name));
    }
    view_wake(v, NULL);
    return 0;
}

int view_append_commit(struct view_append *b, uint32_t *uidvalidity, struct uid_set *uids)
{
    struct mailbox_view *v = b->view;
    int result = finish(b);
    uint64_t octets = 0;
    /* All are on their way to the disk before the first is waited for: one wait for most. */
    for (size_t i = 0; i < b->n && b->n > 1 && result == 0; i++)
        sync_file_range(b->v[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (size_t i = 0; i < b->n && result == 0; i++) {
        octets += b->v[i].found.size;
        result = sync_fd(&b->account->place, b->v[i].fd);
    }
    if (result == 0 && b->n > 0) {
        account_lock(b->account);
        result = account_check_quota(b->account, octets, b->n);
        if (result == 0)
            result = place_all(b);
        v->mark = 0;
        if (result == 0) {
            *uidvalidity = v->box.uidvalidity;
            for (size_t i = 0; i < b->n; i++)
                uid_set_push(uids, v->v[v->n - b->n + i].uid);
            result = v->source->sync(v);
        }
        int error = errno;
        account_unlock(b->account);
        errno = error;
    }
    int error = errno;
    view_append_abandon(b);
    errno = error;
    return result;
}

void view_append_abandon(struct view_append *b)
{
    if (!b)
        return;
    account_lock(b->account);
    for (size_t i = 0; i < b->n; i++) {
        struct staged *m = &b->v[i];
        if (!m->found.name)
            b->view->source->unstage(b->view, m->tmp);
        free(m->tmp);
        free(m->found.name);
        close(m->fd);
    }
    view_unpin(b->view);
    account_unlock(b->account);
    free(b->v);
    buf_free(&b->out);
    free(b->mailbox);
    free(b);
}
