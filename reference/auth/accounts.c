/* accounts.c - who is who. */
#include "reference/auth/accounts.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/auth/aliases.h"
#include "reference/auth/password.h"
#include "reference/auth/users.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What tells that a file is another than the one that was read. */
struct stamp { struct timespec changed; off_t size; ino_t inode; dev_t device; };

struct accounts {
    const struct config *config;
    pthread_mutex_t lock;            /* guards what follows */
    struct users users;
    struct aliases aliases;
    bool users_known, aliases_known; /* read well at least once */
    struct stamp users_stamp, aliases_stamp;
};

static struct stamp stamp_of(const char *file)
{
    struct stat st;
    if (!file || stat(file, &st) != 0)
        return (struct stamp){0};
    return (struct stamp){st.st_ctim, st.st_size, st.st_ino, st.st_dev};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode && a->device == b->device;
}

/* The stamp is taken before the reading: a change in between is then seen the next time. */
static void refresh_users(struct accounts *a, struct buf *errors)
{
    struct stamp now = stamp_of(a->config->users_file);
    if (same_stamp(&now, &a->users_stamp) && now.inode)
        return;
    struct users fresh;
    if (users_load(&fresh, a->config->users_file ? a->config->users_file : "", errors)) {
        users_free(&a->users);
        a->users = fresh;
        a->users_known = true;
    }
    a->users_stamp = now;
}

static void refresh_aliases(struct accounts *a, struct buf *errors)
{
    if (!a->config->aliases_file) {
        a->aliases_known = true;
        return;
    }
    struct stamp now = stamp_of(a->config->aliases_file);
    if (same_stamp(&now, &a->aliases_stamp) && now.inode)
        return;
    struct aliases fresh;
    if (aliases_load(&fresh, a->config->aliases_file, errors)) {
        aliases_free(&a->aliases);
        a->aliases = fresh;
        a->aliases_known = true;
    }
    a->aliases_stamp = now;
}

static void report(struct buf *errors)
{
    struct slice rest = buf_slice(errors), line;
    while (slice_next(&rest, '\n', &line))
        if (line.n)
            event("auth.file-wrong", EV_SLICE("problem", line));
    buf_free(errors);
}

/* Locks, with what the files say now. */
static void lock_fresh(struct accounts *a)
{
    struct buf errors = {0};
    pthread_mutex_lock(&a->lock);
    refresh_users(a, &errors);
    refresh_aliases(a, &errors);
    report(&errors);
}

struct accounts *accounts_new(const struct config *c, struct buf *errors)
{
    struct accounts *a = xcalloc(1, sizeof *a);
    a->config = c;
    pthread_mutex_init(&a->lock, NULL);
    refresh_users(a, errors);
    refresh_aliases(a, errors);
    return a;
}

