/* view_maildir.c - a Maildir as the source of a view.
 *
 * The name of a message's file is the truth about its flags, for us and for the other programs
 * that use the Maildir: letters after ":2,", in ASCII order, D F P R S T, and a to z for the
 * first 26 keywords, whose names are in the file dovecot-keywords (view_keywords.c). Further
 * keywords are known to the index only.
 *
 * With inotify only what changed is looked at. Else, and at first, both folders are read
 * through. */
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A folder's mtime that is younger than this when we read it through says nothing later: there may
 * have been changes in the same tick of its clock. */
#define STAMP_AGE_NS (2 * 1000000000LL)
/* How often a file that is not where it was may make us read the folders within one operation. */
#define RELOCATIONS_MAX 2

enum { NEW, CUR };

/* --- where the files are ------------------------------------------------------------------ */

void maildir_file_name(struct buf *out, const struct mailbox_view *v, const struct row *r)
{
    buf_add_str(out, row_name(v, r));
    if (!(r->flags & (ROW_NEW | ROW_ODD)))
        maildir_flags_add(out, r->flags, r->keywords);
}

static int folder_of(const struct mailbox_view *v, const struct row *r)
{
    return v->folders[r->flags & ROW_NEW ? NEW : CUR];
}

/* --- folders ------------------------------------------------------------------------------ */

static struct watch *watch(const struct mailbox_view *v)
{
    char *new = xasprintf("%s/new", v->path), *cur = xasprintf("%s/cur", v->path);
    struct watch *w = watch_new(new, cur);
    free(new);
    free(cur);
    return w;
}

static void rest(struct mailbox_view *v)
{
    for (int i = NEW; i <= CUR; i++) {
        if (v->folders[i] >= 0)
            close(v->folders[i]);
        v->folders[i] = -1;
    }
}

int maildir_open(struct mailbox_view *v)
{
    if (v->folders[CUR] >= 0)
        return 0;
    int top = maildir_open_folder(AT_FDCWD, v->path);
    if (top < 0)
        return -1;
    v->folders[NEW] = maildir_open_folder(top, "new");
    if (v->folders[NEW] >= 0)
        v->folders[CUR] = maildir_open_folder(top, "cur");
    int error = errno;
    close(top);
    if (v->folders[CUR] < 0)
        rest(v);
    errno = error;
    return v->folders[CUR] < 0 ? -1 : 0;
}

/* --- what is there ------------------------------------------------------------------------ */

struct pass {
    struct mailbox_view *v;
    struct scan *out;              /* NULL: only look where the rows' files are */
    uint32_t *touched;             /* rows with ROW_TOUCHED (their UIDs), when they are few; or NULL */
    size_t touched_count;
    bool in_new;
};

/* The name without a suffix that we would write anyway. */
static void keep_name(struct mailbox_view *v, struct row *r, const char *name, uint32_t flags)
{
    struct slice whole = slice_str(name);
    row_rename(v, r, flags & (ROW_ODD | ROW_NEW) ? whole : maildir_base(name));
}

static void note_change(struct scan *out, uint32_t row, uint32_t flags, uint64_t keywords,
                        const char *name)
{
    struct found_change *c = scan_note_changed(out, row, flags, keywords);
    c->odd = flags & (ROW_ODD | ROW_NEW) ? xstrdup(name) : NULL;
}

static void note_added(struct scan *out, const char *name, uint32_t flags, uint64_t keywords)
{
    struct found *f = scan_note_added(out, name);
    f->flags = flags;
    f->keywords = keywords;
}

