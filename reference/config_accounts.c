/* config_accounts.c - the sections accounts NAME { }. */
#include "reference/config_internal.h"

#include "base/conf.h"
#include "base/mem.h"
#include "reference/auth/backend.h"

#include <stdlib.h>

static char *text(cfg_t *sec, const char *key)
{
    const char *s = cfg_getstr(sec, key);
    return s && *s ? xstrdup(s) : NULL;
}

static struct accounts_conf read_section(const struct config *c, cfg_t *sec)
{
    return (struct accounts_conf){
        .name = xstrdup(cfg_title(sec)),
        .type = xstrdup(cfg_getstr(sec, "type")),
        .domains = config_strings(sec, "domains"),
        .default_domain = text(sec, "default-domain"),
        .timeout = conf_duration_ms(sec, "timeout"),
        .cache = conf_duration_ms(sec, "cache"),
        .cache_entries = (int)cfg_getint(sec, "cache-entries"),
        .workers = (int)cfg_getint(sec, "workers"),
        .path = config_file_name(c, cfg_getstr(sec, "path")),
        .shadow = config_file_name(c, cfg_getstr(sec, "shadow")),
        .service = text(sec, "service"),
        .directory = config_file_name(c, cfg_getstr(sec, "directory")),
        .server = text(sec, "server"),
        .port = (int)cfg_getint(sec, "port"),
        .database = text(sec, "database"),
        .user = text(sec, "user"),
        .password_file = config_file_name(c, cfg_getstr(sec, "password-file")),
        .user_query = text(sec, "user-query"),
        .alias_query = text(sec, "alias-query"),
        .domain_query = text(sec, "domain-query"),
        .base = text(sec, "base"),
        .ca_file = config_file_name(c, cfg_getstr(sec, "ca-file")),
        .tls = cfg_getbool(sec, "tls"),
        .user_attribute = text(sec, "user-attribute"),
        .target_attribute = text(sec, "target-attribute"),
        .secret_attribute = text(sec, "secret-attribute"),
        .quota_attribute = text(sec, "quota-attribute"),
        .disabled_attribute = text(sec, "disabled-attribute"),
    };
}

static void read_oauth(struct config *c, cfg_t *sec)
{
    c->oauth_introspection = text(sec, "introspection");
    c->oauth_client = text(sec, "client");
    c->oauth_secret_file = config_file_name(c, cfg_getstr(sec, "secret-file"));
    c->oauth_scope = text(sec, "scope");
    c->oauth_user_field = text(sec, "user-field");
    c->oauth_timeout = conf_duration_ms(sec, "timeout");
}

void config_read_accounts(struct config *c, cfg_t *cfg, struct buf *errors)
{
    read_oauth(c, cfg_getsec(cfg, "oauth"));
    struct buf names = {0};
    backend_names(&names);
    for (unsigned i = 0; i < cfg_size(cfg, "accounts"); i++) {
        struct accounts_conf a = read_section(c, cfg_getnsec(cfg, "accounts", i));
        const struct backend_type *type = backend_find(a.type);
        if (!type)
            buf_printf(errors, "%s: accounts %s: there is no type \"%s\" in this build; it has %s\n",
                       c->path, a.name, a.type, buf_str(&names));
        else if (a.timeout <= 0)
            buf_printf(errors, "%s: accounts %s: timeout must be longer than 0; write \"5s\"\n",
                       c->path, a.name);
        if (type && strcmp(a.type, "file") == 0 && !a.path)
            a.path = c->users_file ? xstrdup(c->users_file) : NULL;
        c->virtual_domains |= type && type->domain;
        c->accounts = xreallocarray(c->accounts, c->accounts_count + 1, sizeof *c->accounts);
        c->accounts[c->accounts_count++] = a;
    }
    buf_free(&names);
}

void config_free_accounts(struct config *c)
{
    for (size_t i = 0; i < c->accounts_count; i++) {
        struct accounts_conf *a = &c->accounts[i];
        char *texts[] = {a->name, a->type, a->path, a->shadow, a->service, a->directory, a->server,
                         a->database, a->user, a->password_file, a->user_query, a->alias_query,
                         a->domain_query, a->base, a->ca_file, a->user_attribute,
                         a->target_attribute, a->secret_attribute, a->quota_attribute,
                         a->disabled_attribute, a->default_domain};
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++)
            free(texts[j]);
        config_free_strings(&a->domains);
    }
    free(c->accounts);
    char *others[] = {c->auth_keytab, c->oauth_introspection, c->oauth_client,
                      c->oauth_secret_file, c->oauth_scope, c->oauth_user_field};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        free(others[i]);
}
