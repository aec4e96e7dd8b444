/* backend_ldap.c - accounts in a directory (RFC 4511), found by a filter of the configuration. Their
 * passwords are checked by binding as them, or by the hash when the directory shows it. */
#include "reference/auth/optional.h"

#ifdef WITH_LDAP
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/secret_file.h"
#include "reference/auth/template.h"

#include <ldap.h>
#include <stdlib.h>
#include <sys/time.h>

enum { DAY = 86400, TARGETS_MAX = 1000 };

struct state {
    const struct accounts_conf *conf;
    LDAP *search;              /* bound as `user`; NULL: not connected */
};

static void *open_ldap(const struct accounts_conf *conf)
{
    struct state *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    return s;
}

static void disconnect(LDAP **ldap)
{
    if (*ldap)
        ldap_unbind_ext_s(*ldap, NULL, NULL);
    *ldap = NULL;
}

static void close_ldap(void *state)
{
    struct state *s = state;
    disconnect(&s->search);
    free(s);
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool set_options(LDAP *ldap, const struct accounts_conf *c)
{
    const int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, ours = 0;
    const struct timeval wait = {c->timeout / 1000, c->timeout % 1000 * 1000};
    bool good = ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_SUCCESS &&
                ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &wait) == LDAP_SUCCESS &&
                ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &wait) == LDAP_SUCCESS &&
                ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_SUCCESS;
    if (good && c->ca_file)
        good = ldap_set_option(ldap, LDAP_OPT_X_TLS_CACERTFILE, c->ca_file) == LDAP_SUCCESS &&
               ldap_set_option(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == LDAP_SUCCESS &&
               ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &ours) == LDAP_SUCCESS;
    return good;
}

static void add_error(struct buf *why, LDAP *ldap, const char *what, int result)
{
    char *more = NULL;
    if (ldap)
        ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    buf_printf(why, "%s: %s%s%s", what, ldap_err2string(result), more && *more ? ": " : "",
               more ? more : "");
    ldap_memfree(more);
}

/* A new connection, with TLS where the configuration says so; nobody is bound yet. */
static LDAP *connect_to(const struct accounts_conf *c, struct buf *why)
{
    LDAP *ldap = NULL;
    int result = ldap_initialize(&ldap, c->server);
    if (result == LDAP_SUCCESS && !set_options(ldap, c))
        result = LDAP_PARAM_ERROR;
    /* RFC 4513 3: an ldaps: or ldapi: connection is protected as it is. */
    if (result == LDAP_SUCCESS && c->tls && slice_istarts(slice_str(c->server), SLICE("ldap:")))
        result = ldap_start_tls_s(ldap, NULL, NULL);
    if (result == LDAP_SUCCESS)
        return ldap;
    add_error(why, ldap, c->server, result);
    disconnect(&ldap);
    return NULL;
}

