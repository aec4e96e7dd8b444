/* config.c - reading the configuration file. Keys and defaults: docs/postroad.conf.5.md. */
#include "reference/config_internal.h"

#include "base/conf.h"
#include "base/mem.h"
#include "reference/policy/policy_conf.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static const struct { const char *name; uint16_t port; } services[SERVICE_KINDS] = {
    [SERVICE_SMTP] = {"smtp", 25},
    [SERVICE_SUBMISSION] = {"submission", 587},
    [SERVICE_LMTP] = {"lmtp", 24},
    [SERVICE_POP3] = {"pop3", 110},
    [SERVICE_SUBMISSIONS] = {"submissions", 465},
    [SERVICE_POP3S] = {"pop3s", 995},
    [SERVICE_IMAP] = {"imap", 143},
    [SERVICE_IMAPS] = {"imaps", 993},
    [SERVICE_REINJECTION] = {"reinjection", 10025},
};

const char *config_service_name(enum service_kind kind) { return services[kind].name; }

bool config_is_implicit_tls(enum service_kind kind)
{
    return kind == SERVICE_SUBMISSIONS || kind == SERVICE_POP3S || kind == SERVICE_IMAPS;
}

bool config_is_submission(enum service_kind kind)
{
    return kind == SERVICE_SUBMISSION || kind == SERVICE_SUBMISSIONS;
}

static int service_by_name(const char *name)
{
    for (int i = 0; i < SERVICE_KINDS; i++)
        if (strcmp(services[i].name, name) == 0)
            return i;
    return -1;
}

bool config_parse_endpoint(struct netaddr *out, struct slice text, uint16_t default_port)
{
    if (netaddr_parse(out, text, default_port))
        return true;
    struct slice host = text;
    uint64_t port = default_port;
    ptrdiff_t colon = slice_rindex(text, ':');
    if (text.n && text.p[0] == '[') {
        ptrdiff_t close = slice_rindex(text, ']');
        if (close < 0 || (close + 1 != (ptrdiff_t)text.n && colon != close + 1))
            return false;
        host = slice_sub(text, 1, (size_t)close);
        if (slice_index(host, ':') < 0)
            return false;
        colon = colon > close ? colon : -1;
    } else if (colon >= 0) {
        host = slice_sub(text, 0, (size_t)colon);
        if (slice_index(host, ':') >= 0 || slice_starts(text, SLICE("unix:")))
            return false;
    }
    if (colon >= 0 && !slice_number(slice_sub(text, (size_t)colon + 1, text.n), 65535, &port))
        return false;
    return netaddr_parse(out, host, (uint16_t)port);
}

/* ---- from the parsed file to struct config --------------------------------------------------- */

/* Appends one element to a growing array. */
#define APPEND(array, count, ...)                                                                  \
    do {                                                                                           \
        (array) = xreallocarray((array), (count) + 1, sizeof *(array));                            \
        (array)[(count)++] = __VA_ARGS__;                                                          \
    } while (0)

static char *copy_or_null(const char *s) { return s && *s ? xstrdup(s) : NULL; }

char *config_file_name(const struct config *c, const char *name)
{
    if (!name || !*name)
        return NULL;
    if (name[0] == '/' || strcmp(name, "-") == 0)
        return xstrdup(name);
    char *copy = xstrdup(c->path);
    char *full = xasprintf("%s/%s", dirname(copy), name);
    free(copy);
    return full;
}

struct string_list config_strings(cfg_t *cfg, const char *key)
{
    struct string_list l = {0};
    for (unsigned i = 0; i < cfg_size(cfg, key); i++)
        APPEND(l.v, l.n, xstrdup(cfg_getnstr(cfg, key, i)));
    return l;
}

static struct netaddr *source_address(cfg_t *relay, const char *key, int family, const char *path,
                                      struct buf *errors)
{
    const char *text = cfg_getstr(relay, key);
    struct netaddr a;
    if (!text || !*text || !netaddr_parse(&a, slice_str(text), 0))
        return NULL;
    if (a.sa.sa_family != family)
        buf_printf(errors, "%s: relay %s = \"%s\" is of the other family; put it into %s\n", path,
                   key, text, family == AF_INET ? "source-v6" : "source-v4");
    struct netaddr *copy = xmalloc(sizeof *copy);
    *copy = a;
    return copy;
}

static void add_listener(struct config *c, enum service_kind kind, const char *address, int port)
{
    struct listener_conf l = {.kind = kind};
    if (netaddr_parse(&l.addr, slice_str(address), port < 0 ? services[kind].port : (uint16_t)port))
        APPEND(c->listeners, c->listener_count, l);
}

