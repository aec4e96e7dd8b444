/* folder_list.c - what mailboxes there are, and what is known of each. */
#include "base/mem.h"
#include "reference/store/folder_internal.h"

#include <errno.h>
#include <stdlib.h>

static const struct { unsigned use; const char *name; } uses[] = {
    {USE_ALL, "\\All"}, {USE_ARCHIVE, "\\Archive"}, {USE_DRAFTS, "\\Drafts"},
    {USE_FLAGGED, "\\Flagged"}, {USE_JUNK, "\\Junk"}, {USE_SENT, "\\Sent"}, {USE_TRASH, "\\Trash"},
    {USE_IMPORTANT, "\\Important"},
};
#define USES (sizeof uses / sizeof *uses)

unsigned folder_use_of(struct slice word)
{
    for (size_t i = 0; i < USES; i++) {
        if (slice_ieq_str(word, uses[i].name))
            return uses[i].use;
    }
    return 0;
}

const char *folder_use_name(unsigned one_bit)
{
    for (size_t i = 0; i < USES; i++) {
        if (uses[i].use == one_bit)
            return uses[i].name;
    }
    return NULL;
}

void folder_list_free(struct folder_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].name);
    free(l->v);
    *l = (struct folder_list){0};
}

static struct folder *add(struct folder_list *l, struct slice name)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->v = xreallocarray(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n] = (struct folder){.name = slice_dup(name)};
    return &l->v[l->n++];
}

static void give(void *arg, const char *name, bool selectable)
{
    struct folder_list *l = arg;
    if (l->n >= FOLDERS_MAX)
        return;
    struct folder *f = add(l, slice_str(name));
    f->exists = true;              /* a level on disk too */
    f->selectable = selectable;
}

/* INBOX first; the separator before all other octets, so that what is below follows at once. */
static int by_name(const void *x, const void *y)
{
    const char *a = ((const struct folder *)x)->name, *b = ((const struct folder *)y)->name;
    bool a_inbox = strncmp(a, "INBOX", 5) == 0 && (a[5] == 0 || a[5] == FOLDER_SEPARATOR);
    bool b_inbox = strncmp(b, "INBOX", 5) == 0 && (b[5] == 0 || b[5] == FOLDER_SEPARATOR);
    if (a_inbox != b_inbox)
        return a_inbox ? -1 : 1;
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int left = *a == FOLDER_SEPARATOR ? 1 : (unsigned char)*a + (*a != 0);
    int right = *b == FOLDER_SEPARATOR ? 1 : (unsigned char)*b + (*b != 0);
    return left - right;
}

/* One of each name. */
static void unite(struct folder_list *l)
{
    size_t kept = 0;
    qsort(l->v, l->n, sizeof *l->v, by_name);
    for (size_t i = 0; i < l->n; i++) {
        struct folder *f = &l->v[i], *last = kept > 0 ? &l->v[kept - 1] : NULL;
        if (!last || strcmp(last->name, f->name) != 0) {
            l->v[kept++] = *f;
            continue;
        }
        last->exists = last->exists || f->exists;
        last->selectable = last->selectable || f->selectable;
        last->subscribed = last->subscribed || f->subscribed;
        last->use |= f->use;
        free(f->name);
    }
    l->n = kept;
}

static void add_levels(struct folder_list *l)
{
    size_t n = l->n;
    for (size_t i = 0; i < n; i++) {
        struct slice name = slice_str(l->v[i].name);
        while ((name = folder_parent(name)).n > 0)
            add(l, name);          /* may move l->v, not the names */
    }
}

static void look_below(struct folder_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = i + 1;
             k < l->n && folder_is_below(slice_str(l->v[k].name), slice_str(l->v[i].name)); k++) {
            l->v[i].has_children = l->v[i].has_children || l->v[k].exists;
            l->v[i].child_subscribed = l->v[i].child_subscribed || l->v[k].subscribed;
        }
    }
}

static int list(struct store_account *a, struct folder_list *out)
{
    struct folder_marks marks;
    const struct folder_disk *disk = folder_disk_of(a);
    struct folder *inbox = add(out, SLICE("INBOX"));
    inbox->exists = inbox->selectable = true;
    if (disk->each(a, give, out) < 0 || folder_marks_read(a, &marks) < 0)
        return -1;
    add_levels(out);               /* before the subscriptions: these make no level */
    for (size_t i = 0; i < marks.n; i++) {
        const struct folder_mark *m = &marks.v[i];
        if (!m->subscribed && m->use == 0)
            continue;
        struct folder *f = add(out, slice_str(m->name));
        f->subscribed = m->subscribed;
        f->use = m->use;
    }
    folder_marks_free(&marks);
    unite(out);
    look_below(out);
    /* Special uses are those of mailboxes. */
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++) {
        struct folder *f = &out->v[i];
        f->use = f->selectable ? f->use : 0;
        f->no_inferiors = disk->leaves && f->selectable && i > 0;
        if (f->exists || f->subscribed || f->has_children)
            out->v[kept++] = *f;
        else
            free(f->name);
    }
    out->n = kept;
    return 0;
}

int folder_list(struct store_account *a, struct folder_list *out)
{
    *out = (struct folder_list){0};
    account_lock(a);
    int result = list(a, out);
    int error = errno;
    account_unlock(a);
    if (result < 0)
        folder_list_free(out);
    errno = error;
    return result;
}

int folder_find(struct store_account *a, const char *name, struct folder *out)
{
    struct folder_list all;
    char *clean = folder_name_clean(slice_str(name));
    int result = -1, error = ENOENT;
    if (!clean || folder_list(a, &all) < 0) {
        error = errno;
        free(clean);
        errno = error;
        return -1;
    }
    for (size_t i = 0; i < all.n; i++) {
        if (strcmp(all.v[i].name, clean) != 0 || !(all.v[i].exists || all.v[i].has_children))
            continue;
        result = 0;
        if (out) {
            *out = all.v[i];
            out->name = NULL;
        }
    }
    folder_list_free(&all);
    free(clean);
    errno = error;
    return result;
}
