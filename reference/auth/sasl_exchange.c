/* sasl_exchange.c - libgsasl asks, the accounts answer. */
#include "reference/auth/sasl_exchange.h"

#include "base/base64.h"
#include "base/event.h"
#include "base/mem.h"
#include "reference/auth/password.h"
#include "reference/auth/sasl_oauth.h"
#include "reference/auth/secret.h"

#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

struct sasl_server {
    const struct config *config;
    struct accounts *accounts;
    Gsasl *library;
    unsigned char salt_key[32];   /* salts of accounts that have none, see made_up_salt */
};

struct sasl_exchange {
    struct sasl_server *server;
    Gsasl_session *session;
    char *mechanism, *peer, *external;
    struct buf exporter, unique;       /* channel bindings, Base64 */

    bool looked_up;
    enum auth_status found;            /* of the look-up */
    struct login login;                /* who the client says it is */
    char *user;                        /* the same, kept to the end */
    struct scram_keys keys;
    bool keys_known;

    char *service;
    bool token_refused;                /* the client has been told and has to answer */

    int steps;
    bool begun;                        /* the client has said something */
    bool proven;                       /* success, but for the client's empty last message */
};

/* ---- the account ----------------------------------------------------------------------------- */

/* Looks up who the client says it is, once. */
static void look_up(struct sasl_exchange *e, const char *name)
{
    if (e->looked_up)
        return;
    e->looked_up = true;
    /* RFC 4422 3.4.1, RFC 4616 2: compared as SASLprep makes it; what it refuses is nobody. */
    char *prepared = password_prepare(name ? name : "");
    e->found = accounts_login(e->server->accounts, prepared ? prepared : "", &e->login);
    password_wipe(prepared);
    e->user = xstrdup(e->login.name);
}

static void look_up_client(struct sasl_exchange *e)
{
    look_up(e, gsasl_property_fast(e->session, GSASL_AUTHID));
}

/* The authorization identity: empty, or another name of the same account. */
static bool may_act_as(struct sasl_exchange *e, const char *authzid)
{
    struct login other = {0};
    if (!authzid || !*authzid)
        return true;
    char *prepared = password_prepare(authzid);
    bool same = prepared && *prepared &&
                accounts_login(e->server->accounts, prepared, &other) == AUTH_OK;
    same = same && strcmp(other.account.user, e->login.account.user) == 0;
    password_wipe(prepared);
    login_free(&other);
    return same;
}

/* ---- what the mechanisms ask for ------------------------------------------------------------- */

/* PLAIN and LOGIN. */
static int check_password(struct sasl_exchange *e)
{
    const char *password = gsasl_property_fast(e->session, GSASL_PASSWORD);
    look_up_client(e);
    enum auth_status checked =
        accounts_check(e->server->accounts, &e->login, e->found, password ? password : "");
    if (password)    /* the library frees it, but does not overwrite it */
        explicit_bzero((char *)(uintptr_t)password, strlen(password));
    if (checked == AUTH_TEMPFAIL)
        e->found = AUTH_TEMPFAIL;
    return checked == AUTH_OK ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

/* CRAM-MD5 needs the password itself. Without one, a password that nobody has. */
static int give_password(struct sasl_exchange *e)
{
    unsigned char octets[16];
    struct buf nobody = {0};
    look_up_client(e);
    const char *plain = secret_plain(e->login.secret);
    if (!plain) {
        if (RAND_bytes(octets, sizeof octets) != 1)
            return GSASL_CRYPTO_ERROR;
        buf_add_base64(&nobody, slice_of(octets, sizeof octets));
    }
    int result = gsasl_property_set(e->session, GSASL_PASSWORD, plain ? plain : buf_str(&nobody));
    buf_free(&nobody);
    return result;
}

/* RFC 5802 9: who asks for a user that does not exist must get a salt too, and always the same. */
static void made_up_salt(struct sasl_exchange *e, enum scram_hash h, struct scram_keys *k)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct buf name = {0};
    buf_printf(&name, "%d %s", h, e->login.name ? e->login.name : "");
    HMAC(EVP_sha256(), e->server->salt_key, sizeof e->server->salt_key,
         (const unsigned char *)name.data, name.len, digest, NULL);
    memcpy(k->salt, digest, SCRAM_SALT_OURS);
    k->salt_len = SCRAM_SALT_OURS;
    k->iterations = e->login.costs.iterations;
    buf_free(&name);
}

