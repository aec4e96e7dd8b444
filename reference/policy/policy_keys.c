/* policy_keys.c - the keys of the sections policy, rule and dnsbl, and what each value may be. */
#include "reference/policy/policy_conf.h"

#include "base/conf.h"
#include "base/timing.h"

static const char *const stages[] = {"connect", "helo", "mail", "rcpt", "data", "header", "end"};

const char *policy_stage_name(enum policy_stage s) { return stages[s]; }

/* The keys of the conditions, and the words that some are limited to. */
static const struct { const char *name; const char *words[8]; } conditions[CONDITIONS] = {
    [ON_CLIENT] = {"client", {0}},
    [ON_CLIENT_NAME] = {"client-name", {0}},
    [ON_HELO] = {"helo", {0}},
    [ON_SENDER] = {"sender", {0}},
    [ON_RECIPIENT] = {"recipient", {0}},
    [ON_PAIR] = {"pair", {0}},
    [ON_USER_LIST] = {"user-list", {0}},
    [ON_REVERSE] = {"reverse", {"pass", "none", "mismatch", "temporary"}},
    [ON_HELO_CHECK] = {"helo-check", {"unqualified", "literal", "wrong-literal", "ours", "unknown",
                                      "differs"}},
    [ON_DNSBL] = {"dnsbl", {0}},
    [ON_RATE] = {"rate", {0}},
    [ON_HEADER] = {"header", {0}},
};

const char *condition_name(enum condition c) { return conditions[c].name; }

cfg_opt_t policy_keys[] = {
    CFG_STR("dns-deadline", "3s", CFGF_NONE), CFG_STR("greet-delay", "0", CFGF_NONE),
    CFG_STR("greylist-wait", "5m", CFGF_NONE), CFG_STR("greylist-window", "1d", CFGF_NONE),
    CFG_STR("greylist-life", "36d", CFGF_NONE), CFG_STR("greylist-file", "", CFGF_NONE),
    CFG_STR("quarantine", "", CFGF_NONE), CFG_BOOL("reverse-names", cfg_false, CFGF_NONE),
    CFG_BOOL("authentication-results", cfg_true, CFGF_NONE), CFG_END(),
};
cfg_opt_t rule_keys[] = {
    CFG_STR("at", "rcpt", CFGF_NONE), CFG_STR("for", "strangers", CFGF_NONE),
    CFG_STR_LIST("client", "{}", CFGF_NONE), CFG_STR_LIST("client-name", "{}", CFGF_NONE),
    CFG_STR_LIST("helo", "{}", CFGF_NONE), CFG_STR_LIST("sender", "{}", CFGF_NONE),
    CFG_STR_LIST("recipient", "{}", CFGF_NONE), CFG_STR_LIST("pair", "{}", CFGF_NONE),
    CFG_STR_LIST("user-list", "{}", CFGF_NONE), CFG_STR_LIST("reverse", "{}", CFGF_NONE),
    CFG_STR_LIST("helo-check", "{}", CFGF_NONE), CFG_STR_LIST("dnsbl", "{}", CFGF_NONE),
    CFG_STR_LIST("rate", "{}", CFGF_NONE), CFG_STR_LIST("header", "{}", CFGF_NONE),
    CFG_INT("dnsbl-score", 0, CFGF_NODEFAULT),
    CFG_BOOL("greylist", cfg_false, CFGF_NONE), CFG_BOOL("early-talker", cfg_false, CFGF_NONE),
    CFG_STR("verdict", "", CFGF_NONE), CFG_END(),
};
cfg_opt_t dnsbl_keys[] = {
    CFG_STR("zone", "", CFGF_NONE), CFG_STR_LIST("of", "{\"client\"}", CFGF_NONE),
    CFG_STR_LIST("codes", "{}", CFGF_NONE), CFG_INT("score", 1, CFGF_NONE),
    CFG_BOOL("test-entries", cfg_true, CFGF_NONE), CFG_END(),
};

cfg_opt_t list_keys[] = {
    CFG_STR("type", "", CFGF_NONE), CFG_STR("server", "", CFGF_NONE), CFG_INT("port", 0, CFGF_NONE),
    CFG_STR("database", "", CFGF_NONE), CFG_STR("user", "", CFGF_NONE),
    CFG_STR("password-file", "", CFGF_NONE), CFG_STR("query", "", CFGF_NONE),
    CFG_STR("base", "", CFGF_NONE), CFG_STR("filter", "", CFGF_NONE),
    CFG_STR("reason-attribute", "", CFGF_NONE), CFG_STR("timeout", "2s", CFGF_NONE), CFG_END(),
};

