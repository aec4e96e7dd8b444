/* folder.c - making, deleting, renaming and subscribing to mailboxes. */
#include "reference/store/folder.h"

#include "base/mem.h"
#include "reference/store/folder_internal.h"

#include <errno.h>
#include <stdlib.h>

const struct folder_disk *folder_disk_of(const struct store_account *a)
{
    return a->place.format == FORMAT_MBOX ? &mbox_disk : &maildir_disk;
}

static bool is_inbox(const char *name)
{
    return strcmp(name, "INBOX") == 0;
}

int folder_path(struct store_account *a, const char *name, struct buf *path)
{
    const struct folder_disk *disk = folder_disk_of(a);
    if (disk->path(a, name, path) < 0)
        return -1;
    if (disk->check(buf_str(path)) == 0)
        return 0;
    return is_inbox(name) ? disk->make(a, name) : -1;
}

static bool exists(struct store_account *a, const char *name)
{
    struct buf path = {0};
    const struct folder_disk *disk = folder_disk_of(a);
    bool there = is_inbox(name) ||
                 (disk->path(a, name, &path) == 0 && disk->check(buf_str(&path)) == 0);
    buf_free(&path);
    return there;
}

struct search { const char *above; bool found; };

static void note_if_below(void *arg, const char *name, bool selectable)
{
    struct search *s = arg;
    (void)selectable;
    s->found = s->found || folder_is_below(slice_str(name), slice_str(s->above));
}

static bool has_below(struct store_account *a, const char *name)
{
    struct search s = {name, false};
    folder_disk_of(a)->each(a, note_if_below, &s);
    return s.found;
}

/* Every change of a name is made within a transaction of the index, so that no two processes change
 * names of one user at the same time. */
static int begin(struct store_account *a)
{
    if (account_check_index(a) < 0)
        return -1;
    return index_begin(&a->index, true);
}

static int end(struct store_account *a, int result)
{
    if (result == 0)
        return index_commit(&a->index);
    index_rollback(&a->index);
    return -1;
}

static struct mailbox_view *loaded(struct store_account *a, const char *name)
{
    struct mailbox_view *v = a->views;
    while (v && strcmp(v->name, name) != 0)
        v = v->next;
    return v;
}

static void detach_loaded(struct store_account *a, const char *name)
{
    struct mailbox_view *v = loaded(a, name);
    if (v)
        view_detach(v);
}

/* --- create ------------------------------------------------------------------------------- */

static int make_levels(struct store_account *a, const char *name)
{
    struct slice whole = slice_str(name);
    int result = 0;
    for (size_t i = 1; i < whole.n && result == 0; i++) {
        if (whole.p[i] != FOLDER_SEPARATOR)
            continue;
        char *level = slice_dup(slice_sub(whole, 0, i));
        if (!exists(a, level))
            result = folder_disk_of(a)->make_level(a, level);
        free(level);
    }
    return result;
}

/* RFC 6154 5.2: refused when the use is another's. */
static int set_use(struct store_account *a, const char *name, unsigned use)
{
    struct folder_marks marks;
    int result = 0;
    if (use == 0)
        return 0;
    if (folder_marks_read(a, &marks) < 0)
        return -1;
    for (size_t i = 0; i < marks.n; i++) {
        if ((marks.v[i].use & use) && exists(a, marks.v[i].name))
            result = -1;
        else
            marks.v[i].use &= ~use;
    }
    errno = EBUSY;
    if (result == 0) {
        folder_mark(&marks, name)->use |= use;
        result = folder_marks_write(a, &marks);
    }
    folder_marks_free(&marks);
    return result;
}

static int create(struct store_account *a, const char *name, unsigned use)
{
    struct buf path = {0};
    int fits = folder_disk_of(a)->path(a, name, &path);
    buf_free(&path);
    if (fits < 0)
        return -1;
    if (exists(a, name)) {
        errno = EEXIST;
        return -1;
    }
    /* A line that is left of one which another program removed. */
    struct mailbox_row stale;
    int row = mailbox_row_find(a, name, &stale, NULL);
    if (row < 0 || (row == 1 && mailbox_row_delete(a, &stale) < 0))
        return -1;
    detach_loaded(a, name);
    if (set_use(a, name, use) < 0 || make_levels(a, name) < 0)
        return -1;
    return folder_disk_of(a)->make(a, name);
}

