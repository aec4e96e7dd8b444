/* client_tls.c - STARTTLS from the client's side (RFC 3207). Without DNSSEC or a policy (RFC 7672,
 * RFC 8461) nobody knows which name a certificate should have, so certificates are not looked at
 * unless the configuration says "verify": this keeps listeners out, not impostors. */
#include "base/event.h"
#include "reference/relay/client_internal.h"
#include "reference/tls/tls.h"

#include <openssl/ssl.h>

/* Our own words in the place of a reply. */
static bool no_tls(struct client *cl, const char *why)
{
    cl->reply.code = 0;
    memcpy(cl->reply.status, "4.7.5", 6);
    buf_clear(&cl->reply.text);
    buf_add_str(&cl->reply.text, why);
    return false;
}

/* After a 220 to STARTTLS. */
static bool handshake(struct client *cl)
{
    /* What came behind the 220 in plain may be from anybody (CVE-2011-0411). */
    bool injected = stream_buffered(cl->s) > 0;
    bool verify = cl->tls_policy == RELAY_TLS_VERIFY;
    enum io r = injected ? IO_ERROR
                         : tls_connect(cl->s, cl->tls, cl->tls_name ? cl->tls_name : cl->host, verify);
    const char *why = injected          ? "plain text came after STARTTLS"
                      : r == IO_TIMEOUT ? "the TLS handshake timed out"
                      : r == IO_EOF     ? "the connection was closed in the TLS handshake"
                                        : stream_error(cl->s);
    if (r == IO_OK) {
        SSL *ssl = stream_ssl(cl->s);
        event("relay.tls", EV_STR("id", cl->id), EV_STR("exchanger", cl->host),
              EV_STR("address", cl->address), EV_STR("version", SSL_get_version(ssl)),
              EV_STR("cipher", tls_cipher(ssl)));
        return true;
    }
    event("relay.tls-failed", EV_STR("id", cl->id), EV_STR("exchanger", cl->host),
          EV_STR("address", cl->address), EV_STR("why", why));
    cl->broken = cl->tls_failed = true;
    return no_tls(cl, why);
}

bool client_start_tls(struct client *cl)
{
    bool required = cl->tls_policy >= RELAY_TLS_REQUIRE;
    if (!cl->tls)
        return true;
    if (!cl->starttls)
        return !required || no_tls(cl, "TLS is required for this destination and the server has none");
    client_command(cl, "STARTTLS\r\n");
    if (!client_reply(cl, cl->c->timeout_mail))
        return false;
    /* RFC 3207 4: after 454 and the like it is up to us whether to go on in plain. */
    if (cl->reply.code != 220)
        return !cl->broken && !required;
    return handshake(cl) && client_hello(cl);    /* 4.2: what EHLO said before is forgotten */
}