static bool is_one_of(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static int check_words(cfg_t *cfg, cfg_opt_t *opt, const char *const *words)
{
    struct buf list = {0};
    for (size_t i = 0; words[i]; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        if (text && !is_one_of(text + (*text == '!'), words)) {
            cfg_error(cfg, "%s: \"%s\" is not known; write one of %s", cfg_opt_name(opt), text,
                      buf_str(&list));
            buf_free(&list);
            return -1;
        }
    }
    buf_free(&list);
    return 0;
}

static int check_at(cfg_t *cfg, cfg_opt_t *opt)
{
    static const char *const words[] = {"connect", "helo", "mail", "rcpt", "data", "header", "end",
                                        NULL};
    return check_words(cfg, opt, words);
}

static int check_for(cfg_t *cfg, cfg_opt_t *opt)
{
    static const char *const words[] = {"strangers", "users", "all", NULL};
    return check_words(cfg, opt, words);
}

static int check_of(cfg_t *cfg, cfg_opt_t *opt)
{
    static const char *const words[] = {"client", "name", "helo", "sender", NULL};
    return check_words(cfg, opt, words);
}

static int check_condition_words(cfg_t *cfg, cfg_opt_t *opt)
{
    for (int c = 0; c < CONDITIONS; c++)
        if (strcmp(conditions[c].name, cfg_opt_name(opt)) == 0)
            return check_words(cfg, opt, conditions[c].words);
    return 0;
}

static int check_verdict(cfg_t *cfg, cfg_opt_t *opt)
{
    struct action a;
    const char *why;
    const char *text = cfg_opt_getnstr(opt, 0);
    bool good = action_parse(slice_str(text), &a, &why);
    action_free(&a);
    if (!good)
        cfg_error(cfg, "verdict \"%s\": %s", text, why);
    return good ? 0 : -1;
}

/* Patterns that would never match anything are mistakes: "10.0.0.1/33", "a b". */
static int check_patterns(cfg_t *cfg, cfg_opt_t *opt)
{
    bool networks = strcmp(cfg_opt_name(opt), "client") == 0;
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        struct netblock b;
        text += *text == '!';
        bool source = strncmp(text, "file:", 5) == 0 || strncmp(text, "sqlite:", 7) == 0 ||
                      strncmp(text, "list:", 5) == 0;
        if (source || (networks ? netblock_parse(&b, slice_str(text)) : *text != 0))
            continue;
        cfg_error(cfg, networks
                      ? "client: \"%s\" is no address; write \"198.51.100.7\", "
                        "\"198.51.100.0/24\", \"file:blocked\" or \"sqlite:lists.db#blocked\""
                      : "\"%s\" is no pattern; write a name, an address or \"file:blocked\"", text);
        return -1;
    }
    return 0;
}

void policy_keys_attach(void)
{
    static const struct {
        cfg_opt_t *keys;
        const char *name;
        cfg_validate_callback_t check;
    } t[] = {
        {policy_keys, "dns-deadline", conf_check_duration},
        {policy_keys, "greet-delay", conf_check_duration},
        {policy_keys, "greylist-wait", conf_check_duration},
        {policy_keys, "greylist-window", conf_check_duration},
        {policy_keys, "greylist-life", conf_check_duration},
        {rule_keys, "at", check_at},
        {rule_keys, "for", check_for},
        {rule_keys, "client", check_patterns},
        {rule_keys, "client-name", check_patterns},
        {rule_keys, "helo", check_patterns},
        {rule_keys, "sender", check_patterns},
        {rule_keys, "recipient", check_patterns},
        {rule_keys, "reverse", check_condition_words},
        {rule_keys, "helo-check", check_condition_words},
        {rule_keys, "verdict", check_verdict},
        {dnsbl_keys, "of", check_of},
        {list_keys, "port", conf_check_port},
        {list_keys, "timeout", conf_check_duration},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (cfg_opt_t *o = t[i].keys; o->name; o++)
            if (strcmp(o->name, t[i].name) == 0)
                o->validcb = t[i].check;
}
