/* policy.c - going through the rules, and what a verdict does. */
#include "reference/policy/policy.h"

#include "base/event.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { CACHE_ENTRIES = 20000, RATE_CLIENTS = 20000 };

struct policy *policy_new(const struct config *c)
{
    struct policy *p = xcalloc(1, sizeof *p);
    p->config = c;
    p->conf = c->policy;
    p->cache = dns_cache_new(CACHE_ENTRIES);
    dnsbl_init(&p->dnsbl, p->conf);
    p->rates = rates_new(RATE_CLIENTS);
    p->greylist = greylist_new(p->conf->grey_file, p->conf->grey_wait, p->conf->grey_window,
                               p->conf->grey_life);
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    dns_cache_free(p->cache);
    dnsbl_free(&p->dnsbl);
    rates_free(p->rates);
    greylist_free(p->greylist);
    free(p);
}

/* --- one rule -------------------------------------------------------------------------------- */

enum holds policy_rule_holds(struct policy_session *s, const struct rule *r, struct finding *f)
{
    enum holds unsure = HOLDS_YES;
    if (r->who != FOR_ALL && (r->who == FOR_USERS) != s->user)
        return HOLDS_NO;
    if (r->early_talker) {
        if (!s->early)
            return HOLDS_NO;
        buf_add_str(&f->why, "it spoke before it was greeted");
    }
    for (int c = 0; c < CONDITIONS; c++) {
        enum holds h = r->on[c].n ? condition_holds(s, r, (enum condition)c, f) : HOLDS_YES;
        if (h == HOLDS_NO)
            return HOLDS_NO;
        if (h == HOLDS_UNKNOWN)
            unsure = HOLDS_UNKNOWN;
    }
    if (r->score != LONG_MIN && condition_score(s, r, f) == HOLDS_NO)
        return HOLDS_NO;
    /* Last, and only if all else holds: asking changes what it knows. */
    if (r->greylist && unsure == HOLDS_YES)
        unsure = condition_greylist(s, f);
    return unsure;
}

static void tell(const struct policy_session *s, const char *name, const struct rule *r,
                 struct finding *f)
{
    char host[64];
    netaddr_host(s->client, host);
    event(name, EV_INT("session", (int64_t)s->number), EV_STR("client", host),
          EV_STR("helo", s->helo), EV_STR("from", s->sender), EV_STR("to", s->recipient),
          EV_STR("stage", policy_stage_name(r->at)), EV_STR("rule", r->name),
          EV_STR("verdict", action_name(r->action.kind)), EV_STR("why", buf_str(&f->why)));
}

/* --- what the verdict does ------------------------------------------------------------------- */

/* Where rules of this kind come from. */
static const char *clause_of(const struct rule *r)
{
    if (r->greylist)
        return "RFC 6647 2";
    if (r->early_talker)
        return "RFC 5321 3.1, 4.3.1";
    if (r->on[ON_DNSBL].n || r->score != LONG_MIN)
        return "RFC 5782 6";
    if (r->on[ON_REVERSE].n)
        return "RFC 1912 2.1, RFC 8601 2.7.3";
    if (r->on[ON_RATE].n)
        return "RFC 5321 7.8";
    return "RFC 5321 7.9";
}

/* RFC 7372 3.3 has a code for names; all else is policy (RFC 3463 3.8). */
static const char *usual_enhanced(const struct rule *r, bool now)
{
    if (r->on[ON_REVERSE].n)
        return now ? "4.7.25" : "5.7.25";
    return now ? "4.7.1" : "5.7.1";
}

static void refuse(struct policy_session *s, const struct rule *r, struct finding *f,
                   struct verdict *v)
{
    char host[64];
    netaddr_host(s->client, host);
    /* What is not known today may be fine tomorrow. */
    bool now = r->action.kind == ACTION_DEFER || f->temporary;
    bool hello = r->at <= AT_HELO;
    int code = now ? 450 : 550;
    if (r->at == AT_CONNECT)
        code = now ? 421 : 554;                 /* RFC 5321 4.3.2 */
    else if (r->at >= AT_DATA)
        code = now ? 451 : 554;
    bool own = (r->action.kind == ACTION_DEFER) == now;
    if (own && r->action.code)
        code = r->action.code;
    const struct action_word words[] = {
        {"client", host}, {"name", s->reverse.name}, {"helo", s->helo}, {"sender", s->sender},
        {"recipient", s->recipient}, {"list", f->list}, {"code", f->code},
        {"reason", buf_str(&f->reason)}, {"why", buf_str(&f->why)}, {"rule", r->name}, {0}};
    struct buf text = {0};
    action_text(&text, r->action.text ? r->action.text
                       : f->list && f->reason.len ? "$client: listed by $list, $reason"
                       : f->list                  ? "$client: listed by $list"
                       : f->reason.len            ? "refused by rule $rule: $reason"
                                                  : "refused by rule $rule", words);
    /* RFC 2034 4: no enhanced codes in the greeting and in answers to HELO and EHLO. */
    const char *enhanced = hello                        ? NULL
                           : own && r->action.enhanced  ? r->action.enhanced
                                                        : usual_enhanced(r, now);
    verdict_set(v, code, enhanced, r->name, clause_of(r), "%s", buf_str(&text));
    buf_free(&text);
}

