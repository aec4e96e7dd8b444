/* conditions.c - does a condition of a rule hold for what is known now? */
#include "reference/policy/policy.h"

#include "base/mem.h"
#include "base/timing.h"

#include <limits.h>
#include <stdlib.h>

static void add_why(struct finding *f, const char *what, const char *text)
{
    buf_printf(&f->why, "%s%s %s", f->why.len ? "; " : "", what, text);
}

static void add_sentence(struct finding *f, const char *text)
{
    buf_printf(&f->why, "%s%s", f->why.len ? "; " : "", text);
}

/* --- access lists ---------------------------------------------------------------------------- */

/* False when what the condition is about is not known. */
static bool subject_of(struct policy_session *s, enum condition c, struct subject *out)
{
    *out = (struct subject){.kind = SUBJECT_MAILBOX, .client = s->client};
    switch (c) {
    case ON_CLIENT:
        out->kind = SUBJECT_CLIENT;
        return true;
    case ON_CLIENT_NAME:
        /* Only a name that leads back to the address is the client's. */
        out->kind = SUBJECT_NAME;
        out->text = fact_reverse(s)->status == REVERSE_PASS ? s->reverse.name : NULL;
        return out->text != NULL;
    case ON_HELO:
        out->kind = SUBJECT_NAME;
        return (out->text = s->helo) != NULL;
    case ON_SENDER:
        return (out->text = s->sender) != NULL;
    case ON_RECIPIENT:
        return (out->text = s->recipient) != NULL;
    default:
        out->kind = SUBJECT_PAIR;
        out->text = s->sender;
        out->second = s->recipient;
        return s->sender && s->recipient;
    }
}

/* A test that is true ends the matter: yes, or no when it was negated. Negated tests alone hold
 * when none of them is true. */
static enum holds in_lists(struct policy_session *s, const struct rule *r, enum condition c,
                           struct finding *f)
{
    struct subject subject;
    bool unsure = false, only_negated = true;
    if (!subject_of(s, c, &subject)) {
        bool unsure_name = c == ON_CLIENT_NAME && s->reverse.status == REVERSE_TEMPORARY;
        if (unsure_name)
            add_sentence(f, s->reverse.why);
        return unsure_name ? HOLDS_UNKNOWN : HOLDS_NO;
    }
    for (size_t i = 0; i < r->on[c].n; i++) {
        const struct test *t = &r->on[c].v[i];
        struct buf why = {0};
        enum list_answer a = access_list_find(t->list, &subject, &why, &f->reason);
        if (a == LIST_YES && !t->negated)
            add_why(f, condition_name(c), buf_str(&why));
        buf_free(&why);
        if (a == LIST_YES)
            return t->negated ? HOLDS_NO : HOLDS_YES;
        unsure |= a == LIST_UNKNOWN;
        only_negated = only_negated && t->negated;
    }
    if (unsure) {
        add_why(f, condition_name(c), "a list cannot be read");
        return HOLDS_UNKNOWN;
    }
    if (only_negated)
        add_why(f, condition_name(c), "is none of the exceptions");
    return only_negated ? HOLDS_YES : HOLDS_NO;
}

