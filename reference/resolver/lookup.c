/* lookup.c - many questions at once: a socket each, so that each has a port of its own to guess
 * (RFC 5452 9.2), one poll for all, one deadline. */
#include "reference/resolver/lookup.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/resolver/dns.h"
#include "reference/resolver/resolver_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DATAGRAM_MAX = 65535, AT_ONCE = 64, ALIASES_MAX = 8 };

static const uint16_t types[] = {[LOOKUP_A] = DNS_TYPE_A, [LOOKUP_AAAA] = DNS_TYPE_AAAA,
                                 [LOOKUP_PTR] = DNS_TYPE_PTR, [LOOKUP_TXT] = DNS_TYPE_TXT,
                                 [LOOKUP_MX] = DNS_TYPE_MX};
static const char *const type_names[] = {"A", "AAAA", "PTR", "TXT", "MX"};

bool lookup_set(struct lookup *q, enum lookup_type type, const char *fmt, ...)
{
    va_list ap;
    *q = (struct lookup){.type = type, .status = DNS_NXDOMAIN};
    va_start(ap, fmt);
    int n = vsnprintf(q->name, sizeof q->name, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof q->name)
        return true;
    q->name[0] = 0;
    return false;
}

void lookup_free(struct lookup *q)
{
    addr_list_free(&q->addresses);
    name_list_free(&q->texts);
    *q = (struct lookup){0};
}

