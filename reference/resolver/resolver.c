/* resolver.c - the look-ups: which servers, how often, what the answers come to. */
#include "reference/resolver/resolver.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/resolver/dns.h"
#include "reference/resolver/lookup.h"
#include "reference/resolver/resolver_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define ALIASES_MAX 8            /* questions that follow a CNAME out of one answer into the next */
#define SERVERS_MAX 3            /* of resolv.conf, as for every program that reads it */

const char *dns_status_text(enum dns_status s)
{
    static const char *const text[] = {"ok", "no data", "no such name", "temporary failure"};
    return text[s];
}

/* The "nameserver" lines of resolv.conf(5); the local host when there is none. */
static void read_resolv_conf(struct resolver *r)
{
    struct buf text = {0};
    struct slice rest, line, word;
    r->server = xcalloc(SERVERS_MAX, sizeof *r->server);
    buf_read_file(&text, "/etc/resolv.conf", 65536);
    rest = buf_slice(&text);
    while (r->server_count < SERVERS_MAX && slice_next(&rest, '\n', &line))
        if (slice_word(&line, &word) && slice_eq_str(word, "nameserver") && slice_word(&line, &word)
            && netaddr_parse(&r->server[r->server_count], word, 53))
            r->server_count++;
    if (r->server_count == 0 && netaddr_parse(&r->server[0], SLICE("127.0.0.1"), 53))
        r->server_count = 1;
    buf_free(&text);
}

struct resolver *resolver_new(const struct config *c)
{
    struct resolver *r = xcalloc(1, sizeof *r);
    r->timeout_ms = c->dns_timeout > 0 ? c->dns_timeout : 5000;
    r->tries = c->dns_tries > 0 ? c->dns_tries : 2;
    if (c->nameserver_count == 0) {
        read_resolv_conf(r);
        return r;
    }
    r->server_count = c->nameserver_count;
    r->server = xcalloc(r->server_count, sizeof *r->server);
    memcpy(r->server, c->nameservers, r->server_count * sizeof *r->server);
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    free(r->server);
    free(r);
}

static uint32_t random_below(uint32_t n)
{
    uint32_t v = 0;
    if (getrandom(&v, sizeof v, 0) != sizeof v)
        v = (uint32_t)random();
    return v % n;
}

uint16_t resolver_random_id(void) { return (uint16_t)random_below(65536); }

/* Every server in turn, the whole round as often as configured. */
static void ask_servers(struct resolver *r, const char *name, uint16_t type,
                        struct dns_answer *out)
{
    *out = (struct dns_answer){.status = DNS_TEMPFAIL};
    for (int t = 0; t < r->tries; t++)
        for (size_t i = 0; i < r->server_count; i++) {
            struct dns_question q = {name, type, (uint16_t)random_below(65536)};
            if (dns_ask(&r->server[i], &q, r->timeout_ms, out) == READ_ANSWER)
                return;
        }
}

static bool can_be_a_name(const char *name)
{
    uint8_t *wire = NULL;
    size_t n;
    bool good = dns_write_question(&(struct dns_question){name, DNS_TYPE_A, 0}, false, &wire, &n);
    free(wire);
    return good;
}

static void tell(const char *name, uint16_t type, const struct dns_answer *a)
{
    struct buf text = {0};
    for (size_t i = 0; i < a->n; i++) {
        char host[64];
        if (i)
            buf_add_str(&text, ", ");
        if (type == DNS_TYPE_MX)
            buf_printf(&text, "%u ", a->v[i].preference);
        if (!a->v[i].text)
            netaddr_host(&a->v[i].addr, host);
        buf_add_str(&text, a->v[i].text ? a->v[i].text : host);
    }
    if (a->status == DNS_TEMPFAIL)
        buf_add_str(&text, a->why);
    event("resolver.answer", EV_STR("name", name),
          EV_STR("type", type == DNS_TYPE_A ? "A" : type == DNS_TYPE_AAAA ? "AAAA"
                       : type == DNS_TYPE_MX ? "MX" : type == DNS_TYPE_PTR ? "PTR" : "TXT"),
          EV_STR("status", dns_status_text(a->status)), EV_STR("answer", buf_str(&text)));
    buf_free(&text);
}

