/* chain.c - one back end after another. */
#include "reference/auth/chain.h"

#include "base/mem.h"

#include <stdlib.h>

enum { USERS_FILE_TIMEOUT_MS = 5000 };

struct chain {
    struct pool **v;
    size_t n;
    bool broken;                     /* a back end could not be made */
    struct accounts_conf users_file; /* when the configuration has no section */
};

static void add(struct chain *c, const struct accounts_conf *conf, struct buf *errors)
{
    const struct backend_type *type = backend_find(conf->type);
    size_t before = errors->len;
    if (type)
        type->check(conf, errors);
    if (!type || errors->len > before) {
        c->broken = true;
        return;
    }
    c->v = xreallocarray(c->v, c->n + 1, sizeof *c->v);
    c->v[c->n++] = pool_new(conf, type);
}

struct chain *chain_new(const struct config *config, struct buf *errors)
{
    struct chain *c = xcalloc(1, sizeof *c);
    for (size_t i = 0; i < config->accounts_count; i++)
        add(c, &config->accounts[i], errors);
    if (config->accounts_count == 0) {
        c->users_file = (struct accounts_conf){
            .name = "users-file", .type = "file", .path = config->users_file,
            .timeout = USERS_FILE_TIMEOUT_MS};
        add(c, &c->users_file, errors);
    }
    return c;
}

void chain_free(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        pool_free(c->v[i]);
    free(c->v);
    free(c);
}

/* Is this back end asked for such a name? */
static bool concerns(const struct pool *p, const char *domain)
{
    const struct string_list *only = &pool_conf(p)->domains;
    if (!*domain && pool_conf(p)->default_domain)
        domain = pool_conf(p)->default_domain;
    for (size_t i = 0; i < only->n; i++)
        if (slice_ieq_str(slice_str(domain), only->v[i]))
            return true;
    return only->n == 0;
}

enum auth_status chain_look_up(struct chain *c, const struct account_query *q, struct record *out,
                               struct pool **owner)
{
    *out = (struct record){.account = {.uid = -1, .gid = -1}};
    if (owner)
        *owner = NULL;
    for (size_t i = 0; i < c->n; i++) {
        if (!concerns(c->v[i], q->domain))
            continue;
        enum auth_status status = pool_look_up(c->v[i], q, out);
        if (status == AUTH_NO)
            continue;
        if (owner && status != AUTH_TEMPFAIL)
            *owner = c->v[i];
        return status;
    }
    return c->broken ? AUTH_TEMPFAIL : AUTH_NO;
}

enum auth_status chain_domain(struct chain *c, const char *domain)
{
    bool cannot_tell = c->broken;
    for (size_t i = 0; i < c->n; i++) {
        if (!pool_type(c->v[i])->domain || !concerns(c->v[i], domain))
            continue;
        enum auth_status status = pool_domain(c->v[i], domain);
        if (status == AUTH_OK)
            return AUTH_OK;
        cannot_tell |= status == AUTH_TEMPFAIL;
    }
    return cannot_tell ? AUTH_TEMPFAIL : AUTH_NO;
}

struct pool *chain_checker(struct chain *c, const struct account_query *q)
{
    for (size_t i = c->n; i-- > 0;)
        if (pool_type(c->v[i])->verify && concerns(c->v[i], q->domain))
            return c->v[i];
    return NULL;
}

void chain_probe(struct chain *c, bool remote, struct buf *errors)
{
    for (size_t i = 0; i < c->n; i++)
        if (pool_type(c->v[i])->remote == remote)
            pool_probe(c->v[i], errors);
}

void chain_sample(struct chain *c, void (*each)(void *arg, const char *secret), void *arg)
{
    for (size_t i = 0; i < c->n; i++)
        pool_sample(c->v[i], each, arg);
}
