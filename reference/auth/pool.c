/* pool.c - requests in a line, threads that serve them, callers that wait no longer than the
 * deadline. A request belongs to its caller and to its thread; the last to let go frees it. */
#include "reference/auth/pool.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/cache.h"
#include "reference/auth/password.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { STACK_SIZE = 1024 * 1024, STANDARD_WORKERS = 4, STOP_MS = 1000 };

enum op { OP_LOOK_UP, OP_VERIFY, OP_DOMAIN, OP_PROBE, OP_SAMPLE };

struct request {
    struct request *next;
    enum op op;
    char *address, *local, *domain, *password;
    struct account_query query;      /* points at them */
    enum auth_status status;
    struct record record;
    struct buf why;                  /* of AUTH_TEMPFAIL; of a probe: the problems */
    struct string_list secrets;      /* of a sample */
    bool done, abandoned;
    pthread_cond_t finished;
};

struct pool {
    const struct accounts_conf *conf;
    const struct backend_type *type;
    pthread_mutex_t lock;            /* guards what follows */
    pthread_cond_t work, ended;
    struct request *first, *last;
    int waiting, workers, idle, threads;
    pthread_t *started;              /* all that were, also those that have ended */
    int started_count;
    bool stopping, orphan;           /* orphan: the last thread frees the pool */
    int failures;                    /* since it last answered */
    int64_t pause_until_ms;
    struct cache *cache;
    pthread_mutex_t asking;          /* guards the next; taken before `lock` */
    void *state;                     /* of a back end that answers at once */
};

const struct accounts_conf *pool_conf(const struct pool *p) { return p->conf; }
const struct backend_type *pool_type(const struct pool *p) { return p->type; }

/* ---- requests -------------------------------------------------------------------------------- */

static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

static char *copy(const char *text) { return text ? xstrdup(text) : NULL; }

static struct request *request_new(enum op op, const struct account_query *q, const char *password)
{
    struct request *r = xcalloc(1, sizeof *r);
    r->op = op;
    r->address = copy(q->address);
    r->local = copy(q->local);
    r->domain = copy(q->domain);
    r->password = copy(password);
    r->query = *q;
    r->query.address = r->address;
    r->query.local = r->local;
    r->query.domain = r->domain;
    r->status = AUTH_TEMPFAIL;
    cond_init(&r->finished);
    return r;
}

static void request_free(struct request *r)
{
    free(r->address);
    free(r->local);
    free(r->domain);
    password_wipe(r->password);
    record_free(&r->record);
    buf_free(&r->why);
    for (size_t i = 0; i < r->secrets.n; i++)
        password_wipe(r->secrets.v[i]);
    free(r->secrets.v);
    pthread_cond_destroy(&r->finished);
    free(r);
}

/* ---- the threads ----------------------------------------------------------------------------- */

static void keep_secret(void *arg, const char *secret)
{
    struct string_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = xstrdup(secret);
}

static void serve(const struct backend_type *t, void *state, struct request *r)
{
    switch (r->op) {
    case OP_LOOK_UP:
        r->status = t->look_up(state, &r->query, &r->record, &r->why);
        break;
    case OP_VERIFY:
        r->status = t->verify(state, &r->query, r->password, &r->record, &r->why);
        break;
    case OP_DOMAIN:
        r->status = t->domain(state, r->query.domain, &r->why);
        break;
    case OP_PROBE:
        t->probe(state, &r->why);
        r->status = AUTH_OK;
        break;
    case OP_SAMPLE:
        t->sample(state, keep_secret, &r->secrets);
        r->status = AUTH_OK;
    }
}

/* The lock is held. How the back end is, told when that changes. */
static void note_health(struct pool *p, enum auth_status status, const char *why)
{
    if (status != AUTH_TEMPFAIL) {
        if (p->failures)
            event("auth.backend-up", EV_STR("backend", p->conf->name));
        p->failures = 0;
        p->pause_until_ms = 0;
        return;
    }
    int64_t pause = (int64_t)POOL_PAUSE_MIN_MS << (p->failures < 8 ? p->failures : 8);
    p->pause_until_ms = mono_ms() + (pause < POOL_PAUSE_MAX_MS ? pause : POOL_PAUSE_MAX_MS);
    if (p->failures++ == 0)
        event("auth.backend-down", EV_STR("backend", p->conf->name), EV_STR("why", why));
}

