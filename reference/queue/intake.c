/* intake.c - from recipients to destinations. */
#include "reference/queue/worker.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/message/idn.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum way { WAY_NONE, WAY_JOB, WAY_EXPAND, WAY_VERDICT };

struct recipient_way {
    enum way way;
    char *name;                  /* WAY_JOB: destination */
    const struct transport *transport; /* WAY_JOB: NULL: as usual */
    char *to;                    /* WAY_JOB: another address than the envelope's, or NULL */
    struct targets targets;      /* WAY_EXPAND */
    struct relay_recipient verdict; /* WAY_VERDICT: decided without delivery */
};

static const char no_address[] = "the alias names something that is no address";

struct intake {
    struct worker *w;
    struct opened *o;
    struct recipient_way *v;     /* one a recipient of the envelope */
    bool lost;                   /* the file that was written anew cannot be opened */
};

static void decide(struct intake *in, size_t i, enum verdict verdict, const char *status,
                   const char *text)
{
    struct recipient_way *way = &in->v[i];
    way->way = WAY_VERDICT;
    way->verdict.index = i;
    way->verdict.to = in->o->e.rcpt[i].address;
    recipient_settle(&way->verdict, NULL, verdict, status, text, NULL);
}

/* To the delivery agent, or by the domain to its exchangers, unless a transport says otherwise. All
 * that goes to one next hop is one destination. `to`: an address to use instead, or NULL. */
static void go(struct intake *in, size_t i, bool local, const char *to)
{
    struct recipient_way *way = &in->v[i];
    const char *address = to ? to : in->o->e.rcpt[i].address;
    struct slice domain = address_domain(address);
    struct buf ascii = {0};
    if (!buf_add_ascii_domain(&ascii, domain))   /* DNS will say that there is no such name */
        buf_add_slice(&ascii, domain);
    for (size_t k = 0; k < ascii.len; k++)
        ascii.data[k] = (char)tolower((unsigned char)ascii.data[k]);
    const struct transport *t = transport_find(in->w->c, address, buf_slice(&ascii), local);
    way->way = WAY_JOB;
    way->transport = t;
    if (t && t->kind != TRANSPORT_MX) {
        buf_clear(&ascii);
        buf_add_str(&ascii, t->to);
    } else if (local) {
        buf_clear(&ascii);
        buf_add_str(&ascii, LOCAL_DESTINATION);
        way->transport = NULL;
    }
    way->name = buf_take(&ascii);
    way->to = to ? xstrdup(to) : NULL;
}

/* `own`: the "alias" is the .forward of the account with this address. */
static void on_alias(struct intake *in, size_t i, const struct account *alias, bool own)
{
    struct recipient_way *way = &in->v[i];
    struct targets *t = &way->targets;
    alias_expand(in->w, in->o->e.rcpt[i].address, alias, own, t);
    if (t->tempfail)
        decide(in, i, VERDICT_DEFER, "4.3.0", "accounts cannot be looked up now");
    else if (t->list.n == 0 && t->unsupported > 0)
        decide(in, i, VERDICT_FAIL, "5.3.0", no_address);
    else if (t->list.n == 0)
        decide(in, i, VERDICT_FAIL, "5.4.6", "the alias comes back to itself");
    else if (t->list.n == 1 && t->all_local && t->unsupported == 0)
        go(in, i, true, t->list.v[0]);
    else
        way->way = WAY_EXPAND;
}

static void on_account(struct intake *in, size_t i, const struct account *account)
{
    struct account to;
    switch (forward_of(in->w, in->o->e.rcpt[i].address, account, &to)) {
    case AUTH_ALIAS:
        on_alias(in, i, &to, true);
        break;
    case AUTH_TEMPFAIL:
        decide(in, i, VERDICT_DEFER, "4.3.0", "the user's forward file cannot be read now");
        break;
    default:
        go(in, i, true, NULL);
    }
    account_free(&to);
}