void lookup_reversed(const struct netaddr *a, struct buf *out)
{
    char host[64];
    struct netaddr plain;
    netaddr_host(a, host);      /* shows an IPv4-mapped address as IPv4 */
    if (!netaddr_parse(&plain, slice_str(host), 0))
        return;
    if (plain.sa.sa_family == AF_INET) {
        const uint8_t *o = (const uint8_t *)&plain.in.sin_addr;
        buf_printf(out, "%u.%u.%u.%u", o[3], o[2], o[1], o[0]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        buf_printf(out, "%x.%x%s", plain.in6.sin6_addr.s6_addr[i] & 15,
                   plain.in6.sin6_addr.s6_addr[i] >> 4, i ? "." : "");
}

/* --- one question under way ------------------------------------------------------------------ */

struct asking {
    struct lookup *q;
    char *name;                  /* asked for now: q->name, or where an alias led */
    int fd;                      /* -1: none */
    uint16_t id;
    int tries, aliases;          /* made so far; followed so far */
    bool edns, done;
    int64_t again;               /* mono_ms of the next try */
    const struct netaddr *server;
};

static void let_go(struct asking *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

/* Sends the question to the next server in turn; the last try over: the answer stands as it is. */
static void send_question(struct resolver *r, struct asking *a, int64_t now)
{
    const struct dns_question q = {a->name, types[a->q->type], resolver_random_id()};
    uint8_t *wire = NULL;
    size_t n = 0;
    let_go(a);
    if (a->tries >= r->tries * (int)r->server_count) {
        a->done = true;
        return;
    }
    a->server = &r->server[(size_t)a->tries++ % r->server_count];
    a->id = q.id;
    a->again = now + r->timeout_ms;
    if (!dns_write_question(&q, a->edns, &wire, &n)) {
        a->q->status = DNS_NXDOMAIN;        /* no text for a name: nobody has it */
        a->done = true;
        return;
    }
    a->fd = socket(a->server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || connect(a->fd, &a->server->sa, a->server->len) < 0 ||
        send(a->fd, wire, n, 0) < 0) {
        snprintf(a->q->why, sizeof a->q->why, "udp: %s", strerror(errno));
        a->again = now;
    }
    free(wire);
}

static void keep_answer(struct lookup *q, struct dns_answer *answer)
{
    q->status = answer->status;
    q->ttl = answer->ttl;
    q->addresses.v = xcalloc(answer->n + 1, sizeof *q->addresses.v);
    q->texts.v = xcalloc(answer->n + 1, sizeof *q->texts.v);
    for (size_t i = 0; i < answer->n; i++) {
        if (q->type == LOOKUP_A || q->type == LOOKUP_AAAA) {
            q->addresses.v[q->addresses.n++] = answer->v[i].addr;
        } else {
            q->texts.v[q->texts.n++] = answer->v[i].text;
            answer->v[i].text = NULL;
        }
    }
}

/* What became of a question, once it is read. */
static void take(struct resolver *r, struct asking *a, enum dns_reading reading,
                 struct dns_answer *answer, int64_t now)
{
    if (reading == READ_NO_EDNS && a->edns) {
        a->edns = false;
        a->tries--;
        send_question(r, a, now);
    } else if (reading == READ_ANSWER && answer->alias && a->aliases++ < ALIASES_MAX) {
        free(a->name);
        a->name = answer->alias;
        answer->alias = NULL;
        a->tries = 0;
        send_question(r, a, now);
    } else if (reading == READ_ANSWER && !answer->alias) {
        keep_answer(a->q, answer);
        a->done = true;
    } else {
        snprintf(a->q->why, sizeof a->q->why, "%s",
                 answer->alias ? "too many aliases" : answer->why[0] ? answer->why : "no use");
        send_question(r, a, now);
    }
}

static void receive(struct resolver *r, struct asking *a, uint8_t *space, int64_t deadline)
{
    const struct dns_question q = {a->name, types[a->q->type], a->id};
    struct dns_answer answer = {0};
    ssize_t n = recv(a->fd, space, DATAGRAM_MAX, 0);
    int64_t now = mono_ms();
    if (n < 0) {
        if (errno != EINTR && errno != EAGAIN) {
            snprintf(a->q->why, sizeof a->q->why, "udp: %s", strerror(errno));
            send_question(r, a, now);
        }
        return;
    }
    enum dns_reading reading = dns_read_answer(slice_of(space, (size_t)n), &q, &answer);
    if (reading == READ_OTHER)
        return;                             /* RFC 5452 9.1: a forger's, or late */
    if (reading == READ_TRUNCATED) {        /* rare: straight over TCP, the others wait */
        int64_t left = deadline - now;
        reading = dns_ask(a->server, &q, left < r->timeout_ms ? left : r->timeout_ms, &answer);
        now = mono_ms();
    }
    take(r, a, reading, &answer, now);
    dns_answer_free(&answer);
}

static void tell(const struct lookup *q)
{
    struct buf text = {0};
    for (size_t i = 0; i < q->addresses.n; i++) {
        char host[64];
        netaddr_host(&q->addresses.v[i], host);
        buf_printf(&text, "%s%s", i ? ", " : "", host);
    }
    for (size_t i = 0; i < q->texts.n; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", q->texts.v[i]);
    if (q->status == DNS_TEMPFAIL)
        buf_add_str(&text, q->why);
    event("resolver.answer", EV_STR("name", q->name), EV_STR("type", type_names[q->type]),
          EV_STR("status", dns_status_text(q->status)), EV_STR("answer", buf_str(&text)));
    buf_free(&text);
}

/* Up to AT_ONCE questions, to their answers or to the deadline. */
static void ask_together(struct resolver *r, struct asking *v, size_t n, int64_t deadline)
{
    struct pollfd fds[AT_ONCE];
    uint8_t *space = xmalloc(DATAGRAM_MAX);
    for (size_t i = 0; i < n; i++)
        send_question(r, &v[i], mono_ms());
    for (;;) {
        int64_t now = mono_ms(), next = deadline;
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            while (!v[i].done && v[i].again <= now)
                send_question(r, &v[i], now);
            fds[i] = (struct pollfd){.fd = v[i].done ? -1 : v[i].fd, .events = POLLIN};
            left += !v[i].done;
            if (!v[i].done && v[i].again < next)
                next = v[i].again;
        }
        if (left == 0 || now >= deadline)
            break;
        if (poll(fds, n, next > now ? (int)(next - now) : 0) <= 0)
            continue;
        for (size_t i = 0; i < n; i++)
            if (fds[i].revents && !v[i].done)
                receive(r, &v[i], space, deadline);
    }
    free(space);
}

void resolver_lookups(struct resolver *r, struct dns_cache *cache, struct lookup *q, size_t n,
                      int64_t deadline)
{
    struct asking v[AT_ONCE];
    for (size_t i = 0; i < n;) {
        size_t open = 0;
        for (; i < n && open < AT_ONCE; i++) {
            if (!q[i].name[0] || (cache && dns_cache_get(cache, &q[i])))
                continue;
            q[i].status = DNS_TEMPFAIL;
            snprintf(q[i].why, sizeof q[i].why, "no answer in time");
            v[open++] = (struct asking){.q = &q[i], .name = xstrdup(q[i].name), .fd = -1,
                                        .edns = true};
        }
        ask_together(r, v, open, deadline);
        for (size_t j = 0; j < open; j++) {
            let_go(&v[j]);
            free(v[j].name);
            tell(v[j].q);
            if (cache)
                dns_cache_put(cache, v[j].q);
        }
    }
}
