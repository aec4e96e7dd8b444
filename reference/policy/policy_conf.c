/* policy_conf.c - the sections policy, rule and dnsbl, made ready for use. */
#include "reference/policy/policy_conf.h"

#include "base/conf.h"
#include "base/mem.h"
#include "base/timing.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>

struct reading { const char *path, *folder; struct buf *errors; struct policy_conf *p; };

static enum policy_stage stage_of(const char *name)
{
    int s = AT_CONNECT;
    while (s < AT_END && strcmp(policy_stage_name(s), name) != 0)
        s++;
    return (enum policy_stage)s;
}

/* --- dnsbl ----------------------------------------------------------------------------------- */

static bool parse_ipv4(struct slice s, uint32_t *out)
{
    struct netaddr a;
    if (!netaddr_parse(&a, s, 0) || a.sa.sa_family != AF_INET)
        return false;
    *out = ntohl(a.in.sin_addr.s_addr);
    return true;
}

/* "127.0.0.4", "127.0.0.4-127.0.0.8", "127.0.0.0/24", "mask:6" */
static bool parse_code(struct slice s, struct dnsbl_code *out)
{
    struct netblock b;
    uint64_t mask;
    ptrdiff_t dash = slice_index(s, '-');
    if (slice_starts(s, SLICE("mask:"))) {
        *out = (struct dnsbl_code){.kind = CODE_MASK};
        if (!slice_number(slice_sub(s, 5, s.n), 255, &mask) || mask == 0)
            return false;
        out->from = (uint32_t)mask;
        return true;
    }
    *out = (struct dnsbl_code){.kind = CODE_RANGE};
    if (dash >= 0)
        return parse_ipv4(slice_sub(s, 0, (size_t)dash), &out->from) &&
               parse_ipv4(slice_sub(s, (size_t)dash + 1, s.n), &out->to) && out->from <= out->to;
    if (!netblock_parse(&b, s) || b.addr.sa.sa_family != AF_INET)
        return false;
    uint32_t low = b.prefix == 32 ? 0 : UINT32_MAX >> b.prefix;
    out->from = ntohl(b.addr.in.sin_addr.s_addr) & ~low;
    out->to = out->from | low;
    return true;
}

static void read_dnsbl(struct reading *r, cfg_t *sec)
{
    static const char *const subjects[] = {"client", "name", "helo", "sender"};
    struct policy_conf *p = r->p;
    struct dnsbl_conf d = {.name = xstrdup(cfg_title(sec)), .score = cfg_getint(sec, "score"),
                           .test_entries = cfg_getbool(sec, "test-entries")};
    const char *zone = cfg_getstr(sec, "zone");
    d.zone = xstrdup(*zone ? zone : d.name);
    for (unsigned i = 0; i < cfg_size(sec, "of"); i++)
        for (int s = 0; s < DNSBL_SUBJECTS; s++)
            d.of[s] |= strcmp(cfg_getnstr(sec, "of", i), subjects[s]) == 0;
    for (unsigned i = 0; i < cfg_size(sec, "codes"); i++) {
        struct dnsbl_code code;
        const char *text = cfg_getnstr(sec, "codes", i);
        if (!parse_code(slice_str(text), &code)) {
            buf_printf(r->errors, "%s: dnsbl %s: codes: \"%s\" is no answer code; write "
                       "\"127.0.0.2\", \"127.0.0.4-127.0.0.8\", \"127.0.0.0/8\" or \"mask:6\"\n",
                       r->path, d.name, text);
            continue;
        }
        d.codes = xreallocarray(d.codes, d.code_count + 1, sizeof *d.codes);
        d.codes[d.code_count++] = code;
    }
    p->lists = xreallocarray(p->lists, p->list_count + 1, sizeof *p->lists);
    p->lists[p->list_count++] = d;
}

static bool knows_dnsbl(const struct policy_conf *p, const char *name)
{
    for (size_t i = 0; i < p->list_count; i++)
        if (strcmp(p->lists[i].name, name) == 0)
            return true;
    return false;
}