/* The recipient's own file, by the whole address or by the local part alone. */
static enum holds in_user_list(struct policy_session *s, const char *folder, struct finding *f)
{
    if (!s->recipient || !s->sender || strchr(s->recipient, '/') || s->recipient[0] == '.')
        return HOLDS_NO;
    struct subject subject = {.kind = SUBJECT_MAILBOX, .text = s->sender};
    size_t local = strcspn(s->recipient, "@");
    const size_t lengths[] = {strlen(s->recipient), local};
    for (size_t i = 0; i < 2; i++) {
        char *name = xasprintf("file:%s/%.*s", folder, (int)lengths[i], s->recipient);
        for (char *p = name + 6 + strlen(folder); *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p |= 32;
        struct access_list *l = access_list_new(name, folder);
        struct buf why = {0};
        free(name);
        /* Most users have no list: one that is not there is empty. */
        enum list_answer a = access_list_find(l, &subject, &why, &f->reason);
        access_list_free(l);
        if (a == LIST_YES)
            add_why(f, "user-list", buf_str(&why));
        buf_free(&why);
        if (a == LIST_YES)
            return HOLDS_YES;
    }
    return HOLDS_NO;
}

/* --- what the DNS says ----------------------------------------------------------------------- */

static enum holds reverse_is(struct policy_session *s, const struct rule *r, struct finding *f)
{
    const struct reverse *v = fact_reverse(s);
    for (size_t i = 0; i < r->on[ON_REVERSE].n; i++) {
        const struct test *t = &r->on[ON_REVERSE].v[i];
        if ((strcmp(t->text, reverse_word(v->status)) == 0) == t->negated)
            continue;
        add_sentence(f, v->why);
        f->temporary = v->status == REVERSE_TEMPORARY;
        return HOLDS_YES;
    }
    if (v->status == REVERSE_TEMPORARY)
        add_sentence(f, v->why);
    return v->status == REVERSE_TEMPORARY ? HOLDS_UNKNOWN : HOLDS_NO;
}

static enum holds helo_is(struct policy_session *s, const struct rule *r, struct finding *f)
{
    static const char *const words[] = {"unqualified", "literal", "wrong-literal", "ours",
                                        "unknown", "differs"};
    bool unsure = false, asks_dns = false;
    if (!s->helo)
        return HOLDS_NO;
    for (size_t i = 0; i < r->on[ON_HELO_CHECK].n; i++)
        asks_dns |= strcmp(r->on[ON_HELO_CHECK].v[i].text, "unknown") == 0 ||
                    strcmp(r->on[ON_HELO_CHECK].v[i].text, "differs") == 0;
    unsigned bits = fact_helo(s, asks_dns, &unsure);
    for (size_t i = 0; i < r->on[ON_HELO_CHECK].n; i++)
        for (unsigned w = 0; w < sizeof words / sizeof *words; w++) {
            const struct test *t = &r->on[ON_HELO_CHECK].v[i];
            if (strcmp(t->text, words[w]) != 0 || ((bits >> w & 1) != 0) == t->negated)
                continue;
            buf_printf(&f->why, "%shelo %s is %s%s", f->why.len ? "; " : "", s->helo,
                       t->negated ? "not " : "", words[w]);
            return HOLDS_YES;
        }
    if (unsure)
        add_why(f, "helo", "cannot be looked up now");
    return unsure ? HOLDS_UNKNOWN : HOLDS_NO;
}

/* The answer of list i about anything that it is asked about. */
static const struct dnsbl_answer *listed_by(struct policy_session *s, size_t i)
{
    for (int subject = 0; subject < DNSBL_SUBJECTS; subject++) {
        if (!s->policy->conf->lists[i].of[subject])
            continue;
        const struct dnsbl_answer *a = fact_lists(s, (enum dnsbl_subject)subject);
        if (a && a[i].listed)
            return &a[i];
    }
    return NULL;
}

static void add_listing(struct policy_session *s, size_t i, const struct dnsbl_answer *a,
                        struct finding *f)
{
    const struct dnsbl_conf *list = &s->policy->conf->lists[i];
    buf_printf(&f->why, "%slisted by %s: %s%s%s", f->why.len ? "; " : "", list->name, a->code,
               a->reason ? " " : "", a->reason ? a->reason : "");
    if (!f->list) {
        f->list = list->name;
        memcpy(f->code, a->code, sizeof f->code);
        if (a->reason)
            buf_add_str(&f->reason, a->reason);
    }
}

static enum holds on_list(struct policy_session *s, const struct rule *r, struct finding *f)
{
    for (size_t t = 0; t < r->on[ON_DNSBL].n; t++)
        for (size_t i = 0; i < s->policy->conf->list_count; i++) {
            const struct test *test = &r->on[ON_DNSBL].v[t];
            if (strcmp(s->policy->conf->lists[i].name, test->text) != 0)
                continue;
            const struct dnsbl_answer *a = listed_by(s, i);
            if ((a != NULL) == test->negated)
                continue;
            if (a)
                add_listing(s, i, a, f);
            else
                add_why(f, "not listed by", test->text);
            return HOLDS_YES;
        }
    return HOLDS_NO;
}

enum holds condition_score(struct policy_session *s, const struct rule *r, struct finding *f)
{
    long score = 0;
    char text[80];
    for (size_t i = 0; i < s->policy->conf->list_count; i++) {
        const struct dnsbl_answer *a = listed_by(s, i);
        if (!a)
            continue;
        score += s->policy->conf->lists[i].score;
        add_listing(s, i, a, f);
    }
    snprintf(text, sizeof text, "%ld, at least %ld", score, r->score);
    add_why(f, "score", text);
    return score >= r->score ? HOLDS_YES : HOLDS_NO;
}

/* --- what was seen before -------------------------------------------------------------------- */

enum holds condition_rate(struct policy_session *s, const struct rule *r, struct finding *f)
{
    char host[64], text[100];
    netaddr_host(s->client, host);
    char *key = xasprintf("%s %s", r->name, host);
    int64_t count = rates_count(s->policy->rates, key, r->rate.window_ms, mono_ms());
    free(key);
    if (count <= r->rate.most)
        return HOLDS_NO;
    snprintf(text, sizeof text, "%lld %s in %g s, at most %d", (long long)count, r->rate.what,
             (double)r->rate.window_ms / 1000, r->rate.most);
    add_why(f, "rate", text);
    return HOLDS_YES;
}

enum holds condition_greylist(struct policy_session *s, struct finding *f)
{
    struct buf why = {0};
    enum grey g = s->sender && s->recipient
                      ? greylist_ask(s->policy->greylist, s->client, s->sender, s->recipient,
                                     wall_us() / 1000, &why)
                      : GREY_UNKNOWN;
    add_why(f, "greylist", g == GREY_UNKNOWN ? "cannot be used" : buf_str(&why));
    buf_free(&why);
    return g == GREY_UNKNOWN ? HOLDS_UNKNOWN : g == GREY_PASSED ? HOLDS_NO : HOLDS_YES;
}

/* As in_lists: a test that is true ends the matter. */
static enum holds in_header(struct policy_session *s, const struct rule *r, struct finding *f)
{
    bool only_negated = true;
    for (size_t i = 0; i < r->on[ON_HEADER].n; i++) {
        const struct test *t = &r->on[ON_HEADER].v[i];
        struct buf why = {0};
        enum header_found found = header_pattern_find(t->header, s->header, &why);
        if (found == HEADER_GIVEN_UP || (found == HEADER_FOUND && !t->negated))
            add_why(f, "header", buf_str(&why));
        buf_free(&why);
        if (found != HEADER_ABSENT)
            return found == HEADER_GIVEN_UP ? HOLDS_UNKNOWN : t->negated ? HOLDS_NO : HOLDS_YES;
        only_negated = only_negated && t->negated;
    }
    if (only_negated)
        add_why(f, "header", "has none of the exceptions");
    return only_negated ? HOLDS_YES : HOLDS_NO;
}

enum holds condition_holds(struct policy_session *s, const struct rule *r, enum condition c,
                           struct finding *f)
{
    enum holds user = HOLDS_NO;
    switch (c) {
    case ON_USER_LIST:
        for (size_t i = 0; i < r->on[c].n && user == HOLDS_NO; i++)
            user = in_user_list(s, r->on[c].v[i].text, f);
        return user;
    case ON_REVERSE:
        return reverse_is(s, r, f);
    case ON_HELO_CHECK:
        return helo_is(s, r, f);
    case ON_DNSBL:
        return on_list(s, r, f);
    case ON_RATE:
        return condition_rate(s, r, f);
    case ON_HEADER:
        return in_header(s, r, f);
    default:
        return in_lists(s, r, c, f);
    }
}