static void read_listeners(struct config *c, cfg_t *cfg, struct buf *errors)
{
    bool lmtp_named = false;
    for (unsigned i = 0; i < cfg_size(cfg, "listen"); i++) {
        cfg_t *sec = cfg_getnsec(cfg, "listen", i);
        int kind = service_by_name(cfg_title(sec));
        if (kind < 0) {
            buf_printf(errors,
                       "%s: listen %s: there is no such service; write smtp, submission, "
                       "submissions, reinjection, pop3, pop3s, imap, imaps or lmtp\n",
                       c->path, cfg_title(sec));
            continue;
        }
        lmtp_named |= kind == SERVICE_LMTP;
        int port = (int)cfg_getint(sec, "port");
        bool given = cfg_opt_getnstr(cfg_getopt(sec, "address"), 0) != NULL;
        for (unsigned j = 0; j < cfg_size(sec, "address"); j++)
            add_listener(c, kind, cfg_getnstr(sec, "address", j), port);
        if (!given && kind == SERVICE_REINJECTION) {   /* for programs of this host */
            add_listener(c, kind, "127.0.0.1", port);
            add_listener(c, kind, "::1", port);
        } else if (!given && kind != SERVICE_LMTP) {
            add_listener(c, kind, "0.0.0.0", port);
            add_listener(c, kind, "::", port);
        } else if (!given) {
            lmtp_named = false;
        }
    }
    if (cfg_size(cfg, "listen") == 0) {
        static const enum service_kind standard[] = {SERVICE_SMTP, SERVICE_SUBMISSION, SERVICE_POP3,
                                                     SERVICE_IMAP, SERVICE_SUBMISSIONS,
                                                     SERVICE_POP3S, SERVICE_IMAPS};
        for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
            if (config_is_implicit_tls(standard[i]) && !c->tls_certificate)
                continue;
            add_listener(c, standard[i], "0.0.0.0", -1);
            add_listener(c, standard[i], "::", -1);
        }
    }
    const char *mda = cfg_getstr(cfg, "mda-socket");
    if (!lmtp_named && (!mda || !*mda)) {
        char *address = xasprintf("unix:%s/lmtp", c->run_dir);
        add_listener(c, SERVICE_LMTP, address, -1);
        free(address);
    }
}

static void read_mda_socket(struct config *c, cfg_t *cfg)
{
    c->mda_socket = copy_or_null(cfg_getstr(cfg, "mda-socket"));
    for (size_t i = 0; i < c->listener_count && !c->mda_socket; i++) {
        char text[160];
        if (c->listeners[i].kind != SERVICE_LMTP)
            continue;
        netaddr_text(&c->listeners[i].addr, text);
        c->mda_socket = xstrdup(text);
    }
}

static void read_places(struct config *c, cfg_t *cfg)
{
    c->hostname = xstrdup(cfg_getstr(cfg, "hostname"));
    c->user = copy_or_null(cfg_getstr(cfg, "user"));
    c->mda_user = copy_or_null(cfg_getstr(cfg, "mda-user"));
    c->auth_user = copy_or_null(cfg_getstr(cfg, "auth-user"));
    c->landlock = cfg_getbool(cfg, "landlock");
    c->spool = config_file_name(c, cfg_getstr(cfg, "spool"));
    c->run_dir = config_file_name(c, cfg_getstr(cfg, "run-directory"));
    if (!c->spool)
        c->spool = xstrdup("/var/spool/postroad");
    if (!c->run_dir)
        c->run_dir = xasprintf("%s/run", c->spool);
    c->auth_socket = xasprintf("%s/auth", c->run_dir);
    c->queue_socket = xasprintf("%s/queue", c->run_dir);
    c->users_file = config_file_name(c, cfg_getstr(cfg, "users-file"));
    c->aliases_file = config_file_name(c, cfg_getstr(cfg, "aliases-file"));
    c->content_filter = copy_or_null(cfg_getstr(cfg, "content-filter"));
    const char *failed = cfg_getstr(cfg, "content-filter-on-failure");
    c->content_filter_on_failure = strcmp(failed, "accept") == 0   ? ON_FAILURE_ACCEPT
                                   : strcmp(failed, "reject") == 0 ? ON_FAILURE_REJECT
                                                                   : ON_FAILURE_DEFER;
    c->postmaster = copy_or_null(cfg_getstr(cfg, "postmaster"));

    cfg_t *m = cfg_getsec(cfg, "mailboxes");
    c->mail_dir = config_file_name(c, cfg_getstr(m, "path"));
    c->mailbox_program = copy_or_null(cfg_getstr(m, "program"));
    c->forward_file = copy_or_null(cfg_getstr(m, "forward"));
    if (!c->mail_dir)
        c->mail_dir = xstrdup("/var/spool/mail");
    c->mailbox_format =
        strcmp(cfg_getstr(m, "format"), "maildir") == 0 ? FORMAT_MAILDIR : FORMAT_MBOX;
    c->fsync = cfg_getbool(m, "fsync");
    c->mail_folders = copy_or_null(cfg_getstr(m, "folders"));
    c->mail_kept = copy_or_null(cfg_getstr(m, "kept"));
    c->quota = conf_size(m, "quota");
    c->quota_messages = (uint64_t)cfg_getint(m, "quota-messages");

    cfg_t *tls = cfg_getsec(cfg, "tls");
    c->tls_certificate = config_file_name(c, cfg_getstr(tls, "certificate"));
    c->tls_key = config_file_name(c, cfg_getstr(tls, "key"));
    c->tls_client_ca = config_file_name(c, cfg_getstr(tls, "client-ca"));

    cfg_t *log = cfg_getsec(cfg, "log");
    c->event_log = config_file_name(c, cfg_getstr(log, "events"));
    c->event_verbose = cfg_getbool(log, "verbose");
    c->log_text = cfg_getbool(log, "text");
}