/* --- list ------------------------------------------------------------------------------------ */

static char *text_or_null(cfg_t *sec, const char *key)
{
    const char *text = cfg_getstr(sec, key);
    return text && *text ? xstrdup(text) : NULL;
}

static void read_list(struct reading *r, cfg_t *sec)
{
    struct policy_conf *p = r->p;
    struct buf errors = {0};
    struct slice rest, line;
    struct list_conf *c = xcalloc(1, sizeof *c);
    *c = (struct list_conf){
        .name = xstrdup(cfg_title(sec)), .type = xstrdup(cfg_getstr(sec, "type")),
        .server = text_or_null(sec, "server"), .port = (int)cfg_getint(sec, "port"),
        .database = text_or_null(sec, "database"), .user = text_or_null(sec, "user"),
        .query = text_or_null(sec, "query"), .base = text_or_null(sec, "base"),
        .filter = text_or_null(sec, "filter"),
        .reason_attribute = text_or_null(sec, "reason-attribute"),
        .timeout = conf_duration_ms(sec, "timeout")};
    const char *file = cfg_getstr(sec, "password-file");
    if (*file)
        c->password_file = *file == '/' ? xstrdup(file) : xasprintf("%s/%s", r->folder, file);
    const struct access_remote *type = access_remote_find(c->type);
    if (type)
        type->check(c, &errors);
    else
        buf_printf(&errors, "list %s: type \"%s\" is none of this build; write mysql or ldap\n",
                   c->name, c->type);
    for (rest = buf_slice(&errors); slice_next(&rest, '\n', &line) && line.n;)
        buf_printf(r->errors, "%s: %.*s\n", r->path, SLICE_ARG(line));
    buf_free(&errors);
    p->remote = xreallocarray(p->remote, p->remote_count + 1, sizeof *p->remote);
    p->remote[p->remote_count++] = c;
}

static const struct list_conf *list_named(const struct policy_conf *p, const char *name)
{
    for (size_t i = 0; i < p->remote_count; i++)
        if (strcmp(p->remote[i]->name, name) == 0)
            return p->remote[i];
    return NULL;
}