static void consider(void *arg, const char *name)
{
    struct pass *p = arg;
    struct row *r = row_by_name(p->v, maildir_base(name));
    uint32_t flags;
    uint64_t keywords;
    bool odd;
    if (r && (r->flags & ROW_TOUCHED))
        return;                    /* in both folders: it was moved while we looked */
    if (r && p->touched)
        p->touched[p->touched_count++] = r->uid;
    maildir_flags_parse(slice_str(name), &flags, &keywords, &odd);
    flags |= r ? r->flags & ROW_UNMEASURED : 0;
    if (keywords & ~keywords_named(p->v))
        maildir_keywords_read(p->v);   /* another program has made a new one */
    if (p->in_new)
        flags |= ROW_NEW;
    else if (odd)
        flags |= ROW_ODD;
    if (!r) {
        if (p->out)
            note_added(p->out, name, flags, keywords);
        return;
    }
    keywords |= r->keywords >> 26 << 26;
    bool same_name = !(flags & (ROW_ODD | ROW_NEW)) || strcmp(row_name(p->v, r), name) == 0;
    bool same = flags == r->flags && keywords == r->keywords && same_name;
    r->flags |= ROW_TOUCHED;
    if (same)
        return;
    if (p->out) {
        note_change(p->out, (uint32_t)(r - p->v->v), flags, keywords, name);
    } else {                       /* that its flags are others the next sync will see */
        p->v->in_new -= (r->flags & ROW_NEW) != 0;
        r->flags = (r->flags & (ROW_FLAGS | ROW_TOUCHED | ROW_UNMEASURED)) | (p->in_new ? ROW_NEW : ROW_ODD);
        p->v->in_new += p->in_new;
        row_rename(p->v, r, slice_str(name));
        p->v->rescan = true;
    }
}

static int look_through(struct pass *p)
{
    for (int i = NEW; i <= CUR; i++) {
        p->in_new = i == NEW;
        if (maildir_each_name(p->v->folders[i], consider, p) < 0)
            return -1;
    }
    return 0;
}

static void untouch_all(struct mailbox_view *v)
{
    for (size_t i = 0; i < v->n; i++)
        v->v[i].flags &= ~(uint32_t)ROW_TOUCHED;
}

int maildir_relocate(struct mailbox_view *v)
{
    if (v->relocations++ >= RELOCATIONS_MAX) {
        errno = ENOENT;
        return -1;
    }
    struct pass p = {.v = v};
    int result = look_through(&p);
    untouch_all(v);
    return result;
}

/* Those that were not seen: a file that was renamed while the folder was read may be missed, so
 * they are looked for once more. */
static int note_removed(struct mailbox_view *v, struct scan *out)
{
    size_t missing = 0;
    for (size_t i = 0; i < v->n; i++)
        missing += !(v->v[i].flags & ROW_TOUCHED);
    if (missing == 0)
        return 0;
    struct scan again = {0};
    struct pass p = {.v = v, .out = &again};
    int result = look_through(&p);
    for (size_t i = 0; i < again.changed_count; i++) {
        struct found_change *c = &again.changed[i];
        note_change(out, c->row, c->flags, c->keywords, c->odd);
    }
    scan_free(&again);
    for (size_t i = 0; i < v->n; i++) {
        if (!(v->v[i].flags & ROW_TOUCHED))
            scan_note_removed(out, (uint32_t)i);
    }
    return result;
}

/* --- the scan ----------------------------------------------------------------------------- */

static void take_stamps(const struct mailbox_view *v, int64_t stamp[2])
{
    int64_t now = wall_us() * 1000;
    for (int i = NEW; i <= CUR; i++) {
        struct stat st;
        stamp[i] = 0;
        if (fstat(v->folders[i], &st) < 0)
            continue;
        int64_t mtime = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
        if (mtime < now - STAMP_AGE_NS)
            stamp[i] = mtime;
    }
}

static bool stamps_fit(const struct mailbox_view *v)
{
    int64_t now[2];
    take_stamps(v, now);
    return now[0] != 0 && now[1] != 0 && now[0] == v->box.stamp[0] && now[1] == v->box.stamp[1];
}

static int scan_all(struct mailbox_view *v, struct scan *out)
{
    struct pass p = {.v = v, .out = out};
    take_stamps(v, out->stamp);
    maildir_keywords_read(v);
    int result = look_through(&p);
    if (result == 0)
        result = note_removed(v, out);
    untouch_all(v);
    return result;
}

