/* backend_file.c - the users file, read again when it changes. Who asks does so himself: a hand-over
 * to another thread would take longer than the answer. */
#include "reference/auth/backend.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/auth/secret.h"
#include "reference/auth/stamp.h"
#include "reference/auth/users.h"

#include <stdlib.h>

struct file {
    const struct accounts_conf *conf;
    struct users users;
    bool known;                  /* read well at least once */
    struct stamp stamp;
};

static void *open_file(const struct accounts_conf *conf)
{
    struct file *f = xcalloc(1, sizeof *f);
    f->conf = conf;
    return f;
}

static void close_file(void *state)
{
    struct file *f = state;
    users_free(&f->users);
    free(f);
}

/* A file that has become wrong is reported once; its last good content stays in force. */
static void refresh(struct file *f, struct buf *errors)
{
    struct users fresh;
    struct stamp now = stamp_of(f->conf->path);
    if (stamp_same(&now, &f->stamp) && now.inode)
        return;
    if (users_load(&fresh, f->conf->path ? f->conf->path : "", errors)) {
        users_free(&f->users);
        f->users = fresh;
        f->known = true;
    }
    f->stamp = now;
}

static void probe(void *state, struct buf *errors) { refresh(state, errors); }

static void refresh_and_report(struct file *f)
{
    struct buf errors = {0};
    refresh(f, &errors);
    file_wrong_events(&errors);
}

static void fill(struct record *out, const struct user_entry *e)
{
    out->account.user = xstrdup(e->name);
    out->account.home = xstrdup(e->home);
    out->account.uid = e->uid;
    out->account.gid = e->gid;
    out->secret = xstrdup(e->secret);
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    struct file *f = state;
    refresh_and_report(f);
    if (!f->known) {
        /* A file that was never read well must not make users unknown. */
        buf_printf(why, "%s was never read well", f->conf->path ? f->conf->path : "the users file");
        return AUTH_TEMPFAIL;
    }
    const struct user_entry *e = q->system ? users_find(&f->users, slice_str(q->local)) : NULL;
    if (!e)
        return AUTH_NO;
    fill(out, e);
    return AUTH_OK;
}

static void sample(void *state, void (*each)(void *arg, const char *secret), void *arg)
{
    enum { ENOUGH = 100 };
    struct file *f = state;
    refresh_and_report(f);
    for (size_t i = 0; i < f->users.n && i < ENOUGH; i++)
        each(arg, f->users.v[i].secret);
}

static enum auth_status list(void *state, void (*each)(void *arg, const struct record *r),
                             void *arg, struct buf *why)
{
    struct file *f = state;
    refresh(f, why);
    for (size_t i = 0; i < f->users.n; i++) {
        struct record r = {0};
        fill(&r, &f->users.v[i]);
        each(arg, &r);
        record_free(&r);
    }
    return f->known ? AUTH_OK : AUTH_TEMPFAIL;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    if (!conf->path)
        buf_printf(errors, "accounts %s: there is no users file; set path, or users-file\n",
                   conf->name);
}

const struct backend_type backend_file = {
    .name = "file",
    .at_once = true,
    .check = check,
    .open = open_file,
    .close = close_file,
    .probe = probe,
    .look_up = look_up,
    .sample = sample,
    .list = list,
};
