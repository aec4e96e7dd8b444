/* accounts.c - addresses and log-in names become questions for the aliases and the back ends. */
#include "reference/auth/accounts.h"

#include "base/mem.h"
#include "reference/auth/aliases.h"
#include "reference/auth/password.h"
#include "reference/auth/stamp.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct accounts {
    const struct config *config;
    struct chain *chain;
    pthread_mutex_t lock;            /* guards what follows */
    struct aliases aliases;
    bool aliases_known;              /* read well at least once */
    struct stamp aliases_stamp;
};

/* The lock is held. */
static void refresh_aliases(struct accounts *a, struct buf *errors)
{
    if (!a->config->aliases_file) {
        a->aliases_known = true;
        return;
    }
    struct stamp now = stamp_of(a->config->aliases_file);
    if (stamp_same(&now, &a->aliases_stamp) && now.inode)
        return;
    struct aliases fresh;
    if (aliases_load(&fresh, a->config->aliases_file, errors)) {
        aliases_free(&a->aliases);
        a->aliases = fresh;
        a->aliases_known = true;
    }
    a->aliases_stamp = now;
}

struct accounts *accounts_new(const struct config *c, struct buf *errors)
{
    struct accounts *a = xcalloc(1, sizeof *a);
    struct buf wrong = {0};
    a->config = c;
    pthread_mutex_init(&a->lock, NULL);
    a->chain = chain_new(c, &wrong);
    if (errors) {
        if (wrong.len)
            buf_add_slice(errors, buf_slice(&wrong));
        buf_clear(&wrong);
        chain_probe(a->chain, false, errors);
        refresh_aliases(a, errors);
    }
    file_wrong_events(&wrong);
    return a;
}

void accounts_probe(struct accounts *a, struct buf *errors)
{
    chain_probe(a->chain, true, errors);
}

