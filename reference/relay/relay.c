/* relay.c - from exchanger to exchanger until everybody has an answer. */
#include "reference/relay/relay.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/relay/pipe.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The delivery agent may be starting again: that long it is waited for. */
#define MDA_WAIT_MS 1000
#define MDA_STEP_MS 100
#define LMTP_PORT 24             /* of the registry; RFC 2033 5 has none */

struct relay {
    const struct config *c;
    struct resolver *resolver;   /* made when first needed */
    pthread_mutex_t lock;        /* of current */
    struct stream *current;
    atomic_bool interrupted;
};

struct attempt {
    struct relay *relay;
    const struct relay_message *m;
    struct relay_recipient *r;
    size_t n;
    struct client **kept;
    const struct transport *transport; /* NULL: DNS decides */
    enum relay_tls tls;
    bool lmtp;
    char used[64];               /* address of the kept connection: not tried again */
    int tried, refused;          /* addresses; those whose greeting was 5yz */
    bool spoken;                 /* some server was ready for mail */
};

struct relay *relay_new(const struct config *c)
{
    struct relay *relay = xcalloc(1, sizeof *relay);
    relay->c = c;
    pthread_mutex_init(&relay->lock, NULL);
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    resolver_free(relay->resolver);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
}

/* Says which stream relay_interrupt is to interrupt. False when it already was called. */
static bool set_current(struct relay *relay, struct stream *s)
{
    pthread_mutex_lock(&relay->lock);
    relay->current = s;
    bool good = !relay->interrupted;
    pthread_mutex_unlock(&relay->lock);
    return good;
}

void relay_interrupt(struct relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    relay->interrupted = true;
    if (relay->current)
        stream_interrupt(relay->current);
    pthread_mutex_unlock(&relay->lock);
}

static bool is_open(const struct relay_recipient *r)
{
    return r->verdict == VERDICT_NONE || r->verdict == VERDICT_DEFER;
}

static bool any_open(const struct attempt *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (is_open(&a->r[i]))
            return true;
    return false;
}

/* For everyone still open; what a server said about a recipient is worth more than that another
 * could not be reached. */
static void settle_open(struct attempt *a, enum verdict verdict, const char *status,
                        const char *text, const struct client *cl)
{
    for (size_t i = 0; i < a->n; i++)
        if (is_open(&a->r[i])
            && (a->r[i].verdict == VERDICT_NONE || strncmp(a->r[i].status, "4.4.", 4) == 0))
            recipient_settle(&a->r[i], a->m, verdict, status, text, cl);
}

static void tell_connect(const struct attempt *a, const char *host, const char *address,
                         const char *result)
{
    event("relay.connect", EV_STR("id", a->m->id), EV_STR("exchanger", host),
          EV_STR("address", address), EV_STR("result", result));
}

/* Who takes part in the next transaction: at first everybody open, then those who did not fit into
 * the one before while others did. No more than the server said that it takes. False when that is
 * nobody. */
static bool choose(struct attempt *a, const struct client *cl, bool first)
{
    bool accepted = first;
    uint64_t taken = 0;
    for (size_t i = 0; i < a->n; i++)
        accepted |= a->r[i].take && a->r[i].accepted;
    for (size_t i = 0; i < a->n; i++) {
        struct relay_recipient *r = &a->r[i];
        bool wanted = is_open(r) && (first || r->over || (accepted && r->take && r->too_many));
        r->take = wanted && (cl->rcpt_max == 0 || taken < cl->rcpt_max);
        r->over = wanted && !r->take;
        taken += r->take;
    }
    return taken > 0;
}

/* False when the connection turned out to be dead before anything was said. */
static bool transact(struct attempt *a, struct client *cl)
{
    bool heard = true;
    for (bool first = true; heard && !cl->broken && choose(a, cl, first); first = false)
        heard = client_transact(cl, a->m, a->r, a->n);
    return heard;
}

