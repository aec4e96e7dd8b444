/* config_keys.c - the keys of the configuration file, their defaults, and what each value may be.
 * For people: docs/postroad.conf.5.md. */
#include "reference/config_internal.h"

#include "base/conf.h"
#include "base/timing.h"
#include "reference/auth/sasl.h"
#include "reference/policy/policy_conf.h"

/* ---- validators: they run while the line is read, so that the message names it -------------- */

/* Runs `good` over each text value; an empty text means "not set" and is left alone. */
static int check_each(cfg_t *cfg, cfg_opt_t *opt, bool (*good)(struct slice), const char *what)
{
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        if (text && *text && !good(slice_str(text))) {
            cfg_error(cfg, "%s: \"%s\" is not %s", cfg_opt_name(opt), text, what);
            return -1;
        }
    }
    return 0;
}

static bool is_endpoint(struct slice s)
{
    struct netaddr a;
    return config_parse_endpoint(&a, s, 1);
}

static bool is_address(struct slice s)
{
    struct netaddr a;
    return netaddr_parse(&a, s, 1);
}

/* RFC 5321 4.1.2 Domain: letters, digits and inner hyphens; labels up to 63, at most 255 octets. */
static bool is_domain(struct slice s)
{
    struct slice label;
    if (s.n == 0 || s.n > 255)
        return false;
    while (slice_next(&s, '.', &label)) {
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++) {
            unsigned char c = (unsigned char)label.p[i];
            if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != '-')
                return false;
        }
    }
    return true;
}

static bool is_mechanism(struct slice s) { return sasl_known(s) && !slice_ends(s, SLICE("-PLUS")); }
static bool is_relay_tls(struct slice s)
{
    return slice_eq_str(s, "opportunistic") || slice_eq_str(s, "none") ||
           slice_eq_str(s, "require") || slice_eq_str(s, "verify");
}
static bool is_full_name(struct slice s) { return is_domain(s) && slice_index(s, '.') > 0; }
static bool is_forward(struct slice s) { return slice_starts(s, SLICE("~/")) || s.p[0] == '/'; }
static bool is_format(struct slice s)
{
    return slice_eq_str(s, "mbox") || slice_eq_str(s, "maildir");
}

static int check_hostname(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_full_name,
                      "a fully qualified host name; write one such as \"mail.example.org\"");
}

static int check_domains(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_domain, "a domain name; write one such as \"example.org\"");
}

static int check_endpoint(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_endpoint,
                      "an address; write \"192.0.2.1\", \"192.0.2.1:53\", \"[2001:db8::1]:53\" or "
                      "\"unix:/path\"");
}

static int check_source(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_address,
                      "an address; write one such as \"192.0.2.1\" or \"2001:db8::1\"");
}

static int check_forward(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_forward, "the place of a file; write \"~/.forward\"");
}

static int check_format(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_format, "a mailbox format; write \"mbox\" or \"maildir\"");
}

static int check_mechanism(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_mechanism,
                      "a mechanism; write PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5, SCRAM-SHA-1, "
                      "SCRAM-SHA-256 (its -PLUS comes with it), GSSAPI, OAUTHBEARER, XOAUTH2, "
                      "EXTERNAL or ANONYMOUS");
}

static int check_relay_tls(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_relay_tls,
                      "known; write \"opportunistic\", \"none\", \"require\" or \"verify\"");
}

static bool is_expn(struct slice s)
{
    return slice_eq_str(s, "none") || slice_eq_str(s, "trusted") || slice_eq_str(s, "all");
}

static int check_expn(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_expn, "known; write \"none\", \"trusted\" or \"all\"");
}

static bool is_on_failure(struct slice s)
{
    return slice_eq_str(s, "accept") || slice_eq_str(s, "defer") || slice_eq_str(s, "reject");
}

static int check_on_failure(cfg_t *cfg, cfg_opt_t *opt)
{
    return check_each(cfg, opt, is_on_failure, "known; write \"accept\", \"defer\" or \"reject\"");
}

/* Least values that the RFCs ask for, or that make sense. */
static const struct { const char *key; long least; const char *why; } least_values[] = {
    {"recipients", 100, "RFC 5321 4.5.3.1.8"},
    {"hops", 100, "RFC 5321 6.3"},
    {"max-exchangers", 2, "RFC 5321 5.1"},
    {"sessions-per-client", 0, "0 is no limit"},
    {"free-guesses", 0, "0 slows nobody"},
    {"cache-entries", 1, "fewer would keep nothing"},
    {"workers", 0, "0 is as many as are usual for the type"},
    {"quota-messages", 0, "0 is no limit"},
    {"tries", 1, "fewer would ask nobody"},
    {"sessions", 1, "fewer would serve nobody"},
    {"errors", 1, "fewer would close every session"},
    {"total", 1, "fewer would deliver nothing"},
    {"per-destination", 1, "fewer would deliver nothing"},
    {"content-filter", 1, "fewer would deliver nothing"},
};