static void find_way(struct intake *in, size_t i)
{
    const struct recipient *r = &in->o->e.rcpt[i];
    struct account account = {0};
    if (!state_is_open(r->state))
        return;
    if (in->o->e.unfiltered && in->w->c->content_filter) {
        in->v[i].way = WAY_JOB;
        in->v[i].name = xstrdup(FILTER_DESTINATION);
        return;
    }
    enum auth_status here = address_is_local(in->w, r->address);
    if (here == AUTH_TEMPFAIL) {
        decide(in, i, VERDICT_DEFER, "4.3.0", "accounts cannot be looked up now");
        return;
    }
    if (here == AUTH_NO) {
        go(in, i, false, NULL);
        return;
    }
    if (r->via) {                /* out of an alias: final */
        go(in, i, true, NULL);
        return;
    }
    switch (in->w->look_up(in->w->look_up_arg, r->address, &account)) {
    case AUTH_OK:
        on_account(in, i, &account);
        break;
    case AUTH_ALIAS:
        on_alias(in, i, &account, false);
        break;
    case AUTH_NO:
        decide(in, i, VERDICT_FAIL, "5.1.1", "there is no such user here");
        break;
    default:
        decide(in, i, VERDICT_DEFER, "4.3.0", "accounts cannot be looked up now");
    }
    account_free(&account);
}

/* Somebody who gets the message anyway, other than an alias that is being replaced. */
static bool already_there(const struct intake *in, const struct envelope *e, size_t old,
                          const char *address)
{
    for (size_t i = 0; i < e->rcpt_count; i++)
        if ((i >= old || in->v[i].way != WAY_EXPAND) && e->rcpt[i].state != RCPT_FAIL
            && slice_ieq(slice_str(e->rcpt[i].address), slice_str(address)))
            return true;
    return false;
}

/* RFC 3461 5.2.7.2: what was asked for goes on with an alias for one address; 5.2.7.3 (c): with one
 * for several all but SUCCESS, which an "expanded" notice answers. */
static void add_target(struct envelope *e, size_t alias, const char *address, bool single)
{
    envelope_add_recipient(e, slice_str(address));
    struct recipient *to = &e->rcpt[e->rcpt_count - 1], *from = &e->rcpt[alias];
    to->via = xstrdup(from->address);
    to->orcpt = from->orcpt ? xstrdup(from->orcpt) : NULL;
    to->notify = single ? from->notify : from->notify & ~(unsigned)NOTIFY_SUCCESS;
    if (from->notify && !to->notify)
        to->notify = NOTIFY_NEVER;
}

/* Puts the targets of all aliases into the envelope. An alias with items that cannot be served
 * stays to be done, and fails below. */
static void add_targets(struct intake *in, struct envelope *e, size_t old)
{
    for (size_t i = 0; i < old; i++) {
        const struct targets *t = &in->v[i].targets;
        if (in->v[i].way != WAY_EXPAND)
            continue;
        bool single = t->list.n == 1 && t->unsupported == 0;
        for (size_t k = 0; k < t->list.n; k++)
            if (!already_there(in, e, old, t->list.v[k]))
                add_target(e, i, t->list.v[k], single);
        bool expanded = !single && e->rcpt[i].notify & NOTIFY_SUCCESS && *e->reverse_path;
        if (t->unsupported == 0)
            e->rcpt[i].state = expanded ? RCPT_SENT : RCPT_DONE;
    }
}

