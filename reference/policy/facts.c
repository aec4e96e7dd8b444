/* facts.c - what the DNS knows about a client: found out once, when the first rule wants it. */
#include "reference/policy/policy.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/message/address.h"

#include <stdlib.h>

static struct resolver *resolver_of(struct policy_session *s)
{
    if (!s->resolver)
        s->resolver = resolver_new(s->policy->config);
    return s->resolver;
}

static int64_t deadline_of(const struct policy_session *s)
{
    return mono_ms() + s->policy->conf->dns_deadline;
}

const struct reverse *fact_reverse(struct policy_session *s)
{
    if (!s->reverse_known)
        reverse_check(resolver_of(s), s->policy->cache, s->client, deadline_of(s), &s->reverse);
    s->reverse_known = true;
    return &s->reverse;
}

/* --- HELO ------------------------------------------------------------------------------------ */

/* The words of helo-check in their order. */
enum { UNQUALIFIED = 1, LITERAL = 2, WRONG_LITERAL = 4, OURS = 8, UNKNOWN = 16, DIFFERS = 32 };

/* Has the name an address or an exchanger, and is one of its addresses the client's? */
static unsigned look_up_helo(struct policy_session *s, bool *unsure)
{
    struct lookup q[3];
    static const enum lookup_type types[] = {LOOKUP_A, LOOKUP_AAAA, LOOKUP_MX};
    unsigned bits = UNKNOWN | DIFFERS;
    for (int i = 0; i < 3; i++)
        lookup_set(&q[i], types[i], "%s", s->helo);
    resolver_lookups(resolver_of(s), s->policy->cache, q, 3, deadline_of(s));
    bool trouble = false;
    for (int i = 0; i < 3; i++) {
        trouble |= q[i].status == DNS_TEMPFAIL;
        if (q[i].status == DNS_OK)
            bits &= ~(unsigned)UNKNOWN;
        for (size_t j = 0; j < q[i].addresses.n; j++)
            if (netaddr_same_host(&q[i].addresses.v[j], s->client))
                bits &= ~(unsigned)DIFFERS;
        lookup_free(&q[i]);
    }
    /* While an answer is missing nothing bad can be said. */
    *unsure = trouble && bits != 0;
    return trouble ? 0 : bits;
}

/* What the name itself shows; *done: there is nothing to ask the DNS. */
static unsigned examine_helo(struct policy_session *s, bool *done)
{
    struct slice helo = slice_str(s->helo);
    struct netaddr literal;
    const struct config *c = s->policy->config;
    *done = true;
    if (address_literal_parse(helo, &literal))
        return LITERAL | (netaddr_same_host(&literal, s->client) ? 0 : WRONG_LITERAL);
    if (slice_ieq_str(helo, c->hostname) || config_is_local(c, helo))
        return OURS;
    if (slice_index(helo, '.') < 0)
        return UNQUALIFIED | UNKNOWN | DIFFERS;
    *done = false;
    return 0;
}

unsigned fact_helo(struct policy_session *s, bool dns, bool *unsure)
{
    if (!s->helo_of || strcmp(s->helo_of, s->helo) != 0) {
        free(s->helo_of);
        s->helo_of = xstrdup(s->helo);
        s->helo_unsure = false;
        s->helo_bits = examine_helo(s, &s->helo_asked);
    }
    if (dns && !s->helo_asked) {
        s->helo_bits = look_up_helo(s, &s->helo_unsure);
        s->helo_asked = true;
    }
    *unsure = s->helo_unsure;
    return s->helo_bits;
}

/* --- DNS lists ------------------------------------------------------------------------------- */

/* A domain that can be asked about; "" otherwise. */
static const char *domain_of(const char *mailbox)
{
    const char *at = mailbox ? strrchr(mailbox, '@') : NULL;
    return at && at[1] != '[' ? at + 1 : "";
}

static void key_of(struct policy_session *s, enum dnsbl_subject subject, struct buf *key)
{
    const char *name = "";
    if (subject == LIST_OF_CLIENT) {
        lookup_reversed(s->client, key);
        return;
    }
    if (subject == LIST_OF_NAME && fact_reverse(s)->name)
        name = fact_reverse(s)->name;       /* RFC 5782 3; a name that is only claimed as well */
    else if (subject == LIST_OF_HELO && s->helo && s->helo[0] != '[')
        name = s->helo;
    else if (subject == LIST_OF_SENDER)
        name = domain_of(s->sender);
    buf_add_str(key, name);
}

const struct dnsbl_answer *fact_lists(struct policy_session *s, enum dnsbl_subject subject)
{
    struct buf key = {0};
    size_t n = s->policy->conf->list_count;
    key_of(s, subject, &key);
    if (key.len == 0) {
        buf_free(&key);
        return NULL;
    }
    if (s->lists_of[subject] && strcmp(s->lists_of[subject], buf_str(&key)) == 0) {
        buf_free(&key);
        return s->lists[subject];
    }
    for (size_t i = 0; s->lists[subject] && i < n; i++)
        dnsbl_answer_free(&s->lists[subject][i]);
    free(s->lists[subject]);
    free(s->lists_of[subject]);
    s->lists[subject] = xcalloc(n + 1, sizeof *s->lists[subject]);
    s->lists_of[subject] = buf_take(&key);
    dnsbl_ask(&s->policy->dnsbl, resolver_of(s), s->policy->cache, subject, s->lists_of[subject],
              deadline_of(s), s->lists[subject]);
    return s->lists[subject];
}
