/* view_mbox_put.c - reading and adding messages of an mbox that belongs to a view. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/mbox_line.h"
#include "reference/store/view_mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
/* A larger message goes to the disk when it is taken out of the mbox. */
#define IN_MEMORY_MAX (1024 * 1024)

static int write_all(int fd, struct buf *b)
{
    size_t done = 0;
    while (done < b->len) {
        ssize_t n = write(fd, b->data + done, b->len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n < 0 ? 0 : (size_t)n;
    }
    buf_clear(b);
    return 0;
}

/* --- lines of a message ------------------------------------------------------------------- */

struct filter { bool body, dropping; };

/* False for (a piece of) a line of a status field, which a view hides. */
static bool is_shown(struct filter *f, const struct line_piece *p)
{
    bool folded = p->text.n > 0 && (p->text.p[0] == ' ' || p->text.p[0] == '\t');
    if (f->body)
        return true;
    if (p->begins && p->ends && (p->text.n == 0 || slice_eq_str(p->text, "\r"))) {
        f->body = true;
        f->dropping = false;
    } else if (p->begins && !folded) {
        f->dropping = mbox_is_volatile(p->text);
    }
    return !f->dropping;
}

/* --- reading ------------------------------------------------------------------------------ */

static int open_spare(const struct mailbox_place *place, int64_t octets)
{
    int fd = octets <= IN_MEMORY_MAX ? memfd_create("message", MFD_CLOEXEC) : -1;
    return fd >= 0 ? fd : open(place->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* The message without its status fields and without quoting, in a file of its own. */
static int take_out(const struct mbox_state *m, int mbox, const struct message *msg)
{
    struct lines lines;
    struct line_piece p;
    struct filter filter = {0};
    struct buf out = {0};
    int fd = open_spare(&m->place, msg->text_end - msg->text), more = fd < 0 ? -1 : 1;
    lines_init_file(&lines, mbox, msg->text, msg->text_end - msg->text);
    while (more == 1 && (more = lines_next(&lines, &p)) == 1) {
        struct slice raw = slice_of(p.text.p, p.raw);
        if (!is_shown(&filter, &p))
            continue;
        if (p.begins && mbox_is_quoted(p.text))
            raw = slice_sub(raw, 1, raw.n);
        buf_add_slice(&out, raw);
        if (p.ends && p.raw == p.text.n)
            buf_add_byte(&out, '\n');
        if (out.len >= CHUNK && write_all(fd, &out) < 0)
            more = -1;
    }
    if (more == 0 && write_all(fd, &out) < 0)
        more = -1;
    int error = errno;
    lines_free(&lines);
    buf_free(&out);
    if (more < 0 && fd >= 0)
        close(fd);
    errno = error;
    return more < 0 ? -1 : fd;
}

/* Without the locks when the file is certainly as we know it, before and after. */
static int open_unlocked(struct mailbox_view *v, const struct row *r)
{
    struct mbox_state *m = mbox_state(v);
    struct stat st;
    int result = -1;
    int mbox = open(m->place.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (mbox >= 0 && fstat(mbox, &st) == 0 && mbox_unchanged(m, &st)) {
        const struct message *msg = mbox_message(v, r->uid);
        if (msg && (result = take_out(m, mbox, msg)) >= 0 &&
            (fstat(mbox, &st) < 0 || !mbox_unchanged(m, &st))) {
            close(result);
            result = -1;
        }
    }
    if (mbox >= 0)
        close(mbox);
    return result;
}

int mbox_open(struct mailbox_view *v, struct row *r)
{
    struct mbox_state *m = mbox_state(v);
    struct mbox_lock lock;
    int result = open_unlocked(v, r);
    if (result >= 0)
        return result;
    if (mbox_lock(&lock, &m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return -1;
    if (mbox_look(v, &lock) == 0) {
        const struct message *msg = mbox_message(v, r->uid);
        errno = ENOENT;
        if (msg)
            result = take_out(m, lock.fd, msg);
    }
    int error = errno;
    mbox_unlock(&lock, NULL);
    errno = error;
    return result;
}

/* --- adding ------------------------------------------------------------------------------- */

int mbox_stage(struct mailbox_view *v, char **tmp)
{
    *tmp = NULL;
    return open(mbox_state(v)->place.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

void mbox_unstage(struct mailbox_view *v, const char *tmp)
{
    (void)v, (void)tmp;            /* it has no name */
}

static int append_content(struct append *a, int fd)
{
    struct stat st;
    struct lines lines;
    struct line_piece p;
    struct filter filter = {0};
    int more = 1;
    if (fstat(fd, &st) < 0)
        return -1;
    lines_init_file(&lines, fd, 0, st.st_size);
    while (more == 1 && (more = lines_next(&lines, &p)) == 1) {
        if (is_shown(&filter, &p) && append_write(a, p.text.p, p.raw) < 0)
            more = -1;
    }
    int error = errno;
    lines_free(&lines);
    errno = error;
    return more;
}

/* Adds it behind all others, and learns from the file how it is there. */
static int put(struct mailbox_view *v, int fd, struct slice from_line, struct found *made)
{
    struct mbox_state *m = mbox_state(v);
    struct buf status = {0};
    struct append *a = append_begin_dated(&m->place, "", made->date, from_line);
    int64_t before;
    if (!a)
        return -1;
    struct mbox_lock *lock = mbox_append_lock(a, &before);
    mbox_add_status(v, (struct mbox_status){.flags = made->flags}, made->keywords, 0, &status);
    int result = mbox_look(v, lock);
    size_t known = m->list.n;
    if (result == 0)
        result = append_write(a, status.data, status.len);
    if (result == 0)
        result = append_content(a, fd);
    if (result == 0)
        result = mbox_append_finish(a);
    if (result == 0)
        result = fstat(lock->fd, &lock->st);
    m->trusted = false;
    if (result == 0)
        result = mbox_look(v, lock);
    int error = errno;
    if (result == 0 && m->list.n != known + 1) {
        error = EBADMSG;           /* the text could not be told from its surroundings */
        result = -1;
    }
    buf_free(&status);
    if (result == 0) {
        const struct message *msg = &m->list.v[known];
        made->name = xstrdup(msg->uid);
        made->size = (uint64_t)(msg->size - msg->status_wire);
        made->flags = (made->flags & FLAGS_ALL) | (made->flags & FLAGS_ALL) << ROW_SEEN_SHIFT;
        if (m->placed_to != before)
            m->placed_from = before;
        m->placed_to = lock->st.st_size;
        result = append_commit(a, NULL);
        error = errno;
    } else {
        append_abandon(a);
        m->valid = false;
    }
    errno = error;
    return result;
}

int mbox_place(struct mailbox_view *v, int fd, const char *tmp, uint64_t file_octets,
               bool ends_in_lf,
               struct found *made)
{
    (void)tmp, (void)file_octets, (void)ends_in_lf;
    return put(v, fd, (struct slice){0}, made);
}

static char *from_line_of(struct mailbox_view *v, const struct row *r)
{
    const struct message *msg = mbox_message(v, r->uid);
    char *line = NULL;
    int fd = msg ? open(v->mbox->place.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    size_t n = msg ? (size_t)(msg->text - msg->start) : 0;
    if (fd >= 0 && n > 0 && n < CHUNK) {
        line = xcalloc(n + 1, 1);
        if (pread(fd, line, n, msg->start) != (ssize_t)n || strncmp(line, "From ", 5) != 0) {
            free(line);
            line = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return line;
}

int mbox_copy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
              struct found *made)
{
    (void)move;                    /* mbox_drop removes it */
    int fd = mbox_open(v, r);
    if (fd < 0)
        return -1;
    char *from_line = from_line_of(v, r);
    made->saved = wall_us() / 1000000;
    int result = put(to, fd, slice_str(from_line), made);
    int error = errno;
    free(from_line);
    close(fd);
    errno = error;
    return result;
}

/* Cuts off all that was added since the last mbox_sync, when nothing has come behind it. */
static void undo(struct mailbox_view *v)
{
    struct mbox_state *m = mbox_state(v);
    struct mbox_lock lock;
    if (m->placed_to <= 0 || mbox_lock(&lock, &m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return;
    if (lock.st.st_size == m->placed_to && ftruncate(lock.fd, m->placed_from) == 0)
        sync_fd(&m->place, lock.fd);
    m->placed_to = 0;
    m->valid = false;
    mbox_unlock(&lock, NULL);
}

void mbox_unplace(struct mailbox_view *v, const struct found *made)
{
    (void)made;
    undo(v);
}

void mbox_uncopy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                 const struct found *made)
{
    (void)v, (void)r, (void)move, (void)made;
    undo(to);
}

int mbox_sync(struct mailbox_view *v)
{
    mbox_state(v)->placed_to = 0;  /* each was made durable when it came */
    return 0;
}