static void list_conf_free(struct list_conf *c)
{
    char *texts[] = {c->name, c->type, c->server, c->database, c->user, c->password_file, c->query,
                     c->base, c->filter, c->reason_attribute, (char *)c};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

/* --- rule ------------------------------------------------------------------------------------ */

/* "connections 30/1m" */
static bool parse_rate(struct slice text, struct rate_limit *out)
{
    struct slice what, value, number;
    uint64_t most;
    if (!slice_word(&text, &what) || !slice_word(&text, &value) || slice_trim(text).n ||
        !(slice_eq_str(what, "connections") || slice_eq_str(what, "messages") ||
          slice_eq_str(what, "recipients")) ||
        !slice_next(&value, '/', &number) || !slice_number(number, 1000000, &most) ||
        !parse_duration_ms(value, &out->window_ms) || out->window_ms <= 0)
        return false;
    out->what = slice_dup(what);
    out->most = (int)most;
    return true;
}

static void read_test(struct reading *r, struct rule *rule, enum condition c, const char *text)
{
    struct test t = {.negated = text[0] == '!'};
    text += t.negated;
    t.text = xstrdup(text);
    bool remote = c <= ON_PAIR && strncmp(text, "list:", 5) == 0;
    if (remote && list_named(r->p, text + 5))
        t.list = access_list_remote(list_named(r->p, text + 5));
    else if (c <= ON_PAIR)
        t.list = access_list_new(text, r->folder);
    if (remote && !list_named(r->p, text + 5))
        buf_printf(r->errors, "%s: rule %s: there is no list \"%s\"; add list %s { }\n", r->path,
                   rule->name, text + 5, text + 5);
    if (c == ON_USER_LIST && text[0] != '/') {
        free(t.text);
        t.text = xasprintf("%s/%s", r->folder, text);
    }
    if (c == ON_DNSBL && !knows_dnsbl(r->p, text))
        buf_printf(r->errors, "%s: rule %s: dnsbl \"%s\" is not known; add dnsbl \"%s\" { }\n",
                   r->path, rule->name, text, text);
    if (c == ON_RATE && !parse_rate(slice_str(text), &rule->rate))
        buf_printf(r->errors, "%s: rule %s: rate \"%s\" is none; write \"connections 30/1m\", "
                   "\"messages 100/1h\" or \"recipients 100/1h\"\n", r->path, rule->name, text);
    struct buf why = {0};
    if (c == ON_HEADER && !(t.header = header_pattern_new(text, &why)))
        buf_printf(r->errors, "%s: rule %s: header \"%s\": %s\n", r->path, rule->name, text,
                   buf_str(&why));
    buf_free(&why);
    r->p->headers |= c == ON_HEADER;
    rule->on[c].v = xreallocarray(rule->on[c].v, rule->on[c].n + 1, sizeof t);
    rule->on[c].v[rule->on[c].n++] = t;
}

/* A rule may look only at what is known at its stage. */
static void check_stage(struct reading *r, const struct rule *rule)
{
    static const enum policy_stage known[CONDITIONS] = {
        [ON_HELO] = AT_HELO, [ON_HELO_CHECK] = AT_HELO, [ON_SENDER] = AT_MAIL,
        [ON_RECIPIENT] = AT_RCPT, [ON_PAIR] = AT_RCPT, [ON_USER_LIST] = AT_RCPT,
        [ON_HEADER] = AT_HEADER};
    enum policy_stage least = rule->greylist ? AT_RCPT : AT_CONNECT;
    const char *what = "greylist";
    for (int c = 0; c < CONDITIONS; c++)
        if (rule->on[c].n && known[c] > least) {
            least = known[c];
            what = condition_name((enum condition)c);
        }
    if (rule->at < least)
        buf_printf(r->errors, "%s: rule %s: %s is not known at %s; write at = \"%s\"\n", r->path,
                   rule->name, what, policy_stage_name(rule->at), policy_stage_name(least));
    if (rule->at < AT_MAIL && rule->action.kind >= ACTION_TAG)
        buf_printf(r->errors, "%s: rule %s: there is no message at %s to %s; write at = "
                   "\"rcpt\"\n", r->path, rule->name, policy_stage_name(rule->at),
                   action_name(rule->action.kind));
    bool header = rule->action.kind == ACTION_TAG || rule->action.kind == ACTION_QUARANTINE;
    if (rule->at == AT_END && header)
        buf_printf(r->errors, "%s: rule %s: at the end the header has been written, too late to %s; "
                   "write at = \"header\"\n", r->path, rule->name, action_name(rule->action.kind));
    if (rule->action.kind == ACTION_QUARANTINE && !rule->action.text && !r->p->quarantine)
        buf_printf(r->errors, "%s: rule %s: quarantine has no address; write policy { quarantine "
                   "= \"spam@example.org\" }\n", r->path, rule->name);
}

static void read_rule(struct reading *r, cfg_t *sec)
{
    const char *why, *who = cfg_getstr(sec, "for");
    struct policy_conf *p = r->p;
    struct rule rule = {.name = xstrdup(cfg_title(sec)), .at = stage_of(cfg_getstr(sec, "at"))};
    rule.who = strcmp(who, "users") == 0 ? FOR_USERS : strcmp(who, "all") == 0 ? FOR_ALL
                                                                              : FOR_STRANGERS;
    for (int c = 0; c < CONDITIONS; c++)
        for (unsigned i = 0; i < cfg_size(sec, condition_name((enum condition)c)); i++)
            read_test(r, &rule, (enum condition)c,
                      cfg_getnstr(sec, condition_name((enum condition)c), i));
    rule.score = cfg_size(sec, "dnsbl-score") ? cfg_getint(sec, "dnsbl-score") : LONG_MIN;
    rule.greylist = cfg_getbool(sec, "greylist");
    rule.early_talker = cfg_getbool(sec, "early-talker");
    if (!action_parse(slice_str(cfg_getstr(sec, "verdict")), &rule.action, &why))
        buf_printf(r->errors, "%s: rule %s: verdict is missing; %s\n", r->path, rule.name, why);
    check_stage(r, &rule);
    p->rules = xreallocarray(p->rules, p->rule_count + 1, sizeof rule);
    p->rules[p->rule_count++] = rule;
}

/* --- the whole ------------------------------------------------------------------------------- */

struct policy_conf *policy_conf_read(cfg_t *cfg, const char *path, const char *folder,
                                     const char *spool, struct buf *errors)
{
    struct policy_conf *p = xcalloc(1, sizeof *p);
    struct reading r = {path, folder, errors, p};
    cfg_t *sec = cfg_getsec(cfg, "policy");
    const char *file = cfg_getstr(sec, "greylist-file"), *address = cfg_getstr(sec, "quarantine");
    p->dns_deadline = conf_duration_ms(sec, "dns-deadline");
    p->greet_delay = conf_duration_ms(sec, "greet-delay");
    p->grey_wait = conf_duration_ms(sec, "greylist-wait");
    p->grey_window = conf_duration_ms(sec, "greylist-window");
    p->grey_life = conf_duration_ms(sec, "greylist-life");
    p->grey_file = *file ? (*file == '/' ? xstrdup(file) : xasprintf("%s/%s", folder, file))
                         : xasprintf("%s/policy/greylist.db", spool);
    p->quarantine = *address ? xstrdup(address) : NULL;
    p->results = cfg_getbool(sec, "authentication-results");
    p->reverse = cfg_getbool(sec, "reverse-names");
    for (unsigned i = 0; i < cfg_size(cfg, "dnsbl"); i++)
        read_dnsbl(&r, cfg_getnsec(cfg, "dnsbl", i));
    for (unsigned i = 0; i < cfg_size(cfg, "list"); i++)
        read_list(&r, cfg_getnsec(cfg, "list", i));
    for (unsigned i = 0; i < cfg_size(cfg, "rule"); i++)
        read_rule(&r, cfg_getnsec(cfg, "rule", i));
    return p;
}

void policy_conf_free(struct policy_conf *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->rule_count; i++) {
        struct rule *r = &p->rules[i];
        for (int c = 0; c < CONDITIONS; c++) {
            for (size_t j = 0; j < r->on[c].n; j++) {
                free(r->on[c].v[j].text);
                access_list_free(r->on[c].v[j].list);
                header_pattern_free(r->on[c].v[j].header);
            }
            free(r->on[c].v);
        }
        free(r->rate.what);
        free(r->name);
        action_free(&r->action);
    }
    for (size_t i = 0; i < p->list_count; i++) {
        free(p->lists[i].name);
        free(p->lists[i].zone);
        free(p->lists[i].codes);
    }
    for (size_t i = 0; i < p->remote_count; i++)
        list_conf_free(p->remote[i]);
    free(p->remote);
    free(p->rules);
    free(p->lists);
    free(p->grey_file);
    free(p->quarantine);
    free(p);
}

void policy_conf_check(const struct policy_conf *p, struct buf *errors, struct buf *warnings)
{
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct rule *r = &p->rules[i];
        bool refuses = r->action.kind == ACTION_REJECT || r->action.kind == ACTION_DEFER;
        for (int c = 0; c <= ON_PAIR; c++)
            for (size_t j = 0; j < r->on[c].n; j++)
                access_list_check(r->on[c].v[j].list, errors);
        for (size_t j = 0; refuses && j < r->on[ON_HELO_CHECK].n; j++)
            if (strcmp(r->on[ON_HELO_CHECK].v[j].text, "differs") == 0)
                buf_printf(warnings,
                           "rule %s: refuses mail because the HELO name has another address, "
                           "which RFC 5321 4.1.4 forbids; use tag\n", r->name);
    }
}
