/* store.c - the common part of the mailbox formats. */
#include "reference/store/store.h"

#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/mbox_line.h"
#include "reference/store/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* Octets collected before a write. */
#define APPEND_CHUNK (256 * 1024)

static const struct mailbox_format_ops *const formats[] = {
    [FORMAT_MBOX] = &mbox_format,
    [FORMAT_MAILDIR] = &maildir_format,
};

const char *mailbox_format_name(enum mailbox_format format)
{
    return formats[format]->name;
}

bool store_user_valid(struct slice user)
{
    if (user.n == 0 || user.n > STORE_USER_MAX || user.p[0] == '.')
        return false;
    if (slice_ends(user, SLICE(".lock")))
        return false;
    for (size_t i = 0; i < user.n; i++) {
        unsigned char c = (unsigned char)user.p[i];
        if (c == '/' || c < 0x20 || c == 0x7f)
            return false;
    }
    return true;
}

int store_prepare(const struct config *c)
{
    if (mkdir(c->mail_dir, 0770) < 0 && errno != EEXIST)
        return -1;
    if (c->mailbox_format == FORMAT_MBOX)
        mbox_recover_all(c);
    return 0;
}

bool mailbox_place_init(struct mailbox_place *p, const struct config *c, const char *user,
                        int64_t uid, int64_t gid)
{
    *p = (struct mailbox_place){0};
    if (!store_user_valid(slice_str(user)))
        return false;
    p->path = xasprintf("%s/%s", c->mail_dir, user);
    p->dir = xstrdup(c->mail_dir);
    p->user = xstrdup(user);
    p->format = c->mailbox_format;
    p->uid = uid;
    p->gid = gid;
    p->sync = c->fsync;
    p->hostname = c->hostname;
    return true;
}

void mailbox_place_free(struct mailbox_place *p)
{
    free(p->path);
    free(p->dir);
    free(p->user);
    *p = (struct mailbox_place){0};
}

char *hex_text(const unsigned char *octets, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = xmalloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[octets[i] >> 4];
        text[2 * i + 1] = digits[octets[i] & 15];
    }
    text[2 * n] = 0;
    return text;
}

static gid_t mail_group(int64_t fallback)
{
    struct group group, *found = NULL;
    char text[4096];
    if (getgrnam_r("mail", &group, text, sizeof text, &found) == 0 && found)
        return found->gr_gid;
    return fallback < 0 ? (gid_t)-1 : (gid_t)fallback;
}

int give_to_owner(const struct mailbox_place *place, int fd, mode_t own, mode_t shared)
{
    bool other = place->uid >= 0 && (uid_t)place->uid != geteuid();
    /* The mode first: it cannot be set any more when the file is another's. */
    if (fchmod(fd, other ? shared : own) < 0)
        return -1;
    if (!other || fchown(fd, (uid_t)place->uid, mail_group(place->gid)) == 0)
        return 0;
    return errno == EPERM ? fchmod(fd, own) : -1;
}

int sync_fd(const struct mailbox_place *place, int fd)
{
    return place->sync ? fsync(fd) : 0;
}

int sync_dir(const struct mailbox_place *place, const char *dir)
{
    if (!place->sync)
        return 0;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* --- sessions ------------------------------------------------------------------------------- */

/* The lock is a file of its own beside the mailbox, never removed (removing a lock file that
 * another process is about to lock would give the lock to both). The kernel drops it with the
 * process. */
static int session_lock(const struct mailbox_place *place)
{
    char *path = xasprintf("%s/.%s.session", place->dir, place->user);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(path);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = errno == EWOULDBLOCK ? EAGAIN : errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

struct mailbox *mailbox_open(const struct mailbox_place *place, bool exclusive)
{
    struct mailbox *m = xcalloc(1, sizeof *m);
    m->ops = formats[place->format];
    m->place = place;
    m->session_fd = -1;
    m->folders[0] = m->folders[1] = -1;
    if ((exclusive && (m->session_fd = session_lock(place)) < 0) || m->ops->list(m) < 0) {
        int error = errno;
        mailbox_close(m);
        errno = error;
        return NULL;
    }
    return m;
}

void message_clear(struct message *m)
{
    free(m->uid);
    free(m->file);
    free(m->keywords);
}

void mailbox_clear(struct mailbox *m)
{
    for (size_t i = 0; i < m->n; i++)
        message_clear(&m->v[i]);
    free(m->v);
    m->v = NULL;
    m->n = m->cap = 0;
}

void mailbox_close(struct mailbox *m)
{
    if (!m)
        return;
    m->ops->close(m);
    mailbox_clear(m);
    if (m->session_fd >= 0)
        close(m->session_fd);
    free(m);
}

size_t mailbox_count(const struct mailbox *m)
{
    return m->n;
}

struct message_info mailbox_message(const struct mailbox *m, size_t i)
{
    struct message_info info = {.size = m->v[i].size, .uid = m->v[i].uid};
    if (m->numbered > 0)
        snprintf(info.unique_id, sizeof info.unique_id, "%08x%08x", m->v[i].number, m->numbered);
    return info;
}

struct message *mailbox_new_message(struct mailbox *m)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->v = xreallocarray(m->v, m->cap, sizeof *m->v);
    }
    m->v[m->n] = (struct message){0};
    return &m->v[m->n++];
}

