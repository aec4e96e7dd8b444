/* dnsbl.h - lists in the DNS of those who send spam, or who do not (RFC 5782).
 *
 * A list is asked for the client's address in reverse, for its name, for the HELO name or for the
 * sender's domain. Its word counts only when it can be trusted: a list that does not answer in
 * time, or whose test entries are wrong (RFC 5782 5: a dead list whose domain answers everything),
 * is passed over, and no mail is refused on account of it. */
#ifndef REFERENCE_POLICY_DNSBL_H
#define REFERENCE_POLICY_DNSBL_H

#include "reference/policy/policy_conf.h"
#include "reference/resolver/lookup.h"

struct dnsbl_answer {
    bool asked, listed;
    bool trusted;          /* the list answered, and its word counts */
    char code[64];         /* the answer that counts, "127.0.0.4" */
    char *reason;          /* the list's TXT record; NULL: none */
};

/* What all sessions know of one list. */
struct dnsbl_state;

struct dnsbl {
    const struct policy_conf *conf;
    struct dnsbl_state *state;   /* one for each list of conf */
};

void dnsbl_init(struct dnsbl *d, const struct policy_conf *conf);
void dnsbl_free(struct dnsbl *d);

/* Asks every list that is for `subject` about `key` ("7.100.51.198" or a domain), in parallel, and
 * for the test entries that are due. `out` has an entry for each list of the configuration; those
 * not asked stay as they are. */
void dnsbl_ask(struct dnsbl *d, struct resolver *r, struct dns_cache *cache,
               enum dnsbl_subject subject, const char *key, int64_t deadline,
               struct dnsbl_answer *out);
void dnsbl_answer_free(struct dnsbl_answer *a);
/* Does one of the answer's addresses count as listed? `code` gets it as text. */
bool dnsbl_counts(const struct dnsbl_conf *list, const struct addr_list *answer, char code[64]);

#endif
