/* numbers.c - the messages of a POP3 session with the numbers that IMAP knows them by.
 *
 * mailbox_open lists what is on disk, the view of the inbox has what is in the index. Both have
 * names for messages that other programs leave alone (a file's name, a digest); messages of the same
 * name are taken in their order. */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <stdlib.h>

/* How often the index is brought up to the disk while messages are missing: a view puts off looking at
 * an mbox that somebody is changing. */
#define TRIES_MAX 3

struct named { struct slice name; size_t at; };

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = maildir_compare(x->name, y->name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* A digest may have an ordinal behind it (mbox.c). */
static struct slice name_of(const struct message *m)
{
    struct slice uid = slice_str(m->uid);
    ptrdiff_t dash = slice_index(uid, '-');
    if (m->file)
        return maildir_base(m->file);
    return dash < 0 ? uid : slice_sub(uid, 0, (size_t)dash);
}

static void match(struct mailbox *m, const struct mailbox_view *v)
{
    struct named *files = xreallocarray(NULL, m->n + 1, sizeof *files);
    struct named *rows = xreallocarray(NULL, v->n + 1, sizeof *rows);
    for (size_t i = 0; i < m->n; i++)
        files[i] = (struct named){name_of(&m->v[i]), i};
    for (size_t i = 0; i < v->n; i++)
        rows[i] = (struct named){maildir_base(row_name(v, &v->v[i])), i};
    qsort(files, m->n, sizeof *files, by_name);
    qsort(rows, v->n, sizeof *rows, by_name);
    for (size_t i = 0, k = 0; i < m->n && k < v->n;) {
        int order = maildir_compare(files[i].name, rows[k].name);
        if (order == 0)
            m->v[files[i].at].number = v->v[rows[k].at].uid;
        i += order <= 0;
        k += order >= 0;
    }
    m->numbered = v->box.uidvalidity;
    free(files);
    free(rows);
}

static bool all_numbered(const struct mailbox *m)
{
    size_t i = 0;
    while (i < m->n && m->v[i].number > 0)
        i++;
    return i == m->n;
}

/* What is there in the list only has gone since it was made. */
static void drop_others(struct mailbox *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->v[i].number > 0)
            m->v[kept++] = m->v[i];
        else
            message_clear(&m->v[i]);
    }
    m->n = kept;
}

int mailbox_number(struct mailbox *m, struct store_account *a)
{
    struct view_changes changes;
    struct view_session *s = view_open(a, "INBOX", true);
    int result = s ? 0 : -1;
    for (int tries = 0; result == 0 && tries < TRIES_MAX; tries++) {
        account_lock(a);
        match(m, s->view);
        account_unlock(a);
        if (all_numbered(m))
            break;
        result = view_sync(s, true, &changes);
        view_changes_free(&changes);
    }
    int error = errno;
    if (result == 0)
        drop_others(m);
    else
        m->numbered = 0;
    view_close(s);
    errno = error;
    return result;
}
