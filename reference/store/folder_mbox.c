/* folder_mbox.c - mailboxes as mbox files below a folder of the user's; levels are folders
 * there. Names of levels are in modified UTF-7. A level that begins with a dot, or ends in
 * ".lock", has its first dot written as "&AC4-": files of such names are not mailboxes. */
#include "base/mem.h"
#include "reference/store/folder_internal.h"
#include "reference/store/format.h"
#include "reference/store/lock.h"
#include "reference/store/utf7.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DOT "&AC4-"
#define KEPT "mbox"

/* --- names -------------------------------------------------------------------------------- */

/* A place of the configuration, for this user. */
static void add_place(const struct store_account *a, const char *p, struct buf *out)
{
    size_t start = out->len;
    for (; *p; p++) {
        if (*p == '~' && out->len == start) {
            buf_add_str(out, a->home);
        } else if (p[0] == '%' && p[1] == 'u') {
            buf_add_str(out, a->place.user);
            p++;
        } else {
            buf_add_byte(out, *p);
        }
    }
}

static void add_root(const struct store_account *a, struct buf *out)
{
    if (a->config->mail_folders)
        add_place(a, a->config->mail_folders, out);
    else
        buf_printf(out, "%s/.%s.mail", a->place.dir, a->place.user);
}

/* Is the name that of the file where mail(1) keeps what was read? */
static bool is_kept(const struct store_account *a, const char *name)
{
    const char *kept = a->config->mail_kept;
    return kept && strcmp(name, KEPT) == 0 && (*kept != '~' || a->home[0]);
}

static bool add_level(struct slice level, struct buf *out)
{
    struct buf name = {0};
    utf8_to_utf7(level, &name);
    struct slice text = buf_slice(&name);
    size_t start = out->len;
    bool hidden = slice_starts(text, SLICE(".")), lock = slice_ends(text, SLICE(".lock"));
    buf_add_byte(out, '/');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' && ((hidden && i == 0) || (lock && i == text.n - 5)))
            buf_add_str(out, DOT);
        else
            buf_add_byte(out, text.p[i]);
    }
    buf_free(&name);
    return out->len - start - 1 + sizeof ".lock" <= DISK_NAME_MAX;
}

static int path_of(struct store_account *a, const char *name, struct buf *out)
{
    struct slice rest = slice_str(name), level;
    if (strcmp(name, "INBOX") == 0) {
        buf_add_str(out, a->place.path);
        return 0;
    }
    if (is_kept(a, name)) {
        add_place(a, a->config->mail_kept, out);
        return 0;
    }
    add_root(a, out);
    while (slice_next(&rest, FOLDER_SEPARATOR, &level)) {
        if (!add_level(level, out)) {
            errno = ENAMETOOLONG;
            return -1;
        }
    }
    return 0;
}

static bool add_from_disk(struct slice file, struct buf *out)
{
    struct buf plain = {0};
    if (slice_starts(file, SLICE(".")) || slice_ends(file, SLICE(".lock")))
        return false;
    while (file.n > 0) {
        bool dot = slice_starts(file, SLICE(DOT));
        buf_add_byte(&plain, dot ? '.' : file.p[0]);
        file = slice_sub(file, dot ? sizeof DOT - 1 : 1, file.n);
    }
    size_t start = out->len;
    bool good = utf7_to_utf8(buf_slice(&plain), out) &&
                slice_index(slice_of(out->data + start, out->len - start), FOLDER_SEPARATOR) < 0;
    buf_free(&plain);
    return good;
}

/* --- what is there ------------------------------------------------------------------------ */

static int check(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    errno = ENOENT;
    return -1;
}

