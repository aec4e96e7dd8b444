/* chain.h - the back ends in the order of the configuration. The first that knows a name decides. One
 * that cannot be asked ends the search with AUTH_TEMPFAIL: the name may be its own, and whoever
 * comes later in the order must not get its mail or its log-ins. */
#ifndef REFERENCE_AUTH_CHAIN_H
#define REFERENCE_AUTH_CHAIN_H

#include "reference/auth/pool.h"

struct chain;
/* Keys that do not fit are in *errors; then nobody is known for certain (AUTH_TEMPFAIL). */
struct chain *chain_new(const struct config *c, struct buf *errors);
void chain_free(struct chain *c);

/* *owner (may be NULL): who knows the name, NULL when nobody does. */
enum auth_status chain_look_up(struct chain *c, const struct account_query *q, struct record *out,
                               struct pool **owner);
enum auth_status chain_domain(struct chain *c, const char *domain);
/* The last back end that checks passwords by itself and is asked for such names; NULL: none. What
 * it does for a name that it does not know is what is to be spent on one that nobody knows. */
struct pool *chain_checker(struct chain *c, const struct account_query *q);
/* Asks those that are remote, or those that are not, whether they can be asked. */
void chain_probe(struct chain *c, bool remote, struct buf *errors);
void chain_sample(struct chain *c, void (*each)(void *arg, const char *secret), void *arg);

#endif
