/* stream_tls.c - the handshakes. */
#include "base/stream_internal.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What came in plain behind STARTTLS must not be taken for something said inside TLS
 * (RFC 3207 4.2; CVE-2011-0411). */
static size_t drop_plain_input(struct stream *s)
{
    size_t n = stream_buffered(s);
    stream_consume(s, n);
    return n;
}

static enum io handshake(struct stream *s, int (*step)(SSL *), const char *what)
{
    int64_t limit = stream_limit(s);
    for (;;) {
        ERR_clear_error();
        int r = step(s->ssl);
        if (r == 1)
            return IO_OK;
        enum io w = stream_tls_wait(s, r, limit, what);
        if (w != IO_OK)
            return w;
    }
}

static enum io begin(struct stream *s, SSL_CTX *ctx, size_t *injected)
{
    size_t dropped = drop_plain_input(s);
    if (injected)
        *injected = dropped;
    if (s->fd < 0)
        return stream_fail(s, "TLS needs a socket");
    if (stream_flush(s) != IO_OK)
        return s->write_status;
    s->ssl = SSL_new(ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, s->fd) != 1)
        return stream_fail(s, "TLS: %s", ERR_reason_error_string(ERR_get_error()));
    SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    return IO_OK;
}

/* A failed handshake leaves neither layer usable. */
static enum io settle(struct stream *s, enum io r)
{
    if (r != IO_OK)
        s->write_status = r;
    return r;
}

enum io stream_start_tls_server(struct stream *s, SSL_CTX *ctx, size_t *injected)
{
    enum io r = begin(s, ctx, injected);
    return settle(s, r == IO_OK ? handshake(s, SSL_accept, "TLS accept") : r);
}

static bool is_address(const char *name)
{
    unsigned char out[16];
    return inet_pton(AF_INET, name, out) == 1 || inet_pton(AF_INET6, name, out) == 1;
}

/* RFC 6066 3: an address is never sent as SNI; it is checked against the certificate's IP names. */
static bool set_name(SSL *ssl, const char *name, bool verify)
{
    bool address = is_address(name);
    if (!address && SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (!verify)
        return true;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                   : SSL_set1_host(ssl, name) == 1;
}

enum io stream_start_tls_client(struct stream *s, SSL_CTX *ctx, const char *server_name,
                                bool verify, size_t *injected)
{
    enum io r = begin(s, ctx, injected);
    if (r == IO_OK && server_name && !set_name(s->ssl, server_name, verify))
        r = stream_fail(s, "TLS: cannot use the name %s", server_name);
    return settle(s, r == IO_OK ? handshake(s, SSL_connect, "TLS connect") : r);
}