/* Keys for the client's account: the stored ones, those of its password, or some that no password
 * has. One derivation is made in each case, so that the time does not tell which. */
static void make_keys(struct sasl_exchange *e)
{
    enum scram_hash h = strstr(e->mechanism, "SHA-256") ? SCRAM_SHA_256 : SCRAM_SHA_1;
    struct scram_keys made = {0}, stored;
    if (e->keys_known)
        return;
    e->keys_known = true;
    look_up_client(e);
    const char *plain = secret_plain(e->login.secret);
    bool has_keys = e->login.secret && secret_scram(e->login.secret, h, &stored);
    made_up_salt(e, h, &made);
    scram_keys_make(h, plain ? plain : "", &made);
    if (!plain && RAND_bytes(made.stored, sizeof made.stored) != 1)
        e->found = AUTH_TEMPFAIL;
    e->keys = has_keys ? stored : made;
    explicit_bzero(&made, sizeof made);
    explicit_bzero(&stored, sizeof stored);
}

static int give_octets(struct sasl_exchange *e, Gsasl_property p, const void *octets, size_t n)
{
    struct buf text = {0};
    buf_add_base64(&text, slice_of(octets, n));
    int result = gsasl_property_set(e->session, p, buf_str(&text));
    explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return result;
}

static int give_scram(struct sasl_exchange *e, Gsasl_property p)
{
    size_t size = scram_key_size(strstr(e->mechanism, "SHA-256") ? SCRAM_SHA_256 : SCRAM_SHA_1);
    char iterations[16];
    make_keys(e);
    switch (p) {
    case GSASL_SCRAM_ITER:
        snprintf(iterations, sizeof iterations, "%u", (unsigned)e->keys.iterations);
        return gsasl_property_set(e->session, p, iterations);
    case GSASL_SCRAM_SALT:
        return give_octets(e, p, e->keys.salt, e->keys.salt_len);
    case GSASL_SCRAM_STOREDKEY:
        return give_octets(e, p, e->keys.stored, size);
    default:
        return give_octets(e, p, e->keys.server, size);
    }
}

/* RFC 5802 6: when it has a binding and the client says "you have none", somebody in between has
 * taken -PLUS off our list; the library refuses then. */
static int give_binding(struct sasl_exchange *e, Gsasl_property p, struct buf *binding)
{
    return binding->len ? gsasl_property_set(e->session, p, buf_str(binding)) : GSASL_NO_CALLBACK;
}

