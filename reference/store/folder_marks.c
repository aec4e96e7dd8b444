/* folder_marks.c - subscriptions and special uses: <mail_dir>/.<user>.folders, a text file so
 * that it outlives the index. Its lines are "subscribed <name>" and "use <\Use> <name>", the
 * names in UTF-8.
 *
 * A user without it who has a Maildir of Dovecot's gets what its file "subscriptions" says.
 * Writers hold a transaction of the index meanwhile, which keeps those of other processes out. */
#include "base/mem.h"
#include "reference/store/folder_internal.h"
#include "reference/store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (16 * 1024 * 1024)

struct folder_mark *folder_mark(struct folder_marks *marks, const char *name)
{
    for (size_t i = 0; i < marks->n; i++) {
        if (strcmp(marks->v[i].name, name) == 0)
            return &marks->v[i];
    }
    if (marks->n == marks->cap) {
        marks->cap = marks->cap ? marks->cap * 2 : 16;
        marks->v = xreallocarray(marks->v, marks->cap, sizeof *marks->v);
    }
    marks->v[marks->n] = (struct folder_mark){.name = xstrdup(name)};
    return &marks->v[marks->n++];
}

void folder_marks_free(struct folder_marks *marks)
{
    for (size_t i = 0; i < marks->n; i++)
        free(marks->v[i].name);
    free(marks->v);
    *marks = (struct folder_marks){0};
}

static void add_line(struct folder_marks *out, struct slice line)
{
    struct slice word = {0};
    unsigned use = 0;
    slice_next(&line, ' ', &word);
    bool subscribed = slice_eq_str(word, "subscribed");
    if (slice_eq_str(word, "use") && slice_next(&line, ' ', &word))
        use = folder_use_of(word);
    if ((!subscribed && use == 0) || out->n >= FOLDERS_MAX)
        return;
    char *name = folder_name_clean(line);
    if (!name)
        return;
    struct folder_mark *mark = folder_mark(out, name);
    mark->subscribed = mark->subscribed || subscribed;
    mark->use |= use;
    free(name);
}

/* Dovecot's: one name a line, levels parted by "." or, from version 2 on (a first line "V\t2"), by
 * tabs. */
static void add_dovecot_line(struct folder_marks *out, struct slice line)
{
    struct buf disk = {0}, name = {0};
    buf_add_byte(&disk, '.');
    for (size_t i = 0; i < line.n; i++)
        buf_add_byte(&disk, line.p[i] == '\t' ? '.' : line.p[i]);
    if (slice_ieq_str(line, "INBOX"))
        folder_mark(out, "INBOX")->subscribed = true;
    else if (!slice_eq_str(line, "V\t2") && out->n < FOLDERS_MAX &&
             maildir_name_decode(buf_slice(&disk), &name))
        folder_mark(out, buf_str(&name))->subscribed = true;
    buf_free(&disk);
    buf_free(&name);
}

static char *file_name(const struct store_account *a, const char *suffix)
{
    return xasprintf("%s/.%s.folders%s", a->place.dir, a->place.user, suffix);
}

int folder_marks_read(struct store_account *a, struct folder_marks *out)
{
    struct buf text = {0};
    struct slice rest, line;
    void (*add)(struct folder_marks *, struct slice) = add_line;
    char *path = file_name(a, "");
    int result = buf_read_file(&text, path, FILE_MAX);
    free(path);
    if (result < 0 && errno == ENOENT) {
        result = 0;
        add = add_dovecot_line;
        path = xasprintf("%s/subscriptions", a->place.path);
        if (a->place.format != FORMAT_MAILDIR || buf_read_file(&text, path, FILE_MAX) < 0)
            buf_clear(&text);
        free(path);
    }
    *out = (struct folder_marks){0};
    rest = buf_slice(&text);
    while (result == 0 && slice_next(&rest, '\n', &line)) {
        if (line.n > 0)
            add(out, line);
    }
    buf_free(&text);
    return result;
}

int folder_marks_write(struct store_account *a, const struct folder_marks *marks)
{
    struct buf text = {0};
    for (size_t i = 0; i < marks->n; i++) {
        if (marks->v[i].subscribed)
            buf_printf(&text, "subscribed %s\n", marks->v[i].name);
        for (unsigned bit = 1; bit <= USE_IMPORTANT; bit <<= 1) {
            if (marks->v[i].use & bit)
                buf_printf(&text, "use %s %s\n", folder_use_name(bit), marks->v[i].name);
        }
    }
    char *tmp = file_name(a, ".new"), *path = file_name(a, "");
    unlink(tmp);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), result = -1;
    if (fd >= 0) {
        ssize_t n = text.len > 0 ? write(fd, text.data, text.len) : 0;
        if (n >= 0 && n < (ssize_t)text.len)
            errno = ENOSPC;
        else if (n >= 0 && sync_fd(&a->place, fd) == 0 && rename(tmp, path) == 0)
            result = sync_dir(&a->place, a->place.dir);
        int error = errno;
        close(fd);
        if (result < 0)
            unlink(tmp);
        errno = error;
    }
    buf_free(&text);
    free(tmp);
    free(path);
    return result;
}
