/* mbox.c - the mailbox as one file (RFC 4155), the spool that the document speaks of.
 *
 * A message is a line "From <reverse-path> <date>", the message with LF line ends, an empty line.
 * In the message, lines of any number of ">" and "From " get one more ">" (the "mboxrd" rule),
 * which reading takes away again, so that every message comes out as it went in.
 *
 * A From_ line begins a message only at the file's start or after an empty line and when it has a
 * date, so that an unquoted "From here on ..." of another program's does not split a message.
 * Content-Length is not believed.
 *
 * The identifier of a message is a digest of it, without the header fields that mail programs
 * rewrite (Status and so on), so nothing need be written into the file. Identical messages get an
 * ordinal.
 *
 * The file is locked (lock.h) while it is listed, while a message is copied out, and while it is
 * changed, never in between: a POP3 session holds up no delivery. When the file has changed in
 * between, messages are found again by their identifiers.
 *
 * Removing: rewrite.h. */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/lock.h"
#include "reference/store/mbox_line.h"
#include "reference/store/rewrite.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

/* The first message of an mbox that alpine has emptied: it holds X-IMAP, and nobody shows it. */
#define INTERNAL "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"
#define DIGEST_OCTETS 16           /* of SHA-256, as hex in the identifier */

/* --- listing -------------------------------------------------------------------------------- */

struct scan {
    struct mailbox *into;
    struct message *now;           /* being read; NULL before the first */
    EVP_MD_CTX *digest;
    bool header, volatile_field;
    bool other_field;              /* there was one that is not volatile */
    bool internal;                 /* its subject is that of alpine's own message */
    bool blank;                    /* the last line was empty, and is not counted yet */
    struct line_piece blank_line;
};

static void count_piece(struct scan *s, const struct line_piece *p)
{
    s->now->size += piece_wire_size(p) - (p->begins && mbox_is_quoted(p->text));
    s->now->text_end += (int64_t)p->raw;
    if (p->begins && s->header) {
        bool folded = p->text.n > 0 && (p->text.p[0] == ' ' || p->text.p[0] == '\t');
        if (!folded)
            s->volatile_field = mbox_is_volatile(p->text);
        if (!folded && s->volatile_field)
            mbox_status_read(s->now, p->text, s->now->start == 0 ? &s->into->base : NULL);
        s->now->scattered = s->now->scattered || (s->volatile_field && s->other_field);
        s->other_field = s->other_field || !s->volatile_field;
        s->internal = s->internal || (s->now->start == 0 && slice_eq_str(p->text, INTERNAL));
    }
    if (s->header && s->volatile_field) {
        s->now->status_octets += (int64_t)p->raw;
        s->now->status_wire += piece_wire_size(p);
        return;
    }
    EVP_DigestUpdate(s->digest, p->text.p, p->text.n);
    if (p->ends)
        EVP_DigestUpdate(s->digest, "\n", 1);
}

static void finish_message(struct scan *s, int64_t next)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!s->now)
        return;
    EVP_DigestFinal_ex(s->digest, digest, NULL);
    s->now->uid = hex_text(digest, DIGEST_OCTETS);
    s->now->next = next;
    if (s->internal && s->into->base.validity > 0) {
        message_clear(s->now);
        s->into->n--;
    }
    s->now = NULL;
}

static void begin_message(struct scan *s, int64_t at, const struct line_piece *from)
{
    s->now = mailbox_new_message(s->into);
    s->now->start = at;
    s->now->text = s->now->text_end = at + (int64_t)from->raw;
    s->now->date = mbox_from_date(from->text);
    s->header = true;
    s->volatile_field = s->other_field = s->blank = s->internal = false;
    EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(s->digest, from->text.p, from->text.n);
}

int mbox_scan(struct mailbox *into, int fd, int64_t from, int64_t to)
{
    struct scan s = {.into = into, .digest = EVP_MD_CTX_new(), .blank = true};
    struct lines lines;
    struct line_piece p;
    int64_t at = from;
    int more;
    if (!s.digest)
        die(70, "out of memory");
    if (from == 0)
        into->base = (struct mbox_base){0};
    lines_init_file(&lines, fd, from, to - from);
    while ((more = lines_next(&lines, &p)) == 1) {
        bool empty = p.begins && p.ends && (p.text.n == 0 || slice_eq_str(p.text, "\r"));
        if (s.blank && mbox_is_from_line(&p, at == 0)) {
            finish_message(&s, at);
            begin_message(&s, at, &p);
        } else if (s.now) {
            if (s.blank)
                count_piece(&s, &s.blank_line);
            if (empty) {
                s.header = false;
                s.blank_line = (struct line_piece){SLICE(""), true, true, p.raw};
            } else {
                count_piece(&s, &p);
            }
            s.blank = empty;
        } else if (!empty) {
            more = -1;
            errno = EBADMSG;
            break;
        }
        at += (int64_t)p.raw;
    }
    finish_message(&s, to);
    EVP_MD_CTX_free(s.digest);
    lines_free(&lines);
    return more;
}

