/* view_unfinished.c - COPY and APPEND of several messages into a Maildir are all or nothing, also when the
 * process is killed in the midst (RFC 9051 6.4.7, RFC 3502).
 *
 * Before the first file comes to cur/ the index notes, durably, a mark that all their names will bear
 * (",T=<mark>"). The transaction that makes messages of them takes the note away. So a file that is no
 * message yet and bears the mark of a note is of a command that nobody had an answer to, and goes.
 *
 * MOVE needs no note: each message is in one mailbox or the other at any time (RFC 6851 3.3). */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* The name of the note in the index. */
static char *note_name(const struct mailbox_view *to, uint32_t mark)
{
    return xasprintf("copying %lld %08x", (long long)to->box.id, mark);
}

int unfinished_note(struct mailbox_view *to, uint32_t *mark)
{
    struct index *ix = &to->account->index;
    *mark = 0;
    while (*mark == 0) {
        if (getrandom(mark, sizeof *mark, 0) != (ssize_t)sizeof *mark)
            return -1;
    }
    char *name = note_name(to, *mark);
    int result = index_begin(ix, true);
    if (result == 0 && (result = index_run(ix, ST_META_SET, "ss", name, "")) < 0)
        index_rollback(ix);
    else if (result == 0)
        result = index_commit(ix);
    free(name);
    return result;
}

int unfinished_over(struct mailbox_view *to, uint32_t mark)
{
    char *name = note_name(to, mark);
    int result = index_run(&to->account->index, ST_META_DELETE, "s", name);
    int error = errno;
    free(name);
    errno = error;
    return result;
}

/* The notes of this mailbox, "<mark>" with NUL after each. */
static int read_notes(struct mailbox_view *v, struct buf *marks)
{
    struct index *ix = &v->account->index;
    char *prefix = xasprintf("copying %lld ", (long long)v->box.id);
    char *end = xasprintf("copying %lld!", (long long)v->box.id);     /* "!" is behind the space */
    sqlite3_stmt *st = index_query(ix, ST_META_NAMES, "ss", prefix, end);
    int row = -1;
    while (st && (row = index_step(ix, st)) == 1)
        buf_add(marks, (const char *)sqlite3_column_text(st, 0) + strlen(prefix),
                (size_t)sqlite3_column_bytes(st, 0) - strlen(prefix) + 1);
    if (st)
        index_done(st);
    int error = errno;
    free(prefix);
    free(end);
    errno = error;
    return row;
}

/* Leaves out, and removes, what bears the mark. False: something could not be removed. */
static bool remove_marked(struct mailbox_view *v, struct scan *scan, const char *mark)
{
    char *field = xasprintf(",T=%s", mark);
    size_t kept = 0;
    bool all = true;
    for (size_t i = 0; i < scan->added_count; i++) {
        struct found *f = &scan->added[i];
        bool marked = slice_find(maildir_base(f->name), slice_str(field)) >= 0;
        int folder = v->folders[f->flags & ROW_NEW ? 0 : 1];
        if (marked && (unlinkat(folder, f->name, 0) == 0 || errno == ENOENT)) {
            free(f->name);
            continue;
        }
        all = all && !marked;
        scan->added[kept++] = *f;
    }
    scan->added_count = kept;
    free(field);
    return all;
}

int unfinished_remove(struct mailbox_view *v, struct scan *scan)
{
    struct buf marks = {0};
    struct slice rest, mark;
    int result = v->source == &maildir_source && scan->added_count > 0 ? read_notes(v, &marks) : 0;
    rest = buf_slice(&marks);
    while (result == 0 && slice_next(&rest, 0, &mark) && mark.n > 0) {
        if (!remove_marked(v, scan, mark.p))
            continue;              /* they are taken in as they are */
        char *name = xasprintf("copying %lld %s", (long long)v->box.id, mark.p);
        result = index_run(&v->account->index, ST_META_DELETE, "s", name);
        free(name);
    }
    buf_free(&marks);
    return result;
}
