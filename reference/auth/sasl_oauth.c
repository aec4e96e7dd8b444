/* sasl_oauth.c - tokens are opaque to us: the authorization server tells whose they are. */
#include "reference/auth/sasl_oauth.h"

#include "base/mem.h"
#include "reference/auth/optional.h"
#include "reference/auth/secret_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static const char AT = '\1';

/* ---- the client's message -------------------------------------------------------------------- */

/* RFC 6750 2.1: "Bearer", a space, and a token of these letters. */
static bool take_token(struct slice value, struct oauth_message *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    struct slice scheme = SLICE("Bearer ");
    struct slice token = slice_sub(value, scheme.n, value.n);
    bool good = slice_istarts(value, scheme) && token.n > 0 && token.n <= OAUTH_TOKEN_MAX &&
                !out->token;
    for (size_t i = 0; good && i < token.n; i++)
        good = token.p[i] && strchr(letters, token.p[i]);
    if (good)
        out->token = slice_dup(token);
    return good;
}

/* RFC 5801 4 through RFC 7628 3.1: "n,a=user,". There is no -PLUS, so that "p=" cannot be meant, and
 * "y" says that the client has seen none. */
static bool take_gs2_header(struct slice *message, struct oauth_message *out)
{
    struct slice flag, authzid;
    struct buf name = {0};
    if (!slice_next(message, ',', &flag) || !slice_next(message, ',', &authzid) || !message->p)
        return false;
    bool good = (slice_eq_str(flag, "n") || slice_eq_str(flag, "y")) &&
                (authzid.n == 0 || slice_starts(authzid, SLICE("a=")));
    for (size_t i = 2; good && i < authzid.n; i++) {
        struct slice code = slice_sub(authzid, i, i + 3);
        bool comma = slice_eq_str(code, "=2C"), equals = slice_eq_str(code, "=3D");
        good = authzid.p[i] != '=' || comma || equals;
        buf_add_byte(&name, comma ? ',' : equals ? '=' : authzid.p[i]);
        i += comma || equals ? 2 : 0;
    }
    good = good && !(name.len && memchr(name.data, 0, name.len));
    if (good)
        out->user = xstrdup(buf_str(&name));
    buf_free(&name);
    return good;
}

/* Pairs key=value, each with a ^A behind, and one more ^A at the end. */
static bool take_pairs(struct slice rest, bool xoauth2, struct oauth_message *out)
{
    struct slice pair, key;
    while (slice_next(&rest, AT, &pair)) {
        if (pair.n == 0)       /* the last ^A: nothing may follow */
            return rest.p && rest.n == 0 && out->token;
        if (!slice_next(&pair, '=', &key) || !pair.p)
            return false;
        if (slice_ieq_str(key, "auth") && !take_token(pair, out))
            return false;
        if (xoauth2 && slice_ieq_str(key, "user")) {
            if (out->user || memchr(pair.p, 0, pair.n))
                return false;
            out->user = slice_dup(pair);
        }
    }
    return false;
}

bool oauth_read(bool xoauth2, struct slice message, struct oauth_message *out)
{
    struct slice empty;
    *out = (struct oauth_message){0};
    bool good = xoauth2 || (take_gs2_header(&message, out) &&
                            slice_next(&message, AT, &empty) && empty.n == 0);
    good = good && take_pairs(message, xoauth2, out) && out->user && out->token;
    if (!good)
        oauth_message_free(out);
    return good;
}

void oauth_message_free(struct oauth_message *m)
{
    secret_file_wipe(m->token);
    free(m->user);
    *m = (struct oauth_message){0};
}

void oauth_error(const struct config *c, enum oauth_verdict v, struct buf *challenge)
{
    buf_printf(challenge, "{\"status\":\"%s\"",
               v == OAUTH_INSUFFICIENT_SCOPE ? "insufficient_scope" : "invalid_token");
    if (c->oauth_scope) {
        buf_add_str(challenge, ",\"scope\":");
        buf_add_json(challenge, slice_str(c->oauth_scope));
    }
    buf_add_str(challenge, "}");
}

