/* access_ldap.c - an access list in a directory (RFC 4511): one search whose filter has all the
 * patterns. */
#include "reference/auth/optional.h"

#ifdef WITH_LDAP
#include "reference/policy/access_remote.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/secret_file.h"

#include <ldap.h>
#include <stdlib.h>
#include <sys/time.h>

struct state { const struct list_conf *conf; LDAP *ldap; /* NULL: not connected */ };

static void check(const struct list_conf *c, struct buf *errors)
{
    if (!c->server || !strstr(c->server, "://"))
        buf_printf(errors, "list %s: ldap needs server; write \"ldap://127.0.0.1\"\n", c->name);
    if (!c->filter || !strstr(c->filter, "$pattern"))
        buf_printf(errors, "list %s: filter is missing; write \"(description=$pattern)\"\n",
                   c->name);
}

static void *open_list(const struct list_conf *conf)
{
    struct state *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    return s;
}

static void disconnect(struct state *s)
{
    if (s->ldap)
        ldap_unbind_ext_s(s->ldap, NULL, NULL);
    s->ldap = NULL;
}

static void close_list(void *state)
{
    disconnect(state);
    free(state);
}

static int log_in(struct state *s, struct buf *trouble)
{
    const struct list_conf *c = s->conf;
    if (!c->user)
        return LDAP_SUCCESS;
    char *password = c->password_file ? secret_file_read(c->password_file, trouble) : NULL;
    if (c->password_file && !password)
        return LDAP_PARAM_ERROR;
    struct berval secret = {password ? strlen(password) : 0, password};
    int result = ldap_sasl_bind_s(s->ldap, c->user, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
    secret_file_wipe(password);
    return result;
}

static bool connected(struct state *s, struct buf *trouble)
{
    const struct timeval wait = {s->conf->timeout / 1000, s->conf->timeout % 1000 * 1000};
    const int version = LDAP_VERSION3;
    if (s->ldap)
        return true;
    int result = ldap_initialize(&s->ldap, s->conf->server);
    if (result == LDAP_SUCCESS) {
        ldap_set_option(s->ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
        ldap_set_option(s->ldap, LDAP_OPT_NETWORK_TIMEOUT, &wait);
        ldap_set_option(s->ldap, LDAP_OPT_TIMEOUT, &wait);
        ldap_set_option(s->ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
        result = log_in(s, trouble);
    }
    if (result == LDAP_SUCCESS)
        return true;
    buf_printf(trouble, "%s: %s", s->conf->server, ldap_err2string(result));
    disconnect(s);
    return false;
}

/* "(|(x=a)(x=b))", the patterns with their special characters escaped (RFC 4515 3). */
static void write_filter(const char *filter, char *const *patterns, size_t n, struct buf *out)
{
    const char *at = strstr(filter, "$pattern");
    buf_add_str(out, "(|");
    for (size_t i = 0; i < n; i++) {
        struct berval value = {strlen(patterns[i]), patterns[i]}, escaped = {0};
        if (ldap_bv2escaped_filter_value(&value, &escaped) != 0)
            continue;
        buf_add(out, filter, (size_t)(at - filter));
        buf_add(out, escaped.bv_val, escaped.bv_len);
        buf_add_str(out, at + strlen("$pattern"));
        if (escaped.bv_val != value.bv_val)
            ber_memfree(escaped.bv_val);
    }
    buf_add_str(out, ")");
}

static void take_entry(struct state *s, LDAPMessage *entry, struct buf *found, struct buf *reason)
{
    char *dn = ldap_get_dn(s->ldap, entry);
    const char *attribute = s->conf->reason_attribute;
    struct berval **values = attribute ? ldap_get_values_len(s->ldap, entry, attribute) : NULL;
    buf_add_str(found, dn ? dn : "");
    if (values && values[0])
        buf_add(reason, values[0]->bv_val, values[0]->bv_len);
    ldap_value_free_len(values);
    ldap_memfree(dn);
}

static enum list_answer ask(struct state *s, const char *filter, struct buf *found,
                            struct buf *reason, struct buf *trouble)
{
    struct timeval wait = {s->conf->timeout / 1000, s->conf->timeout % 1000 * 1000};
    LDAPMessage *message = NULL;
    int result = ldap_search_ext_s(s->ldap, s->conf->base ? s->conf->base : "", LDAP_SCOPE_SUBTREE,
                                   filter, NULL, 0, NULL, NULL, &wait, 1, &message);
    enum list_answer answer = LIST_UNKNOWN;
    if (result == LDAP_SUCCESS || result == LDAP_SIZELIMIT_EXCEEDED) {
        LDAPMessage *entry = ldap_first_entry(s->ldap, message);
        answer = entry ? LIST_YES : LIST_NO;
        if (entry)
            take_entry(s, entry, found, reason);
    } else {
        buf_printf(trouble, "the search: %s", ldap_err2string(result));
    }
    ldap_msgfree(message);
    return answer;
}

static enum list_answer find(void *state, char *const *patterns, size_t n, struct buf *found,
                             struct buf *reason, struct buf *trouble)
{
    struct state *s = state;
    struct buf filter = {0};
    enum list_answer answer = LIST_UNKNOWN;
    bool old = s->ldap != NULL;
    write_filter(s->conf->filter, patterns, n, &filter);
    int64_t late = mono_ms() + s->conf->timeout / 2;    /* it did not end, it is silent */
    for (int i = 0; i < 1 + old && answer == LIST_UNKNOWN && mono_ms() < late; i++) {
        buf_clear(trouble);
        if (!connected(s, trouble))
            break;
        answer = ask(s, buf_str(&filter), found, reason, trouble);
        if (answer == LIST_UNKNOWN)
            disconnect(s);
    }
    buf_free(&filter);
    return answer;
}

const struct access_remote access_ldap = {"ldap", check, open_list, close_list, find};
#endif