/* Keeps a connection that is worth it, else says goodbye. */
static void keep_or_quit(struct attempt *a, struct client *cl)
{
    set_current(a->relay, NULL);
    if (!cl->broken && cl->best && !*a->kept) {
        cl->idle_since_ms = mono_ms();
        *a->kept = cl;
    } else {
        client_quit(cl, true);
    }
}

/* The greeting was no welcome: on to the next, and remember whether it was for good. */
static void on_no_welcome(struct attempt *a, struct client *cl)
{
    struct buf text = {0};
    reply_add_line(&text, &cl->reply);
    a->refused += reply_is(&cl->reply, 5);
    settle_open(a, VERDICT_DEFER, "4.4.1", buf_str(&text), cl);
    buf_free(&text);
}

enum { LMTP = 1, BEST = 2, PLAIN = 4 };   /* best preference; no TLS */

static SSL_CTX *tls_context(const struct attempt *a, int how)
{
    if (how & (LMTP | PLAIN) || a->tls == RELAY_TLS_NONE)
        return NULL;
    return a->tls == RELAY_TLS_VERIFY ? tls_verifying_client_context(a->relay->c->relay_ca)
                                      : tls_client_context();
}

/* False when TLS could not be had and the same server is to be asked in plain. */
static bool on_connection(struct attempt *a, int fd, const char *host, const char *address,
                          int how)
{
    struct client *cl = client_new(a->relay->c, stream_new_fd(fd), how & LMTP, host, address);
    cl->id = a->m->id;
    cl->best = how & BEST;
    cl->tls = tls_context(a, how);
    cl->tls_policy = a->tls;
    cl->tls_name = a->transport ? a->transport->tls_name : NULL;
    if (set_current(a->relay, cl->s) && client_greet(cl)) {
        a->spoken = true;
        transact(a, cl);
        keep_or_quit(a, cl);
        return true;
    }
    bool in_plain = cl->tls_failed && a->tls == RELAY_TLS_OPPORTUNISTIC;
    if (!in_plain)
        on_no_welcome(a, cl);
    set_current(a->relay, NULL);
    client_quit(cl, true);       /* never kept: no mail goes to where we were not welcome */
    return !in_plain;
}

/* A connection that was kept open. What it did not settle is left for new ones. */
static void try_kept(struct attempt *a)
{
    struct client *cl = *a->kept;
    if (!cl)
        return;
    *a->kept = NULL;
    /* One that was made for less protection is not for this mail. */
    if (!cl->lmtp && cl->tls_policy != a->tls) {
        client_quit(cl, true);
        return;
    }
    if (set_current(a->relay, cl->s) && transact(a, cl)) {
        a->spoken = true;
        snprintf(a->used, sizeof a->used, "%s", cl->address);
    }
    keep_or_quit(a, cl);
}

static uint16_t port_of(const struct attempt *a)
{
    if (a->transport && a->transport->port)
        return a->transport->port;
    return a->lmtp ? LMTP_PORT : a->relay->c->smtp_port;
}

static void try_address(struct attempt *a, const char *host, const struct netaddr *addr, bool best)
{
    const struct config *c = a->relay->c;
    bool v6 = addr->sa.sa_family == AF_INET6;
    struct netaddr to = *addr;
    char address[64];

    netaddr_host(addr, address);
    if (strcmp(address, a->used) == 0)
        return;
    if (v6)
        to.in6.sin6_port = htons(port_of(a));
    else
        to.in.sin_port = htons(port_of(a));
    a->tried++;
    for (int how = (best ? BEST : 0) | (a->lmtp ? LMTP : 0); !a->relay->interrupted; how |= PLAIN) {
        int fd = net_connect(&to, v6 ? c->source_v6 : c->source_v4, c->timeout_connect);
        const char *result = fd < 0 ? strerror(errno) : "connected";
        tell_connect(a, host, address, result);
        if (fd < 0) {
            char *text = xasprintf("connect to %s[%s]: %s", host, address, result);
            settle_open(a, VERDICT_DEFER, "4.4.1", text, NULL);
            free(text);
            return;
        }
        if (on_connection(a, fd, host, address, how))
            return;
    }
}