/* ---- the authorization server ---------------------------------------------------------------- */

static bool has_word(const char *text, const char *word)
{
    struct slice rest = slice_str(text ? text : ""), w;
    while (slice_word(&rest, &w))
        if (slice_eq_str(w, word))
            return true;
    return false;
}

enum oauth_verdict oauth_judge(const struct config *c, struct slice answer, char **user,
                               struct buf *why)
{
    json_t *o = json_loadb(answer.p ? answer.p : "", answer.n, 0, NULL);
    const json_t *active = json_object_get(o, "active"), *until = json_object_get(o, "exp");
    const char *name = json_string_value(json_object_get(o, c->oauth_user_field));
    enum oauth_verdict v = OAUTH_GOOD;
    if (!json_is_boolean(active)) {
        buf_add_str(why, "the answer has no member \"active\" (RFC 7662 2.2)");
        v = OAUTH_UNAVAILABLE;
    } else if (!json_is_true(active) ||
               (json_is_integer(until) && json_integer_value(until) <= (json_int_t)time(NULL))) {
        v = OAUTH_INVALID_TOKEN;
    } else if (!name || !*name) {
        buf_printf(why, "the answer names nobody as \"%s\"", c->oauth_user_field);
        v = OAUTH_UNAVAILABLE;
    } else if (c->oauth_scope &&
               !has_word(json_string_value(json_object_get(o, "scope")), c->oauth_scope)) {
        v = OAUTH_INSUFFICIENT_SCOPE;
    } else {
        *user = xstrdup(name);
    }
    json_decref(o);
    return v;
}

#ifdef WITH_CURL
#include <curl/curl.h>

static size_t take_octets(char *p, size_t size, size_t n, void *arg)
{
    struct buf *answer = arg;
    if (answer->len + size * n > OAUTH_ANSWER_MAX)
        return 0;
    buf_add(answer, p, size * n);
    return size * n;
}

/* POSTs the form. The status of HTTP; 0 with the reason in *why when there is none. */
static long post(const struct config *c, const char *form, struct buf *answer, struct buf *why)
{
    CURL *curl = curl_easy_init();
    char *secret = c->oauth_secret_file ? secret_file_read(c->oauth_secret_file, why) : NULL;
    long status = 0;
    if (!curl || (c->oauth_secret_file && !secret)) {
        curl_easy_cleanup(curl);
        return 0;
    }
    curl_easy_setopt(curl, CURLOPT_URL, c->oauth_introspection);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)c->oauth_timeout);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_octets);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (c->oauth_client) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, c->oauth_client);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, secret ? secret : "");
    }
    CURLcode result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    else
        buf_printf(why, "%s: %s", c->oauth_introspection, curl_easy_strerror(result));
    curl_easy_cleanup(curl);
    secret_file_wipe(secret);
    return status;
}
#else
static long post(const struct config *c, const char *form, struct buf *answer, struct buf *why)
{
    (void)c, (void)form, (void)answer;
    buf_add_str(why, "this build has no libcurl");
    return 0;
}
#endif

enum oauth_verdict oauth_introspect(const struct config *c, const char *token, char **user,
                                    struct buf *why)
{
    struct buf form = {0}, answer = {0};
    enum oauth_verdict v = OAUTH_UNAVAILABLE;
    *user = NULL;
    buf_reserve(&form, 3 * strlen(token) + 64);
    buf_add_str(&form, "token_type_hint=access_token&token=");
    for (const char *p = token; *p; p++)       /* "+", "/" and "=" mean something in a form */
        buf_printf(&form, strchr("+/=", *p) ? "%%%02X" : "%c", *p);
    long status = post(c, form.data, &answer, why);
    if (status == 200)
        v = oauth_judge(c, buf_slice(&answer), user, why);
    else if (status)
        buf_printf(why, "%s: HTTP status %ld", c->oauth_introspection, status);
    explicit_bzero(form.data, form.cap);
    buf_free(&form);
    buf_free(&answer);
    return v;
}