/* Writes the file anew with the aliases' targets as recipients, and opens that. */
static bool rewrite(struct intake *in)
{
    struct opened *o = in->o;
    struct envelope fresh;
    size_t old = o->e.rcpt_count;
    add_targets(in, &o->e, old);
    if (queue_rewrite(in->w->c, o->fd, &o->e) < 0) {
        int error = errno;
        envelope_drop_recipients(&o->e, old);
        errno = error;
        return false;
    }
    int fd = queue_open(in->w->c, "active", o->e.id, &fresh, NULL);
    if (fd < 0) {
        in->lost = true;
        return true;
    }
    opened_close(o);
    *o = (struct opened){fd, fresh};
    in->v = xreallocarray(in->v, o->e.rcpt_count, sizeof *in->v);
    memset(in->v + old, 0, (o->e.rcpt_count - old) * sizeof *in->v);
    for (size_t i = 0; i < old; i++) {
        if (in->v[i].way != WAY_EXPAND)
            continue;
        in->v[i].way = WAY_NONE;
        if (in->v[i].targets.unsupported > 0)
            decide(in, i, VERDICT_FAIL, "5.3.0", no_address);
    }
    for (size_t i = old; i < o->e.rcpt_count; i++)
        find_way(in, i);
    event("queue.expanded", EV_STR("id", o->e.id), EV_INT("recipients", (int64_t)o->e.rcpt_count));
    return true;
}

static void expand_aliases(struct intake *in)
{
    size_t n = in->o->e.rcpt_count, expands = 0;
    for (size_t i = 0; i < n; i++)
        expands += in->v[i].way == WAY_EXPAND;
    if (expands == 0 || rewrite(in))
        return;
    const char *why = strerror(errno);
    for (size_t i = 0; i < n; i++)
        if (in->v[i].way == WAY_EXPAND) {
            in->o->e.rcpt[i].state = RCPT_TODO;
            decide(in, i, VERDICT_DEFER, "4.3.1", why);
        }
}

static struct job *job_for(struct job **jobs, const char *name, const struct transport *t)
{
    for (struct job *j = *jobs; j; j = j->next)
        if (strcmp(j->name, name) == 0 && j->transport == t)
            return j;
    struct job *j = xcalloc(1, sizeof *j);
    j->name = xstrdup(name);
    j->transport = t;
    j->next = *jobs;
    *jobs = j;
    return j;
}

static void settle_decided(struct intake *in, struct message *m, size_t n)
{
    struct relay_recipient *r = xcalloc(n + 1, sizeof *r);
    size_t decided = 0;
    for (size_t i = 0; i < n; i++)
        if (in->v[i].way == WAY_VERDICT) {
            r[decided] = in->v[i].verdict;
            r[decided++].to = in->o->e.rcpt[i].address;
        }
    if (decided)
        outcome_settle(in->w, in->o, r, decided, false, &m->deferred, &m->failed);
    recipients_free(r, decided);
}

struct job *intake_jobs(struct worker *w, struct message *m, struct opened *o)
{
    struct intake in = {.w = w, .o = o, .v = xcalloc(o->e.rcpt_count, sizeof *in.v)};
    struct job *jobs = NULL;
    size_t old = o->e.rcpt_count;
    for (size_t i = 0; i < old; i++)
        find_way(&in, i);
    expand_aliases(&in);
    size_t n = o->e.rcpt_count;
    for (size_t i = 0; i < n; i++)
        m->failed += o->e.rcpt[i].state == RCPT_FAIL;   /* in earlier rounds */
    if (in.lost) {
        m->deferred++;           /* a later intake finds the new file as it is */
        n = old;
    } else {
        settle_decided(&in, m, n);
        outcome_pay(w, in.o, &m->deferred);
    }
    for (size_t i = 0; i < n; i++) {
        struct recipient_way *way = &in.v[i];
        if (way->way == WAY_JOB && !in.lost) {
            struct job *j = job_for(&jobs, way->name, way->transport);
            if ((j->n & (j->n - 1)) == 0)
                j->r = xreallocarray(j->r, j->n ? j->n * 2 : 1, sizeof *j->r);
            j->r[j->n++] = (struct job_recipient){i, way->to};
            way->to = NULL;
        }
        free(way->name);
        free(way->to);
        targets_free(&way->targets);
    }
    if (jobs && !jobs->next)
        jobs->only = m->deferred == 0 && m->failed == 0;
    free(in.v);
    return jobs;
}