static bool try_group(struct attempt *a, const struct route *route, size_t from, size_t to,
                      bool best)
{
    for (size_t i = from; i < to; i++) {
        const struct exchanger *x = &route->v[i];
        for (size_t k = 0; !x->dropped && k < x->addresses.n; k++) {
            if (!any_open(a) || a->relay->interrupted)
                return false;
            /* RFC 5321 5.1: the number of addresses tried may be limited, to two at least. */
            if (a->tried >= a->relay->c->max_exchangers && a->tried >= 2)
                return false;
            try_address(a, x->host, &x->addresses.v[k], best);
        }
    }
    return any_open(a);
}

/* Every exchanger that there is said 5yz before any mail was offered (RFC 5321 3.1, RFC 7504 3). */
static void refuse_for_good(struct attempt *a)
{
    a->spoken = true;
    for (size_t i = 0; i < a->n; i++) {
        a->r[i].verdict = VERDICT_FAIL;
        memcpy(a->r[i].status, "5.3.2", 6);
        if (a->m->settled)
            a->m->settled(a->m->settled_arg, &a->r[i]);
    }
}

static void try_route(struct attempt *a, const char *domain)
{
    struct route route;
    size_t from = 0, to = 0;
    bool complete = false;
    bool lone = a->transport && a->transport->host && !a->transport->exchangers;
    enum route_result result =
        lone ? relay_route_host(a->transport->host, &route)
             : relay_route_begin(a->relay->c, a->relay->resolver, domain, &route);

    for (bool best = true; result == ROUTE_OK; best = false) {
        complete = !relay_route_group(a->relay->c, a->relay->resolver, &route, &from, &to);
        if (complete || !try_group(a, &route, from, to, best))
            break;
    }
    if (route.result != ROUTE_OK)
        settle_open(a, route.result == ROUTE_FAIL ? VERDICT_FAIL : VERDICT_DEFER, route.status,
                    route.why, NULL);
    a->spoken |= route.result == ROUTE_FAIL;
    if (complete && !route.tempfail && !a->spoken && a->tried > 0 && a->refused == a->tried)
        refuse_for_good(a);
    route_free(&route);
}

static void hand_over(struct attempt *a, const char *domain)
{
    struct relay *relay = a->relay;
    if (!relay->resolver)
        relay->resolver = resolver_new(relay->c);
    try_kept(a);
    if (any_open(a))
        try_route(a, domain);
    for (size_t i = 0; i < a->n; i++) /* nothing was tried; a reason that is there says more */
        if (a->r[i].verdict == VERDICT_NONE)
            recipient_settle(&a->r[i], a->m, VERDICT_DEFER, "4.4.1", "no exchanger could be tried",
                             NULL);
}

bool relay_deliver(struct relay *relay, const char *domain, const struct relay_message *m,
                   struct relay_recipient *r, size_t n, struct client **kept)
{
    struct attempt a = {.relay = relay, .m = m, .r = r, .n = n, .kept = kept,
                        .tls = relay->c->relay_tls};
    hand_over(&a, domain);
    return a.spoken;
}

/* "unix:/path", or "address:port" with an IPv6 address in brackets. */
static bool parse_socket(const char *text, struct netaddr *a)
{
    struct slice s = slice_str(text), host = s;
    ptrdiff_t colon = slice_rindex(s, ':');
    uint64_t port = 0;
    if (slice_starts(s, SLICE("unix:")))
        return netaddr_parse(a, s, 0);
    if (colon < 0 || !slice_number(slice_sub(s, (size_t)colon + 1, s.n), 65535, &port))
        return false;
    host = slice_sub(s, 0, (size_t)colon);
    if (slice_starts(host, SLICE("[")) && slice_ends(host, SLICE("]")))
        host = slice_sub(host, 1, host.n - 1);
    return netaddr_parse(a, host, (uint16_t)port);
}