static int by_uid(const void *a, const void *b)
{
    const struct message *const *x = a, *const *y = b;
    int order = strcmp((*x)->uid, (*y)->uid);
    return order ? order : ((*x)->start > (*y)->start) - ((*x)->start < (*y)->start);
}

/* The messages ordered by identifier, for looking them up. The caller frees. */
static struct message **sort_by_uid(struct mailbox *m)
{
    struct message **sorted = xreallocarray(NULL, m->n + 1, sizeof *sorted);
    for (size_t i = 0; i < m->n; i++)
        sorted[i] = &m->v[i];
    qsort(sorted, m->n, sizeof *sorted, by_uid);
    return sorted;
}

static void number_duplicates(struct mailbox *m)
{
    struct message **sorted = sort_by_uid(m);
    for (size_t i = 1, ordinal = 1; i < m->n; i++) {
        ordinal = strncmp(sorted[i]->uid, sorted[i - 1]->uid, 2 * DIGEST_OCTETS) == 0
                      ? ordinal + 1 : 1;
        if (ordinal == 1)
            continue;
        char *uid = xasprintf("%s-%zu", sorted[i]->uid, ordinal);
        free(sorted[i]->uid);
        sorted[i]->uid = uid;
    }
    free(sorted);
}

static int scan_all(struct mailbox *into, int fd, int64_t size)
{
    if (mbox_scan(into, fd, 0, size) < 0)
        return -1;
    number_duplicates(into);
    return 0;
}