/* Who comes without a password of his own: named by the certificate, or by the configuration. */
static int check_named(struct sasl_exchange *e, const char *name)
{
    if (!name)
        return GSASL_AUTHENTICATION_ERROR;
    look_up(e, name);
    return e->found == AUTH_OK ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

/* RFC 4752 3.1: the ticket names a principal, user@REALM; a realm is a domain in capitals. */
static int check_ticket(struct sasl_exchange *e)
{
    const char *principal = gsasl_property_fast(e->session, GSASL_GSSAPI_DISPLAY_NAME);
    return check_named(e, principal);
}

/* DIGEST-MD5 asks for some while the session begins, before it is ours. RFC 2831 2.1.1: the realm is
 * where the user has his password. */
static int give_constant(Gsasl *library, Gsasl_session *session, Gsasl_property p)
{
    const struct sasl_server *s = gsasl_callback_hook_get(library);
    switch (p) {
    case GSASL_QOPS:
        return gsasl_property_set(session, p, "qop-auth");
    case GSASL_REALM:
    case GSASL_HOSTNAME:
        return gsasl_property_set(session, p, s->config->hostname);
    default:
        return GSASL_NO_CALLBACK;
    }
}

static int answer(Gsasl *library, Gsasl_session *session, Gsasl_property p)
{
    struct sasl_exchange *e = gsasl_session_hook_get(session);
    if (!e)
        return give_constant(library, session, p);
    switch (p) {
    case GSASL_SERVICE:
        return gsasl_property_set(session, p, e->service);
    case GSASL_VALIDATE_GSSAPI:
        return check_ticket(e);
    case GSASL_VALIDATE_SIMPLE:
        return check_password(e);
    case GSASL_PASSWORD:
        return give_password(e);
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_STOREDKEY:
    case GSASL_SCRAM_SERVERKEY:
        return give_scram(e, p);
    case GSASL_CB_TLS_EXPORTER:
        return give_binding(e, p, &e->exporter);
    case GSASL_CB_TLS_UNIQUE:
        return give_binding(e, p, &e->unique);
    case GSASL_VALIDATE_EXTERNAL:
        return check_named(e, e->external);
    case GSASL_VALIDATE_ANONYMOUS:
        return check_named(e, e->server->config->auth_anonymous);
    default:
        return give_constant(library, session, p);
    }
}

/* ---- the exchange ---------------------------------------------------------------------------- */

struct sasl_server *sasl_server_new(const struct config *c, struct accounts *a)
{
    struct sasl_server *s = xcalloc(1, sizeof *s);
    s->config = c;
    s->accounts = a;
    if (gsasl_init(&s->library) != GSASL_OK ||
        RAND_bytes(s->salt_key, sizeof s->salt_key) != 1)
        die(70, "the SASL library does not start; is libgsasl18 installed whole?");
    gsasl_callback_hook_set(s->library, s);
    gsasl_callback_set(s->library, answer);
    if (c->auth_keytab)
        setenv("KRB5_KTNAME", c->auth_keytab, 1);
    return s;
}

void sasl_server_free(struct sasl_server *s)
{
    if (!s)
        return;
    gsasl_done(s->library);
    explicit_bzero(s, sizeof *s);
    free(s);
}

/* The library knows none of these. */
static bool is_oauth(const struct sasl_exchange *e)
{
    return strcmp(e->mechanism, "OAUTHBEARER") == 0 || strcmp(e->mechanism, "XOAUTH2") == 0;
}

struct sasl_exchange *sasl_exchange_new(struct sasl_server *s, const struct sasl_channel *ch,
                                        const char *mechanism)
{
    if (!sasl_offered(s->config, ch, slice_str(mechanism)))
        return NULL;
    struct sasl_exchange *e = xcalloc(1, sizeof *e);
    e->server = s;
    e->mechanism = xstrdup(mechanism);
    for (char *p = e->mechanism; *p; p++)     /* the library knows capitals only */
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    e->peer = xstrdup(ch->peer ? ch->peer : "");
    e->service = xstrdup(ch->service ? ch->service : "");
    e->external = ch->external ? xstrdup(ch->external) : NULL;
    buf_add_base64(&e->exporter, ch->exporter);
    buf_add_base64(&e->unique, ch->unique);
    if (is_oauth(e))
        return e;
    if (gsasl_server_start(s->library, e->mechanism, &e->session) != GSASL_OK) {
        sasl_exchange_free(e);
        return NULL;
    }
    gsasl_session_hook_set(e->session, e);
    return e;
}

void sasl_exchange_free(struct sasl_exchange *e)
{
    if (!e)
        return;
    if (e->session)
        gsasl_finish(e->session);
    free(e->mechanism);
    free(e->peer);
    free(e->external);
    free(e->user);
    free(e->service);
    buf_free(&e->exporter);
    buf_free(&e->unique);
    login_free(&e->login);
    explicit_bzero(e, sizeof *e);
    free(e);
}

const char *sasl_exchange_user(const struct sasl_exchange *e)
{
    return e->user ? e->user : "";
}

static enum sasl_status admit(struct sasl_exchange *e, struct account *out)
{
    *out = e->login.account;
    e->login.account = (struct account){0};
    event("auth.verified", EV_STR("user", out->user), EV_STR("peer", e->peer),
          EV_STR("mechanism", e->mechanism));
    return SASL_OK;
}

static enum sasl_status refuse(struct sasl_exchange *e, const char *why)
{
    bool unknown = e->looked_up && e->found == AUTH_TEMPFAIL;
    if (e->looked_up && e->login.why)
        why = e->login.why;
    event("auth.refused", EV_STR("user", e->login.name), EV_STR("peer", e->peer),
          EV_STR("mechanism", e->mechanism), EV_STR("why", unknown ? "cannot tell now" : why));
    return unknown ? SASL_TEMPFAIL : SASL_NO;
}

/* RFC 5802 5.1: a "=" in a name that stands for neither "," nor "=" fails the authentication; the
 * library lets it pass. The names are in the second and third field of the first message. */
static bool escapes_are_right(struct slice message)
{
    struct slice field;
    for (int i = 0; i < 3 && slice_next(&message, ',', &field); i++) {
        struct slice rest = slice_sub(field, 2, field.n);
        for (ptrdiff_t at; i > 0 && (at = slice_index(rest, '=')) >= 0;) {
            struct slice code = slice_sub(rest, (size_t)at + 1, (size_t)at + 3);
            if (!slice_eq_str(code, "2C") && !slice_eq_str(code, "3D"))
                return false;
            rest = slice_sub(rest, (size_t)at + 3, rest.n);
        }
    }
    return true;
}

/* RFC 5801 5: only the -PLUS variant may bind to the channel; the library notices at the end. */
static bool flag_is_right(const struct sasl_exchange *e, struct slice message)
{
    return slice_ends(slice_str(e->mechanism), SLICE("-PLUS")) ||
           !slice_starts(message, SLICE("p="));
}

/* RFC 2831 2.1.2: the realm is one that was offered, and digest-uri names our service; the library
 * asks for neither. */
static bool is_meant_for_us(struct sasl_exchange *e, struct slice message)
{
    struct buf realm = {0}, uri = {0};
    buf_printf(&realm, "realm=\"%s\"", e->server->config->hostname);
    buf_printf(&uri, "digest-uri=\"%s/", e->service);
    bool good = slice_find(message, buf_slice(&realm)) >= 0 &&
                slice_find(message, buf_slice(&uri)) >= 0;
    buf_free(&realm);
    buf_free(&uri);
    return good;
}

/* One call of the library; what it wants to be sent is appended to *challenge. */
static int library_step(struct sasl_exchange *e, struct slice message, struct buf *challenge)
{
    char *output = NULL;
    size_t n = 0;
    if (!e->begun && slice_starts(slice_str(e->mechanism), SLICE("SCRAM-")) &&
        !(escapes_are_right(message) && flag_is_right(e, message)))
        return GSASL_MECHANISM_PARSE_ERROR;
    if (message.n && strcmp(e->mechanism, "DIGEST-MD5") == 0 && !is_meant_for_us(e, message))
        return GSASL_MECHANISM_PARSE_ERROR;
    e->begun = message.n > 0;
    int result = gsasl_step(e->session, message.p, message.n, &output, &n);
    if (result == GSASL_OK || result == GSASL_NEEDS_MORE)
        buf_add(challenge, output, n);
    gsasl_free(output);
    return result;
}

/* LOGIN's server asks for the name first, and the library drops what came before it was asked. */
static int first_step(struct sasl_exchange *e, const struct slice *message, struct buf *challenge)
{
    size_t before = challenge->len;
    /* NULL and an empty text are different messages to the library. */
    struct slice m = !message ? slice_of(NULL, 0) : message->p ? *message : slice_of("", 0);
    /* RFC 4505 2: a trace is optional; the library waits for one. */
    if (message && m.n == 0 && strcmp(e->mechanism, "ANONYMOUS") == 0)
        m = SLICE("anonymous");
    int result = library_step(e, m, challenge);
    if (message && strcmp(e->mechanism, "LOGIN") == 0 && result == GSASL_NEEDS_MORE) {
        buf_truncate(challenge, before);
        result = library_step(e, m, challenge);
    }
    return result;
}

/* The client's message has a token, or is the answer to "that token is no good". */
static enum sasl_status take_token(struct sasl_exchange *e, const struct slice *message,
                                   struct buf *challenge, struct account *out)
{
    struct oauth_message m;
    struct buf why = {0};
    char *user = NULL;
    if (!message)
        return SASL_CONTINUE;
    if (e->token_refused)
        return refuse(e, "the token is not good for this");
    if (!oauth_read(strcmp(e->mechanism, "XOAUTH2") == 0, *message, &m))
        return refuse(e, "not a message of the mechanism");
    e->user = xstrdup(m.user);
    enum oauth_verdict v = oauth_introspect(e->server->config, m.token, &user, &why);
    enum sasl_status status = SASL_CONTINUE;
    if (v == OAUTH_UNAVAILABLE) {
        event("auth.backend-down", EV_STR("backend", "oauth"), EV_STR("why", buf_str(&why)));
        status = SASL_TEMPFAIL;
    } else if (v != OAUTH_GOOD) {
        oauth_error(e->server->config, v, challenge);
        e->token_refused = true;
    } else {
        free(e->user);
        e->user = NULL;
        look_up(e, user);
        status = e->found != AUTH_OK         ? refuse(e, "the token is of nobody here")
                 : !may_act_as(e, m.user) ? refuse(e, "may not act as another")
                                          : admit(e, out);
    }
    oauth_message_free(&m);
    buf_free(&why);
    free(user);
    return status;
}

static enum sasl_status take(struct sasl_exchange *e, const struct slice *message,
                             struct buf *challenge, struct account *out)
{
    static const struct slice empty = {"", 0};
    size_t before = challenge->len;
    if (e->proven)
        return message && message->n == 0 ? admit(e, out) : refuse(e, "words after the last");
    if (++e->steps > SASL_STEPS_MAX || (message && message->n > SASL_MESSAGE_MAX))
        return refuse(e, "too many or too long messages");
    if (is_oauth(e))
        return take_token(e, message, challenge, out);
    int result = e->steps == 1 ? first_step(e, message, challenge)
                               : library_step(e, message && message->p ? *message : empty,
                                              challenge);
    /* To an empty message the library says "go on" in silence; nobody goes on for ever. */
    if (result == GSASL_NEEDS_MORE && message && challenge->len == before)
        return refuse(e, "an empty message");
    if (result == GSASL_NEEDS_MORE)
        return SASL_CONTINUE;
    if (result != GSASL_OK)
        return refuse(e, result == GSASL_AUTHENTICATION_ERROR ? "no such user and password"
                                                              : gsasl_strerror_name(result));
    if (e->found != AUTH_OK)
        return refuse(e, "no such user and password");
    if (!may_act_as(e, gsasl_property_fast(e->session, GSASL_AUTHZID)))
        return refuse(e, "may not act as another");
    e->proven = challenge->len > before;
    return e->proven ? SASL_CONTINUE : admit(e, out);
}

enum sasl_status sasl_exchange_step(struct sasl_exchange *e, const struct slice *message,
                                    struct buf *challenge, struct account *out)
{
    size_t before = challenge->len;
    *out = (struct account){.uid = -1, .gid = -1};
    enum sasl_status status = take(e, message, challenge, out);
    if (status != SASL_CONTINUE)
        buf_truncate(challenge, before);
    return status;
}