void accounts_free(struct accounts *a)
{
    if (!a)
        return;
    users_free(&a->users);
    aliases_free(&a->aliases);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void account_free(struct account *a)
{
    free(a->user);
    free(a->home);
    for (size_t i = 0; i < a->target_count; i++)
        free(a->targets[i]);
    free(a->targets);
    *a = (struct account){0};
}

static void fill_account(struct account *out, const struct user_entry *e)
{
    out->user = xstrdup(e->name);
    out->home = xstrdup(e->home);
    out->uid = e->uid;
    out->gid = e->gid;
}

/* ---- lookup ---------------------------------------------------------------------------------- */

/* An item that names its own alias means the account, so that "bob: bob, ann" is no loop. */
static char *own_account(struct slice local, const char *item)
{
    struct slice name = slice_str(item);
    ptrdiff_t at = slice_rindex(name, '@');
    return at < 0 && slice_ieq(name, local) ? xasprintf("\\%s", item) : NULL;
}

static enum auth_status fill_targets(struct account *out, const struct alias_items *items,
                                     struct slice local)
{
    struct buf errors = {0};
    struct alias_items all = {0};
    bool good = aliases_expand_includes(items, &all, &errors);
    report(&errors);
    if (!good) {
        /* Half a list would lose the mail of the other half: try later. */
        alias_items_free(&all);
        return AUTH_TEMPFAIL;
    }
    for (size_t i = 0; i < all.n; i++) {
        char *own = own_account(local, all.v[i]);
        if (own) {
            free(all.v[i]);
            all.v[i] = own;
        }
    }
    out->user = slice_dup(local);
    out->home = xstrdup("");
    out->uid = out->gid = -1;
    out->targets = all.v;
    out->target_count = all.n;
    return AUTH_ALIAS;
}

/* The lock is held. */
static enum auth_status find_local(struct accounts *a, struct slice local, struct account *out)
{
    const struct alias *alias = aliases_find(&a->aliases, local);
    if (alias)
        return fill_targets(out, &alias->items, slice_str(alias->name));
    const struct user_entry *user = users_find(&a->users, local);
    if (!user)
        return AUTH_NO;
    fill_account(out, user);
    return AUTH_OK;
}

static enum auth_status find_postmaster(struct accounts *a, struct account *out)
{
    /* RFC 5321 4.5.1: mail for postmaster is taken in any case. */
    char *target = xstrdup(a->config->postmaster ? a->config->postmaster : "root");
    struct alias_items one = {&target, 1};
    enum auth_status status = fill_targets(out, &one, SLICE("postmaster"));
    free(target);
    return status;
}

/* Splits an address; false when its domain is not one of ours. */
static bool local_part_of(const struct config *c, const char *address, struct slice *local)
{
    struct slice s = slice_str(address);
    ptrdiff_t at = slice_rindex(s, '@');
    *local = s;
    /* In a quoted local part without domain the @ is a letter like others. */
    if (at < 0 || (s.p[s.n - 1] == '"' && s.p[0] == '"'))
        return true;
    *local = slice_sub(s, 0, (size_t)at);
    return config_is_local(c, slice_sub(s, (size_t)at + 1, s.n));
}

enum auth_status accounts_lookup(struct accounts *a, const char *address, struct account *out)
{
    struct slice written;
    *out = (struct account){.uid = -1, .gid = -1};
    if (!local_part_of(a->config, address, &written) || written.n == 0)
        return AUTH_NO;
    bool account_only = written.p[0] == '\\';
    char *text = local_part_unquote(slice_sub(written, account_only, written.n));
    struct slice local = slice_str(text);
    enum auth_status status = AUTH_NO;

    lock_fresh(a);
    if (account_only) {
        const struct user_entry *user = users_find(&a->users, local);
        if (user) {
            fill_account(out, user);
            status = AUTH_OK;
        }
    } else {
        status = find_local(a, local, out);
        ptrdiff_t plus = slice_index(local, '+');
        if (status == AUTH_NO && plus > 0)
            status = find_local(a, slice_sub(local, 0, (size_t)plus), out);
        if (status == AUTH_NO && slice_ieq(local, SLICE("postmaster")))
            status = find_postmaster(a, out);
    }
    /* A file that was never read well must not make users unknown. */
    if (status == AUTH_NO && !(a->users_known && a->aliases_known))
        status = AUTH_TEMPFAIL;
    pthread_mutex_unlock(&a->lock);
    free(text);
    return status;
}

/* ---- log-in ---------------------------------------------------------------------------------- */

/* Those of the first accounts of each form, so that what is spent on an unknown user is what is
 * spent on the known. */
static struct secret_costs costs_of(const struct users *u)
{
    struct secret_costs costs = {.iterations = SCRAM_ITERATIONS};
    struct scram_keys keys;
    bool scram = false;
    for (size_t i = 0; i < u->n && !(costs.crypt && scram); i++) {
        const char *secret = u->v[i].secret;
        if (secret[0] == '$' && !costs.crypt)
            costs.crypt = xstrdup(secret);
        if (!scram && (secret_scram(secret, SCRAM_SHA_256, &keys) ||
                       secret_scram(secret, SCRAM_SHA_1, &keys))) {
            costs.iterations = keys.iterations;
            scram = true;
        }
    }
    explicit_bzero(&keys, sizeof keys);
    if (!costs.crypt)
        costs.crypt = xstrdup("$6$nobodynobody$");
    return costs;
}

enum auth_status accounts_login(struct accounts *a, const char *user, struct login *out)
{
    struct slice name;
    *out = (struct login){.account = {.uid = -1, .gid = -1}};
    bool ours = local_part_of(a->config, user, &name);
    out->name = ours ? slice_dup(name) : xstrdup(user);
    for (char *p = out->name; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);

    lock_fresh(a);
    bool known = a->users_known;
    const struct user_entry *e = ours ? users_find(&a->users, name) : NULL;
    if (e && !secret_locked(e->secret)) {
        out->secret = xstrdup(e->secret);
        fill_account(&out->account, e);
    }
    out->costs = costs_of(&a->users);
    pthread_mutex_unlock(&a->lock);
    return !known ? AUTH_TEMPFAIL : out->secret ? AUTH_OK : AUTH_NO;
}

void login_free(struct login *l)
{
    password_wipe(l->secret);
    password_wipe(l->costs.crypt);
    free(l->name);
    account_free(&l->account);
    *l = (struct login){0};
}

enum auth_status accounts_verify(struct accounts *a, const char *user, const char *password,
                                 struct account *out)
{
    struct login login;
    enum auth_status status = accounts_login(a, user, &login);
    *out = (struct account){.uid = -1, .gid = -1};
    /* Outside the lock: this takes its time, and others may ask meanwhile. */
    if (status != AUTH_TEMPFAIL && !secret_fits(login.secret, password, &login.costs))
        status = AUTH_NO;
    if (status == AUTH_OK) {
        *out = login.account;
        login.account = (struct account){0};
    }
    login_free(&login);
    return status;
}