static void pool_destroy(struct pool *p)
{
    cache_free(p->cache);
    if (p->state)
        p->type->close(p->state);
    pthread_mutex_destroy(&p->asking);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ended);
    free(p->started);
    free(p);
}

/* The lock is held; it is given up meanwhile. */
static void serve_first(struct pool *p, void **state)
{
    struct request *r = p->first;
    p->first = r->next;
    p->waiting--;
    if (r->abandoned) {
        request_free(r);
        return;
    }
    pthread_mutex_unlock(&p->lock);
    if (!*state)
        *state = p->type->open(p->conf);
    serve(p->type, *state, r);
    pthread_mutex_lock(&p->lock);
    note_health(p, r->status, buf_str(&r->why));
    r->done = true;
    if (r->abandoned)
        request_free(r);
    else
        pthread_cond_signal(&r->finished);
}

static void *worker(void *arg)
{
    struct pool *p = arg;
    void *state = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (p->first) {
            serve_first(p, &state);
            continue;
        }
        p->idle++;
        pthread_cond_wait(&p->work, &p->lock);
        p->idle--;
    }
    pthread_mutex_unlock(&p->lock);
    if (state)
        p->type->close(state);
    pthread_mutex_lock(&p->lock);
    bool last = --p->threads == 0 && p->orphan;
    pthread_cond_broadcast(&p->ended);
    pthread_mutex_unlock(&p->lock);
    if (last)
        pool_destroy(p);
    return NULL;
}

/* The lock is held. Signals are the main thread's. */
static void start_thread(struct pool *p)
{
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&p->started[p->started_count], &attr, worker, p) == 0) {
        p->started_count++;
        p->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

struct pool *pool_new(const struct accounts_conf *conf, const struct backend_type *type)
{
    struct pool *p = xcalloc(1, sizeof *p);
    p->conf = conf;
    p->type = type;
    p->workers = conf->workers ? conf->workers : p->type->workers ? p->type->workers
                                                                  : STANDARD_WORKERS;
    p->started = xreallocarray(NULL, (size_t)p->workers, sizeof *p->started);
    p->cache = cache_new((size_t)conf->cache_entries, conf->cache);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->asking, NULL);
    cond_init(&p->work);
    cond_init(&p->ended);
    return p;
}

