/* smtpd_service.c - the smtpd role: listeners, a thread a session, connections to auth. */
#include "reference/roles.h"
#include "reference/smtpd/smtpd.h"
#include "reference/front.h"
#include "reference/tls/tls.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { POOL_MAX = 64 };

static int queue_hold(struct queue_writer *w)
{
    return queue_commit_to(w, "hold");
}

const struct smtpd_spool smtpd_queue_spool = {
    .create = queue_create,
    .write = queue_write,
    .commit = queue_commit,
    .abandon = queue_abandon,
    .hold = queue_hold,
    .read = queue_read_back,
    .again = queue_create_again,
};

/* Connections to the auth role that no session is using at the moment: a session asks for moments
 * only, and most are short, so that making one for each would cost more than the question. */
struct auth_pool {
    pthread_mutex_t lock;
    const struct config *config;
    struct auth_client *idle[POOL_MAX];
    size_t n;
};

static struct auth_client *pool_take(struct auth_pool *p)
{
    struct auth_client *a = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->n > 0)
        a = p->idle[--p->n];
    pthread_mutex_unlock(&p->lock);
    return a != NULL ? a : auth_client_new(p->config);
}

static void pool_give(struct auth_pool *p, struct auth_client *a)
{
    pthread_mutex_lock(&p->lock);
    if (p->n < POOL_MAX) {
        p->idle[p->n++] = a;
        a = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (a != NULL)
        auth_client_free(a);
}

static enum auth_status lookup(void *arg, const char *address)
{
    struct account account = {0};
    struct auth_client *a = pool_take(arg);
    enum auth_status status = auth_lookup(a, address, &account);
    account_free(&account);
    pool_give(arg, a);
    return status;
}

static enum auth_status account(void *arg, const char *address, struct account *out)
{
    struct auth_client *a = pool_take(arg);
    enum auth_status status = auth_lookup(a, address, out);
    pool_give(arg, a);
    return status;
}

static enum auth_status domain(void *arg, struct slice name)
{
    struct auth_pool *pool = arg;
    if (!pool->config->virtual_domains)
        return AUTH_NO;
    struct auth_client *a = pool_take(pool);
    enum auth_status status = auth_domain(a, name);
    pool_give(pool, a);
    return status;
}

/* --- log-ins: an exchange keeps one connection to auth from its beginning to its end -------- */

struct login_client {
    struct auth_pool *pool;
    struct auth_client *auth;    /* NULL: no exchange is under way */
};

static enum sasl_status settle(struct login_client *l, enum sasl_status status)
{
    if (status != SASL_CONTINUE) {
        pool_give(l->pool, l->auth);
        l->auth = NULL;
    }
    return status;
}

static enum sasl_status login_begin(void *arg, const struct sasl_channel *ch,
                                    const char *mechanism, const struct slice *initial,
                                    struct buf *challenge, struct account *out)
{
    struct login_client *l = arg;
    l->auth = pool_take(l->pool);
    return settle(l, auth_sasl_begin(l->auth, ch, mechanism, initial, challenge, out));
}

static enum sasl_status login_step(void *arg, struct slice response, struct buf *challenge,
                                   struct account *out)
{
    struct login_client *l = arg;
    return settle(l, auth_sasl_step(l->auth, response, challenge, out));
}

static void login_cancel(void *arg)
{
    struct login_client *l = arg;
    auth_sasl_cancel(l->auth);
    settle(l, SASL_NO);
}

/* --- the role ------------------------------------------------------------------------------ */

static void session(struct stream *io, const struct session_info *info, void *arg)
{
    const struct role_listener *listener = info->listener_arg;
    const struct smtpd_ctx *ctx = arg;
    struct login_client login = {.pool = ctx->lookup_arg};
    const struct sasl_backend sasl = {login_begin, login_step, login_cancel, &login};
    const struct smtpd_peer peer = {
        .client = info->peer,
        .local = info->local,
        .service = listener->kind,
        .session = info->number,
        .sasl = &sasl,
    };
    if (front_tls_first("smtpd.tls-failed", io, info, ctx->tls))
        smtpd_session(io, &peer, ctx);
    stream_close(io);
}

int smtpd_main(const struct config *c, const struct role_listener *l, size_t n)
{
    if (queue_prepare(c) != 0)
        die(75, "%s: spool %s cannot be used: %s; make it writable for user %s", c->path, c->spool,
            strerror(errno), c->user ? c->user : "that runs postroad");
    struct auth_pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .config = c};
    struct smtpd_ctx ctx = {
        .config = c,
        .spool = &smtpd_queue_spool,
        .lookup = lookup,
        .account = account,
        .domain = domain,
        .lookup_arg = &pool,
        .policy = policy_new(c),
        .tls = tls_server_context(),
    };
    char *busy = xasprintf("421 4.3.2 %s too many connections, try again later", c->hostname);
    struct service *service = service_new(&(struct service_conf){
        .name = "smtpd",
        .max_sessions = c->sessions,
        .max_sessions_per_client = c->sessions_per_client,
        .stop_grace_ms = c->timeout_stop * 3 / 4, /* the master kills after timeout_stop */
        .session = session,
        .busy_line = busy,
        .ctx = &ctx,
    });
    ctx.service = service;
    front_serve(service, l, n);
    while (pool.n > 0)
        auth_client_free(pool.idle[--pool.n]);
    policy_free(ctx.policy);
    free(busy);
    return 0;
}
