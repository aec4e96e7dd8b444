/* forward.c - reading .forward files. */
#include "reference/mda/forward.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/mda/as_user.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_OCTETS_MAX = 64 * 1024,
    ITEM_OCTETS_MAX = 400,       /* fits a line of a reply (RFC 5321 4.5.3.1.5) */
    ITEMS_MAX = 500,
    FILES_MAX = 20,              /* of one user, by :include: */
};

struct reading {
    const struct account *a;
    struct alias_items *items;
    int files;
    struct buf wrong;            /* "file:line: what; remedy" */
    bool later;
};

bool forward_possible(const struct config *c, const struct account *a)
{
    return c->forward_file && a->home && *a->home == '/' && as_user_possible(a->uid, a->gid);
}

bool forward_is_own(const struct account *a, const char *item)
{
    return slice_ieq_str(slice_str(item[0] == '\\' ? item + 1 : item), a->user);
}

bool forward_is_ours(const char *item) { return item[0] == '|' || item[0] == '/'; }

/* "~" is the home folder, "%u" the name. */
static char *file_name(const struct config *c, const struct account *a)
{
    struct buf path = {0};
    const char *text = c->forward_file;
    if (*text == '~') {
        buf_add_str(&path, a->home);
        text++;
    }
    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 'u') {
            buf_add_str(&path, a->user);
            text++;
        } else {
            buf_add_byte(&path, *text);
        }
    }
    return buf_take(&path);
}

/* What somebody else may write must not say where the user's mail goes, or what runs as him. */
static const char *distrusted(const struct account *a, const char *path, const struct stat *st)
{
    struct stat folder;
    char *copy = xstrdup(path);
    bool known = stat(dirname(copy), &folder) == 0;
    free(copy);
    if (!S_ISREG(st->st_mode))
        return "is no file";
    if (st->st_uid != (uid_t)a->uid && st->st_uid != 0)
        return "belongs to somebody else; give it to the user (chown)";
    if (st->st_mode & 022)
        return "can be written by others; take that away (chmod go-w)";
    if (st->st_size > FILE_OCTETS_MAX)
        return "is larger than 64 KiB";
    if (!known || (folder.st_uid != (uid_t)a->uid && folder.st_uid != 0))
        return "is in a folder of somebody else";
    if (folder.st_mode & 002 && !(folder.st_mode & S_ISVTX))
        return "is in a folder that everybody can write to (chmod o-w)";
    return NULL;
}

/* As the user. 0, ENOENT, or another errno; what is not to be trusted is *why and EPERM. */
static int read_text(const struct account *a, const char *path, struct buf *text, const char **why)
{
    struct as_user me;
    struct stat st;
    int error = 0;
    if (!as_user_begin(&me, a->uid, a->gid))
        return errno;
    /* Without waiting: it could be a FIFO. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error = errno == ENOTDIR ? ENOENT : errno;
    } else if ((*why = distrusted(a, path, &st)) != NULL) {
        error = EPERM;
    } else {
        char piece[4096];
        ssize_t n;
        while ((n = read(fd, piece, sizeof piece)) > 0 && text->len <= FILE_OCTETS_MAX)
            buf_add(text, piece, (size_t)n);
        error = n < 0 ? errno : 0;
    }
    if (fd >= 0)
        close(fd);
    as_user_end(&me);
    return error;
}

static bool take_file(struct reading *r, const char *path);

static const char *take_item(struct reading *r, const char *item)
{
    if (strncmp(item, ":include:", 9) == 0) {
        take_file(r, item + 9);
        return NULL;
    }
    if (strlen(item) > ITEM_OCTETS_MAX)
        return "an item of more than 400 octets; put it into a script, or into a file to include";
    if (forward_is_ours(item) && r->a->uid == 0)
        return "no program and no file is for the superuser; forward the mail to a person";
    if (r->items->n >= ITEMS_MAX)
        return "more than 500 items; use a list manager";
    alias_items_add(r->items, xstrdup(item));
    return NULL;
}

static void take_line(struct reading *r, const char *path, unsigned number, struct slice line)
{
    struct alias_items found = {0};
    const char *wrong = memchr(line.p, 0, line.n) ? "a NUL byte; remove it"
                                                  : aliases_parse_items(line, &found);
    for (size_t i = 0; i < found.n && !wrong; i++)
        wrong = take_item(r, found.v[i]);
    if (wrong)
        buf_printf(&r->wrong, "%s:%u: %s\n", path, number, wrong);
    alias_items_free(&found);
}

/* False when there is no such file. */
static bool take_file(struct reading *r, const char *path)
{
    struct buf text = {0};
    const char *why = NULL;
    int error = ++r->files > FILES_MAX ? ELOOP : read_text(r->a, path, &text, &why);
    bool top = r->files == 1;
    if (error == ELOOP)
        buf_printf(&r->wrong, "%s: more than %d files; does it include itself?\n", path, FILES_MAX);
    else if (why)
        buf_printf(&r->wrong, "%s: %s\n", path, why);
    else if (error && !(top && error == ENOENT)) {
        buf_printf(&r->wrong, "%s: cannot be read: %s\n", path, strerror(error));
        r->later = true;
    }
    struct slice rest = buf_slice(&text), line;
    for (unsigned number = 1; !error && slice_next(&rest, '\n', &line); number++) {
        line = slice_trim(line);
        if (line.n > 0 && line.p[0] != '#')
            take_line(r, path, number, line);
    }
    buf_free(&text);
    return error != ENOENT;
}

enum forward_status forward_read(const struct config *c, const struct account *a,
                                 struct alias_items *items)
{
    struct reading r = {.a = a, .items = items};
    *items = (struct alias_items){0};
    if (!forward_possible(c, a))
        return FORWARD_NONE;
    char *path = file_name(c, a);
    take_file(&r, path);
    free(path);
    if (r.wrong.len > 0)
        event("mda.forward-wrong", EV_STR("user", a->user), EV_STR("error", buf_str(&r.wrong)));
    bool wrong = r.wrong.len > 0;
    buf_free(&r.wrong);
    if (wrong)
        alias_items_free(items);
    /* RFC 5321 4.2.5: what was accepted is not lost: it waits, or the mailbox has it. */
    return r.later ? FORWARD_LATER : items->n > 0 ? FORWARD_FOUND : FORWARD_NONE;
}
