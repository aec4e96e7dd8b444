/* maildir.c - the mailbox as a folder with a file a message (cr.yp.to/proto/maildir.html).
 *
 * A message is written in tmp/, made durable, renamed into new/, and new/ made durable. Mail
 * programs move it to cur/ and put ":2,<flags>" behind its name; what stands before the colon never
 * changes and is its identifier (a digest of it when it is too long or has odd octets). Names that
 * we make carry ",S=<octets of the file>,W=<octets with CRLF>", as Dovecot's and Courier's do, so
 * that listing need not read the files.
 *
 * No lock is needed: a message is a file, and a name that vanished is looked for again. Reading
 * changes nothing, not even new/ to cur/: for other programs the mail is as new as before. */
#include "base/folder_sync.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* A file in tmp/ that was not touched for so long is of a delivery that died. */
#define TMP_STALE_S (36 * 3600)

enum { NEW, CUR };
static const char *const folder_names[] = {"new", "cur"};

/* --- names ---------------------------------------------------------------------------------- */

struct slice maildir_base(const char *file)
{
    struct slice name = slice_str(file);
    ptrdiff_t colon = slice_index(name, ':');
    return colon < 0 ? name : slice_sub(name, 0, (size_t)colon);
}

static char *uid_of(struct slice base)
{
    bool fits = base.n <= STORE_UID_MAX;
    for (size_t i = 0; i < base.n; i++)
        fits = fits && base.p[i] >= 0x21 && base.p[i] <= 0x7e;
    if (fits)
        return slice_dup(base);
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(base.p, base.n, digest, NULL, EVP_sha256(), NULL) != 1)
        die(70, "out of memory");
    return hex_text(digest, 32);
}

/* The value of ",S=" or ",W=" in a base name, or -1. */
int64_t maildir_size_field(struct slice base, struct slice key)
{
    uint64_t value;
    ptrdiff_t at = slice_find(base, key);
    if (at < 0)
        return -1;
    struct slice rest = slice_sub(base, (size_t)at + key.n, base.n);
    ptrdiff_t comma = slice_index(rest, ',');
    if (comma >= 0)
        rest = slice_sub(rest, 0, (size_t)comma);
    return slice_number(rest, INT64_MAX, &value) ? (int64_t)value : -1;
}

/* Oldest first: names begin with the seconds of their delivery; then byte order. */
int maildir_compare(struct slice a, struct slice b)
{
    size_t i = 0, j = 0;
    while (i < a.n && a.p[i] >= '0' && a.p[i] <= '9')
        i++;
    while (j < b.n && b.p[j] >= '0' && b.p[j] <= '9')
        j++;
    if (i != j)
        return i < j ? -1 : 1;
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_base(const void *a, const void *b)
{
    const struct message *x = a, *y = b;
    return maildir_compare(maildir_base(x->file), maildir_base(y->file));
}

/* --- listing -------------------------------------------------------------------------------- */

int maildir_open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Most file systems say it with the name, so that nothing else must be asked for. */
static bool is_file(int folder, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_REG;
    return fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int maildir_each_name(int folder, void (*give)(void *arg, const char *name), void *arg)
{
    int fd = maildir_open_folder(folder, ".");
    if (fd < 0)
        return -1;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && is_file(fd, entry))
            give(arg, entry->d_name);
    }
    int error = errno;
    closedir(dir);
    errno = error;
    return error ? -1 : 0;
}

static int measure(int fd, int64_t length, int64_t *size)
{
    struct lines lines;
    struct line_piece p;
    int more;
    *size = 0;
    lines_init_file(&lines, fd, 0, length);
    while ((more = lines_next(&lines, &p)) == 1)
        *size += piece_wire_size(&p);
    lines_free(&lines);
    return more;
}