int folder_create(struct store_account *a, const char *name, unsigned use, struct buf *id)
{
    char *clean = folder_name_clean(slice_str(name));
    if (!clean)
        return -1;
    account_lock(a);
    struct mailbox_row box;
    int result = begin(a);
    if (result == 0)
        result = end(a, create(a, clean, use));
    if (result == 0 && (result = mailbox_row_get(a, clean, &box, NULL)) == 0 && id)
        buf_add_str(id, box.mailboxid);
    int error = errno;
    account_unlock(a);
    free(clean);
    errno = error;
    return result;
}

/* --- delete ------------------------------------------------------------------------------- */

static int forget(struct store_account *a, const char *name)
{
    struct mailbox_row box;
    int row = mailbox_row_find(a, name, &box, NULL);
    if (row == 1)
        row = mailbox_row_delete(a, &box);
    return row < 0 ? -1 : 0;
}

/* The subscription stays (RFC 9051 6.3.7). */
static int drop_use(struct store_account *a, const char *name)
{
    struct folder_marks marks;
    int result = 0;
    if (folder_marks_read(a, &marks) < 0)
        return -1;
    struct folder_mark *mark = folder_mark(&marks, name);
    if (mark->use != 0) {
        mark->use = 0;
        result = folder_marks_write(a, &marks);
    }
    folder_marks_free(&marks);
    return result;
}

static int delete(struct store_account *a, const char *name)
{
    bool level = !exists(a, name);
    if (is_inbox(name) || (level && has_below(a, name))) {
        errno = EPERM;
        return -1;
    }
    if (level) {
        errno = ENOENT;
        return -1;
    }
    detach_loaded(a, name);
    if (forget(a, name) < 0 || drop_use(a, name) < 0)
        return -1;
    return folder_disk_of(a)->remove(a, name);
}

int folder_delete(struct store_account *a, const char *name)
{
    char *clean = folder_name_clean(slice_str(name));
    if (!clean)
        return -1;
    account_lock(a);
    int result = begin(a);
    if (result == 0)
        result = end(a, delete(a, clean));
    int error = errno;
    account_unlock(a);
    free(clean);
    errno = error;
    return result;
}

/* --- rename ------------------------------------------------------------------------------- */

/* The names of the index that are `from` or below it. */
static int names_below(struct store_account *a, const char *from, char ***names, size_t *n)
{
    sqlite3_stmt *st = index_query(&a->index, ST_MAILBOX_NAMES, "");
    int row;
    *names = NULL;
    *n = 0;
    if (!st)
        return -1;
    while ((row = index_step(&a->index, st)) == 1) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        if (!name || (strcmp(name, from) != 0 && !folder_is_below(slice_str(name),
                                                                  slice_str(from))))
            continue;
        *names = xreallocarray(*names, *n + 1, sizeof **names);
        (*names)[(*n)++] = xstrdup(name);
    }
    index_done(st);
    return row;
}

static void rename_loaded(struct store_account *a, const char *from, const char *to)
{
    struct mailbox_view *v = loaded(a, from);
    struct buf path = {0};
    if (v && folder_disk_of(a)->path(a, to, &path) == 0) {
        free(v->name);
        free(v->path);
        v->name = xstrdup(to);
        v->path = buf_take(&path);
        v->rescan = true;
        if (v->source->free)
            v->source->free(v);    /* it knows the path too */
    }
    buf_free(&path);
}

static int rename_in_index(struct store_account *a, const char *from, const char *to)
{
    char **names;
    size_t n;
    int result = names_below(a, from, &names, &n);
    for (size_t i = 0; i < n; i++) {
        char *name = xasprintf("%s%s", to, names[i] + strlen(from));
        if (result == 0)
            result = forget(a, name);
        if (result == 0)
            result = index_run(&a->index, ST_MAILBOX_RENAME, "ss", name, names[i]);
        if (result == 0) {
            detach_loaded(a, name);
            rename_loaded(a, names[i], name);
        }
        free(name);
        free(names[i]);
    }
    free(names);
    return result;
}

static int move_uses(struct store_account *a, const char *from, const char *to)
{
    struct folder_marks marks;
    int result = 0;
    bool any = false;
    if (folder_marks_read(a, &marks) < 0)
        return -1;
    for (size_t i = 0, n = marks.n; i < n; i++) {
        const char *old = marks.v[i].name;
        unsigned use = marks.v[i].use;
        if (use == 0 || (strcmp(old, from) != 0 && !folder_is_below(slice_str(old),
                                                                    slice_str(from))))
            continue;
        char *name = xasprintf("%s%s", to, old + strlen(from));
        marks.v[i].use = 0;
        folder_mark(&marks, name)->use |= use;
        free(name);
        any = true;
    }
    if (any)
        result = folder_marks_write(a, &marks);
    folder_marks_free(&marks);
    return result;
}

