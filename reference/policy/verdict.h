/* verdict.h - what was decided about a command, in all the words that are owed for it: the reply
 * for the client, the rule and the clause for the log and for `postroad explain`. */
#ifndef REFERENCE_VERDICT_H
#define REFERENCE_VERDICT_H

#include "base/slice.h"

struct verdict {
    int code;               /* RFC 5321 4.2 */
    const char *enhanced;   /* RFC 3463; its class agrees with the code (RFC 2034 4) */
    const char *rule;       /* our name of the rule that decided, such as "relay-refused" */
    const char *clause;     /* where the rule comes from, such as "RFC 5321 3.6.2" */
    char text[400];         /* for people; a reply line holds 512 octets (RFC 5321 4.5.3.1.5) */
};

static inline bool verdict_accepts(const struct verdict *v) { return v->code / 100 == 2; }

/* The clause and the rule of an acceptance may be NULL. */
void verdict_set(struct verdict *v, int code, const char *enhanced, const char *rule,
                 const char *clause, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

#endif