static int mbox_list(struct mailbox *m)
{
    struct mbox_lock lock;
    if (mbox_lock(&lock, m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return errno == ENOENT ? 0 : -1;
    m->seen = lock.st;
    int result = scan_all(m, lock.fd, lock.st.st_size);
    int error = errno;
    mbox_unlock(&lock, NULL);
    errno = error;
    return result;
}

/* --- finding messages again ----------------------------------------------------------------- */

static bool unchanged(const struct mailbox *m, const struct stat *st)
{
    return st->st_ino == m->seen.st_ino && st->st_dev == m->seen.st_dev &&
           st->st_size == m->seen.st_size && st->st_ctim.tv_sec == m->seen.st_ctim.tv_sec &&
           st->st_ctim.tv_nsec == m->seen.st_ctim.tv_nsec;
}

/* Is the message where it was, the file having changed (by a delivery, most likely)? */
static bool in_place(const struct message *want, int fd, int64_t size)
{
    struct mailbox found = {0};
    bool same = want->next <= size && mbox_scan(&found, fd, want->start, want->next) == 0 &&
                found.n == 1 && strncmp(found.v[0].uid, want->uid, 2 * DIGEST_OCTETS) == 0 &&
                found.v[0].text_end == want->text_end;
    mailbox_clear(&found);
    return same;
}

static const struct message *find_uid(struct message **sorted, size_t n, const char *uid)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(sorted[mid]->uid, uid);
        if (order == 0)
            return sorted[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int mbox_read(struct mailbox *m, size_t i, struct message_reader *r)
{
    struct mbox_lock lock;
    struct mailbox again = {0};
    struct message *want = &m->v[i];
    if (mbox_lock(&lock, m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return -1;
    int result = 0;
    if (!unchanged(m, &lock.st) && !in_place(want, lock.fd, lock.st.st_size)) {
        result = scan_all(&again, lock.fd, lock.st.st_size);
        struct message **sorted = sort_by_uid(&again);
        const struct message *found = find_uid(sorted, again.n, want->uid);
        free(sorted);
        if (found) {
            want->start = found->start;
            want->text = found->text;
            want->text_end = found->text_end;
            want->next = found->next;
        } else if (result == 0) {
            errno = ENOENT;
            result = -1;
        }
    }
    if (result == 0)
        result = spill_add_file(&r->spill, lock.fd, want->text, want->text_end - want->text);
    int error = errno;
    mbox_unlock(&lock, NULL);
    mailbox_clear(&again);
    errno = error;
    r->quoted = true;
    return result == 0 ? spill_lines(&r->spill, &r->lines) : -1;
}

/* --- removing ------------------------------------------------------------------------------- */

/* Which messages of `now` go: those whose identifiers are doomed in m. */
static bool *mark_doomed(struct mailbox *now, const struct mailbox *m, const bool *doomed)
{
    bool *goes = xcalloc(now->n + 1, sizeof *goes);
    struct message **sorted = sort_by_uid(now);
    for (size_t i = 0; i < m->n; i++) {
        const struct message *found = doomed[i] ? find_uid(sorted, now->n, m->v[i].uid) : NULL;
        if (found)
            goes[found - now->v] = true;
    }
    free(sorted);
    return goes;
}

static int mbox_expunge(struct mailbox *m, const bool *doomed)
{
    struct mbox_lock lock;
    struct mailbox now = {0};
    if (mbox_lock(&lock, m->place, false, MBOX_LOCK_WAIT_MS) < 0)
        return errno == ENOENT ? 0 : -1;
    int result = 0;
    if (unchanged(m, &lock.st)) {
        result = mbox_remove(m->place, &lock, m, doomed);
    } else if ((result = scan_all(&now, lock.fd, lock.st.st_size)) == 0) {
        bool *goes = mark_doomed(&now, m, doomed);
        result = mbox_remove(m->place, &lock, &now, goes);
        free(goes);
    }
    int error = errno;
    mbox_unlock(&lock, NULL);
    mailbox_clear(&now);
    errno = error;
    return result;
}

static void mbox_close(struct mailbox *m)
{
    (void)m;
}

/* --- adding --------------------------------------------------------------------------------- */

struct mbox_append {
    struct mbox_lock lock;
    int64_t begin;                 /* the file's size before */
    bool finished;
    bool line_start;               /* only ">" since the last line end */
    size_t from;                   /* octets of "From " held back, at a line's start */
};

static const char from_word[] = "From ";

static int mbox_append_begin(struct append *a, const char *sender)
{
    struct mbox_append *s = a->state = xcalloc(1, sizeof *s);
    char end[2] = "\n\n";
    if (mbox_lock(&s->lock, a->place, true, MBOX_LOCK_WAIT_MS) < 0) {
        free(s);
        a->state = NULL;
        return -1;
    }
    a->fd = s->lock.fd;
    s->begin = a->offset = s->lock.st.st_size;
    s->line_start = true;
    char first[6] = "From ";
    if (s->begin > 0 && pread(a->fd, first, 5, 0) < 0)
        return -1;
    if (strncmp(first, "From ", 5) != 0 && first[0] != '\n') {
        errno = EBADMSG;
        return -1;
    }
    /* Another program's file may lack the empty line, or even the line end, before us. */
    if (s->begin > 0 && pread(a->fd, end, 2, s->begin < 2 ? 0 : s->begin - 2) < 0)
        return -1;
    if (s->begin > 1 && end[1] != '\n')
        append_out(a, "\n\n", 2);
    else if (s->begin > 1 && end[0] != '\n')
        append_out(a, "\n", 1);
    if (a->from_line.p)
        append_out(a, a->from_line.p, a->from_line.n);
    else
        mbox_add_from_line(&a->out, sender, a->date);
    return 0;
}

/* Copies the text with one more ">" before each ">*From " at a line's start. */
static void mbox_append_text(struct append *a, struct slice text)
{
    struct mbox_append *s = a->state;
    size_t i = 0;
    while (i < text.n) {
        char c = text.p[i];
        if (s->line_start && c == from_word[s->from]) {
            i++;
            if (++s->from == sizeof from_word - 1) {
                append_out(a, ">From ", 6);
                s->line_start = false;
                s->from = 0;
            }
        } else if (s->line_start && s->from == 0 && c == '>') {
            append_out(a, ">", 1);
            i++;
        } else if (s->line_start && s->from > 0) {
            append_out(a, from_word, s->from);
            s->line_start = false;
            s->from = 0;
        } else {
            const char *lf = memchr(text.p + i, '\n', text.n - i);
            size_t n = lf ? (size_t)(lf - (text.p + i)) + 1 : text.n - i;
            append_out(a, text.p + i, n);
            s->line_start = lf != NULL;
            i += n;
        }
    }
}

struct mbox_lock *mbox_append_lock(struct append *a, int64_t *before)
{
    struct mbox_append *s = a->state;
    *before = s->begin;
    return &s->lock;
}

int mbox_append_finish(struct append *a)
{
    struct mbox_append *s = a->state;
    if (!s->finished) {
        append_out(a, from_word, s->from);
        if (!s->line_start || s->from > 0)
            append_out(a, "\n", 1);
        append_out(a, "\n", 1);
        s->finished = true;
    }
    return append_flush(a);
}

static int mbox_append_commit(struct append *a, struct buf *path)
{
    struct mbox_append *s = a->state;
    if (mbox_append_finish(a) < 0)
        return -1;
    /* Others may append while this is made durable; what they wait for is one flush for all. */
    mbox_unlock(&s->lock, &a->fd);
    if (path)
        buf_add_str(path, a->place->path);
    return sync_fd(a->place, a->fd);
}

static void mbox_append_abandon(struct append *a)
{
    struct mbox_append *s = a->state;
    if (!s)
        return;
    if (s->lock.dot) {
        if (ftruncate(s->lock.fd, s->begin) == 0)
            sync_fd(a->place, s->lock.fd);
        mbox_unlock(&s->lock, NULL);
        a->fd = -1;
    }
    free(s);
}

const struct mailbox_format_ops mbox_format = {
    .name = "mbox",
    .list = mbox_list,
    .read = mbox_read,
    .expunge = mbox_expunge,
    .close = mbox_close,
    .append_begin = mbox_append_begin,
    .append_text = mbox_append_text,
    .append_commit = mbox_append_commit,
    .append_abandon = mbox_append_abandon,
};
