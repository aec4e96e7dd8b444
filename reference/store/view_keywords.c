/* view_keywords.c - the keywords of a mailbox. Each has a bit, for ever. In a Maildir the first
 * 26 are letters in the names of files, and the file dovecot-keywords says what they mean: lines
 * of "<bit> <name>", as Dovecot and others write it. */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEYWORDS_FILE "dovecot-keywords"
#define KEYWORDS_FILE_MAX 65536
#define LETTERS 26

uint64_t keywords_named(const struct mailbox_view *v)
{
    uint64_t bits = 0;
    for (int i = 0; i < KEYWORDS_MAX; i++)
        bits |= v->keywords[i] ? 1ull << i : 0;
    return bits;
}

unsigned keywords_in_use(const struct mailbox_view *v)
{
    return (unsigned)__builtin_popcountll(keywords_named(v));
}

/* RFC 9051 9, flag-keyword: an atom. */
static bool name_allowed(struct slice name)
{
    if (name.n == 0 || name.n > KEYWORD_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= 0x20 || name.p[i] >= 0x7f || strchr("(){%*\"\\]", name.p[i]))
            return false;
    }
    return true;
}

static int find(const struct mailbox_view *v, struct slice name)
{
    for (int i = 0; i < KEYWORDS_MAX; i++) {
        if (v->keywords[i] && slice_ieq_str(name, v->keywords[i]))
            return i;
    }
    return -1;
}

void maildir_keywords_read(struct mailbox_view *v)
{
    struct buf text = {0};
    char *path = xasprintf("%s/" KEYWORDS_FILE, v->path);
    struct slice rest, line, number;
    uint64_t bit;
    if (buf_read_file(&text, path, KEYWORDS_FILE_MAX) < 0)
        buf_clear(&text);
    rest = buf_slice(&text);
    while (slice_next(&rest, '\n', &line)) {
        if (!slice_next(&line, ' ', &number) || !slice_number(number, LETTERS - 1, &bit))
            continue;
        if (!v->keywords[bit] && name_allowed(line) && find(v, line) < 0)
            v->keywords[bit] = slice_dup(line);
    }
    buf_free(&text);
    free(path);
}

static int write_file(struct mailbox_view *v)
{
    struct buf text = {0};
    for (int i = 0; i < LETTERS; i++) {
        if (v->keywords[i])
            buf_printf(&text, "%d %s\n", i, v->keywords[i]);
    }
    char *unique = maildir_unique_name(&v->account->place);
    char *tmp = xasprintf("%s/tmp/%s", v->path, unique);
    char *path = xasprintf("%s/" KEYWORDS_FILE, v->path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), result = -1;
    if (fd >= 0) {
        ssize_t n = write(fd, text.data, text.len);
        result = n == (ssize_t)text.len && give_to_owner(&v->account->place, fd, 0600, 0660) == 0 &&
                 sync_fd(&v->account->place, fd) == 0 && rename(tmp, path) == 0 ? 0 : -1;
        int error = errno;
        close(fd);
        if (result < 0)
            unlink(tmp);
        errno = error;
    }
    free(unique);
    free(tmp);
    free(path);
    buf_free(&text);
    return result;
}

/* In a transaction, so that two processes do not give one bit to two names. */
static int make(struct mailbox_view *v, struct slice name)
{
    if (view_begin(v, 0) < 0)
        return -1;
    struct mailbox_row before = v->box;
    bool in_file = v->source == &maildir_source;
    if (in_file)
        maildir_keywords_read(v);
    int bit = find(v, name);
    bool is_new = bit < 0;
    for (int i = 0; bit < 0 && i < KEYWORDS_MAX; i++) {
        if (!v->keywords[i])
            bit = i;
    }
    if (bit < 0) {
        index_rollback(&v->account->index);
        errno = E2BIG;
        return -1;
    }
    if (is_new)
        v->keywords[bit] = slice_dup(name);
    if (is_new && in_file && bit < LETTERS && write_file(v) < 0) {
        view_abort(v, &before);
        free(v->keywords[bit]);
        v->keywords[bit] = NULL;
        return -1;
    }
    return view_commit(v, &before) < 0 ? -1 : bit;
}

int view_keyword_make(struct mailbox_view *v, struct slice name)
{
    int bit = find(v, name);
    if (bit >= 0)
        return bit;
    if (!name_allowed(name)) {
        errno = EINVAL;
        return -1;
    }
    return make(v, name);
}

/* --- for sessions ------------------------------------------------------------------------- */

const char *view_keyword(struct view_session *s, unsigned bit)
{
    const char *name = NULL;
    account_lock(s->view->account);
    if (bit < KEYWORDS_MAX)
        name = s->view->keywords[bit];
    account_unlock(s->view->account);
    return name;
}

int view_keyword_bit(struct view_session *s, struct slice name, bool may_make)
{
    account_lock(s->view->account);
    int bit = find(s->view, name);
    if (bit < 0 && may_make)
        bit = view_keyword_make(s->view, name);
    int error = errno;
    account_unlock(s->view->account);
    errno = error;
    return bit;
}

unsigned view_keyword_count(struct view_session *s)
{
    account_lock(s->view->account);
    unsigned count = keywords_in_use(s->view);
    account_unlock(s->view->account);
    return count;
}

bool view_keywords_are_new(struct view_session *s)
{
    account_lock(s->view->account);
    unsigned keywords = keywords_in_use(s->view);
    bool is_new = keywords != s->keywords_told;
    s->keywords_told = keywords;
    account_unlock(s->view->account);
    return is_new;
}
