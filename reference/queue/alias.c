/* alias.c - what an alias comes to, through all aliases that it names. */
#include "reference/queue/worker.h"

#include "base/mem.h"
#include "reference/message/address.h"

#include <stdlib.h>

#define ALIAS_DEPTH 16           /* aliases that name aliases */
#define TARGETS_MAX 10000        /* of one alias, all in all */

struct expansion {
    struct worker *w;
    struct targets *out;
    struct string_list seen;     /* addresses already looked up */
    /* Those that led to the one at hand, by depth, and whether each has a mailbox to end in. */
    struct { const char *address; bool account; } chain[ALIAS_DEPTH + 1];
};

struct slice address_domain(const char *address)
{
    struct slice s = slice_str(address);
    ptrdiff_t at = slice_rindex(s, '@');
    return at < 0 ? slice_str("") : slice_sub(s, (size_t)at + 1, s.n);
}

enum auth_status address_is_local(struct worker *w, const char *address)
{
    struct slice domain = address_domain(address);
    if (domain.n == 0 || config_is_local(w->c, domain))
        return AUTH_OK;
    return w->domain ? w->domain(w->look_up_arg, domain) : AUTH_NO;
}

void targets_free(struct targets *t)
{
    for (size_t i = 0; i < t->list.n; i++)
        free(t->list.v[i]);
    free(t->list.v);
    *t = (struct targets){0};
}

/* False when it is there already, or there is no more room. */
static bool add_once(struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_ieq(slice_str(l->v[i]), slice_str(text)))
            return false;
    if (l->n >= TARGETS_MAX)
        return false;
    l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = xstrdup(text);
    return true;
}

static void add_target(struct expansion *x, const char *address, bool local)
{
    struct path path;
    if (mailbox_parse(slice_str(address), &path) != ADDRESS_OK) {
        x->out->unsupported++;
        return;
    }
    path_free(&path);
    add_once(&x->out->list, address);
    x->out->all_local &= local;
}

static void expand(struct expansion *x, const struct account *alias, const char *domain, int depth);

enum auth_status forward_of(struct worker *w, const char *address, const struct account *a,
                            struct account *out)
{
    bool asked = w->forward && w->c->forward_file && a->uid >= 0 && a->home && *a->home;
    *out = (struct account){.uid = -1, .gid = -1};
    return asked ? w->forward(w->forward_arg, address, out) : AUTH_OK;
}

/* An account: to where its .forward says, or to its mailbox. */
static void expand_account(struct expansion *x, const char *address, const struct account *a,
                           const char *domain, int depth)
{
    struct account to;
    x->chain[depth].account = true;
    switch (forward_of(x->w, address, a, &to)) {
    case AUTH_ALIAS:
        expand(x, &to, domain, depth);
        break;
    case AUTH_TEMPFAIL:
        x->out->tempfail = true;
        break;
    default:
        add_target(x, address, true);
    }
    account_free(&to);
}

/* It came up before. On the way to itself, an account has its mailbox: tom forwards to ann and ann
 * to tom, and whoever was written to has the mail. */
static void end_loop(struct expansion *x, const char *address, int depth)
{
    for (int i = 0; i < depth && i <= ALIAS_DEPTH; i++)
        if (x->chain[i].account && slice_ieq(slice_str(x->chain[i].address), slice_str(address)))
            add_target(x, address, true);
}

/* A local address that is not final yet. */
static void expand_local(struct expansion *x, const char *address, int depth)
{
    struct account found = {0};
    if (!add_once(&x->seen, address) || depth > ALIAS_DEPTH) {
        end_loop(x, address, depth);
        return;
    }
    char *domain = slice_dup(address_domain(address));
    x->chain[depth].address = address;
    x->chain[depth].account = false;
    switch (x->w->look_up(x->w->look_up_arg, address, &found)) {
    case AUTH_ALIAS:
        expand(x, &found, domain, depth);
        break;
    case AUTH_TEMPFAIL:
        x->out->tempfail = true;
        break;
    case AUTH_OK:
        expand_account(x, address, &found, domain, depth);
        break;
    default:                     /* unknown ones too: the delivery agent will say so */
        add_target(x, address, true);
    }
    account_free(&found);
    free(domain);
}

static void expand_address(struct expansion *x, const char *address, int depth)
{
    switch (address_is_local(x->w, address)) {
    case AUTH_OK:
        expand_local(x, address, depth);
        break;
    case AUTH_NO:
        add_target(x, address, false);
        break;
    default:
        x->out->tempfail = true;
    }
}

static void expand_item(struct expansion *x, const char *item, const char *domain, int depth)
{
    const char *name = item[0] == '\\' ? item + 1 : item;
    char *address;
    if (strchr(":", item[0])) {          /* "" too: strchr finds its NUL */
        x->out->unsupported++;
        return;
    }
    address = address_domain(name).n ? xstrdup(name) : xasprintf("%s@%s", name, domain);
    if (item[0] == '\\')
        add_target(x, address, true);
    else
        expand_address(x, address, depth + 1);
    free(address);
}

/* The commands and files of an alias are for the delivery agent, all in one delivery: "|name"@domain is
 * an address that nobody else has (mda/program.h). */
static void add_commands(struct expansion *x, const char *name, const char *domain)
{
    struct buf address = {0};
    buf_add_str(&address, "\"|");
    for (const char *c = name; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_byte(&address, '\\');
        buf_add_byte(&address, *c);
    }
    buf_printf(&address, "\"@%s", domain);
    add_target(x, buf_str(&address), true);
    buf_free(&address);
}

static void expand(struct expansion *x, const struct account *alias, const char *domain, int depth)
{
    bool commands = false;
    for (size_t i = 0; i < alias->target_count; i++) {
        if (alias->targets[i][0] == '|' || alias->targets[i][0] == '/')
            commands = true;
        else
            expand_item(x, alias->targets[i], domain, depth);
    }
    if (commands && alias->user)
        add_commands(x, alias->user, domain);
}

void alias_expand(struct worker *w, const char *address, const struct account *alias, bool own,
                  struct targets *out)
{
    struct expansion x = {.w = w, .out = out};
    const struct config *c = w->c;
    *out = (struct targets){.all_local = true};
    struct slice domain = address_domain(address);
    /* "<postmaster>" has no domain (RFC 5321 4.1.1.3); any of ours will do. */
    if (domain.n == 0)
        domain = slice_str(c->local_domains.n ? c->local_domains.v[0] : c->hostname);
    char *name = slice_dup(domain);
    add_once(&x.seen, address);
    x.chain[0].address = address;
    x.chain[0].account = own;
    expand(&x, alias, name, 0);
    free(name);
    for (size_t i = 0; i < x.seen.n; i++)
        free(x.seen.v[i]);
    free(x.seen.v);
}
