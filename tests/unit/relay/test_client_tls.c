/* STARTTLS of the client where it comes to nothing; real TLS is in tests/drive/test_relay_tls.py. */
#include "base/mem.h"
#include "reference/relay/client.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>

#define OFFER "220 a\r\n250-a\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
#define NO_OFFER "220 a\r\n250 a\r\n"
#define HELLO "EHLO relay.magedu.test\r\n"

/* Greets a server that says this; what the client said is compared (said NULL: it is not). */
static struct client *greet(enum relay_tls policy, const char *server, bool welcome,
                            const char *said)
{
    static struct config config;
    struct buf out = {0};
    config = (struct config){.hostname = "relay.magedu.test", .timeout_greeting = 1000,
                             .timeout_mail = 1000, .relay_tls = policy};
    struct client *cl = client_new(&config, stream_new_memory(slice_str(server), &out), false,
                                   "mail.hehuan.test", "192.0.2.25");
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    cl->tls = policy == RELAY_TLS_NONE ? NULL : tls;
    cr_expect_eq(client_greet(cl), welcome, "%s", server);
    stream_close(cl->s);
    cl->s = NULL;
    if (said)
        cr_expect_str_eq(buf_str(&out), said);
    SSL_CTX_free(tls);
    buf_free(&out);
    return cl;
}

Test(client_tls, goes_on_in_plain_where_there_is_none)
{
    client_free(greet(RELAY_TLS_OPPORTUNISTIC, NO_OFFER, true, HELLO));
    client_free(greet(RELAY_TLS_NONE, OFFER, true, HELLO));
    struct client *cl = greet(RELAY_TLS_OPPORTUNISTIC, OFFER "454 4.7.0 not now\r\n", true,
                              HELLO "STARTTLS\r\n");
    cr_expect(cl->size && cl->size_limit == 1000 && !cl->broken && !cl->tls_failed);
    client_free(cl);
}

Test(client_tls, never_in_plain_where_it_is_required)
{
    struct client *cl = greet(RELAY_TLS_REQUIRE, NO_OFFER, false, HELLO);
    cr_expect(strstr(buf_str(&cl->reply.text), "TLS is required"));
    client_free(cl);
    client_free(greet(RELAY_TLS_REQUIRE, OFFER "454 4.7.0 not now\r\n", false,
                      HELLO "STARTTLS\r\n"));
}

Test(client_tls, what_came_to_nothing_may_be_tried_in_plain_on_a_new_connection)
{
    static const char *const servers[] = {
        OFFER "220 go\r\n",                                  /* memory speaks no TLS */
        OFFER "220 go\r\n250-a\r\n250 AUTH injected\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct client *cl = greet(RELAY_TLS_OPPORTUNISTIC, servers[i], false, NULL);
        cr_expect(cl->tls_failed && cl->broken);
        client_free(cl);
    }
}

Test(client_tls, a_server_that_closes_is_gone)
{
    struct client *cl = greet(RELAY_TLS_OPPORTUNISTIC, OFFER "421 bye\r\n", false,
                              HELLO "STARTTLS\r\n");
    cr_expect(cl->broken && !cl->tls_failed);
    client_free(cl);
}
