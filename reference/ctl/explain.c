/* explain.c - `postroad explain`: where would this address go and why, why is this message still
 * here, why was that one refused. */
#include "reference/ctl/ctl.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/accounts.h"
#include "reference/message/address.h"
#include "reference/queue/queue.h"
#include "reference/relay/route.h"
#include "reference/transport.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { ALIAS_DEPTH_MAX = 20, ALIAS_LINES_MAX = 500 };

struct explanation {
    const struct config *c;
    struct accounts *accounts;
    struct resolver *resolver;
    int lines;                /* printed for aliases, bounded */
    int status;               /* EX_OK, or the worst that was found */
};

static void indent(int depth) { printf("%*s", 2 * depth, ""); }

/* ---- other people's domains ------------------------------------------------------------------ */

static void print_exchanger(const struct exchanger *e, const struct route *route, int depth)
{
    indent(depth);
    if (route->kind == ROUTE_MX)
        printf("MX %5u  %s", e->preference, *e->host ? e->host : ".");
    else
        printf("%s", e->host);
    for (size_t i = 0; i < e->addresses.n; i++) {
        char host[64];
        netaddr_host(&e->addresses.v[i], host);
        printf("%s%s", i ? ", " : "  ", host);
    }
    if (e->dropped)
        printf("  left out: %s", e->dropped);
    printf("\n");
}

static void explain_route(struct explanation *x, const char *domain, int depth)
{
    static const char *const kinds[] = {
        [ROUTE_LITERAL] = "an address literal: straight to that host (RFC 5321 4.1.3)",
        [ROUTE_MX] = "by MX, the lowest preference first (RFC 5321 5.1)",
        [ROUTE_IMPLICIT_MX] = "no MX: the host of that name itself (RFC 5321 5.1, implicit MX)"};
    struct route route = {0};
    int result = relay_route(x->c, x->resolver, domain, &route);
    indent(depth);
    printf("%s\n", kinds[route.kind]);
    for (size_t i = 0; i < route.n; i++)
        print_exchanger(&route.v[i], &route, depth + 1);
    if (result != ROUTE_OK) {
        indent(depth);
        printf("%s: %s %s\n", result == ROUTE_TEMPFAIL ? "would be tried again later"
               : "would be returned to its sender", route.status, route.why ? route.why : "");
        x->status = result == ROUTE_TEMPFAIL ? EX_TEMPFAIL : EX_UNAVAILABLE;
    }
    route_free(&route);
}

/* ---- our own --------------------------------------------------------------------------------- */

static void explain_local(struct explanation *x, const char *name, int depth);

/* True when the configuration sends it elsewhere than DNS would. */
static bool explain_transport(struct explanation *x, const char *address, bool local)
{
    const char *domain = strrchr(address, '@') + 1;
    const struct transport *t = transport_find(x->c, address, slice_str(domain), local);
    if (t)
        printf("  transport %s: %s%s\n", t->pattern, t->to, t->has_tls ? ", TLS of its own" : "");
    if (t && t->host && t->exchangers)
        explain_route(x, t->host, 2);
    return t && t->kind != TRANSPORT_MX;
}

static void explain_target(struct explanation *x, const char *target, int depth)
{
    const char *domain = strrchr(target, '@');
    indent(depth);
    if (++x->lines > ALIAS_LINES_MAX || depth > ALIAS_DEPTH_MAX) {
        printf("... %s\n",
               depth > ALIAS_DEPTH_MAX ? "aliases that go round in a circle" : "and more");
        x->status = depth > ALIAS_DEPTH_MAX ? EX_CONFIG : x->status;
    } else if (target[0] == '|') {
        printf("the command %s\n", target + 1);
    } else if (target[0] == '/') {
        printf("the file %s\n", target);
    } else if (domain && accounts_domain(x->accounts, domain + 1) == AUTH_NO) {
        printf("%s, elsewhere:\n", target);
        explain_route(x, domain + 1, depth + 1);
    } else {
        printf("%s:\n", target);
        explain_local(x, target, depth + 1);
    }
}

static void explain_local(struct explanation *x, const char *name, int depth)
{
    struct account a;
    switch (accounts_lookup(x->accounts, name, &a)) {
    case AUTH_OK:
        indent(depth);
        printf("account %s: mailbox %s/%s (%s)\n", a.user, x->c->mail_dir, a.user,
               x->c->mailbox_format == FORMAT_MBOX ? "mbox" : "maildir");
        break;
    case AUTH_ALIAS:
        indent(depth);
        printf("alias %s (%s):\n", a.user, x->c->aliases_file ? x->c->aliases_file : "postmaster");
        for (size_t i = 0; i < a.target_count; i++)
            explain_target(x, a.targets[i], depth + 1);
        break;
    case AUTH_NO:
        indent(depth);
        printf("no such user: refused at RCPT with 550 5.1.1 (RFC 5321 3.3); neither in %s nor in "
               "%s\n",
               x->c->accounts_count ? "the accounts" : x->c->users_file,
               x->c->aliases_file ? x->c->aliases_file : "an aliases file");
        x->status = EX_NOUSER;
        break;
    case AUTH_TEMPFAIL:
        indent(depth);
        printf("cannot be told now: the users or aliases file cannot be read or has an error "
               "(postroad check)\n");
        x->status = EX_TEMPFAIL;
        break;
    }
    account_free(&a);
}

