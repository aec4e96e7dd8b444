/* reverse.h - is the client's name its own? Its address is resolved backwards and every name that
 * comes out forwards again (RFC 1912 2.1; RFC 8601 2.7.3 calls the method iprev). */
#ifndef REFERENCE_POLICY_REVERSE_H
#define REFERENCE_POLICY_REVERSE_H

#include "reference/resolver/lookup.h"

enum reverse_status {
    REVERSE_PASS,       /* a name has the address */
    REVERSE_NONE,       /* no PTR */
    REVERSE_MISMATCH,   /* there are names, and none has the address */
    REVERSE_TEMPORARY,  /* it cannot be told now: never a reason to refuse for good */
};

/* "pass", "none", "mismatch", "temporary": words of the configuration. */
const char *reverse_word(enum reverse_status s);
/* "pass", "fail", "temperror" and, without a name, "fail" too (RFC 8601 2.7.3: fail, permerror). */
const char *reverse_result(enum reverse_status s);

struct reverse {
    enum reverse_status status;
    char *name;          /* the first name that has the address; of a mismatch the first at all */
    char why[200];       /* for people */
};

/* At most ten names are looked at: more are a nuisance, not a name. */
enum { REVERSE_NAMES_MAX = 10 };

void reverse_check(struct resolver *r, struct dns_cache *cache, const struct netaddr *client,
                   int64_t deadline, struct reverse *out);
void reverse_free(struct reverse *v);

#endif