static int check_least(cfg_t *cfg, cfg_opt_t *opt)
{
    enum { MOST = 1000000 };
    for (size_t i = 0; i < sizeof least_values / sizeof *least_values; i++) {
        if (strcmp(least_values[i].key, cfg_opt_name(opt)) != 0)
            continue;
        long value = cfg_opt_getnint(opt, 0);
        if (value >= least_values[i].least && value <= MOST)
            return 0;
        cfg_error(cfg, "%s = %ld: must be at least %ld (%s) and at most %d",
                  cfg_opt_name(opt), value, least_values[i].least, least_values[i].why, MOST);
        return -1;
    }
    return 0;
}

/* RFC 5321 4.5.3.1.7: a message of 64K octets must be taken. */
static int check_message_size(cfg_t *cfg, cfg_opt_t *opt)
{
    if (conf_check_size(cfg, opt) != 0)
        return -1;
    uint64_t size = 0;
    parse_size(slice_str(cfg_opt_getnstr(opt, 0)), &size);
    if (size == 0 || size >= 64 * 1024)
        return 0;
    cfg_error(cfg, "message-size = \"%s\": must be at least \"64K\" (RFC 5321 4.5.3.1.7), or \"0\" "
              "for no limit", cfg_opt_getnstr(opt, 0));
    return -1;
}

/* ---- the keys ------------------------------------------------------------------------------- */