static bool is_there(struct mailbox_view *v, const struct row *r)
{
    struct stat st;
    struct buf name = {0};
    maildir_file_name(&name, v, r);
    bool there = fstatat(folder_of(v, r), buf_str(&name), &st, AT_SYMLINK_NOFOLLOW) == 0;
    buf_free(&name);
    return there;
}

/* Only the names that inotify gave. 1: a row's file is missing; all must be looked at. */
static int scan_names(struct mailbox_view *v, struct slice names, struct scan *out)
{
    struct pass p = {.v = v, .out = out};
    bool missing = false;
    struct slice name;
    p.touched = xreallocarray(NULL, names.n / 2 + 1, sizeof *p.touched);   /* a name has 3 octets */
    for (struct slice left = names; slice_next(&left, 0, &name) && name.n > 1;) {
        struct stat st;
        const char *file = name.p + 1;
        p.in_new = name.p[0] == '1';
        if (*file != '.' && fstatat(v->folders[p.in_new ? NEW : CUR], file, &st,
                                    AT_SYMLINK_NOFOLLOW) == 0)
            consider(&p, file);
    }
    for (struct slice left = names; !missing && slice_next(&left, 0, &name) && name.n > 1;) {
        const struct row *r = row_by_name(v, maildir_base(name.p + 1));
        missing = r && !(r->flags & ROW_TOUCHED) && !is_there(v, r);
    }
    for (size_t i = 0; i < p.touched_count; i++)
        row_by_uid(v, p.touched[i])->flags &= ~(uint32_t)ROW_TOUCHED;
    free(p.touched);
    return missing;
}

/* The inbox may be missing until the first message comes; another folder was deleted. */
static int no_folder(struct mailbox_view *v, struct scan *out)
{
    if (errno != ENOENT)
        return -1;
    if (strcmp(v->name, "INBOX") != 0) {
        errno = ESTALE;
        return -1;
    }
    for (size_t i = 0; i < v->n; i++)
        scan_note_removed(out, (uint32_t)i);
    return 0;
}

static int scan(struct mailbox_view *v, struct scan *out)
{
    struct buf names = {0};
    enum watch_news news = watch_take(v->watch, &names);
    int result = 0;
    v->relocations = 0;
    if (news == WATCH_QUIET && !v->rescan) {
        buf_free(&names);
        return 0;
    }
    if (news == WATCH_UNKNOWN || v->rescan)
        rest(v);                   /* they may be others by now */
    bool all = news != WATCH_NAMES || v->rescan;
    if (maildir_open(v) < 0) {
        result = no_folder(v, out);
        all = false;
    } else if (!all) {
        all = scan_names(v, buf_slice(&names), out) != 0;
    } else if (!v->rescan && stamps_fit(v)) {
        all = false;
    }
    if (all) {
        scan_free(out);
        result = scan_all(v, out);
    }
    v->rescan = true;              /* until the caller has kept it */
    buf_free(&names);
    if (result < 0)
        return -1;
    if (out->added_count > 0)
        maildir_complete_added(v, out);
    return 1;
}

/* --- acting ------------------------------------------------------------------------------- */

/* Gives the file the name that says these flags. */
static int rename_to(struct mailbox_view *v, struct row *r, uint32_t flags, uint64_t keywords)
{
    struct buf from = {0}, to = {0};
    maildir_file_name(&from, v, r);
    buf_add_slice(&to, maildir_base(row_name(v, r)));
    maildir_flags_add(&to, flags, keywords);
    int folder = folder_of(v, r), result = 0;
    if (folder != v->folders[CUR] || strcmp(buf_str(&from), buf_str(&to)) != 0)
        result = renameat(folder, buf_str(&from), v->folders[CUR], buf_str(&to));
    int error = errno;
    buf_free(&from);
    buf_free(&to);
    if (result == 0) {
        v->in_new -= (r->flags & ROW_NEW) != 0;
        r->flags &= ~(uint32_t)(ROW_NEW | ROW_ODD);
        keep_name(v, r, row_name(v, r), 0);
    }
    errno = error;
    return result;
}

