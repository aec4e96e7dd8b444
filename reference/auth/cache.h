/* cache.h - answers of a back end, kept for a short while: a bounded table, in which a new answer may
 * take an old one's place. Not thread-safe. */
#ifndef REFERENCE_AUTH_CACHE_H
#define REFERENCE_AUTH_CACHE_H

#include "reference/auth/backend.h"

struct cache;
/* keep_ms 0: nothing is kept. */
struct cache *cache_new(size_t entries, int64_t keep_ms);
void cache_free(struct cache *c);            /* wipes the secrets */

/* True when there is an answer: *status and *out (for record_free) are filled. password NULL: of a
 * look-up; otherwise of a check of this very password. */
bool cache_get(struct cache *c, const char *address, bool account_only, const char *password,
               enum auth_status *status, struct record *out);
/* Of checks keep only those that succeeded: a password just changed must work at once. */
void cache_put(struct cache *c, const char *address, bool account_only, const char *password,
               enum auth_status status, const struct record *r);

#endif