static void each_below(int at, const char *folder, const char *above, int depth,
                       void (*give)(void *, const char *, bool), void *arg)
{
    int fd = maildir_open_folder(at, folder);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        struct buf name = {0};
        struct stat st;
        buf_printf(&name, "%s%s", above, *above ? "/" : "");
        if (add_from_disk(slice_str(entry->d_name), &name) &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            char *clean = folder_name_clean(buf_slice(&name));
            bool same = clean && slice_eq_str(buf_slice(&name), clean);
            free(clean);
            if (same && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
                strcmp(buf_str(&name), "INBOX") != 0)
                give(arg, buf_str(&name), S_ISREG(st.st_mode));
            if (same && S_ISDIR(st.st_mode) && depth > 1)
                each_below(dirfd(dir), entry->d_name, buf_str(&name), depth - 1, give, arg);
        }
        buf_free(&name);
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

struct others { struct store_account *a; void (*give)(void *, const char *, bool); void *arg; };

static void give_other(void *arg, const char *name, bool selectable)
{
    const struct others *o = arg;
    if (!is_kept(o->a, name))
        o->give(o->arg, name, selectable);
}

static int each(struct store_account *a, void (*give)(void *, const char *, bool), void *arg)
{
    struct buf place = {0};
    struct others others = {a, give, arg};
    add_root(a, &place);
    each_below(AT_FDCWD, buf_str(&place), "", FOLDER_DEPTH_MAX, give_other, &others);
    buf_clear(&place);
    if (is_kept(a, KEPT) && path_of(a, KEPT, &place) == 0 && check(buf_str(&place)) == 0)
        give(arg, KEPT, true);
    buf_free(&place);
    return 0;
}

/* --- changing ----------------------------------------------------------------------------- */

static int make_folder(struct store_account *a, const char *path)
{
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : -1;
    int fd = maildir_open_folder(AT_FDCWD, path);
    int result = fd < 0 ? -1 : give_to_owner(&a->place, fd, 0700, 02770);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return result;
}

static int make_level(struct store_account *a, const char *name)
{
    struct buf path = {0};
    add_root(a, &path);
    int result = make_folder(a, buf_str(&path));
    buf_clear(&path);
    if (result == 0)
        result = path_of(a, name, &path);
    if (result == 0)
        result = make_folder(a, buf_str(&path));
    int error = errno;
    buf_free(&path);
    errno = error;
    return result;
}

/* RFC 4155: an empty file is an mbox without messages. */
static int make(struct store_account *a, const char *name)
{
    struct buf path = {0};
    struct mbox_lock lock;
    struct mailbox_place place = a->place;
    add_root(a, &path);
    int result = strcmp(name, "INBOX") == 0 ? 0 : make_folder(a, buf_str(&path));
    buf_clear(&path);
    if (result == 0)
        result = path_of(a, name, &path);
    if (result == 0) {
        char *file = buf_take(&path);
        place.path = file;
        place.dir = slice_dup(slice_sub(slice_str(file), 0, (size_t)slice_rindex(slice_str(file),
                                                                                 '/')));
        place.user = strrchr(file, '/') + 1;
        result = mbox_lock(&lock, &place, true, MBOX_LOCK_WAIT_MS);
        int error = errno == EBADMSG || errno == EISDIR ? EEXIST : errno;
        if (result == 0)
            mbox_unlock(&lock, NULL);
        free(place.dir);
        free(file);
        errno = error;
    }
    int error = errno;
    buf_free(&path);
    errno = error;
    return result;
}

/* Levels that lead nowhere any more go too, as far as they are empty. */
static int remove_file(struct store_account *a, const char *name)
{
    struct buf path = {0};
    int result = path_of(a, name, &path);
    if (result == 0)
        result = unlink(buf_str(&path));
    int error = errno;
    for (struct slice above = folder_parent(slice_str(name)); result == 0 && above.n > 0;
         above = folder_parent(above)) {
        char *level = slice_dup(above);
        buf_clear(&path);
        bool empty = path_of(a, level, &path) == 0 && rmdir(buf_str(&path)) == 0;
        free(level);
        if (!empty)
            break;
    }
    buf_free(&path);
    errno = error;
    return result;
}

static int rename_file(struct store_account *a, const char *from, const char *to)
{
    struct buf old = {0}, new = {0};
    int result = path_of(a, from, &old);
    if (result == 0)
        result = path_of(a, to, &new);
    if (result == 0)
        result = rename(buf_str(&old), buf_str(&new));
    int error = errno;
    buf_free(&old);
    buf_free(&new);
    errno = error;
    return result;
}

const struct folder_disk mbox_disk = {
    .leaves = true, .each = each, .path = path_of, .check = check, .make = make,
    .make_level = make_level, .remove = remove_file, .rename = rename_file,
};