static void tag(struct policy_session *s, const struct rule *r, struct finding *f)
{
    enum { FIELDS_MAX = 8192 };
    char host[64];
    netaddr_host(s->client, host);
    const struct action_word words[] = {
        {"client", host}, {"name", s->reverse.name}, {"helo", s->helo}, {"sender", s->sender},
        {"recipient", s->recipient}, {"list", f->list}, {"code", f->code},
        {"reason", buf_str(&f->reason)}, {"why", buf_str(&f->why)}, {"rule", r->name}, {0}};
    struct buf field = {0};
    action_text(&field, r->action.text, words);
    buf_truncate(&field, 900);                  /* RFC 5322 2.1.1: lines of 998 at most */
    buf_add_str(&field, "\r\n");
    /* Once, though the rule holds for every recipient. */
    if (s->fields.len < FIELDS_MAX && slice_find(buf_slice(&s->fields), buf_slice(&field)) < 0)
        buf_add_slice(&s->fields, buf_slice(&field));
    buf_free(&field);
}

/* True: the stage is over. */
static bool apply(struct policy_session *s, const struct rule *r, struct finding *f,
                  struct verdict *v, bool *may_go_on)
{
    switch (r->action.kind) {
    case ACTION_REJECT:
    case ACTION_DEFER:
        refuse(s, r, f, v);
        *may_go_on = false;
        return true;
    case ACTION_TAG:
        tag(s, r, f);
        return false;
    case ACTION_QUARANTINE:
        free(s->quarantine);
        s->quarantine = xstrdup(r->action.text ? r->action.text : s->policy->conf->quarantine);
        /* fall through */
    case ACTION_HOLD:
    case ACTION_DISCARD:
        s->fate = r->action.kind;
        s->fate_rule = r->name;
        return true;
    case ACTION_ACCEPT:
        break;
    }
    return true;
}

bool policy_ask(struct policy_session *s, enum policy_stage at, struct verdict *v)
{
    bool over = false, may_go_on = true;
    if (!s->policy)
        return true;
    const struct policy_conf *conf = s->policy->conf;
    for (size_t i = 0; i < conf->rule_count && !over; i++) {
        const struct rule *r = &conf->rules[i];
        struct finding f = {0};
        if (r->at != at)
            continue;
        enum holds h = policy_rule_holds(s, r, &f);
        if (h == HOLDS_YES) {
            tell(s, "policy.verdict", r, &f);
            over = apply(s, r, &f, v, &may_go_on);
        } else if (h == HOLDS_UNKNOWN) {
            tell(s, "policy.unsure", r, &f);
        }
        buf_free(&f.why);
        buf_free(&f.reason);
    }
    return may_go_on;
}

/* --- the session ----------------------------------------------------------------------------- */

void policy_session_reset(struct policy_session *s)
{
    buf_free(&s->fields);
    free(s->quarantine);
    s->quarantine = NULL;
    s->fate = ACTION_ACCEPT;
    s->fate_rule = NULL;
    s->sender = s->recipient = NULL;
    s->header = (struct slice){0};
}

void policy_session_free(struct policy_session *s)
{
    policy_session_reset(s);
    for (int i = 0; i < DNSBL_SUBJECTS; i++) {
        for (size_t j = 0; s->lists[i] && j < s->policy->conf->list_count; j++)
            dnsbl_answer_free(&s->lists[i][j]);
        free(s->lists[i]);
        free(s->lists_of[i]);
    }
    free(s->helo_of);
    reverse_free(&s->reverse);
    resolver_free(s->resolver);
    *s = (struct policy_session){0};
}

const char *policy_client_name(struct policy_session *s)
{
    if (!s->policy || s->user || !(s->reverse_known || s->policy->conf->reverse))
        return NULL;
    const struct reverse *v = fact_reverse(s);
    return v->status == REVERSE_PASS ? v->name : NULL;
}

/* RFC 8601 2.2, 2.7.3. */
static void add_results(struct policy_session *s, struct buf *out)
{
    char host[64];
    netaddr_host(s->client, host);
    if (!s->policy->conf->results || s->user || !(s->reverse_known || s->policy->conf->reverse))
        return;
    const struct reverse *v = fact_reverse(s);
    buf_printf(out, "Authentication-Results: %s;\r\n\tiprev=%s policy.iprev=%s%s%s%s\r\n",
               s->policy->config->hostname, reverse_result(v->status),
               strchr(host, ':') ? "\"" : "", host, strchr(host, ':') ? "\"" : "",
               v->status == REVERSE_NONE ? " (no name)" : "");
}

void policy_add_fields(struct policy_session *s, struct buf *out)
{
    if (!s->policy)
        return;
    add_results(s, out);
    buf_add_slice(out, buf_slice(&s->fields));
}