static struct timespec at(int64_t ms)
{
    return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

/* A thread that has ended is waited for to its very end: the master looks at accounts before it
 * forks, and a thread in the middle of freeing its memory would leave that locked in the child. */
void pool_free(struct pool *p)
{
    struct timespec end = at(mono_ms() + STOP_MS);
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    while (p->threads > 0 && pthread_cond_timedwait(&p->ended, &p->lock, &end) == 0)
        ;
    p->orphan = p->threads > 0;
    bool ours = !p->orphan;
    for (int i = 0; i < p->started_count && !ours; i++)
        pthread_detach(p->started[i]);
    pthread_mutex_unlock(&p->lock);
    if (!ours)
        return;
    for (int i = 0; i < p->started_count; i++)
        pthread_join(p->started[i], NULL);
    pool_destroy(p);
}

/* ---- the callers ----------------------------------------------------------------------------- */

/* The lock is held. Puts r into the line; false when nobody would serve it. */
static bool enqueue(struct pool *p, struct request *r)
{
    if (p->waiting >= POOL_QUEUE_MAX || p->stopping)
        return false;
    if (p->idle <= p->waiting && p->threads < p->workers)
        start_thread(p);
    if (p->threads == 0)
        return false;
    if (p->first)
        p->last->next = r;
    else
        p->first = r;
    p->last = r;
    p->waiting++;
    pthread_cond_signal(&p->work);
    return true;
}

static void call_at_once(struct pool *p, struct request *r)
{
    pthread_mutex_lock(&p->asking);
    if (!p->state)
        p->state = p->type->open(p->conf);
    serve(p->type, p->state, r);
    pthread_mutex_unlock(&p->asking);
    pthread_mutex_lock(&p->lock);
    note_health(p, r->status, buf_str(&r->why));
    pthread_mutex_unlock(&p->lock);
}

/* Waits for the answer. False: there is none, and r is no longer the caller's. */
static bool call(struct pool *p, struct request *r)
{
    struct timespec deadline = at(mono_ms() + p->conf->timeout);
    pthread_mutex_lock(&p->lock);
    bool paused = r->op != OP_PROBE && mono_ms() < p->pause_until_ms;
    if (!paused && p->type->at_once) {
        pthread_mutex_unlock(&p->lock);
        call_at_once(p, r);
        return true;
    }
    if (paused || !enqueue(p, r)) {
        pthread_mutex_unlock(&p->lock);
        request_free(r);
        return false;
    }
    while (!r->done && pthread_cond_timedwait(&r->finished, &p->lock, &deadline) != ETIMEDOUT)
        ;
    bool done = r->done;
    if (!done) {
        r->abandoned = true;
        note_health(p, AUTH_TEMPFAIL, "no answer within its timeout");
    }
    pthread_mutex_unlock(&p->lock);
    return done;
}

/* Takes the answer out of r and frees it. */
static enum auth_status finish(struct request *r, struct record *out)
{
    enum auth_status status = r->status;
    if (out && (status == AUTH_OK || status == AUTH_ALIAS)) {
        *out = r->record;
        r->record = (struct record){0};
    }
    request_free(r);
    return status;
}

static bool kept(struct pool *p, const struct account_query *q, const char *password,
                 enum auth_status *status, struct record *out)
{
    pthread_mutex_lock(&p->lock);
    bool found = cache_get(p->cache, q->address, q->account_only, password, status, out);
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void keep(struct pool *p, const struct account_query *q, const char *password,
                 enum auth_status status, const struct record *r)
{
    pthread_mutex_lock(&p->lock);
    cache_put(p->cache, q->address, q->account_only, password, status, r);
    pthread_mutex_unlock(&p->lock);
}

static enum auth_status ask_as(struct pool *p, enum op op, const struct account_query *q,
                               const char *password, struct record *out)
{
    enum auth_status status = AUTH_TEMPFAIL;
    *out = (struct record){.account = {.uid = -1, .gid = -1}};
    if (kept(p, q, password, &status, out))
        return status;
    struct request *r = request_new(op, q, password);
    if (!call(p, r))
        return AUTH_TEMPFAIL;
    status = finish(r, out);
    if (op != OP_VERIFY || status == AUTH_OK)
        keep(p, q, password, status, out);
    return status;
}

/* A name without a domain is asked for in the back end's own. */
static enum auth_status ask(struct pool *p, enum op op, const struct account_query *q,
                            const char *password, struct record *out)
{
    const char *domain = p->conf->default_domain;
    if (*q->domain || !domain)
        return ask_as(p, op, q, password, out);
    char *address = xasprintf("%s@%s", q->local, domain);
    struct account_query full = *q;
    full.address = address;
    full.domain = domain;
    enum auth_status status = ask_as(p, op, &full, password, out);
    free(address);
    return status;
}

enum auth_status pool_look_up(struct pool *p, const struct account_query *q, struct record *out)
{
    return ask(p, OP_LOOK_UP, q, NULL, out);
}

enum auth_status pool_verify(struct pool *p, const struct account_query *q, const char *password,
                             struct record *out)
{
    return ask(p, OP_VERIFY, q, password, out);
}

enum auth_status pool_domain(struct pool *p, const char *domain)
{
    /* In the cache it is "@domain@", which is nobody's address. */
    char *name = xasprintf("@%s@", domain);
    struct account_query q = {.address = name, .local = "", .domain = domain};
    struct record none;
    enum auth_status status = ask(p, OP_DOMAIN, &q, NULL, &none);
    record_free(&none);
    free(name);
    return status;
}

static const struct account_query nobody = {.address = "", .local = "", .domain = ""};

void pool_probe(struct pool *p, struct buf *errors)
{
    struct request *r = request_new(OP_PROBE, &nobody, NULL);
    if (!p->type->probe) {
        request_free(r);
    } else if (call(p, r)) {
        if (r->why.len)
            buf_add_slice(errors, buf_slice(&r->why));
        finish(r, NULL);
    } else {
        buf_printf(errors, "accounts %s: no answer within its timeout; is its server well?\n",
                   p->conf->name);
    }
}

void pool_sample(struct pool *p, void (*each)(void *arg, const char *secret), void *arg)
{
    struct request *r = request_new(OP_SAMPLE, &nobody, NULL);
    if (!p->type->sample) {
        request_free(r);
        return;
    }
    if (!call(p, r))
        return;
    for (size_t i = 0; i < r->secrets.n; i++)
        each(arg, r->secrets.v[i]);
    finish(r, NULL);
}
