/* folder_maildir.c - mailboxes as Maildir++ folders of the inbox. */
#include "base/mem.h"
#include "reference/store/folder_internal.h"
#include "reference/store/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int path_of(struct store_account *a, const char *name, struct buf *out)
{
    buf_add_str(out, a->place.path);
    if (strcmp(name, "INBOX") == 0)
        return 0;
    buf_add_byte(out, '/');
    if (maildir_name_encode(slice_str(name), out))
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int check(const char *path)
{
    int top = maildir_open_folder(AT_FDCWD, path);
    if (top < 0) {
        errno = ENOENT;
        return -1;
    }
    struct stat st;
    int result = fstatat(top, "cur", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) ? 0 : -1;
    close(top);
    errno = ENOENT;
    return result;
}

static int make(struct store_account *a, const char *name)
{
    struct buf path = {0};
    if (path_of(a, name, &path) < 0) {
        buf_free(&path);
        return -1;
    }
    struct mailbox_place folder = a->place;
    int result = 0;
    if (check(a->place.path) < 0)
        result = maildir_make(&a->place);
    folder.path = buf_take(&path);
    if (folder.path && strcmp(name, "INBOX") != 0) {
        folder.dir = a->place.path;
        if (result == 0)
            result = maildir_make(&folder);
        /* Maildir++: so that a delivery agent knows that it is a folder of an inbox. */
        char *mark = xasprintf("%s/maildirfolder", folder.path);
        int fd = result == 0 ? open(mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
        if (fd >= 0) {
            give_to_owner(&a->place, fd, 0600, 0660);
            close(fd);
        }
        free(mark);
    }
    free(folder.path);
    return result;
}

struct listing {
    int top;
    void (*give)(void *arg, const char *name, bool selectable);
    void *arg;
};

static void list_one(struct listing *l, const char *file)
{
    struct buf name = {0};
    struct stat st;
    char *cur = xasprintf("%s/cur", file);
    if (maildir_name_decode(slice_str(file), &name) && strcmp(buf_str(&name), "INBOX") != 0 &&
        fstatat(l->top, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        fstatat(l->top, cur, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        l->give(l->arg, buf_str(&name), true);
    free(cur);
    buf_free(&name);
}

static int each(struct store_account *a, void (*give)(void *, const char *, bool), void *arg)
{
    int top = maildir_open_folder(AT_FDCWD, a->place.path);
    if (top < 0)
        return errno == ENOENT ? 0 : -1;
    struct listing l = {top, give, arg};
    int fd = dup(top);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            list_one(&l, entry->d_name);
    }
    if (dir)
        closedir(dir);
    close(top);
    return dir ? 0 : -1;
}

/* --- removing ----------------------------------------------------------------------------- */

/* The files and folders of a folder, two levels deep: what a Maildir is. */
static void remove_content(int at, const char *name, int depth)
{
    int folder = maildir_open_folder(at, name);
    DIR *dir = folder >= 0 ? fdopendir(folder) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || depth == 0)
            continue;
        remove_content(dirfd(dir), entry->d_name, depth - 1);
        unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
    if (dir)
        closedir(dir);
    else if (folder >= 0)
        close(folder);
}

/* First away from its name, in one step; a kill after it leaves a folder in tmp/ that means
 * nothing. */
static int remove_folder(struct store_account *a, const char *name)
{
    struct buf path = {0};
    if (path_of(a, name, &path) < 0) {
        buf_free(&path);
        return -1;
    }
    char *unique = maildir_unique_name(&a->place);
    char *gone = xasprintf("%s/tmp/%s", a->place.path, unique);
    int result = rename(buf_str(&path), gone);
    if (result == 0) {
        result = sync_dir(&a->place, a->place.path);
        remove_content(AT_FDCWD, gone, 1);
        rmdir(gone);
    }
    int error = errno;
    free(unique);
    free(gone);
    buf_free(&path);
    errno = error;
    return result;
}

/* --- renaming ----------------------------------------------------------------------------- */

struct below { const char *from; char **names; size_t n; };

static void note_below(void *arg, const char *name, bool selectable)
{
    struct below *b = arg;
    if (!selectable || (strcmp(name, b->from) != 0 &&
                        !folder_is_below(slice_str(name), slice_str(b->from))))
        return;
    b->names = xreallocarray(b->names, b->n + 1, sizeof *b->names);
    b->names[b->n++] = xstrdup(name);
}

static int rename_one(struct store_account *a, const char *from, const char *to)
{
    struct buf old = {0}, new = {0};
    int result = -1;
    if (path_of(a, from, &old) == 0 && path_of(a, to, &new) == 0)
        result = rename(buf_str(&old), buf_str(&new));
    int error = errno;
    buf_free(&old);
    buf_free(&new);
    errno = error;
    return result;
}

static int rename_all(struct store_account *a, const char *from, const char *to)
{
    struct below b = {.from = from};
    int result = each(a, note_below, &b), error = 0;
    /* The deepest name is the longest: when one does not fit, nothing is renamed. */
    for (size_t i = 0; result == 0 && i < b.n; i++) {
        struct buf path = {0};
        char *name = xasprintf("%s%s", to, b.names[i] + strlen(from));
        result = path_of(a, name, &path);
        buf_free(&path);
        free(name);
    }
    for (size_t i = 0; i < b.n; i++) {
        char *name = xasprintf("%s%s", to, b.names[i] + strlen(from));
        if (result == 0)
            result = rename_one(a, b.names[i], name);
        error = result < 0 && !error ? errno : error;
        free(name);
        free(b.names[i]);
    }
    free(b.names);
    if (result == 0)
        result = sync_dir(&a->place, a->place.path);
    errno = error ? error : errno;
    return result;
}

const struct folder_disk maildir_disk = {
    .each = each, .path = path_of, .check = check, .make = make, .make_level = make,
    .remove = remove_folder, .rename = rename_all,
};
