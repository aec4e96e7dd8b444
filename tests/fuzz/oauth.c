/* Bearer tokens: the client's messages, what is put into the challenge, and the answers of the authorization
 * server. The first octet chooses which. A token is of the letters of RFC 6750 2.1 and no longer than it
 * may be; a name has no NUL; whoever is let in has an active token with the scope that is asked for. */
#include "base/buf.h"
#include "reference/auth/sasl_oauth.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void message(bool xoauth2, struct slice text)
{
    struct oauth_message m;
    if (!oauth_read(xoauth2, text, &m)) {
        check(!m.user && !m.token);
        return;
    }
    size_t n = strlen(m.token);
    check(n > 0 && n <= OAUTH_TOKEN_MAX && strlen(m.user) <= text.n);
    check(strspn(m.token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") == n);
    check(slice_find(text, slice_str(m.token)) >= 0);
    oauth_message_free(&m);
}

static bool is_word_of(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; p && (p = strstr(p, word)); p += n)
        if ((p == text || strchr(" \t\r\n", p[-1])) && (!p[n] || strchr(" \t\r\n", p[n])))
            return true;
    return false;
}

static void answer(struct slice text)
{
    static char user_field[] = "username", scope[] = "mail";
    const struct config c = {.oauth_user_field = user_field, .oauth_scope = scope};
    struct buf why = {0}, challenge = {0};
    char *user = NULL;
    enum oauth_verdict v = oauth_judge(&c, text, &user, &why);
    check((v == OAUTH_GOOD) == (user != NULL));
    check((v == OAUTH_UNAVAILABLE) == (why.len > 0));
    if (v == OAUTH_GOOD) {
        json_t *o = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
        check(json_is_true(json_object_get(o, "active")) && *user);
        check(is_word_of(json_string_value(json_object_get(o, "scope")), scope));
        json_decref(o);
    } else {
        oauth_error(&c, v, &challenge);
        json_t *said = json_loadb(challenge.data, challenge.len, 0, NULL);
        check(json_is_string(json_object_get(said, "status")));
        json_decref(said);
    }
    free(user);
    buf_free(&why);
    buf_free(&challenge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice text = slice_of(data + 1, size - 1);
    if (data[0] % 3 == 2)
        answer(text);
    else
        message(data[0] % 3 == 1, text);
    return 0;
}