static void read_auth(struct config *c, cfg_t *cfg)
{
    cfg_t *auth = cfg_getsec(cfg, "auth");
    c->auth_mechanisms = config_strings(auth, "mechanisms");
    c->auth_smtp = cfg_getbool(auth, "smtp");
    c->auth_sender_match = cfg_getbool(auth, "sender-match");
    c->no_mail = cfg_getbool(cfg, "no-mail");
    const char *expn = cfg_getstr(cfg, "expn");
    c->expn = strcmp(expn, "all") == 0 ? EXPN_ALL : strcmp(expn, "none") == 0 ? EXPN_NONE : EXPN_TRUSTED;
    c->auth_plain_without_tls = cfg_getbool(auth, "plain-without-tls");
    c->auth_pop3_needs_tls = !cfg_getbool(auth, "pop3-user-without-tls");
    c->auth_imap_login_without_tls = cfg_getbool(auth, "imap-login-without-tls");
    c->auth_keytab = config_file_name(c, cfg_getstr(auth, "keytab"));
    c->auth_guesses = (int)cfg_getint(auth, "free-guesses");
    c->auth_anonymous = copy_or_null(cfg_getstr(auth, "anonymous"));

    const char *relay = cfg_getstr(cfg_getsec(cfg, "relay"), "tls");
    config_parse_relay_tls(relay, &c->relay_tls);
    c->relay_ca = config_file_name(c, cfg_getstr(cfg_getsec(cfg, "relay"), "ca"));
}

static void read_networks(struct config *c, cfg_t *cfg, struct buf *errors)
{
    c->local_domains = config_strings(cfg, "domains");
    c->relay_domains = config_strings(cfg, "relay-domains");
    for (unsigned i = 0; i < cfg_size(cfg, "relay-from"); i++) {
        struct netblock b;
        if (netblock_parse(&b, slice_str(cfg_getnstr(cfg, "relay-from", i))))
            APPEND(c->relay_from.v, c->relay_from.n, b);
    }
    cfg_t *dns = cfg_getsec(cfg, "dns");
    for (unsigned i = 0; i < cfg_size(dns, "servers"); i++) {
        struct netaddr a;
        if (config_parse_endpoint(&a, slice_str(cfg_getnstr(dns, "servers", i)), 53))
            APPEND(c->nameservers, c->nameserver_count, a);
    }
    c->dns_timeout = conf_duration_ms(dns, "timeout");
    c->dns_tries = (int)cfg_getint(dns, "tries");

    cfg_t *relay = cfg_getsec(cfg, "relay");
    c->smtp_port = (uint16_t)cfg_getint(relay, "port");
    c->source_v4 = source_address(relay, "source-v4", AF_INET, c->path, errors);
    c->source_v6 = source_address(relay, "source-v6", AF_INET6, c->path, errors);
}