int explain_address(const struct config *c, const char *text)
{
    char *address = ctl_address(c, text);
    struct buf errors = {0};
    if (!address)
        return EX_DATAERR;
    struct explanation x = {
        .c = c, .accounts = accounts_new(c, &errors), .resolver = resolver_new(c)};
    const char *domain = strrchr(address, '@') + 1;
    fprintf(stderr, "%s", buf_str(&errors));
    printf("%s\n", address);
    if (config_is_local(c, slice_str(domain))) {
        printf("  %s is one of domains: delivered here\n", domain);
        if (!explain_transport(&x, address, true))
            explain_local(&x, address, 1);
    } else if (accounts_domain(x.accounts, domain) != AUTH_NO) {
        printf("  %s is a virtual domain of the accounts: delivered here\n", domain);
        explain_local(&x, address, 1);
    } else {
        printf(config_is_relay(c, slice_str(domain))
                   ? "  %s is one of relay-domains: taken from everybody and passed on\n"
                   : "  %s is not ours: taken only from the clients of relay-from, and passed on\n",
               domain);
        if (!explain_transport(&x, address, false))
            explain_route(&x, domain, 1);
    }
    accounts_free(x.accounts);
    resolver_free(x.resolver);
    buf_free(&errors);
    free(address);
    return x.status;
}

/* ---- a message in the queue ------------------------------------------------------------------ */

static void explain_folder(const struct config *c, const char *folder, const char *id,
                           const struct envelope *e)
{
    char least[24], most[24], wait[24];
    int64_t now = wall_us();
    ctl_duration_text(c->retry_min, least);
    ctl_duration_text(c->retry_max, most);
    if (strcmp(folder, "active") == 0) {
        printf("  it is being delivered, or will be as soon as a delivery is free\n");
    } else if (strcmp(folder, "deferred") == 0) {
        int64_t next = (queue_next_try(c, id) - now) / 1000;
        int64_t left = c->expire - (now - e->arrived_us) / 1000;
        ctl_duration_text(next > 0 ? next : 0, wait);
        printf("  the next try is in %s: each wait is as long as the message has waited, at least "
               "%s, "
               "at most %s\n",
               wait, least, most);
        ctl_duration_text(left > 0 ? left : 0, wait);
        printf("  it is returned to its sender in %s, when it has waited for retry expire\n", wait);
    } else if (strcmp(folder, "hold") == 0) {
        printf("  it waits for the operator: postroad queue release %s, or delete\n", id);
    } else {
        printf("  its file could not be read: repair %s/corrupt/%s, then postroad queue release "
               "%s\n",
               c->spool, id, id);
    }
}

bool explain_message(const struct config *c, const char *id)
{
    struct envelope e = {0};
    const char *why = NULL, *folder = queue_id_valid(id) ? queue_find(c, id) : NULL;
    if (!folder)
        return false;
    int fd = queue_open(c, folder, id, &e, &why);
    printf("%s is in %s/%s\n", id, c->spool, folder);
    if (fd < 0) {
        printf("  it cannot be read: %s\n", why ? why : strerror(errno));
        return true;
    }
    explain_folder(c, folder, id, &e);
    for (size_t i = 0; i < e.rcpt_count; i++) {
        static const char *const words[] = {"still to do", "delivered",
                                            "failed, the sender was told",
                                            "delivered", "still to do, the sender was told"};
        struct attempts a;
        ctl_attempts(c, id, e.rcpt[i].address, &a);
        printf("  <%s>: %s%s\n", e.rcpt[i].address, words[e.rcpt[i].state],
               a.n == 0 && e.rcpt[i].state == RCPT_TODO ? ", not tried yet" : "");
        for (size_t j = 0; j < a.n; j++)
            printf("    %s\n", a.v[j]);
        ctl_attempts_free(&a);
    }
    for (size_t i = 0; i < e.rcpt_count; i++)
        if (state_is_open(e.rcpt[i].state)) {
            printf("where it goes now: ");
            explain_address(c, e.rcpt[i].address);
        }
    close(fd);
    envelope_free(&e);
    return true;
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_user(const struct config *c, const char *word)
{
    struct buf errors = {0};
    struct account who;
    struct accounts *a = accounts_new(c, &errors);
    bool known = accounts_lookup(a, word, &who) != AUTH_NO;
    account_free(&who);
    accounts_free(a);
    buf_free(&errors);
    return known;
}

static int explain(const struct config *c, const char *wanted)
{
    struct netaddr client;
    bool is_client = netaddr_parse(&client, slice_str(wanted), 0);
    int status = EX_OK;
    if (explain_message(c, wanted)) {
        explain_events(c, wanted);
        return EX_OK;
    }
    bool is_address = !is_client && (strchr(wanted, '@') || is_user(c, wanted));
    if (is_address)
        status = explain_address(c, wanted);
    if (is_client)
        printf("%s %s of relay-from: it %s send to domains that are not ours\n", wanted,
               config_may_relay(c, &client) ? "is one" : "is none",
               config_may_relay(c, &client) ? "may" : "may not");
    if (is_client)
        explain_client(c, &client);
    int found = explain_events(c, wanted);
    if (found < 0)
        fprintf(stderr, "postroad: log events is not set, so that nothing is known about the "
                        "past\n");
    if (found > 0 || is_address || is_client)
        return status;
    fprintf(stderr,
            "postroad: %s is no address, no queue id and no session that the event log has; "
            "postroad "
            "queue list shows the queue\n",
            wanted);
    return EX_NOINPUT;
}

int ctl_explain(int argc, char **argv)
{
    const char *path = CTL_DEFAULT_CONFIG;
    int o;
    while ((o = getopt(argc, argv, "c:")) != -1) {
        if (o != 'c')
            return ctl_usage("explain");
        path = optarg;
    }
    if (argc - optind != 1)
        return ctl_usage("explain");
    struct config *c = ctl_config(path);
    int status = explain(c, argv[optind]);
    config_free(c);
    return status;
}
