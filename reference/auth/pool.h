/* pool.h - one back end's threads: whoever asks waits until the answer or the deadline, so that a
 * slow back end holds up its own callers only, and those not for long. What was learned is kept for
 * a while when the configuration says so. */
#ifndef REFERENCE_AUTH_POOL_H
#define REFERENCE_AUTH_POOL_H

#include "reference/auth/backend.h"

enum {
    POOL_QUEUE_MAX = 1000,     /* callers that wait for a thread; the next is told "not now" */
    POOL_PAUSE_MIN_MS = 250,   /* a back end that failed is left alone for so long, ... */
    POOL_PAUSE_MAX_MS = 5000,  /* ... then twice as long each time, up to this */
};

struct pool;
/* Threads start when first needed. Both are borrowed. */
struct pool *pool_new(const struct accounts_conf *conf, const struct backend_type *type);
/* Waits for the threads, but not for one that hangs in its back end. */
void pool_free(struct pool *p);

const struct accounts_conf *pool_conf(const struct pool *p);
const struct backend_type *pool_type(const struct pool *p);

/* As the functions of backend.h. AUTH_TEMPFAIL also when the deadline passed. */
enum auth_status pool_look_up(struct pool *p, const struct account_query *q, struct record *out);
enum auth_status pool_verify(struct pool *p, const struct account_query *q, const char *password,
                             struct record *out);
enum auth_status pool_domain(struct pool *p, const char *domain);
void pool_probe(struct pool *p, struct buf *errors);
void pool_sample(struct pool *p, void (*each)(void *arg, const char *secret), void *arg);

#endif