static void read_numbers(struct config *c, cfg_t *cfg)
{
    cfg_t *retry = cfg_getsec(cfg, "retry");
    c->retry_min = conf_duration_ms(retry, "min");
    c->retry_max = conf_duration_ms(retry, "max");
    c->expire = conf_duration_ms(retry, "expire");
    c->warn = conf_duration_ms(retry, "warn");
    c->queue_scan = conf_duration_ms(retry, "scan");

    cfg_t *d = cfg_getsec(cfg, "deliveries");
    c->deliveries = (int)cfg_getint(d, "total");
    c->content_filter_sessions = (int)cfg_getint(d, "content-filter");
    c->deliveries_per_destination = (int)cfg_getint(d, "per-destination");
    c->max_exchangers = (int)cfg_getint(d, "max-exchangers");

    cfg_t *l = cfg_getsec(cfg, "limits");
    c->message_size = conf_size(l, "message-size");
    c->free_space = conf_size(l, "free-space");
    c->free_memory = conf_size(l, "free-memory");
    c->recipients = (int)cfg_getint(l, "recipients");
    c->hops = (int)cfg_getint(l, "hops");
    c->sessions = (int)cfg_getint(l, "sessions");
    c->sessions_per_client = (int)cfg_getint(l, "sessions-per-client");
    c->literal_minus = cfg_getbool(l, "literal-minus");
    c->errors = (int)cfg_getint(l, "errors");
    c->pop3_login_delay = conf_duration_ms(l, "pop3-login-delay");

    cfg_t *t = cfg_getsec(cfg, "timeouts");
    const struct { const char *key; int64_t *where; } timeouts[] = {
        {"command", &c->timeout_command}, {"connect", &c->timeout_connect},
        {"greeting", &c->timeout_greeting}, {"mail", &c->timeout_mail}, {"rcpt", &c->timeout_rcpt},
        {"data", &c->timeout_data}, {"block", &c->timeout_block}, {"end", &c->timeout_end},
        {"pop3", &c->timeout_pop3}, {"imap", &c->timeout_imap}, {"stop", &c->timeout_stop},
        {"program", &c->timeout_command_run},
    };
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
        *timeouts[i].where = conf_duration_ms(t, timeouts[i].key);
}

/* What no single line shows to be wrong. */
static void check_whole(const struct config *c, struct buf *errors)
{
    if (!*c->hostname)
        buf_printf(errors, "%s: hostname is missing; add a line such as hostname = "
                   "\"mail.example.org\"\n", c->path);
    if (!c->tls_certificate != !c->tls_key)
        buf_printf(errors, "%s: tls: certificate and key belong together; name both files\n",
                   c->path);
    if (c->retry_min <= 0 || c->queue_scan <= 0)
        buf_printf(errors, "%s: retry: min and scan must be longer than 0; write \"5m\" and "
                   "\"60s\"\n", c->path);
    if (c->retry_min > c->retry_max)
        buf_printf(errors, "%s: retry: min is longer than max; make max at least as long\n",
                   c->path);
    for (size_t i = 0; i < c->relay_domains.n; i++)
        if (config_is_local(c, slice_str(c->relay_domains.v[i])))
            buf_printf(errors, "%s: %s is in domains and in relay-domains; it is delivered here or "
                       "passed on: remove it from one\n", c->path, c->relay_domains.v[i]);
    for (size_t i = 0; i < c->listener_count; i++) {
        for (size_t j = i + 1; j < c->listener_count; j++) {
            char a[160], b[160];
            netaddr_text(&c->listeners[i].addr, a);
            netaddr_text(&c->listeners[j].addr, b);
            if (strcmp(a, b) == 0 && netaddr_port(&c->listeners[i].addr) +
                                     (c->listeners[i].addr.sa.sa_family == AF_UNIX))
                buf_printf(errors,
                           "%s: listen %s and listen %s both want %s; give one another port\n",
                           c->path, services[c->listeners[i].kind].name,
                           services[c->listeners[j].kind].name, a);
        }
    }
    for (size_t i = 0; i < c->listener_count && !c->tls_certificate; i++)
        if (config_is_implicit_tls(c->listeners[i].kind)) {
            buf_printf(errors,
                       "%s: listen %s needs TLS; add tls { certificate = \"...\" key = \"...\" }\n",
                       c->path, services[c->listeners[i].kind].name);
            break;
        }
    enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 };
    if (strlen(c->run_dir) + strlen("/queue") > SOCKET_PATH_MAX)
        buf_printf(errors,
                   "%s: the sockets' path %s/queue is longer than %d octets; set run-directory "
                   "to a shorter one\n",
                   c->path, c->run_dir, (int)SOCKET_PATH_MAX);
}