static int rename_folder(struct store_account *a, const char *from, const char *to)
{
    if (!exists(a, from) && !has_below(a, from)) {
        errno = ENOENT;
        return -1;
    }
    if (exists(a, to) || has_below(a, to)) {
        errno = EEXIST;
        return -1;
    }
    if (folder_is_below(slice_str(to), slice_str(from))) {
        errno = EPERM;
        return -1;
    }
    if (make_levels(a, to) < 0 || folder_disk_of(a)->rename(a, from, to) < 0)
        return -1;
    if (rename_in_index(a, from, to) < 0)
        return -1;
    return move_uses(a, from, to);
}

/* RFC 9051 6.3.6: the inbox is emptied into the new mailbox. */
static int rename_inbox(struct store_account *a, const char *to)
{
    struct view_copied moved;
    struct uid_set all = {0};
    if (folder_create(a, to, 0, NULL) < 0)
        return -1;
    struct view_session *s = view_open(a, "INBOX", false);
    if (!s)
        return -1;
    for (uint32_t seq = 1; seq <= view_count(s); seq++)
        uid_set_add(&all, view_uid(s, seq), view_uid(s, seq));
    int result = view_copy(s, &all, to, true, &moved);
    int error = errno;
    view_copied_free(&moved);
    uid_set_free(&all);
    view_close(s);
    errno = error;
    return result;
}

int folder_rename(struct store_account *a, const char *from, const char *to)
{
    char *old = folder_name_clean(slice_str(from)), *new = folder_name_clean(slice_str(to));
    int result = -1;
    if (old && new && is_inbox(old)) {
        result = rename_inbox(a, new);
    } else if (old && new) {
        account_lock(a);
        if (begin(a) == 0)
            result = end(a, rename_folder(a, old, new));
        int error = errno;
        account_unlock(a);
        errno = error;
    }
    int error = errno;
    free(old);
    free(new);
    errno = error;
    return result;
}

/* --- subscribe ---------------------------------------------------------------------------- */

static int subscribe(struct store_account *a, const char *name, bool on)
{
    struct folder_marks marks;
    int result = 0;
    if (folder_marks_read(a, &marks) < 0)
        return -1;
    struct folder_mark *mark = folder_mark(&marks, name);
    if (on && marks.n > FOLDERS_MAX) {
        errno = ENOSPC;
        result = -1;
    } else if (mark->subscribed != on) {
        mark->subscribed = on;
        result = folder_marks_write(a, &marks);
    }
    folder_marks_free(&marks);
    return result;
}

int folder_subscribe(struct store_account *a, const char *name, bool on)
{
    char *clean = folder_name_clean(slice_str(name));
    if (!clean)
        return -1;
    account_lock(a);
    int result = begin(a);
    if (result == 0)
        result = end(a, subscribe(a, clean, on));
    int error = errno;
    account_unlock(a);
    free(clean);
    errno = error;
    return result;
}

/* --- status ------------------------------------------------------------------------------- */

int folder_status(struct store_account *a, const char *name, bool sizes, struct folder_status *out)
{
    char *clean = folder_name_clean(slice_str(name));
    if (!clean)
        return -1;
    account_lock(a);
    struct mailbox_view *v = account_check_index(a) == 0 ? view_pin(a, clean) : NULL;
    int error = errno;
    if (v && sizes && view_measure_all(v) < 0) {
        error = errno;
        view_unpin(v);
        v = NULL;
    }
    if (v) {
        const struct mailbox_row *b = &v->box;
        *out = (struct folder_status){
            .messages = (uint32_t)b->messages, .unseen = (uint32_t)b->unseen,
            .recent = (uint32_t)(v->n - row_from(v, b->recent)), .deleted = (uint32_t)b->deleted,
            .uidnext = b->uidnext, .uidvalidity = b->uidvalidity, .highestmodseq = b->modseq,
            .size = b->octets, .deleted_size = b->deleted_octets,
        };
        memcpy(out->mailboxid, b->mailboxid, sizeof out->mailboxid);
        view_unpin(v);
    }
    account_unlock(a);
    free(clean);
    errno = error;
    return v ? 0 : -1;
}
