/* view_maildir_put.c - putting messages into a Maildir that belongs to a view: copies and what
 * clients bring. They go to cur/ at once, for the client knows of them. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The whole name under which a message will be; what the view keeps of it is made->name. W is
 * left out when the text does not end in a line end: POP3 counts one that it must add (RFC 1939
 * 3). file_octets: -1 when they are not known. */
static char *new_name(struct mailbox_view *v, int64_t file_octets, bool with_size,
                      const char *emailid, struct found *made)
{
    struct buf name = {0};
    char *unique = maildir_unique_name(&v->account->place);
    buf_add_str(&name, unique);
    if (file_octets >= 0)
        buf_printf(&name, ",S=%lld", (long long)file_octets);
    if (file_octets >= 0 && with_size)
        buf_printf(&name, ",W=%llu", (unsigned long long)made->size);
    if (emailid)
        buf_printf(&name, ",I=%s", emailid);
    if (v->mark)
        buf_printf(&name, ",T=%08x", v->mark);
    made->name = xstrdup(buf_str(&name));
    maildir_flags_add(&name, made->flags, made->keywords);
    free(unique);
    return buf_take(&name);
}

/* --- copies ------------------------------------------------------------------------------- */

static int copy_content(int from, int to)
{
    char chunk[64 * 1024];
    ssize_t n;
    while ((n = read(from, chunk, sizeof chunk)) > 0) {
        if (write(to, chunk, (size_t)n) != n)
            return -1;
    }
    return (int)n;
}

/* Where the file system has no links, or no more for this file. */
static int copy_file(struct mailbox_view *v, int folder, const char *from, struct mailbox_view *to,
                     const char *name)
{
    char *tmp = NULL;
    int in = openat(folder, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), result = -1;
    int out = in >= 0 ? to->source->stage(to, &tmp) : -1;
    struct stat st;
    if (out >= 0 && fstat(in, &st) == 0 && copy_content(in, out) == 0 &&
        futimens(out, (struct timespec[]){st.st_mtim, st.st_mtim}) == 0 &&
        sync_fd(&v->account->place, out) == 0)
        result = renameat(AT_FDCWD, tmp, to->folders[1], name);
    int error = errno;
    if (result < 0 && out >= 0)
        unlink(tmp);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    free(tmp);
    errno = error;
    return result;
}

static int put(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
               const char *name)
{
    struct buf from = {0};
    maildir_file_name(&from, v, r);
    int folder = v->folders[r->flags & ROW_NEW ? 0 : 1], result;
    if (move)
        result = renameat(folder, buf_str(&from), to->folders[1], name);
    else
        result = linkat(folder, buf_str(&from), to->folders[1], name, 0);
    if (result < 0 && !move && (errno == EMLINK || errno == EPERM || errno == ENOTSUP))
        result = copy_file(v, folder, buf_str(&from), to, name);
    int error = errno;
    buf_free(&from);
    errno = error;
    return result;
}

/* What the name says of the size the copy's says too. */
int maildir_copy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                 struct found *made)
{
    char id[17];
    if (maildir_open(v) < 0 || maildir_open(to) < 0)
        return -1;
    struct slice base = maildir_base(row_name(v, r));
    snprintf(id, sizeof id, "%016llx", (unsigned long long)maildir_emailid(base));
    char *name = new_name(to, maildir_size_field(base, SLICE(",S=")),
                          maildir_size_field(base, SLICE(",W=")) >= 0, id, made);
    made->saved = wall_us() / 1000000;
    int result = put(v, r, to, move, name);
    if (result < 0 && errno == ENOENT && maildir_relocate(v) == 0)
        result = put(v, r, to, move, name);
    int error = errno;
    if (result < 0) {
        free(made->name);
        made->name = NULL;
    }
    free(name);
    errno = error;
    return result;
}

void maildir_uncopy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                    const struct found *made)
{
    struct buf name = {0}, from = {0};
    buf_add_str(&name, made->name);
    maildir_flags_add(&name, made->flags, made->keywords);
    maildir_file_name(&from, v, r);
    /* Should it not be possible to move it back it is found where it is: no message is lost. */
    if (!move || renameat(to->folders[1], buf_str(&name), v->folders[r->flags & ROW_NEW ? 0 : 1],
                          buf_str(&from)) < 0) {
        if (!move)
            unlinkat(to->folders[1], buf_str(&name), 0);
    }
    buf_free(&name);
    buf_free(&from);
}

/* --- messages of clients ------------------------------------------------------------------ */

int maildir_stage(struct mailbox_view *v, char **tmp)
{
    char *unique = maildir_unique_name(&v->account->place);
    *tmp = xasprintf("%s/tmp/%s", v->path, unique);
    free(unique);
    int fd = open(*tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && give_to_owner(&v->account->place, fd, 0600, 0660) < 0) {
        int error = errno;
        unlink(*tmp);
        close(fd);
        fd = -1;
        errno = error;
    }
    if (fd < 0) {
        free(*tmp);
        *tmp = NULL;
    }
    return fd;
}

void maildir_unstage(struct mailbox_view *v, const char *tmp)
{
    (void)v;
    unlink(tmp);
}

int maildir_place(struct mailbox_view *v, int fd, const char *tmp, uint64_t file_octets,
                  bool ends_in_lf, struct found *made)
{
    if (maildir_open(v) < 0)
        return -1;
    struct timespec date = {.tv_sec = made->date};
    if (futimens(fd, (struct timespec[]){date, date}) < 0)
        return -1;
    char *name = new_name(v, (int64_t)file_octets, ends_in_lf, NULL, made);
    int result = renameat(AT_FDCWD, tmp, v->folders[1], name);
    int error = errno;
    if (result < 0) {
        free(made->name);
        made->name = NULL;
    }
    free(name);
    errno = error;
    return result;
}

void maildir_unplace(struct mailbox_view *v, const struct found *made)
{
    struct buf name = {0};
    buf_add_str(&name, made->name);
    maildir_flags_add(&name, made->flags, made->keywords);
    unlinkat(v->folders[1], buf_str(&name), 0);
    buf_free(&name);
}

int maildir_sync(struct mailbox_view *v)
{
    return maildir_open(v) < 0 ? -1 : sync_fd(&v->account->place, v->folders[1]);
}
