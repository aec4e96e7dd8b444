/* Exchanges between libgsasl's clients and the server of the auth process. */
#include "tests/unit/sasl/sasl_world.h"

#include <criterion/criterion.h>

TestSuite(exchange, .init = sasl_world_begin, .fini = sasl_world_end);

/* What a client knows. */
struct client {
    const char *mechanism, *user, *password, *authzid;
    struct slice exporter;   /* its channel binding */
};

static int give(Gsasl_session *s, Gsasl_property p, const char *value)
{
    return value ? gsasl_property_set(s, p, value) : GSASL_NO_CALLBACK;
}

static int client_answer(Gsasl *library, Gsasl_session *s, Gsasl_property p)
{
    const struct client *c = gsasl_callback_hook_get(library);
    char *text = NULL;
    int result = GSASL_NO_CALLBACK;
    switch (p) {
    case GSASL_AUTHID:
        return give(s, p, c->user);
    case GSASL_PASSWORD:
        return give(s, p, c->password);
    case GSASL_AUTHZID:
        return give(s, p, c->authzid);
    case GSASL_ANONYMOUS_TOKEN:
        return give(s, p, "guest@magedu.test");
    case GSASL_CB_TLS_EXPORTER:
        if (c->exporter.n && gsasl_base64_to(c->exporter.p, c->exporter.n, &text, NULL) == GSASL_OK)
            result = gsasl_property_set(s, p, text);
        gsasl_free(text);
        return result;
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* Runs an exchange over ch; with `initial` the client's first message goes with AUTH. The account
 * is in *user ("" when refused). */
static enum sasl_status run_on(const struct sasl_channel *ch, struct client c, bool initial,
                               char user[64])
{
    Gsasl *library;
    Gsasl_session *s;
    struct buf challenge = {0};
    struct account account = {0};
    enum sasl_status status = SASL_NO;
    user[0] = 0;
    gsasl_init(&library);
    gsasl_callback_hook_set(library, &c);
    gsasl_callback_set(library, client_answer);
    cr_assert_eq(gsasl_client_start(library, c.mechanism, &s), GSASL_OK, "%s", c.mechanism);
    struct sasl_exchange *e = sasl_exchange_new(sasl_world_server, ch, c.mechanism);
    cr_assert_not_null(e, "%s", c.mechanism);
    if (!initial)
        status = sasl_exchange_step(e, NULL, &challenge, &account);
    for (int i = 0; i < 10 && (initial || status == SASL_CONTINUE); i++) {
        char *out = NULL;
        size_t n = 0;
        int r = gsasl_step(s, initial ? NULL : buf_str(&challenge), initial ? 0 : challenge.len,
                           &out, &n);
        if (r != GSASL_OK && r != GSASL_NEEDS_MORE)
            break;
        initial = false;
        buf_clear(&challenge);
        struct slice message = slice_of(out ? out : "", n);
        status = sasl_exchange_step(e, &message, &challenge, &account);
        gsasl_free(out);
    }
    if (status == SASL_OK)
        snprintf(user, 64, "%s", account.user);
    account_free(&account);
    sasl_exchange_free(e);
    gsasl_finish(s);
    gsasl_done(library);
    buf_free(&challenge);
    return status;
}

static void expect(struct client c, enum sasl_status want, const char *account)
{
    char user[64];
    for (int initial = 0; initial < 2; initial++) {
        if (initial && strcmp(c.mechanism, "CRAM-MD5") == 0)
            continue;
        bool login = initial && strcmp(c.mechanism, "LOGIN") == 0;
        if (login)      /* libgsasl's client of LOGIN waits for the server */
            continue;
        enum sasl_status got = run_on(&everything, c, initial, user);
        cr_expect_eq(got, want, "%s %s %s: %d", c.mechanism, c.user, c.password, got);
        cr_expect_str_eq(user, account, "%s %s", c.mechanism, c.user);
    }
}

Test(exchange, each_mechanism_takes_the_secrets_that_fit_it)
{
    static const struct { const char *mechanism, *accounts; } fits[] = {
        {"PLAIN", "tom plain scram scram1"},
        {"LOGIN", "tom plain scram scram1"},
        {"CRAM-MD5", "plain"},
        {"SCRAM-SHA-1", "plain scram1"},
        {"SCRAM-SHA-256", "plain scram"},
        {"SCRAM-SHA-1-PLUS", "plain scram1"},
        {"SCRAM-SHA-256-PLUS", "plain scram"},
    };
    static const char *const users[] = {"tom", "plain", "scram", "scram1", "locked", "nobody"};
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        for (size_t j = 0; j < sizeof users / sizeof *users; j++) {
            char password[32];
            snprintf(password, sizeof password, "%s-pw", users[j]);
            struct client c = {.mechanism = fits[i].mechanism, .user = users[j],
                               .password = password};
            if (strstr(fits[i].mechanism, "PLUS"))
                c.exporter = everything.exporter;
            bool good = false;
            struct slice rest = slice_str(fits[i].accounts), word;
            while (slice_word(&rest, &word))
                good |= slice_eq_str(word, users[j]);
            expect(c, good ? SASL_OK : SASL_NO, good ? users[j] : "");
            c.password = "wrong";
            expect(c, SASL_NO, "");
            c.password = "";
            if (strstr(c.mechanism, "SCRAM") == NULL)
                expect(c, SASL_NO, "");
        }
    }
}

Test(exchange, names_may_have_our_domain_and_capitals)
{
    expect((struct client){.mechanism = "PLAIN", .user = "TOM@Hehuan.Test", .password = "tom-pw"},
           SASL_OK, "tom");
    expect((struct client){.mechanism = "SCRAM-SHA-256", .user = "Plain@hehuan.test",
                           .password = "plain-pw"}, SASL_OK, "plain");
    expect((struct client){.mechanism = "PLAIN", .user = "tom@magedu.test", .password = "tom-pw"},
           SASL_NO, "");
}

/* RFC 4013 3: soft hyphen goes, the roman numeral IX becomes two letters. */
Test(exchange, passwords_are_compared_after_saslprep)
{
    static const char *const mechanisms[] = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"};
    for (size_t i = 0; i < 3; i++)
        expect((struct client){.mechanism = mechanisms[i], .user = "uni", .password = "IX IX"},
               SASL_OK, "uni");
}

Test(exchange, the_authorization_identity_is_the_same_account_or_refused)
{
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256"};
    for (size_t i = 0; i < 2; i++) {
        struct client c = {.mechanism = mechanisms[i], .user = "plain", .password = "plain-pw"};
        c.authzid = "plain";
        expect(c, SASL_OK, "plain");
        c.authzid = "plain@hehuan.test";
        expect(c, SASL_OK, "plain");
        c.authzid = "tom";
        expect(c, SASL_NO, "");
        c.authzid = "nobody";
        expect(c, SASL_NO, "");
    }
}

Test(exchange, a_binding_of_another_connection_is_refused)
{
    struct client c = {.mechanism = "SCRAM-SHA-256-PLUS", .user = "plain", .password = "plain-pw",
                       .exporter = SLICE("0123456789abcdef0123456789abcdeX")};
    expect(c, SASL_NO, "");
}

/* Sends a raw first message; what comes back is in *challenge. It makes no difference whether it
 * comes with AUTH or after an empty challenge. */
static enum sasl_status first(const struct sasl_channel *ch, const char *mechanism,
                              struct slice message, struct buf *challenge)
{
    struct account account;
    struct sasl_exchange *e = sasl_exchange_new(sasl_world_server, ch, mechanism);
    cr_assert_not_null(e);
    buf_clear(challenge);
    cr_expect_eq(sasl_exchange_step(e, NULL, challenge, &account), SASL_CONTINUE);
    cr_expect_eq(challenge->len, 0);
    enum sasl_status later = sasl_exchange_step(e, &message, challenge, &account);
    account_free(&account);
    sasl_exchange_free(e);
    buf_clear(challenge);

    e = sasl_exchange_new(sasl_world_server, ch, mechanism);
    enum sasl_status s = sasl_exchange_step(e, &message, challenge, &account);
    cr_expect_eq(s, later, "%s: %d, %d", mechanism, s, later);
    account_free(&account);
    sasl_exchange_free(e);
    return s;
}

Test(exchange, a_client_that_was_told_of_no_binding_is_refused)
{
    struct sasl_channel plain = everything;
    struct buf challenge = {0};
    struct slice y = SLICE("y,,n=plain,r=abcdefgh");
    cr_expect_eq(first(&everything, "SCRAM-SHA-256", y, &challenge), SASL_NO);
    plain.exporter = plain.unique = (struct slice){0};
    cr_expect_eq(first(&plain, "SCRAM-SHA-256", y, &challenge), SASL_CONTINUE);
    cr_expect_eq(first(&everything, "SCRAM-SHA-256", SLICE("n,,n=plain,r=abcdefgh"), &challenge),
                 SASL_CONTINUE);
    buf_free(&challenge);
}

/* ",s=...,i=..." of the server's first message. */
static void salt_of(const char *user, char out[128])
{
    struct buf challenge = {0}, message = {0};
    buf_printf(&message, "n,,n=%s,r=abcdefgh", user);
    cr_assert_eq(first(&everything, "SCRAM-SHA-256", buf_slice(&message), &challenge),
                 SASL_CONTINUE);
    const char *s = strstr(buf_str(&challenge), ",s=");
    cr_assert_not_null(s);
    snprintf(out, 128, "%s", s);
    buf_free(&challenge);
    buf_free(&message);
}

Test(exchange, an_unknown_user_has_a_salt_that_stays)
{
    char one[128], again[128];
    static const char *const users[] = {"nobody", "tom", "plain", "scram", "locked"};
    for (size_t i = 0; i < 5; i++) {
        salt_of(users[i], one);
        salt_of(users[i], again);
        cr_expect_str_eq(one, again, "%s", users[i]);
        cr_expect_not_null(strstr(one, "i=4096"));
        cr_expect_eq(strlen(one), strlen(",s=0123456789012345678901==,i=4096"), "%s", one);
    }
    salt_of("Nobody@hehuan.test", again);
    salt_of("nobody", one);
    cr_expect_str_eq(one, again);
    salt_of("nobody2", again);
    cr_expect_str_neq(one, again);
}

Test(exchange, external_and_anonymous)
{
    struct sasl_channel ch = everything;
    char user[64];
    struct client external = {.mechanism = "EXTERNAL"}, anonymous = {.mechanism = "ANONYMOUS"};
    cr_expect_eq(run_on(&ch, external, true, user), SASL_OK);
    cr_expect_str_eq(user, "tom");
    external.authzid = "tom@hehuan.test";
    cr_expect_eq(run_on(&ch, external, true, user), SASL_OK);
    external.authzid = "plain";
    cr_expect_eq(run_on(&ch, external, true, user), SASL_NO);
    external.authzid = NULL;
    ch.external = "nobody@hehuan.test";
    cr_expect_eq(run_on(&ch, external, true, user), SASL_NO);
    ch.external = "locked";
    cr_expect_eq(run_on(&ch, external, true, user), SASL_NO);
    cr_expect_eq(run_on(&ch, anonymous, true, user), SASL_OK);
    cr_expect_str_eq(user, "plain");
}

Test(exchange, what_is_not_offered_cannot_be_begun)
{
    struct sasl_channel ch = {.service = "smtp", .peer = "192.0.2.1"};
    static const char *const no[] = {"PLAIN", "LOGIN", "EXTERNAL", "ANONYMOUS", "SCRAM-SHA-1-PLUS",
                                     "GSSAPI", "", "plain"};
    struct buf names = {0};
    char *anonymous = sasl_config.auth_anonymous;
    sasl_config.auth_anonymous = NULL;        /* off unless configured */
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_expect_null(sasl_exchange_new(sasl_world_server, &ch, no[i]), "%s", no[i]);
    sasl_mechanisms(&sasl_config, &ch, &names);
    cr_expect_str_eq(buf_str(&names), " SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
    sasl_config.auth_anonymous = anonymous;
    buf_clear(&names);
    sasl_mechanisms(&sasl_config, &everything, &names);
    cr_expect_str_eq(buf_str(&names), " EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256"
                                      " SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN ANONYMOUS");
    buf_free(&names);
}

Test(exchange, malformed_messages_are_refused)
{
    static const struct { const char *mechanism; struct slice message; } bad[] = {
        {"PLAIN", {"tom", 3}},
        {"PLAIN", {"\0tom", 4}},
        {"PLAIN", {"\0tom\0tom-pw\0", 12}},
        {"PLAIN", {"\0\0tom-pw", 8}},
        {"PLAIN", {"\0tom\0\xff", 6}},
        {"SCRAM-SHA-256", {"n,,n=plain", 10}},
        {"SCRAM-SHA-256", {"x,,n=plain,r=a", 14}},
        {"SCRAM-SHA-256", {"n,,n=pl=00ain,r=a", 17}},
        {"SCRAM-SHA-256-PLUS", {"n,,n=plain,r=a", 14}},
        {"SCRAM-SHA-256-PLUS", {"p=tls-server-end-point,,n=plain,r=a", 35}},
        {"EXTERNAL", {"t\0m", 3}},
    };
    struct buf challenge = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(first(&everything, bad[i].mechanism, bad[i].message, &challenge), SASL_NO,
                     "%zu", i);
    cr_expect_eq(challenge.len, 0);
    buf_free(&challenge);
}

Test(exchange, without_accounts_nobody_is_refused_for_good)
{
    struct config c = sasl_config;
    struct buf errors = {0}, challenge = {0};
    c.users_file = "/nonexistent/users";
    struct accounts *none = accounts_new(&c, &errors);
    struct sasl_server *server = sasl_server_new(&c, none), *kept = sasl_world_server;
    sasl_world_server = server;
    cr_expect_eq(first(&everything, "PLAIN", slice_of("\0tom\0tom-pw", 11), &challenge),
                 SASL_TEMPFAIL);
    char user[64];
    cr_expect_eq(run_on(&everything, (struct client){.mechanism = "SCRAM-SHA-256", .user = "plain",
                                                     .password = "plain-pw"}, true, user),
                 SASL_TEMPFAIL);
    sasl_world_server = kept;
    sasl_server_free(server);
    accounts_free(none);
    buf_free(&errors);
    buf_free(&challenge);
}