static enum dns_status look_up(struct resolver *r, const char *name, uint16_t type,
                               struct dns_answer *out)
{
    char *now = xstrdup(name);
    *out = (struct dns_answer){.status = DNS_NXDOMAIN};
    for (int i = 0; i <= ALIASES_MAX && can_be_a_name(now); i++) {
        ask_servers(r, now, type, out);
        if (!out->alias)
            break;
        free(now);
        now = out->alias;
        out->alias = NULL;
        dns_answer_free(out);
        /* What stands should the aliases never end. */
        out->status = DNS_TEMPFAIL;
        snprintf(out->why, sizeof out->why, "too many aliases");
    }
    free(now);
    tell(name, type, out);
    return out->status;
}

/* RFC 5321 5.1: lowest preference first, equal ones in random order to spread the load. */
static void sort_mx(struct mx_list *l)
{
    for (size_t i = l->n; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        struct mx t = l->v[i - 1];
        l->v[i - 1] = l->v[j];
        l->v[j] = t;
    }
    for (size_t i = 1; i < l->n; i++) {
        struct mx t = l->v[i];
        size_t j = i;
        for (; j > 0 && l->v[j - 1].preference > t.preference; j--)
            l->v[j] = l->v[j - 1];
        l->v[j] = t;
    }
}

enum dns_status resolver_mx(struct resolver *r, const char *domain, struct mx_list *out)
{
    struct dns_answer a;
    enum dns_status status = look_up(r, domain, DNS_TYPE_MX, &a);
    *out = (struct mx_list){xcalloc(a.n + 1, sizeof *out->v), a.n};
    for (size_t i = 0; i < a.n; i++) {
        out->v[i] = (struct mx){a.v[i].preference, a.v[i].text};
        a.v[i].text = NULL;
    }
    sort_mx(out);
    dns_answer_free(&a);
    return status;
}

enum dns_status resolver_addresses(struct resolver *r, const char *host, struct addr_list *out)
{
    static const uint16_t types[] = {DNS_TYPE_AAAA, DNS_TYPE_A};
    enum dns_status status[2];
    *out = (struct addr_list){0};
    for (int t = 0; t < 2; t++) {
        struct dns_answer a;
        status[t] = look_up(r, host, types[t], &a);
        out->v = xreallocarray(out->v, out->n + a.n + 1, sizeof *out->v);
        for (size_t i = 0; i < a.n; i++)
            out->v[out->n++] = a.v[i].addr;
        dns_answer_free(&a);
        if (status[t] == DNS_NXDOMAIN)
            return status[t];   /* there is no such name, whatever the type (RFC 2308 2.1) */
    }
    if (out->n)
        return DNS_OK;
    return status[0] == DNS_TEMPFAIL || status[1] == DNS_TEMPFAIL ? DNS_TEMPFAIL : DNS_NODATA;
}

static enum dns_status look_up_texts(struct resolver *r, const char *name, uint16_t type,
                                     struct name_list *out)
{
    struct dns_answer a;
    enum dns_status status = look_up(r, name, type, &a);
    *out = (struct name_list){xcalloc(a.n + 1, sizeof *out->v), a.n};
    for (size_t i = 0; i < a.n; i++) {
        out->v[i] = a.v[i].text;
        a.v[i].text = NULL;
    }
    dns_answer_free(&a);
    return status;
}

/* The name of the reverse tree (RFC 1035 3.5, RFC 3596 2.5). */
static void reverse_name(const struct netaddr *a, struct buf *name)
{
    lookup_reversed(a, name);
    buf_add_str(name, strlen(buf_str(name)) > 15 ? ".ip6.arpa" : ".in-addr.arpa");
}

enum dns_status resolver_ptr(struct resolver *r, const struct netaddr *a, struct name_list *out)
{
    struct buf name = {0};
    reverse_name(a, &name);
    enum dns_status status = look_up_texts(r, buf_str(&name), DNS_TYPE_PTR, out);
    buf_free(&name);
    return status;
}

enum dns_status resolver_txt(struct resolver *r, const char *name, struct name_list *out)
{
    return look_up_texts(r, name, DNS_TYPE_TXT, out);
}

void mx_list_free(struct mx_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].host);
    free(l->v);
    *l = (struct mx_list){0};
}

void addr_list_free(struct addr_list *l)
{
    free(l->v);
    *l = (struct addr_list){0};
}

void name_list_free(struct name_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct name_list){0};
}