struct config *config_load(const char *path, struct buf *errors)
{
    size_t errors_before = errors->len;
    cfg_t *cfg = config_keys_load(path, errors);
    if (!cfg)
        return NULL;
    struct config *c = xcalloc(1, sizeof *c);
    char *absolute = realpath(path, NULL);
    c->path = absolute ? absolute : xstrdup(path);
    read_places(c, cfg);
    read_auth(c, cfg);
    read_listeners(c, cfg, errors);
    read_mda_socket(c, cfg);
    read_networks(c, cfg, errors);
    read_numbers(c, cfg);
    c->program_folders = config_strings(cfg, "program-folders");
    config_transports_read(c, cfg, errors);
    config_filters_read(c, cfg, errors);
    config_read_accounts(c, cfg, errors);
    char *copy = xstrdup(c->path);
    c->policy = policy_conf_read(cfg, c->path, dirname(copy), c->spool, errors);
    free(copy);
    cfg_free(cfg);
    check_whole(c, errors);
    if (errors->len > errors_before) {
        config_free(c);
        return NULL;
    }
    return c;
}

void config_free_strings(struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    char *texts[] = {c->path, c->hostname, c->user, c->mda_user, c->auth_user, c->spool, c->run_dir,
                     c->mail_dir, c->mail_folders, c->mail_kept, c->users_file, c->aliases_file, c->postmaster,
                     c->content_filter, c->mda_socket, c->auth_socket, c->queue_socket, c->event_log,
                     c->tls_certificate, c->tls_key, c->tls_client_ca, c->auth_anonymous};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    free(c->source_v4);
    free(c->source_v6);
    config_filters_free(c);
    config_transports_free(c);
    free(c->mailbox_program);
    free(c->forward_file);
    config_free_strings(&c->program_folders);
    free(c->relay_ca);
    config_free_strings(&c->local_domains);
    config_free_strings(&c->relay_domains);
    config_free_strings(&c->auth_mechanisms);
    config_free_accounts(c);
    policy_conf_free(c->policy);
    free(c->relay_from.v);
    free(c->listeners);
    free(c->nameservers);
    free(c);
}

/* ---- questions ------------------------------------------------------------------------------- */

static bool in_list(const struct string_list *l, struct slice domain)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_ieq_str(domain, l->v[i]))
            return true;
    return false;
}

/* Binding a datagram socket to port 0 tells it. */
bool config_own_address(const struct netaddr *a)
{
    struct netaddr any_port = *a;
    if (a->sa.sa_family == AF_INET)
        any_port.in.sin_port = 0;
    else
        any_port.in6.sin6_port = 0;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    bool own = bind(fd, &any_port.sa, any_port.len) == 0 || errno != EADDRNOTAVAIL;
    close(fd);
    return own;
}

/* RFC 5321 4.1.3: "[192.0.2.1]" and "[IPv6:2001:db8::1]" name a host by its address. */
static bool is_own_literal(const struct config *c, struct slice domain)
{
    struct slice text = slice_sub(domain, 1, domain.n - 1);
    if (slice_istarts(text, SLICE("IPv6:")))
        text = slice_sub(text, 5, text.n);
    struct netaddr a;
    if (!netaddr_parse(&a, text, 0) || a.sa.sa_family == AF_UNIX)
        return false;
    struct netaddr any;
    bool v4 = a.sa.sa_family == AF_INET;
    netaddr_parse(&any, slice_str(v4 ? "0.0.0.0" : "::"), 0);
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct netaddr *own = &c->listeners[i].addr;
        if (netaddr_same_host(own, &a) || (netaddr_same_host(own, &any) && config_own_address(&a)))
            return true;
    }
    return (c->source_v4 && netaddr_same_host(c->source_v4, &a)) ||
           (c->source_v6 && netaddr_same_host(c->source_v6, &a));
}

bool config_is_local(const struct config *c, struct slice domain)
{
    if (domain.n > 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']')
        return is_own_literal(c, domain);
    return in_list(&c->local_domains, domain);
}

bool config_is_relay(const struct config *c, struct slice domain)
{
    return in_list(&c->relay_domains, domain);
}

bool config_may_relay(const struct config *c, const struct netaddr *client)
{
    for (size_t i = 0; i < c->relay_from.n; i++)
        if (netblock_has(&c->relay_from.v[i], client))
            return true;
    return false;
}