void accounts_free(struct accounts *a)
{
    if (!a)
        return;
    chain_free(a->chain);
    aliases_free(&a->aliases);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* An address or log-in name, taken apart. */
struct name {
    struct account_query query;
    char *address, *local, *domain;
};

static void fold(char *text)
{
    for (char *p = text; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
}

static void name_set(struct name *n, const struct config *c, char *local, char *domain)
{
    fold(local);
    fold(domain);
    *n = (struct name){.local = local, .domain = domain};
    n->address = *domain ? xasprintf("%s@%s", local, domain) : xstrdup(local);
    n->query = (struct account_query){
        .address = n->address, .local = local, .domain = domain,
        .system = !*domain || config_is_local(c, slice_str(domain))};
}

/* "\tom" is the account of that name. In a quoted local part without domain the @ is a letter like
 * others. An empty domain is nobody's. */
static bool name_take(struct name *n, const struct config *c, const char *text)
{
    struct slice s = slice_str(text);
    ptrdiff_t at = slice_rindex(s, '@');
    if (at >= 0 && s.p[s.n - 1] == '"' && s.p[0] == '"')
        at = -1;
    struct slice local = slice_sub(s, 0, at < 0 ? s.n : (size_t)at);
    struct slice domain = at < 0 ? slice_str("") : slice_sub(s, (size_t)at + 1, s.n);
    bool account_only = local.n && local.p[0] == '\\';
    name_set(n, c, local_part_unquote(slice_sub(local, account_only, local.n)), slice_dup(domain));
    n->query.account_only = account_only;
    return local.n > (size_t)account_only && (at < 0 || domain.n > 0);
}

/* The same address with another local part. */
static void name_variant(struct name *n, const struct config *c, const struct name *from,
                         struct slice local)
{
    name_set(n, c, slice_dup(local), xstrdup(from->domain));
}

static void name_free(struct name *n)
{
    free(n->address);
    free(n->local);
    free(n->domain);
}

/* ---- lookup ---------------------------------------------------------------------------------- */

/* An item that names its own alias means the account, so that "bob: bob, ann" is no loop. */
static char *own_account(const struct account_query *q, const char *item)
{
    struct slice name = slice_str(item);
    bool own = slice_rindex(name, '@') < 0 ? slice_ieq_str(name, q->local)
                                           : slice_ieq_str(name, q->address);
    return own ? xasprintf("\\%s", item) : NULL;
}

static enum auth_status fill_targets(struct account *out, const struct alias_items *items,
                                     const struct account_query *q)
{
    struct buf errors = {0};
    struct alias_items all = {0};
    bool good = aliases_expand_includes(items, &all, &errors);
    file_wrong_events(&errors);
    if (!good) {
        /* Half a list would lose the mail of the other half: try later. */
        alias_items_free(&all);
        return AUTH_TEMPFAIL;
    }
    for (size_t i = 0; i < all.n; i++) {
        char *own = own_account(q, all.v[i]);
        if (own) {
            free(all.v[i]);
            all.v[i] = own;
        }
    }
    *out = (struct account){.user = xstrdup(q->system ? q->local : q->address),
                            .home = xstrdup(""), .uid = -1, .gid = -1,
                            .targets = all.v, .target_count = all.n};
    return AUTH_ALIAS;
}

/* AUTH_ALIAS, AUTH_NO, or AUTH_TEMPFAIL when the file was never read well. */
static enum auth_status find_in_file(struct accounts *a, const struct account_query *q,
                                     struct account *out)
{
    struct buf errors = {0};
    pthread_mutex_lock(&a->lock);
    refresh_aliases(a, &errors);
    file_wrong_events(&errors);
    const struct alias *alias = aliases_find(&a->aliases, slice_str(q->local));
    enum auth_status status = alias             ? fill_targets(out, &alias->items, q)
                              : a->aliases_known ? AUTH_NO
                                                 : AUTH_TEMPFAIL;
    pthread_mutex_unlock(&a->lock);
    return status;
}

/* An alias of a back end may name itself too. */
static void mark_own_account(const struct account_query *q, struct account *alias)
{
    for (size_t i = 0; i < alias->target_count; i++) {
        char *own = own_account(q, alias->targets[i]);
        if (own) {
            free(alias->targets[i]);
            alias->targets[i] = own;
        }
    }
}

static enum auth_status find(struct accounts *a, const struct account_query *q,
                             struct account *out)
{
    struct record r;
    enum auth_status status = AUTH_NO;
    if (q->system && !q->account_only)
        status = find_in_file(a, q, out);
    if (status != AUTH_NO)
        return status;
    status = chain_look_up(a->chain, q, &r, NULL);
    if (status == AUTH_OK || status == AUTH_ALIAS) {
        *out = r.account;
        r.account = (struct account){0};
    }
    if (status == AUTH_ALIAS)
        mark_own_account(q, out);
    record_free(&r);
    return status;
}

static enum auth_status find_postmaster(struct accounts *a, const struct account_query *q,
                                        struct account *out)
{
    /* RFC 5321 4.5.1: mail for postmaster is taken in any case. */
    char *target = xstrdup(a->config->postmaster ? a->config->postmaster : "root");
    struct alias_items one = {&target, 1};
    enum auth_status status;
    /* A bare name is meant to be one of ours, whatever domain the mail came to. */
    if (!q->system && !strchr(target, '@') && a->config->local_domains.n) {
        char *full = xasprintf("%s@%s", target, a->config->local_domains.v[0]);
        free(target);
        target = full;
    }
    status = fill_targets(out, &one, q);
    free(target);
    return status;
}

/* What is found under another local part of the same domain. */
static enum auth_status find_variant(struct accounts *a, const struct name *n, struct slice local,
                                     struct account *out)
{
    struct name variant;
    name_variant(&variant, a->config, n, local);
    enum auth_status status = find(a, &variant.query, out);
    name_free(&variant);
    return status;
}

enum auth_status accounts_lookup(struct accounts *a, const char *address, struct account *out)
{
    struct name n;
    *out = (struct account){.uid = -1, .gid = -1};
    bool usable = name_take(&n, a->config, address);
    enum auth_status status = AUTH_NO;
    if (usable && !n.query.system)
        status = chain_domain(a->chain, n.domain);
    usable = usable && (n.query.system || status == AUTH_OK);
    if (usable) {
        struct slice local = slice_str(n.local);
        ptrdiff_t plus = slice_index(local, '+');
        status = find(a, &n.query, out);
        bool others = !n.query.account_only;
        if (status == AUTH_NO && others && plus > 0)
            status = find_variant(a, &n, slice_sub(local, 0, (size_t)plus), out);
        if (status == AUTH_NO && others && slice_eq_str(local, "postmaster"))
            status = find_postmaster(a, &n.query, out);
        if (status == AUTH_NO && others && *n.domain)
            status = find_variant(a, &n, slice_str(""), out);      /* the catch-all */
    }
    name_free(&n);
    return status;
}

enum auth_status accounts_domain(struct accounts *a, const char *domain)
{
    char *name = xstrdup(domain);
    fold(name);
    enum auth_status status = config_is_local(a->config, slice_str(name))
                                  ? AUTH_OK : chain_domain(a->chain, name);
    free(name);
    return status;
}

/* ---- log-in ---------------------------------------------------------------------------------- */

struct sample { struct secret_costs *costs; bool scram; };

static void take_costs(void *arg, const char *secret)
{
    struct sample *s = arg;
    secret_costs_take(s->costs, &s->scram, secret);
}

/* Those of the first accounts of each form, so that what is spent on an unknown user is what is
 * spent on the known. */
static struct secret_costs costs_of(struct accounts *a)
{
    struct secret_costs costs = {.iterations = SCRAM_ITERATIONS};
    struct sample s = {.costs = &costs};
    chain_sample(a->chain, take_costs, &s);
    if (!costs.crypt)
        costs.crypt = xstrdup("$6$nobodynobody$");
    return costs;
}

static const char *closed(const struct record *r)
{
    if (r->disabled)
        return "the account is disabled";
    if (r->expires && r->expires <= (int64_t)time(NULL))
        return "the account has expired";
    return r->secret && secret_locked(r->secret) ? "the account is locked" : NULL;
}

enum auth_status accounts_login(struct accounts *a, const char *user, struct login *out)
{
    struct name n;
    struct record r = {0};
    struct pool *owner = NULL;
    *out = (struct login){.account = {.uid = -1, .gid = -1}};
    bool usable = name_take(&n, a->config, user) && !n.query.account_only;
    n.query.account_only = true;
    enum auth_status status = usable ? chain_look_up(a->chain, &n.query, &r, &owner) : AUTH_NO;
    bool checks = owner && pool_type(owner)->verify && !r.secret;
    out->name = xstrdup(n.query.system ? n.local : n.address);
    out->address = xstrdup(n.address);
    out->checker = checks ? owner : usable && !owner ? chain_checker(a->chain, &n.query) : NULL;
    out->why = status == AUTH_OK ? closed(&r) : "no such user and password";
    if (status == AUTH_ALIAS || (status == AUTH_OK && (out->why || (!r.secret && !checks))))
        status = AUTH_NO;
    if (status == AUTH_OK) {
        out->secret = r.secret;
        out->account = r.account;
        r = (struct record){0};
    }
    record_free(&r);
    out->costs = costs_of(a);
    name_free(&n);
    return status;
}

void login_free(struct login *l)
{
    password_wipe(l->secret);
    secret_costs_free(&l->costs);
    free(l->name);
    free(l->address);
    account_free(&l->account);
    *l = (struct login){0};
}

/* The back end is asked for a name that nobody knows too: what it spends is its own affair. */
static enum auth_status ask_checker(struct accounts *a, struct login *l, const char *password)
{
    struct name n;
    struct record r;
    name_take(&n, a->config, l->address);
    n.query.account_only = true;
    char *prepared = password_prepare(password);
    enum auth_status status = prepared && *prepared
                                  ? pool_verify(l->checker, &n.query, prepared, &r) : AUTH_NO;
    if (prepared && *prepared)
        record_free(&r);
    password_wipe(prepared);
    name_free(&n);
    return status;
}

enum auth_status accounts_check(struct accounts *a, struct login *l, enum auth_status found,
                                const char *password)
{
    enum auth_status checked = AUTH_NO;
    if (found == AUTH_TEMPFAIL)
        return AUTH_TEMPFAIL;
    if (l->checker)
        checked = ask_checker(a, l, password);
    if (!l->checker || found != AUTH_OK)
        checked = secret_fits(l->secret, password, &l->costs) ? AUTH_OK : AUTH_NO;
    return found == AUTH_OK ? checked : AUTH_NO;
}

enum auth_status accounts_verify(struct accounts *a, const char *user, const char *password,
                                 struct account *out)
{
    struct login login;
    enum auth_status status = accounts_login(a, user, &login);
    *out = (struct account){.uid = -1, .gid = -1};
    status = accounts_check(a, &login, status, password);
    if (status == AUTH_OK) {
        *out = login.account;
        login.account = (struct account){0};
    }
    login_free(&login);
    return status;
}