/* The size in the name counts when its other half agrees with the file. False: not a message. */
static bool find_size(int folder, struct message *msg)
{
    struct stat st;
    struct slice base = maildir_base(msg->file);
    if (fstatat(folder, msg->file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    msg->size = maildir_size_field(base, SLICE(",W="));
    if (maildir_size_field(base, SLICE(",S=")) == st.st_size && msg->size >= st.st_size)
        return true;
    int fd = openat(folder, msg->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool ok = measure(fd, st.st_size, &msg->size) == 0;
    close(fd);
    return ok;
}

struct listing {
    struct mailbox *m;
    int folder;
};

static void list_name(void *arg, const char *name)
{
    struct listing *l = arg;
    struct message *msg = mailbox_new_message(l->m);
    msg->file = xstrdup(name);
    msg->folder = l->folder;
    if (find_size(l->m->folders[l->folder], msg))
        return;
    free(msg->file);
    l->m->n--;
}

static void remove_if_stale(void *arg, const char *name)
{
    int tmp = *(int *)arg;
    struct stat st;
    if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        wall_us() / 1000000 - st.st_mtime > TMP_STALE_S)
        unlinkat(tmp, name, 0);
}

/* A message that was moved from new/ to cur/ while we listed is there twice. */
static void sort_messages(struct mailbox *m)
{
    size_t kept = 0;
    if (m->n == 0)
        return;
    qsort(m->v, m->n, sizeof *m->v, by_base);
    for (size_t i = 1; i < m->n; i++) {
        if (by_base(&m->v[kept], &m->v[i]) == 0)
            free(m->v[i].file);
        else
            m->v[++kept] = m->v[i];
    }
    m->n = kept + 1;
    for (size_t i = 0; i < m->n; i++)
        m->v[i].uid = uid_of(maildir_base(m->v[i].file));
}

static int maildir_list(struct mailbox *m)
{
    int top = maildir_open_folder(AT_FDCWD, m->place->path);
    if (top < 0)
        return errno == ENOENT ? 0 : -1;
    int result = 0;
    int tmp = maildir_open_folder(top, "tmp");
    if (tmp >= 0) {
        maildir_each_name(tmp, remove_if_stale, &tmp);
        close(tmp);
    }
    for (int i = NEW; i <= CUR && result == 0; i++) {
        struct listing l = {m, i};
        m->folders[i] = maildir_open_folder(top, folder_names[i]);
        /* Being made at this moment, or another program's half. */
        if (m->folders[i] < 0)
            result = errno == ENOENT ? 0 : -1;
        else
            result = maildir_each_name(m->folders[i], list_name, &l);
    }
    int error = errno;
    close(top);
    sort_messages(m);
    errno = error;
    return result;
}

static void maildir_close(struct mailbox *m)
{
    for (int i = NEW; i <= CUR; i++) {
        if (m->folders[i] >= 0)
            close(m->folders[i]);
    }
}

/* --- reading and removing ------------------------------------------------------------------- */

static void renew_name(void *arg, const char *name)
{
    struct listing *l = arg;
    struct message key = {.file = (char *)name};
    struct message *msg = bsearch(&key, l->m->v, l->m->n, sizeof key, by_base);
    if (!msg)
        return;
    msg->folder = l->folder;
    if (strcmp(msg->file, name) != 0) {
        free(msg->file);
        msg->file = xstrdup(name);
    }
}

/* Does act(); when the file is not there, looks where the messages are now and tries again. Twice,
 * since a name may change while the folders are read. */
static int with_file(struct mailbox *m, const struct message *msg,
                     int (*act)(int folder, const char *file))
{
    int result = act(m->folders[msg->folder], msg->file);
    for (int tries = 0; tries < 2 && result < 0 && errno == ENOENT; tries++)
{
        for (int i = NEW; i <= CUR; i++)
{
            struct listing l = {m, i};
            if (m->folders[i] >= 0 && maildir_each_name(m->folders[i], renew_name, &l) < 0)
                return -1;
        }
        result = act(m->folders[msg->folder], msg->file);
    }
    return result;
}

static int open_message(int folder, const char *file)
{
    return openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static int unlink_message(int folder, const char *file)
{
    return unlinkat(folder, file, 0);
}

static int maildir_read(struct mailbox *m, size_t i, struct message_reader *r)
{
    struct stat st;
    r->fd = with_file(m, &m->v[i], open_message);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return -1;
    lines_init_file(&r->lines, r->fd, 0, st.st_size);
    return 0;
}

static int maildir_expunge(struct mailbox *m, const bool *doomed)
{
    int error = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (doomed[i] && with_file(m, &m->v[i], unlink_message) < 0 && errno != ENOENT)
            error = errno;
    }
    for (int i = NEW; i <= CUR; i++) {
        if (m->folders[i] >= 0 && sync_fd(m->place, m->folders[i]) < 0)
            error = errno;
    }
    errno = error;
    return error ? -1 : 0;
}

/* --- adding --------------------------------------------------------------------------------- */

struct maildir_append {
    int tmp, new;                  /* the folders; -1: not open */
    char *name;                    /* in tmp/; NULL: no file there */
    int64_t lines;                 /* LF that a CRLF stands for on the wire */
    char last;                     /* octet written */
};

/* Makes the folder when it is missing. In one that is another user's, we are the group. */
static int make_folder(const struct mailbox_place *place, int at, const char *name)
{
    if (mkdirat(at, name, 0700) < 0)
        return errno == EEXIST ? 0 : -1;
    int fd = maildir_open_folder(at, name);
    if (fd < 0)
        return -1;
    int result = give_to_owner(place, fd, 0700, 02770);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int maildir_make(const struct mailbox_place *place)
{
    if (make_folder(place, AT_FDCWD, place->path) < 0)
        return -1;
    int top = maildir_open_folder(AT_FDCWD, place->path);
    if (top < 0)
        return -1;
    int result = 0;
    if (make_folder(place, top, "tmp") < 0 || make_folder(place, top, "new") < 0 ||
        make_folder(place, top, "cur") < 0 || sync_fd(place, top) < 0 ||
        sync_dir(place, place->dir) < 0)
        result = -1;
    int error = errno;
    close(top);
    errno = error;
    return result;
}

static int open_tmp_new(const struct mailbox_place *place, struct maildir_append *s)
{
    int top = maildir_open_folder(AT_FDCWD, place->path);
    if (top < 0)
        return -1;
    s->tmp = maildir_open_folder(top, "tmp");
    if (s->tmp >= 0)
        s->new = maildir_open_folder(top, "new");
    int error = errno;
    close(top);
    errno = error;
    return s->new < 0 ? -1 : 0;
}

/* "<seconds>.M<microseconds>P<pid>Q<delivery>.<host>", '/' and ':' of the host written as octal. */
char *maildir_unique_name(const struct mailbox_place *place)
{
    static atomic_uint_fast64_t deliveries;
    struct buf name = {0};
    int64_t now = wall_us();
    buf_printf(&name, "%lld.M%06lldP%ldQ%llu.", (long long)(now / 1000000),
               (long long)(now % 1000000), (long)getpid(),
               (unsigned long long)atomic_fetch_add(&deliveries, 1) + 1);
    for (const char *h = place->hostname; *h; h++) {
        if (*h == '/' || *h == ':' || *h == ',')
            buf_printf(&name, "\\%03o", (unsigned)*h);
        else
            buf_add_byte(&name, *h);
    }
    return buf_take(&name);
}

static int maildir_append_begin(struct append *a, const char *sender)
{
    (void)sender;                  /* it stands in the Return-Path field only */
    struct maildir_append *s = a->state = xcalloc(1, sizeof *s);
    s->tmp = s->new = -1;
    if (open_tmp_new(a->place, s) < 0 &&
        (errno != ENOENT || maildir_make(a->place) < 0 || open_tmp_new(a->place, s) < 0))
        return -1;
    char *name = maildir_unique_name(a->place);
    a->fd = openat(s->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->fd < 0) {
        free(name);
        return -1;
    }
    s->name = name;
    return give_to_owner(a->place, a->fd, 0600, 0660);
}

static void maildir_append_text(struct append *a, struct slice text)
{
    struct maildir_append *s = a->state;
    const char *p = text.p, *end = text.p + text.n;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        char before = p > text.p ? p[-1] : s->last;
        s->lines += before != '\r';
        p++;
    }
    s->last = text.p[text.n - 1];
    append_out(a, text.p, text.n);
}

static int maildir_append_commit(struct append *a, struct buf *path)
{
    struct maildir_append *s = a->state;
    if (s->last != '\n')
        append_write(a, "\n", 1);
    if (append_flush(a) < 0 || sync_fd(a->place, a->fd) < 0)
        return -1;
    char *name = xasprintf("%s,S=%lld,W=%lld", s->name, (long long)a->offset,
                           (long long)(a->offset + s->lines));
    int result = renameat(s->tmp, s->name, s->new, name);
    if (result == 0) {
        free(s->name);
        s->name = NULL;
        result = a->place->sync ? folder_sync(s->new) : 0;
        if (path)
            buf_printf(path, "%s/new/%s", a->place->path, name);
        if (result < 0)
            unlinkat(s->new, name, 0);
    }
    int error = errno;
    free(name);
    errno = error;
    return result;
}

static void maildir_append_abandon(struct append *a)
{
    struct maildir_append *s = a->state;
    if (!s)
        return;
    if (s->name)
        unlinkat(s->tmp, s->name, 0);
    if (s->tmp >= 0)
        close(s->tmp);
    if (s->new >= 0)
        close(s->new);
    free(s->name);
    free(s);
}

const struct mailbox_format_ops maildir_format = {
    .name = "maildir",
    .list = maildir_list,
    .read = maildir_read,
    .expunge = maildir_expunge,
    .close = maildir_close,
    .append_begin = maildir_append_begin,
    .append_text = maildir_append_text,
    .append_commit = maildir_append_commit,
    .append_abandon = maildir_append_abandon,
};
