/* reverse.c - the client's address backwards, its names forwards. */
#include "reference/policy/reverse.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

const char *reverse_word(enum reverse_status s)
{
    static const char *const words[] = {"pass", "none", "mismatch", "temporary"};
    return words[s];
}

const char *reverse_result(enum reverse_status s)
{
    static const char *const words[] = {"pass", "permerror", "fail", "temperror"};
    return words[s];
}

static bool has_address(const struct lookup *q, const struct netaddr *client)
{
    for (size_t i = 0; i < q->addresses.n; i++)
        if (netaddr_same_host(&q->addresses.v[i], client))
            return true;
    return false;
}

/* The names forwards, all at once. */
static void check_names(struct resolver *r, struct dns_cache *cache, const struct netaddr *client,
                        const struct name_list *names, int64_t deadline, struct reverse *out)
{
    char host[64];
    struct lookup forward[REVERSE_NAMES_MAX];
    size_t n = names->n < REVERSE_NAMES_MAX ? names->n : REVERSE_NAMES_MAX;
    bool unsure = false;
    netaddr_host(client, host);
    for (size_t i = 0; i < n; i++)
        lookup_set(&forward[i], strchr(host, ':') ? LOOKUP_AAAA : LOOKUP_A, "%s", names->v[i]);
    resolver_lookups(r, cache, forward, n, deadline);
    for (size_t i = 0; i < n; i++) {
        if (!out->name && has_address(&forward[i], client))
            out->name = xstrdup(names->v[i]);
        unsure |= forward[i].status == DNS_TEMPFAIL;
    }
    if (out->name) {
        out->status = REVERSE_PASS;
        snprintf(out->why, sizeof out->why, "%s is %.120s, and back", host, out->name);
    } else {
        out->status = unsure ? REVERSE_TEMPORARY : REVERSE_MISMATCH;
        out->name = xstrdup(names->v[0]);
        snprintf(out->why, sizeof out->why, unsure
                     ? "%s is named %.120s, which cannot be looked up now"
                     : "%s is named %.120s, which has another address", host, out->name);
    }
    for (size_t i = 0; i < n; i++)
        lookup_free(&forward[i]);
}

void reverse_check(struct resolver *r, struct dns_cache *cache, const struct netaddr *client,
                   int64_t deadline, struct reverse *out)
{
    struct buf labels = {0};
    char host[64];
    struct lookup back;
    *out = (struct reverse){.status = REVERSE_NONE};
    netaddr_host(client, host);
    lookup_reversed(client, &labels);
    lookup_set(&back, LOOKUP_PTR, "%s.%s", buf_str(&labels),
               strchr(host, ':') ? "ip6.arpa" : "in-addr.arpa");
    buf_free(&labels);
    resolver_lookups(r, cache, &back, 1, deadline);
    if (back.status == DNS_TEMPFAIL) {
        out->status = REVERSE_TEMPORARY;
        snprintf(out->why, sizeof out->why, "the name of %s cannot be looked up now: %.80s", host,
                 back.why);
    } else if (back.texts.n == 0) {
        snprintf(out->why, sizeof out->why, "%s has no name in the DNS", host);
    } else {
        check_names(r, cache, client, &back.texts, deadline, out);
    }
    lookup_free(&back);
}

void reverse_free(struct reverse *v)
{
    free(v->name);
    *v = (struct reverse){0};
}