static int bind_as(LDAP *ldap, const char *dn, const char *password)
{
    struct berval secret = {strlen(password), (char *)(uintptr_t)password};
    return ldap_sasl_bind_s(ldap, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static bool connected(struct state *s, struct buf *why)
{
    const struct accounts_conf *c = s->conf;
    char *password = NULL;
    if (s->search)
        return true;
    if (c->password_file && !(password = secret_file_read(c->password_file, why)))
        return false;
    s->search = connect_to(c, why);
    if (s->search && c->user) {
        int result = bind_as(s->search, c->user, password ? password : "");
        if (result != LDAP_SUCCESS) {
            add_error(why, s->search, c->user, result);
            disconnect(&s->search);
        }
    }
    secret_file_wipe(password);
    return s->search != NULL;
}

/* ---- searching ------------------------------------------------------------------------------- */

static int search(struct state *s, const char *filter, int most, LDAPMessage **found)
{
    struct timeval wait = {s->conf->timeout / 1000, s->conf->timeout % 1000 * 1000};
    return ldap_search_ext_s(s->search, s->conf->base ? s->conf->base : "", LDAP_SCOPE_SUBTREE,
                             filter, NULL, 0, NULL, NULL, &wait, most, found);
}

/* How many entries the filter finds, at most `most` of them in *found (for ldap_msgfree); -1 when
 * nobody can tell. An idle connection may have ended: once more, on a new one. */
static int find(struct state *s, const char *text, const struct account_query *q, int most,
                LDAPMessage **found, struct buf *why)
{
    struct buf filter = {0};
    int result = LDAP_OTHER;
    bool old = s->search != NULL;
    *found = NULL;
    template_ldap(text, q, &filter);
    for (int i = 0; i < 1 + old; i++) {
        buf_clear(why);
        if (!connected(s, why))
            break;
        result = search(s, buf_str(&filter), most, found);
        if (result == LDAP_SUCCESS || result == LDAP_NO_SUCH_OBJECT ||
            result == LDAP_SIZELIMIT_EXCEEDED)
            break;
        ldap_msgfree(*found);
        *found = NULL;
        buf_clear(why);
        add_error(why, s->search, "the search", result);
        disconnect(&s->search);
    }
    buf_free(&filter);
    if (result == LDAP_NO_SUCH_OBJECT)
        return 0;
    return s->search && (result == LDAP_SUCCESS || result == LDAP_SIZELIMIT_EXCEEDED)
               ? ldap_count_entries(s->search, *found) : -1;
}

/* The first value of an attribute, malloc'ed; NULL when there is none, or it has a NUL. */
static char *value_of(LDAP *ldap, LDAPMessage *entry, const char *attribute)
{
    struct berval **values = attribute ? ldap_get_values_len(ldap, entry, attribute) : NULL;
    char *text = NULL;
    if (values && values[0] && !memchr(values[0]->bv_val, 0, values[0]->bv_len))
        text = slice_dup(slice_of(values[0]->bv_val, values[0]->bv_len));
    ldap_value_free_len(values);
    return text;
}

static int64_t number_of(LDAP *ldap, LDAPMessage *entry, const char *attribute, int64_t otherwise)
{
    char *text = value_of(ldap, entry, attribute);
    uint64_t n;
    int64_t value = text && slice_number(slice_str(text), INT64_MAX / DAY, &n) ? (int64_t)n
                                                                              : otherwise;
    free(text);
    return value;
}

/* Directories have no common name for it: nsAccountLock is TRUE, loginDisabled too, others are 1. Any
 * value that does not say no is a yes: better shut out than let in. */
static bool flag_of(LDAP *ldap, LDAPMessage *entry, const char *attribute)
{
    static const char *const no[] = {"", "0", "FALSE", "no", "off"};
    char *text = value_of(ldap, entry, attribute);
    bool set = text != NULL;
    for (size_t i = 0; set && i < sizeof no / sizeof *no; i++)
        set = !slice_ieq_str(slice_str(text), no[i]);
    free(text);
    return set;
}

/* RFC 2307: posixAccount and shadowAccount. */
static enum auth_status fill_user(struct state *s, LDAPMessage *entry,
                                  const struct account_query *q, struct record *out)
{
    const struct accounts_conf *c = s->conf;
    struct account *a = &out->account;
    a->user = value_of(s->search, entry, c->user_attribute);
    a->home = value_of(s->search, entry, "homeDirectory");
    a->uid = number_of(s->search, entry, "uidNumber", -1);
    a->gid = number_of(s->search, entry, "gidNumber", -1);
    a->quota = number_of(s->search, entry, c->quota_attribute, 0);
    out->expires = number_of(s->search, entry, "shadowExpire", 0) * DAY;
    out->disabled = flag_of(s->search, entry, c->disabled_attribute);
    out->secret = value_of(s->search, entry, c->secret_attribute);
    if (!a->user)
        a->user = xstrdup(q->address);
    for (char *p = a->user; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    if (!a->home)
        a->home = xstrdup("");
    return AUTH_OK;
}

/* All values of all entries found. Commands and files are not to come from there. */
static enum auth_status fill_alias(struct state *s, LDAPMessage *found,
                                   const struct account_query *q, struct record *out)
{
    struct account *a = &out->account;
    LDAP *ldap = s->search;
    for (LDAPMessage *e = ldap_first_entry(ldap, found); e; e = ldap_next_entry(ldap, e)) {
        struct berval **v = ldap_get_values_len(ldap, e, s->conf->target_attribute);
        for (int i = 0; v && v[i] && a->target_count < TARGETS_MAX; i++) {
            if (v[i]->bv_len == 0 || strchr("|/:", v[i]->bv_val[0]) ||
                memchr(v[i]->bv_val, 0, v[i]->bv_len))
                continue;
            a->targets = xreallocarray(a->targets, a->target_count + 1, sizeof *a->targets);
            a->targets[a->target_count++] = slice_dup(slice_of(v[i]->bv_val, v[i]->bv_len));
        }
        ldap_value_free_len(v);
    }
    if (a->target_count == 0)
        return AUTH_NO;
    a->user = xstrdup(q->address);
    return AUTH_ALIAS;
}

/* ---- the functions --------------------------------------------------------------------------- */

/* Two entries of one name: nobody can tell which is meant. */
static enum auth_status find_user(struct state *s, const struct account_query *q,
                                  struct record *out, char **dn, struct buf *why)
{
    LDAPMessage *found;
    int n = find(s, s->conf->user_query, q, 2, &found, why);
    enum auth_status status = n == 0 ? AUTH_NO : AUTH_TEMPFAIL;
    if (n > 1)
        buf_printf(why, "more than one entry for %s", q->address);
    if (n == 1) {
        LDAPMessage *entry = ldap_first_entry(s->search, found);
        char *name = dn ? ldap_get_dn(s->search, entry) : NULL;
        if (dn)
            *dn = xstrdup(name ? name : "");
        ldap_memfree(name);
        status = fill_user(s, entry, q, out);
    }
    ldap_msgfree(found);
    return status;
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    struct state *s = state;
    LDAPMessage *found;
    enum auth_status status = AUTH_NO;
    if (s->conf->alias_query && !q->account_only) {
        int n = find(s, s->conf->alias_query, q, TARGETS_MAX, &found, why);
        status = n < 0 ? AUTH_TEMPFAIL : n ? fill_alias(s, found, q, out) : AUTH_NO;
        ldap_msgfree(found);
    }
    return status == AUTH_NO && *q->local ? find_user(s, q, out, NULL, why) : status;
}

/* RFC 4511 4.1.9: which results say that this user may not, and which that nobody can tell. */
static enum auth_status verdict(int result)
{
    switch (result) {
    case LDAP_SUCCESS:
        return AUTH_OK;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INSUFFICIENT_ACCESS:
        return AUTH_NO;
    default:
        return AUTH_TEMPFAIL;
    }
}

static enum auth_status verify(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why)
{
    struct state *s = state;
    char *dn = NULL;
    /* RFC 4513 5.1.2: a bind with a name and no password succeeds and proves nothing. */
    enum auth_status status = *password ? find_user(s, q, out, &dn, why) : AUTH_NO;
    if (status == AUTH_OK) {
        LDAP *own = *dn ? connect_to(s->conf, why) : NULL;
        int result = own ? bind_as(own, dn, password) : LDAP_SERVER_DOWN;
        status = verdict(result);
        if (own && status == AUTH_TEMPFAIL)
            add_error(why, own, "the bind", result);
        disconnect(&own);
    }
    free(dn);
    return status;
}

static enum auth_status domain(void *state, const char *name, struct buf *why)
{
    struct state *s = state;
    LDAPMessage *found;
    const struct account_query q = {.address = name, .local = "", .domain = name};
    if (!s->conf->domain_query)
        return AUTH_NO;
    int n = find(s, s->conf->domain_query, &q, 1, &found, why);
    ldap_msgfree(found);
    return n < 0 ? AUTH_TEMPFAIL : n ? AUTH_OK : AUTH_NO;
}

static void probe(void *state, struct buf *errors)
{
    struct state *s = state;
    struct buf why = {0};
    struct record none = {0};
    const struct account_query q = {.address = "postroad-check", .local = "postroad-check",
                                    .domain = ""};
    if (look_up(s, &q, &none, &why) == AUTH_TEMPFAIL)
        buf_printf(errors, "accounts %s: %s; is the directory running, are the filters right?\n",
                   s->conf->name, buf_str(&why));
    record_free(&none);
    buf_free(&why);
}

static void check(const struct accounts_conf *c, struct buf *errors)
{
    const char *const filters[] = {c->user_query, c->alias_query, c->domain_query};
    if (!c->server || !c->base || !c->user_query)
        buf_printf(errors, "accounts %s: server, base and user-query must be given; server is an "
                   "URI such as \"ldap://ldap.example.org\"\n", c->name);
    if (c->alias_query && !c->target_attribute)
        buf_printf(errors, "accounts %s: alias-query needs target-attribute\n", c->name);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct buf filter = {0};
        const struct account_query q = {.address = "a", .local = "a", .domain = "a"};
        const char *wrong = filters[i] ? template_ldap(filters[i], &q, &filter) : NULL;
        if (wrong)
            buf_printf(errors, "accounts %s: %s: %s\n", c->name, filters[i], wrong);
        buf_free(&filter);
    }
}

const struct backend_type backend_ldap = {
    .name = "ldap",
    .remote = true,
    .check = check,
    .open = open_ldap,
    .close = close_ldap,
    .probe = probe,
    .look_up = look_up,
    .verify = verify,
    .domain = domain,
};

#endif
