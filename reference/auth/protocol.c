/* protocol.c - requests and answers of the auth process. */
#include "reference/auth/protocol.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/password.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const status_words[] = {
    [AUTH_OK] = "ok", [AUTH_ALIAS] = "alias", [AUTH_NO] = "no", [AUTH_TEMPFAIL] = "tempfail",
};

/* ---- client's side --------------------------------------------------------------------------- */

void auth_write_verify(struct buf *b, const char *user, const char *password, const char *peer)
{
    buf_add_str(b, "{\"op\":\"verify\",\"user\":");
    buf_add_json(b, slice_str(user));
    /* In hex, since a password is octets and JSON text is characters. */
    buf_add_str(b, ",\"password\":\"");
    buf_reserve(b, 2 * strlen(password) + 64);
    for (const char *p = password; *p; p++) {
        buf_add_byte(b, "0123456789abcdef"[(unsigned char)*p >> 4]);
        buf_add_byte(b, "0123456789abcdef"[*p & 15]);
    }
    buf_add_str(b, "\",\"peer\":");
    buf_add_json(b, slice_str(peer));
    buf_add_str(b, "}\n");
}

void auth_write_lookup(struct buf *b, const char *address)
{
    buf_add_str(b, "{\"op\":\"lookup\",\"address\":");
    buf_add_json(b, slice_str(address));
    buf_add_str(b, "}\n");
}

void auth_write_domain(struct buf *b, struct slice domain)
{
    buf_add_str(b, "{\"op\":\"domain\",\"domain\":");
    buf_add_json(b, domain);
    buf_add_str(b, "}\n");
}

static char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return xstrdup(s ? s : "");
}

static int64_t number_of(const json_t *o, const char *key)
{
    const json_t *n = json_object_get(o, key);
    return json_is_integer(n) ? json_integer_value(n) : -1;
}

enum auth_status auth_read_answer(struct slice line, struct account *out)
{
    enum auth_status status = AUTH_TEMPFAIL;
    *out = (struct account){.uid = -1, .gid = -1};
    json_t *o = json_loadb(line.p ? line.p : "", line.n, 0, NULL);
    const char *word = json_string_value(json_object_get(o, "status"));
    for (int i = AUTH_OK; word && i <= AUTH_TEMPFAIL; i++)
        if (strcmp(word, status_words[i]) == 0)
            status = (enum auth_status)i;
    if (status == AUTH_OK || status == AUTH_ALIAS) {
        const json_t *targets = json_object_get(o, "targets");
        out->user = text_of(o, "user");
        out->home = text_of(o, "home");
        out->uid = number_of(o, "uid");
        out->gid = number_of(o, "gid");
        out->groups = text_of(o, "groups");
        out->quota = json_integer_value(json_object_get(o, "quota"));
        out->targets = xcalloc(json_array_size(targets) + 1, sizeof *out->targets);
        for (size_t i = 0; i < json_array_size(targets); i++) {
            const char *t = json_string_value(json_array_get(targets, i));
            if (t)
                out->targets[out->target_count++] = xstrdup(t);
        }
    }
    json_decref(o);
    return status;
}

/* ---- server's side --------------------------------------------------------------------------- */

void auth_write_answer(struct buf *b, enum auth_status status, const struct account *a)
{
    buf_printf(b, "{\"status\":\"%s\"", status_words[status]);
    if ((status == AUTH_OK || status == AUTH_ALIAS) && a->user) {
        buf_add_str(b, ",\"user\":");
        buf_add_json(b, slice_str(a->user));
    }
    if (status == AUTH_OK && a->quota > 0)
        buf_printf(b, ",\"quota\":%lld", (long long)a->quota);
    if (status == AUTH_OK && a->groups && *a->groups) {
        buf_add_str(b, ",\"groups\":");
        buf_add_json(b, slice_str(a->groups));
    }
    if (status == AUTH_OK) {
        buf_printf(b, ",\"uid\":%lld,\"gid\":%lld,\"home\":", (long long)a->uid, (long long)a->gid);
        buf_add_json(b, slice_str(a->home));
    }
    if (status == AUTH_ALIAS) {
        buf_add_str(b, ",\"targets\":");
        for (size_t i = 0; i < a->target_count; i++) {
            buf_add_byte(b, i ? ',' : '[');
            buf_add_json(b, slice_str(a->targets[i]));
        }
        buf_add_str(b, a->target_count ? "]" : "[]");
    }
    buf_add_str(b, "}\n");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False when it is no hex, has a NUL, or is longer than any password. */
static bool hex_text(const char *hex, char out[PASSWORD_MAX + 1])
{
    size_t n = strlen(hex);
    if (n % 2 || n / 2 > PASSWORD_MAX)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return false;
        out[i / 2] = (char)(high * 16 + low);
    }
    out[n / 2] = 0;
    return true;
}

static enum auth_status answer_verify(struct accounts *a, const json_t *o, struct account *out,
                                      const struct sasl_connection *c)
{
    const char *user = json_string_value(json_object_get(o, "user"));
    const char *hex = json_string_value(json_object_get(o, "password"));
    const char *peer = json_string_value(json_object_get(o, "peer"));
    char password[PASSWORD_MAX + 1];
    bool readable = hex_text(hex, password);
    if (!readable)
        password[0] = 0;
    struct login login;
    int64_t began = mono_ms();
    enum auth_status status = accounts_login(a, user, &login);
    status = accounts_check(a, &login, status, password);
    explicit_bzero(password, sizeof password);
    if (!readable && status == AUTH_OK)
        status = AUTH_NO;
    if (status == AUTH_OK) {
        *out = login.account;
        login.account = (struct account){0};
    }
    if (status == AUTH_OK)
        event("auth.verified", EV_STR("user", out->user), EV_STR("peer", peer));
    else
        event("auth.refused", EV_STR("user", user), EV_STR("peer", peer),
              EV_STR("why", status == AUTH_TEMPFAIL ? "cannot tell now"
                            : login.why             ? login.why
                                                    : "no such user and password"));
    if (c->verdict)
        c->verdict(peer ? peer : "", login.name, status, began);
    login_free(&login);
    return status;
}

bool auth_answer(struct accounts *a, struct sasl_connection *c, struct slice request,
                 struct buf *answer)
{
    json_t *o = json_loadb(request.p ? request.p : "", request.n, 0, NULL);
    const char *op = json_string_value(json_object_get(o, "op"));
    const char *address = json_string_value(json_object_get(o, "address"));
    const char *name = json_string_value(json_object_get(o, "domain"));
    bool verify = op && strcmp(op, "verify") == 0 && json_is_string(json_object_get(o, "user")) &&
                  json_is_string(json_object_get(o, "password"));
    bool lookup = op && strcmp(op, "lookup") == 0 && address;
    bool domain = op && strcmp(op, "domain") == 0 && name;
    bool sasl = op && slice_starts(slice_str(op), SLICE("sasl-")) && sasl_answer(c, o, answer);
    struct account account = {0};
    if (verify)
        auth_write_answer(answer, answer_verify(a, o, &account, c), &account);
    else if (lookup)
        auth_write_answer(answer, accounts_lookup(a, address, &account), &account);
    else if (domain)
        auth_write_answer(answer, accounts_domain(a, name), &account);
    account_free(&account);
    json_decref(o);
    stack_wipe();
    return verify || lookup || domain || sasl;
}