static cfg_opt_t mailbox_keys[] = {
    CFG_STR("program", "", CFGF_NONE), CFG_STR("forward", "", CFGF_NONE),
    CFG_STR("path", "/var/spool/mail", CFGF_NONE), CFG_STR("format", "mbox", CFGF_NONE),
    CFG_STR("folders", "", CFGF_NONE), CFG_STR("kept", "", CFGF_NONE), CFG_BOOL("fsync", cfg_true, CFGF_NONE),
    CFG_STR("quota", "0", CFGF_NONE), CFG_INT("quota-messages", 0, CFGF_NONE), CFG_END(),
};
static cfg_opt_t listen_keys[] = {
    CFG_STR_LIST("address", "{}", CFGF_NONE), CFG_INT("port", -1, CFGF_NONE), CFG_END(),
};
static cfg_opt_t dns_keys[] = {
    CFG_STR_LIST("servers", "{}", CFGF_NONE), CFG_STR("timeout", "2s", CFGF_NONE),
    CFG_INT("tries", 3, CFGF_NONE), CFG_END(),
};
static cfg_opt_t relay_keys[] = {
    CFG_INT("port", 25, CFGF_NONE), CFG_STR("source-v4", "", CFGF_NONE),
    CFG_STR("source-v6", "", CFGF_NONE), CFG_STR("tls", "opportunistic", CFGF_NONE),
    CFG_STR("ca", "", CFGF_NONE), CFG_END(),
};
static cfg_opt_t auth_keys[] = {
    CFG_STR_LIST("mechanisms", "{\"PLAIN\", \"LOGIN\", \"EXTERNAL\"}", CFGF_NONE),
    CFG_BOOL("smtp", cfg_false, CFGF_NONE),
    CFG_BOOL("sender-match", cfg_false, CFGF_NONE), CFG_BOOL("plain-without-tls", cfg_false, CFGF_NONE),
    CFG_BOOL("pop3-user-without-tls", cfg_true, CFGF_NONE),
    CFG_BOOL("imap-login-without-tls", cfg_false, CFGF_NONE), CFG_STR("anonymous", "", CFGF_NONE),
    CFG_INT("free-guesses", 10, CFGF_NONE), CFG_STR("keytab", "", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t oauth_keys[] = {
    CFG_STR("introspection", "", CFGF_NONE), CFG_STR("client", "", CFGF_NONE),
    CFG_STR("secret-file", "", CFGF_NONE), CFG_STR("scope", "", CFGF_NONE),
    CFG_STR("user-field", "username", CFGF_NONE), CFG_STR("timeout", "5s", CFGF_NONE), CFG_END(),
};
static cfg_opt_t accounts_keys[] = {
    CFG_STR("type", "", CFGF_NONE), CFG_STR_LIST("domains", "{}", CFGF_NONE),
    CFG_STR("timeout", "5s", CFGF_NONE), CFG_STR("cache", "0s", CFGF_NONE),
    CFG_INT("cache-entries", 1000, CFGF_NONE), CFG_INT("workers", 0, CFGF_NONE),
    CFG_STR("path", "", CFGF_NONE), CFG_STR("shadow", "", CFGF_NONE),
    CFG_STR("service", "postroad", CFGF_NONE), CFG_STR("directory", "", CFGF_NONE),
    CFG_STR("server", "", CFGF_NONE), CFG_INT("port", 0, CFGF_NONE),
    CFG_STR("database", "", CFGF_NONE), CFG_STR("user", "", CFGF_NONE),
    CFG_STR("password-file", "", CFGF_NONE), CFG_STR("user-query", "", CFGF_NONE),
    CFG_STR("alias-query", "", CFGF_NONE), CFG_STR("domain-query", "", CFGF_NONE),
    CFG_STR("base", "", CFGF_NONE), CFG_STR("ca-file", "", CFGF_NONE),
    CFG_BOOL("tls", cfg_true, CFGF_NONE), CFG_STR("user-attribute", "mail", CFGF_NONE),
    CFG_STR("target-attribute", "", CFGF_NONE), CFG_STR("secret-attribute", "", CFGF_NONE),
    CFG_STR("quota-attribute", "", CFGF_NONE), CFG_STR("disabled-attribute", "", CFGF_NONE),
    CFG_STR("default-domain", "", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t retry_keys[] = {
    CFG_STR("min", "5m", CFGF_NONE), CFG_STR("max", "70m", CFGF_NONE),
    CFG_STR("expire", "5d", CFGF_NONE), CFG_STR("scan", "60s", CFGF_NONE),
    CFG_STR("warn", "4h", CFGF_NONE), CFG_END(),
};
static cfg_opt_t delivery_keys[] = {
    CFG_INT("total", 50, CFGF_NONE), CFG_INT("per-destination", 10, CFGF_NONE),
    CFG_INT("content-filter", 2, CFGF_NONE),
    CFG_INT("max-exchangers", 5, CFGF_NONE), CFG_END(),
};
static cfg_opt_t limit_keys[] = {
    CFG_STR("message-size", "50M", CFGF_NONE), CFG_STR("free-space", "10M", CFGF_NONE),
    CFG_STR("free-memory", "16M", CFGF_NONE), CFG_INT("recipients", 1000, CFGF_NONE),
    CFG_INT("hops", 100, CFGF_NONE), CFG_INT("sessions", 1000, CFGF_NONE),
    CFG_INT("sessions-per-client", 50, CFGF_NONE), CFG_INT("errors", 20, CFGF_NONE),
    CFG_STR("pop3-login-delay", "0s", CFGF_NONE), CFG_BOOL("literal-minus", cfg_false, CFGF_NONE), CFG_END(),
};
static cfg_opt_t timeout_keys[] = {
    CFG_STR("command", "5m", CFGF_NONE), CFG_STR("connect", "30s", CFGF_NONE),
    CFG_STR("greeting", "5m", CFGF_NONE), CFG_STR("mail", "5m", CFGF_NONE),
    CFG_STR("rcpt", "5m", CFGF_NONE), CFG_STR("data", "2m", CFGF_NONE),
    CFG_STR("block", "3m", CFGF_NONE), CFG_STR("end", "10m", CFGF_NONE),
    CFG_STR("pop3", "10m", CFGF_NONE), CFG_STR("program", "10m", CFGF_NONE), CFG_STR("imap", "30m", CFGF_NONE), CFG_STR("stop", "10s", CFGF_NONE), CFG_END(),
};
static cfg_opt_t tls_keys[] = {
    CFG_STR("certificate", "", CFGF_NONE), CFG_STR("key", "", CFGF_NONE),
    CFG_STR("client-ca", "", CFGF_NONE), CFG_END(),
};
static cfg_opt_t log_keys[] = {
    CFG_STR("events", "", CFGF_NONE), CFG_BOOL("verbose", cfg_false, CFGF_NONE),
    CFG_BOOL("text", cfg_false, CFGF_NONE), CFG_END(),
};
static cfg_opt_t top_keys[] = {
    CFG_STR("hostname", "", CFGF_NONE), CFG_STR("spool", "/var/spool/postroad", CFGF_NONE),
    CFG_STR("run-directory", "", CFGF_NONE), CFG_STR("user", "postroad", CFGF_NONE),
    CFG_STR("mda-user", "postroad-mda", CFGF_NONE), CFG_STR("auth-user", "", CFGF_NONE),
    CFG_BOOL("landlock", cfg_true, CFGF_NONE), CFG_STR_LIST("domains", "{}", CFGF_NONE),
    CFG_STR_LIST("relay-domains", "{}", CFGF_NONE),
    CFG_STR_LIST("relay-from", "{\"127.0.0.0/8\", \"::1\"}", CFGF_NONE),
    CFG_STR("users-file", "/etc/postroad/users", CFGF_NONE), CFG_STR("aliases-file", "", CFGF_NONE),
    CFG_BOOL("no-mail", cfg_false, CFGF_NONE), CFG_STR("expn", "trusted", CFGF_NONE),
    CFG_STR_LIST("program-folders", "{}", CFGF_NONE),
    CFG_STR("content-filter", "", CFGF_NONE), CFG_STR("content-filter-on-failure", "defer", CFGF_NONE),
    CFG_STR("postmaster", "root", CFGF_NONE), CFG_STR("mda-socket", "", CFGF_NONE),
    CFG_SEC("mailboxes", mailbox_keys, CFGF_NONE),
    CFG_SEC("listen", listen_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("dns", dns_keys, CFGF_NONE), CFG_SEC("relay", relay_keys, CFGF_NONE),
    CFG_SEC("transport", config_transport_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("auth", auth_keys, CFGF_NONE),
    CFG_SEC("oauth", oauth_keys, CFGF_NONE),
    CFG_SEC("accounts", accounts_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("retry", retry_keys, CFGF_NONE), CFG_SEC("deliveries", delivery_keys, CFGF_NONE),
    CFG_SEC("limits", limit_keys, CFGF_NONE), CFG_SEC("timeouts", timeout_keys, CFGF_NONE),
    CFG_SEC("filter", config_filter_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("tls", tls_keys, CFGF_NONE), CFG_SEC("log", log_keys, CFGF_NONE),
    CFG_SEC("policy", policy_keys, CFGF_NONE),
    CFG_SEC("rule", rule_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("list", list_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("dnsbl", dnsbl_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES), CFG_END(),
};

static const struct {
    cfg_opt_t *keys;
    const char *name;
    cfg_validate_callback_t check;
} checks[] = {
    {top_keys, "hostname", check_hostname},
    {top_keys, "domains", check_domains},
    {top_keys, "relay-domains", check_domains},
    {top_keys, "relay-from", conf_check_network},
    {top_keys, "mda-socket", check_endpoint},
    {top_keys, "content-filter", check_endpoint},
    {top_keys, "content-filter-on-failure", check_on_failure},
    {mailbox_keys, "format", check_format},
    {mailbox_keys, "forward", check_forward},
    {mailbox_keys, "quota", conf_check_size},
    {mailbox_keys, "quota-messages", check_least},
    {listen_keys, "address", conf_check_address},
    {listen_keys, "port", conf_check_port},
    {dns_keys, "servers", check_endpoint},
    {dns_keys, "timeout", conf_check_duration},
    {dns_keys, "tries", check_least},
    {relay_keys, "port", conf_check_port},
    {relay_keys, "source-v4", check_source},
    {relay_keys, "source-v6", check_source},
    {relay_keys, "tls", check_relay_tls},
    {auth_keys, "mechanisms", check_mechanism},
    {auth_keys, "free-guesses", check_least},
    {oauth_keys, "timeout", conf_check_duration},
    {accounts_keys, "domains", check_domains},
    {accounts_keys, "default-domain", check_domains},
    {accounts_keys, "timeout", conf_check_duration},
    {accounts_keys, "cache", conf_check_duration},
    {accounts_keys, "cache-entries", check_least},
    {accounts_keys, "workers", check_least},
    {accounts_keys, "port", conf_check_port},
    {retry_keys, NULL, conf_check_duration},
    {delivery_keys, NULL, check_least},
    {limit_keys, "message-size", check_message_size},
    {limit_keys, "free-space", conf_check_size},
    {limit_keys, "free-memory", conf_check_size},
    {top_keys, "expn", check_expn},
    {limit_keys, "pop3-login-delay", conf_check_duration},
    {limit_keys, NULL, check_least},
    {timeout_keys, NULL, conf_check_duration},
};

/* libconfuse copies the callbacks with the options, so they are put into the tables once. */
static void attach_checks(void)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        for (cfg_opt_t *o = checks[i].keys; o->name; o++)
            if (checks[i].name ? strcmp(o->name, checks[i].name) == 0 : o->validcb == NULL)
                o->validcb = checks[i].check;
}

cfg_t *config_keys_load(const char *path, struct buf *errors)
{
    attach_checks();
    config_filters_attach();
    policy_keys_attach();
    return conf_load(top_keys, path, errors);
}