static int set_flags(struct mailbox_view *v, struct row *r, uint32_t flags, uint64_t keywords)
{
    if (maildir_open(v) < 0)
        return -1;
    int result = rename_to(v, r, flags, keywords);
    if (result < 0 && errno == ENOENT && maildir_relocate(v) == 0)
        result = rename_to(v, r, flags, keywords);
    return result;
}

static int take_found(struct mailbox_view *v, struct found *f)
{
    struct buf to = {0};
    buf_add_slice(&to, maildir_base(f->name));
    maildir_flags_add(&to, f->flags, f->keywords);
    int result = renameat(v->folders[NEW], f->name, v->folders[CUR], buf_str(&to));
    int error = errno;
    if (result == 0) {
        free(f->name);
        f->name = buf_take(&to);
        f->flags &= ~(uint32_t)ROW_NEW;
    }
    buf_free(&to);
    errno = error;
    return result;
}

static int with_name(struct mailbox_view *v, const struct row *r, int (*act)(int, const char *))
{
    struct buf name = {0};
    maildir_file_name(&name, v, r);
    int result = act(folder_of(v, r), buf_str(&name));
    int error = errno;
    buf_free(&name);
    errno = error;
    return result;
}

static int act_on(struct mailbox_view *v, struct row *r, int (*act)(int, const char *))
{
    if (maildir_open(v) < 0)
        return -1;
    int result = with_name(v, r, act);
    if (result < 0 && errno == ENOENT && maildir_relocate(v) == 0)
        result = with_name(v, r, act);
    return result;
}

static int unlink_file(int folder, const char *name)
{
    return unlinkat(folder, name, 0);
}

static int open_file(int folder, const char *name)
{
    return openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static int measure(struct mailbox_view *v, struct row *r, struct measured *out)
{
    int fd = act_on(v, r, open_file);
    if (fd < 0)
        return -1;
    struct stat st;
    int result = fstat(fd, &st) < 0 ? -1 : maildir_wire_size(fd, &out->size);
    out->uid = r->uid;
    out->date = st.st_mtime;
    close(fd);
    return result;
}

static int remove_messages(struct mailbox_view *v, uint32_t *rows, size_t *n)
{
    size_t gone = 0;
    int error = 0;
    for (size_t i = 0; i < *n; i++) {
        if (act_on(v, &v->v[rows[i]], unlink_file) < 0 && errno != ENOENT)
            error = errno;         /* it stays */
        else
            rows[gone++] = rows[i];
    }
    *n = gone;
    errno = error;
    return error ? -1 : 0;
}

static int open_message(struct mailbox_view *v, struct row *r)
{
    return act_on(v, r, open_file);
}

/* What is in the index is what is in the folders: then the next who opens the mailbox need not
 * look. */
static void settle(struct mailbox_view *v)
{
    int64_t now[2];
    if (v->rescan || v->stale || v->in_new > 0 || !watch_is_quiet(v->watch) || maildir_open(v) < 0)
        return;
    take_stamps(v, now);
    if (now[0] == 0 || now[1] == 0 || memcmp(now, v->box.stamp, sizeof now) == 0 ||
        !watch_is_quiet(v->watch) || view_begin(v, 0) < 0)
        return;
    struct mailbox_row before = v->box;
    memcpy(v->box.stamp, now, sizeof now);
    view_commit(v, &before);
}

/* Every rename of ours would be told to us twice; the folders are read once afterwards instead. */
static void many(struct mailbox_view *v, bool begin)
{
    if (begin) {
        watch_pause(v->watch);
        return;
    }
    char *new = xasprintf("%s/new", v->path), *cur = xasprintf("%s/cur", v->path);
    watch_retry(v->watch, new, cur);
    free(new);
    free(cur);
}

const struct view_source maildir_source = {
    .watch = watch, .scan = scan, .take = take_found, .set_flags = set_flags,
    .remove = remove_messages, .settle = settle, .many = many, .open = open_message, .rest = rest,
    .measure = measure, .copy = maildir_copy, .uncopy = maildir_uncopy, .stage = maildir_stage,
    .unstage = maildir_unstage, .place = maildir_place, .unplace = maildir_unplace,
    .sync = maildir_sync,
};