int mailbox_expunge(struct mailbox *m, const bool *doomed)
{
    for (size_t i = 0; i < m->n; i++) {
        if (doomed[i])
            return m->ops->expunge(m, doomed);
    }
    return 0;
}

/* --- reading a message ---------------------------------------------------------------------- */

struct message_reader *mailbox_read(struct mailbox *m, size_t i)
{
    struct message_reader *r = xcalloc(1, sizeof *r);
    r->fd = r->lines.fd = -1;
    spill_init(&r->spill, m->place->dir);
    if (m->ops->read(m, i, r) < 0) {
        int error = errno;
        message_reader_free(r);
        errno = error;
        return NULL;
    }
    return r;
}

void message_reader_free(struct message_reader *r)
{
    if (!r)
        return;
    lines_free(&r->lines);
    spill_free(&r->spill);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

static void drop_cr(struct line_piece *p)
{
    if (p->ends && p->text.n > 0 && p->text.p[p->text.n - 1] == '\r')
        p->text.n--;
}

int message_line(struct message_reader *r, struct line_piece *out)
{
    int result = lines_next(&r->lines, out);
    if (result != 1)
        return result;
    drop_cr(out);
    if (r->quoted && out->begins && mbox_is_quoted(out->text))
        out->text = slice_sub(out->text, 1, out->text.n);
    return 1;
}

int64_t piece_wire_size(const struct line_piece *p)
{
    struct line_piece copy = *p;
    drop_cr(&copy);
    return (int64_t)copy.text.n + (copy.ends ? 2 : 0);
}

/* --- adding a message ----------------------------------------------------------------------- */

struct append *append_begin(const struct mailbox_place *place, const char *sender)
{
    return append_begin_dated(place, sender, INT64_MIN, (struct slice){0});
}

struct append *append_begin_dated(const struct mailbox_place *place, const char *sender,
                                  int64_t date,
                                  struct slice from_line)
{
    struct append *a = xcalloc(1, sizeof *a);
    a->ops = formats[place->format];
    a->place = place;
    a->fd = -1;
    a->date = date;
    a->from_line = from_line;
    if (a->ops->append_begin(a, sender) < 0) {
        int error = errno;
        append_abandon(a);
        errno = error;
        return NULL;
    }
    return a;
}

int append_flush(struct append *a)
{
    size_t done = 0;
    while (done < a->out.len && !a->error) {
        ssize_t n = pwrite(a->fd, a->out.data + done, a->out.len - done, a->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            a->error = errno;
            break;
        }
        done += (size_t)n;
        a->offset += n;
    }
    buf_clear(&a->out);
    errno = a->error;
    return a->error ? -1 : 0;
}

void append_out(struct append *a, const void *p, size_t n)
{
    if (a->error)
        return;
    buf_add(&a->out, p, n);
    if (a->out.len >= APPEND_CHUNK)
        append_flush(a);
}

int append_write(struct append *a, const void *p, size_t n)
{
    if (n > 0)
        a->ops->append_text(a, slice_of(p, n));
    errno = a->error;
    return a->error ? -1 : 0;
}

int append_commit(struct append *a, struct buf *path)
{
    int result = a->ops->append_commit(a, path);
    int error = errno;
    append_abandon(a);
    errno = error;
    return result;
}

void append_abandon(struct append *a)
{
    if (!a)
        return;
    a->ops->append_abandon(a);
    if (a->fd >= 0)
        close(a->fd);
    buf_free(&a->out);
    free(a);
}
