/* rewrite.c - removing messages from an mbox in place. */
#include "reference/store/rewrite.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/store/mbox_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define HEAD_MAX 256
#define SHA256_HEX 64

struct redo {
    int64_t from, new_size, old_size;
    char digest[SHA256_HEX + 1];   /* of [new_size, old_size) before the change */
    int64_t head;                  /* length of the first line */
};

static char *redo_name(const struct mailbox_place *place, const char *suffix)
{
    return xasprintf("%s/.%s.%s", place->dir, place->user, suffix);
}

/* Appends [from, to) of `in` where `out` stands. */
static int copy_range(int out, int in, int64_t from, int64_t to)
{
    off_t at = from;
    while (at < to) {
        ssize_t n = sendfile(out, in, &at, (size_t)(to - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            return -1;
        }
    }
    return 0;
}

static int digest_range(int fd, int64_t from, int64_t to, char hex[SHA256_HEX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct lines lines;
    struct line_piece p;
    int more;
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        die(70, "out of memory");
    lines_init_file(&lines, fd, from, to - from);
    while ((more = lines_next(&lines, &p)) == 1)
        EVP_DigestUpdate(ctx, p.text.p, p.raw);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    lines_free(&lines);
    char *text = hex_text(digest, SHA256_HEX / 2);
    memcpy(hex, text, SHA256_HEX + 1);
    free(text);
    return more;
}

/* --- the redo file ---------------------------------------------------------------------------- */

/* Begins ".rewrite"; its descriptor stands where the octets go. */
static int begin_redo(const struct mailbox_place *place, int mbox, struct redo *redo)
{
    struct buf head = {0};
    int64_t kept = redo->new_size < redo->old_size ? redo->new_size : redo->old_size;
    if (digest_range(mbox, kept, redo->old_size, redo->digest) < 0)
        return -1;
    buf_printf(&head, "postroad-redo 1 %lld %lld %lld %s\n", (long long)redo->from,
               (long long)redo->new_size, (long long)redo->old_size, redo->digest);
    redo->head = (int64_t)head.len;
    char *name = redo_name(place, "rewrite");
    unlink(name);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(name);
    if (fd >= 0 && write(fd, head.data, head.len) != (ssize_t)head.len) {
        close(fd);
        fd = -1;
        errno = ENOSPC;
    }
    buf_free(&head);
    return fd;
}

/* Durable under its final name: the point of no return. */
static int commit_redo(const struct mailbox_place *place, int fd)
{
    char *from = redo_name(place, "rewrite"), *to = redo_name(place, "redo");
    int result = -1;
    if (sync_fd(place, fd) == 0 && rename(from, to) == 0)
        result = sync_dir(place, place->dir);
    int error = errno;
    free(from);
    free(to);
    errno = error;
    return result;
}

static void discard_redo(const struct mailbox_place *place, const char *suffix)
{
    int error = errno;
    char *name = redo_name(place, suffix);
    unlink(name);
    free(name);
    errno = error;
}

/* Makes the mbox longer before the point of no return: what others append after a kill is behind
 * what we shall overwrite. Empty lines at an mbox's end mean nothing. */
static int extend(int mbox, int64_t from, int64_t to)
{
    char lines[4096];
    memset(lines, '\n', sizeof lines);
    while (from < to) {
        size_t want = to - from < (int64_t)sizeof lines ? (size_t)(to - from) : sizeof lines;
        ssize_t n = pwrite(mbox, lines, want, from);
        if (n < 0 && errno != EINTR)
            return -1;
        from += n < 0 ? 0 : n;
    }
    return 0;
}

/* May be done any number of times. */
static int apply_redo(const struct mailbox_place *place, int mbox, int fd, const struct redo *redo)
{
    int64_t end = redo->head + redo->new_size - redo->from;
    if (lseek(mbox, redo->from, SEEK_SET) < 0 || copy_range(mbox, fd, redo->head, end) < 0 ||
        sync_fd(place, mbox) < 0)
        return -1;
    if (redo->new_size < redo->old_size &&
        (ftruncate(mbox, redo->new_size) < 0 || sync_fd(place, mbox) < 0))
        return -1;
    discard_redo(place, "redo");
    return 0;
}

static bool read_redo(int fd, struct redo *redo)
{
    char head[HEAD_MAX + 1];
    struct stat st;
    long long from, new_size, old_size;
    ssize_t n = pread(fd, head, HEAD_MAX, 0);
    head[n > 0 ? n : 0] = 0;
    char *end = strchr(head, '\n');
    if (!end || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return false;
    *end = 0;
    if (sscanf(head, "postroad-redo 1 %lld %lld %lld %64s", &from, &new_size, &old_size,
               redo->digest) != 4)
        return false;
    redo->from = from;
    redo->new_size = new_size;
    redo->old_size = old_size;
    redo->head = end + 1 - head;
    return from >= 0 && from <= new_size && from <= old_size &&
           st.st_size == redo->head + new_size - from;
}

/* --- removing --------------------------------------------------------------------------------- */

static int write_all(int out, const void *p, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t part = write(out, (const char *)p + done, n - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        done += (size_t)part;
    }
    return 0;
}

/* A message with other status fields: the From_ line, these, the header without the old ones,
 * the rest. */
static int copy_edited(int out, int mbox, const struct message *m, struct slice status)
{
    struct lines lines;
    struct line_piece p;
    int64_t at = m->text;
    bool dropping = false, header = true;
    int more = 0;
    if (copy_range(out, mbox, m->start, m->text) < 0 || write_all(out, status.p, status.n) < 0)
        return -1;
    lines_init_file(&lines, mbox, m->text, m->text_end - m->text);
    while (header && (more = lines_next(&lines, &p)) == 1) {
        bool folded = p.begins && p.text.n > 0 && (p.text.p[0] == ' ' || p.text.p[0] == '\t');
        header = !(p.begins && p.ends && (p.text.n == 0 || slice_eq_str(p.text, "\r")));
        if (p.begins && !folded)
            dropping = mbox_is_volatile(p.text);
        if (!dropping && write_all(out, p.text.p, p.raw) < 0)
            more = -1;
        at += (int64_t)p.raw;
        if (more < 0)
            break;
    }
    int error = errno;
    lines_free(&lines);
    errno = error;
    return more < 0 ? -1 : copy_range(out, mbox, at, m->next);
}

static int copy_kept(const struct mailbox *now, const bool *goes, const struct slice *status,
                     size_t first, int out, int mbox)
{
    for (size_t i = first; i < now->n; i++) {
        if (goes && goes[i])
            continue;
        int result = status && status[i].n > 0
                         ? copy_edited(out, mbox, &now->v[i], status[i])
                         : copy_range(out, mbox, now->v[i].start, now->v[i].next);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int64_t size_after(const struct message *m, bool goes, struct slice status)
{
    if (goes)
        return 0;
    return m->next - m->start + (status.n > 0 ? (int64_t)status.n - m->status_octets : 0);
}

int mbox_rewrite(const struct mailbox_place *place, struct mbox_lock *lock,
                 const struct mailbox *now,
                 const bool *goes, const struct slice *status)
{
    size_t first = 0;
    while (first < now->n && !(goes && goes[first]) && !(status && status[first].n > 0))
        first++;
    if (first == now->n)
        return 0;
    struct redo redo = {.from = now->v[first].start, .new_size = now->v[first].start,
                        .old_size = lock->st.st_size};
    for (size_t i = first; i < now->n; i++)
        redo.new_size += size_after(&now->v[i], goes && goes[i], status ? status[i]
                                    : (struct slice){0});
    if (redo.new_size == redo.from) {      /* all to the end go: one step, and needs no room */
        if (ftruncate(lock->fd, redo.new_size) < 0)
            return -1;
        return sync_fd(place, lock->fd);
    }
    int fd = begin_redo(place, lock->fd, &redo);
    if (fd < 0)
        return -1;
    int result = -1;
    if (copy_kept(now, goes, status, first, fd, lock->fd) == 0 &&
        extend(lock->fd, redo.old_size, redo.new_size) == 0 && commit_redo(place, fd) == 0) {
        result = apply_redo(place, lock->fd, fd, &redo);
    } else {
        discard_redo(place, "rewrite");
        if (redo.new_size > redo.old_size && ftruncate(lock->fd, redo.old_size) < 0)
            result = -1;
    }
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int mbox_remove(const struct mailbox_place *place, struct mbox_lock *lock,
                const struct mailbox *now, const bool *goes)
{
    return mbox_rewrite(place, lock, now, goes, NULL);
}

/* --- recovering ------------------------------------------------------------------------------- */

/* Another program has appended to the half-changed file: its message is moved down as well, and
 * so it must stand in the redo file. *fd becomes the new one. */
static int extend_redo(const struct mailbox_place *place, int mbox, int *fd, struct redo *redo,
                       int64_t size)
{
    struct redo longer = {.from = redo->from, .new_size = redo->new_size + size - redo->old_size,
                          .old_size = size};
    int out = begin_redo(place, mbox, &longer);
    if (out < 0)
        return -1;
    if (copy_range(out, *fd, redo->head, redo->head + redo->new_size - redo->from) < 0 ||
        copy_range(out, mbox, redo->old_size, size) < 0 || commit_redo(place, out) < 0) {
        discard_redo(place, "rewrite");
        close(out);
        return -1;
    }
    close(*fd);
    *fd = out;
    *redo = longer;
    return 0;
}

static int redo_again(const struct mailbox_place *place, int mbox, int *fd)
{
    struct redo redo;
    struct stat st;
    char digest[SHA256_HEX + 1] = "";
    if (fstat(mbox, &st) < 0)
        return -1;
    bool uncut = read_redo(*fd, &redo) && st.st_size >= redo.old_size;
    if (uncut && redo.new_size >= redo.old_size) {     /* may be done any number of times */
        if (st.st_size < redo.new_size && extend(mbox, st.st_size, redo.new_size) < 0)
            return -1;
        return apply_redo(place, mbox, *fd, &redo) < 0 ? -1 : 1;
    }
    if (uncut && digest_range(mbox, redo.new_size, redo.old_size, digest) < 0)
        return -1;
    if (!uncut || strcmp(digest, redo.digest) != 0) {
        discard_redo(place, "redo");       /* all was done but this */
        return 0;
    }
    if (st.st_size > redo.old_size && extend_redo(place, mbox, fd, &redo, st.st_size) < 0)
        return -1;
    return apply_redo(place, mbox, *fd, &redo) < 0 ? -1 : 1;
}

int mbox_recover(const struct mailbox_place *place, int fd)
{
    char *name = redo_name(place, "redo");
    int redo_fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    free(name);
    if (redo_fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = redo_again(place, fd, &redo_fd);
    int error = errno;
    close(redo_fd);
    errno = error;
    return result;
}

void mbox_recover_all(const struct config *c)
{
    DIR *dir = opendir(c->mail_dir);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        struct slice name = slice_str(entry->d_name);
        if (name.n < 7 || name.p[0] != '.' || !slice_ends(name, SLICE(".redo")))
            continue;
        char *user = slice_dup(slice_sub(name, 1, name.n - 5));
        struct mailbox_place place;
        struct mbox_lock lock;
        if (mailbox_place_init(&place, c, user, -1, -1)) {
            if (mbox_lock(&lock, &place, false, 1000) == 0)
                mbox_unlock(&lock, NULL);
            else
                event("store.recover-failed", EV_STR("path", place.path),
                      EV_STR("error", strerror(errno)));
            mailbox_place_free(&place);
        }
        free(user);
    }
    if (dir)
        closedir(dir);
}