/* A service of our own host, which may just be starting. */
static bool deliver_here(struct attempt *a, const char *socket, const char *name, int how,
                         const char *silent)
{
    struct relay *relay = a->relay;
    struct netaddr to;
    char address[64];
    int fd = -1;

    try_kept(a);
    if (!any_open(a) || a->spoken)
        return true;
    if (!parse_socket(socket, &to)) {
        settle_open(a, VERDICT_DEFER, "4.3.5", "its address is neither unix:/path nor address:port",
                    NULL);
        return false;
    }
    netaddr_host(&to, address);
    for (int64_t waited = 0; fd < 0 && waited <= MDA_WAIT_MS; waited += MDA_STEP_MS) {
        if (waited > 0)
            sleep_ms(MDA_STEP_MS);
        if (relay->interrupted)
            break;
        fd = net_connect(&to, NULL, relay->c->timeout_connect);
    }
    tell_connect(a, name, address, fd < 0 ? strerror(errno) : "connected");
    if (fd >= 0)
        on_connection(a, fd, name, address, how | BEST);
    settle_open(a, VERDICT_DEFER, "4.3.2", silent, NULL);
    return a->spoken;
}

bool relay_deliver_local(struct relay *relay, const struct relay_message *m,
                         struct relay_recipient *r, size_t n, struct client **kept)
{
    struct attempt a = {.relay = relay, .m = m, .r = r, .n = n, .kept = kept};
    return deliver_here(&a, relay->c->mda_socket, "mda", LMTP, "the delivery agent does not answer");
}

bool relay_deliver_filter(struct relay *relay, const struct relay_message *m,
                          struct relay_recipient *r, size_t n, struct client **kept)
{
    struct attempt a = {.relay = relay, .m = m, .r = r, .n = n, .kept = kept};
    bool spoken = deliver_here(&a, relay->c->content_filter, "content-filter", PLAIN,
                               "the content filter does not answer");
    for (size_t i = 0; i < n; i++)       /* our own stop is no failure of the filter */
        r[i].server_failed = r[i].verdict == VERDICT_DEFER && !relay->interrupted
                             && (!spoken || r[i].server_failed);
    return spoken;
}

/* The answer stands in the configuration. */
static void settle_by_text(struct attempt *a, enum verdict verdict, const char *text)
{
    struct slice rest = slice_str(text), status;
    slice_word(&rest, &status);
    char *code = slice_dup(slice_sub(status, 0, STATUS_MAX - 1)), *words = slice_dup(slice_trim(rest));
    settle_open(a, verdict, code, words, NULL);
    free(code);
    free(words);
}

bool relay_deliver_by(struct relay *relay, const struct transport *t, const char *domain,
                      const struct relay_message *m, struct relay_recipient *r, size_t n,
                      struct client **kept)
{
    struct attempt a = {.relay = relay, .m = m, .r = r, .n = n, .kept = kept, .transport = t,
                        .tls = t->has_tls ? t->tls : relay->c->relay_tls,
                        .lmtp = t->kind == TRANSPORT_LMTP};
    char *socket;
    switch (t->kind) {
    case TRANSPORT_DISCARD:
        settle_open(&a, VERDICT_DELIVERED, "2.0.0", "discarded (transport)", NULL);
        return true;
    case TRANSPORT_ERROR:
        settle_by_text(&a, VERDICT_FAIL, t->text);
        return true;
    case TRANSPORT_RETRY:
        settle_by_text(&a, VERDICT_DEFER, t->text);
        return true;
    case TRANSPORT_PIPE:
        relay_pipe(relay->c, t, m, r, n);
        return true;
    case TRANSPORT_LMTP:
        if (!t->socket)
            break;
        socket = xasprintf("unix:%s", t->socket);
        bool spoken = deliver_here(&a, socket, t->socket, LMTP, "the delivery agent does not answer");
        free(socket);
        return spoken;
    default:
        break;
    }
    hand_over(&a, t->host ? t->host : domain);
    return a.spoken;
}
