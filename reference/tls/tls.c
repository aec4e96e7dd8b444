/* tls.c - contexts and what a connection says about itself. */
#include "reference/tls/tls.h"

#include "base/event.h"

#include "base/timing.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>

/* ---- contexts -------------------------------------------------------------------------------- */

static bool wrong(struct buf *errors, const char *file, const char *what, const char *remedy)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    buf_printf(errors, "%s: %s%s%s; %s\n", file, what, reason ? ": " : "", reason ? reason : "",
               remedy);
    ERR_clear_error();
    return false;
}

/* So that "permission denied" is told apart from "no certificate in it". */
static bool readable(const char *file, const char *what, struct buf *errors)
{
    struct buf text = {0};
    bool good = buf_read_file(&text, file, TLS_FILE_MAX) == 0;
    if (!good)
        buf_printf(errors,
                   "%s: the %s cannot be read: %s; correct the path in tls { }, or the file's "
                   "owner and mode\n",
                   file, what, strerror(errno));
    if (text.cap)
        explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return good;
}

/* RFC 9325 3.1.1: TLS 1.2 at least. 3.2, 3.3: no compression, no renegotiation. 4.1, 4.2: AEAD
 * ciphers with ephemeral keys; 4.4: curves of 128 bits and more. */
static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK:!SRP");
    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521");
    SSL_CTX_set_dh_auto(ctx, 1);
    return ctx;
}

static bool load_own(SSL_CTX *ctx, const struct config *c, struct buf *errors)
{
    if (!readable(c->tls_certificate, "certificate", errors) ||
        !readable(c->tls_key, "key", errors))
        return false;
    if (SSL_CTX_use_certificate_chain_file(ctx, c->tls_certificate) != 1)
        return wrong(errors, c->tls_certificate, "no certificate could be taken from it",
                     "give a PEM file with the server's certificate first and then its chain");
    if (SSL_CTX_use_PrivateKey_file(ctx, c->tls_key, SSL_FILETYPE_PEM) != 1)
        return wrong(errors, c->tls_key, "no key for this certificate could be taken from it",
                     "give the PEM file of the certificate's key, not encrypted");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return wrong(errors, c->tls_key, "the key does not belong to the certificate",
                     "name the key that the certificate was made with");
    return true;
}

/* RFC 4422 A: a client may show a certificate and then use EXTERNAL; none is no failure. */
static bool load_client_ca(SSL_CTX *ctx, const char *file, struct buf *errors)
{
    if (!readable(file, "file of client authorities", errors))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(ctx, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return wrong(errors, file, "no certificate could be taken from it",
                     "give a PEM file with the certificates of the authorities of your clients");
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return true;
}

/* A certificate that does not verify must not end the handshake: such a client can still log in
 * by password. tls_client_identity looks at the verdict. */
static int accept_any(int verified, X509_STORE_CTX *store)
{
    (void)verified, (void)store;
    return 1;
}

SSL_CTX *tls_server_new(const struct config *c, struct buf *errors)
{
    static const unsigned char sessions_of[] = "postroad";
    ERR_clear_error();
    SSL_CTX *ctx = context_new(TLS_server_method());
    if (ctx && load_own(ctx, c, errors) &&
        (!c->tls_client_ca || load_client_ca(ctx, c->tls_client_ca, errors))) {
        SSL_CTX_set_session_id_context(ctx, sessions_of, sizeof sessions_of - 1);
        if (c->tls_client_ca)
            SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *tls_client_new(const char *ca_file, struct buf *errors)
{
    ERR_clear_error();
    SSL_CTX *ctx = context_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_default_verify_paths(ctx);
    if (!ca_file || (readable(ca_file, "file of authorities", errors) &&
                     (SSL_CTX_load_verify_file(ctx, ca_file) == 1 ||
                      wrong(errors, ca_file, "no certificate could be taken from it",
                            "give a PEM file with the certificates of authorities"))))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static SSL_CTX *server_context;

bool tls_server_prepare(const struct config *c, struct buf *errors)
{
    if (!c->tls_certificate)
        return true;
    server_context = tls_server_new(c, errors);
    return server_context != NULL;
}

SSL_CTX *tls_server_context(void) { return server_context; }

/* ---- connections ----------------------------------------------------------------------------- */

enum io tls_accept(struct stream *io, SSL_CTX *ctx)
{
    stream_set_deadline(io, mono_ms() + TLS_HANDSHAKE_MS);
    enum io r = stream_start_tls_server(io, ctx, NULL);
    stream_set_deadline(io, 0);
    return r;
}

static SSL_CTX *client_context, *verifying_context;
static pthread_mutex_t verifying_lock = PTHREAD_MUTEX_INITIALIZER;

static void make_client_context(void) { client_context = context_new(TLS_client_method()); }

SSL_CTX *tls_verifying_client_context(const char *ca_file)
{
    struct buf errors = {0};
    pthread_mutex_lock(&verifying_lock);
    if (!verifying_context)
        verifying_context = tls_client_new(ca_file, &errors);
    if (!verifying_context)
        event("relay.tls-failed", EV_STR("why", buf_str(&errors)));
    SSL_CTX *ctx = verifying_context;
    pthread_mutex_unlock(&verifying_lock);
    buf_free(&errors);
    return ctx;
}

SSL_CTX *tls_client_context(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_client_context);
    return client_context;
}

enum io tls_connect(struct stream *io, SSL_CTX *ctx, const char *server_name, bool verify)
{
    stream_set_deadline(io, mono_ms() + TLS_HANDSHAKE_MS);
    enum io r = stream_start_tls_client(io, ctx, server_name, verify, NULL);
    stream_set_deadline(io, 0);
    return r;
}

const char *tls_cipher(SSL *ssl)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const char *name = cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
    return name ? name : "unknown";
}

/* RFC 9266 2, 3; RFC 7627 5.4: without the extended master secret two connections may share their
 * secrets, and a binding then proves nothing. */
static bool has_unique_secrets(SSL *ssl)
{
    return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

void tls_exporter_binding(SSL *ssl, struct buf *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char octets[32];
    if (has_unique_secrets(ssl) &&
        SSL_export_keying_material(ssl, octets, sizeof octets, label, sizeof label - 1,
                                   (const unsigned char *)"", 0, 1) == 1)
        buf_add(out, octets, sizeof octets);
}

void tls_unique_binding(SSL *ssl, struct buf *out)
{
    unsigned char finished[EVP_MAX_MD_SIZE];
    if (SSL_version(ssl) != TLS1_2_VERSION || !has_unique_secrets(ssl))
        return;
    /* RFC 5929 3.1: the first Finished message, which is the client's in a full handshake and the
     * server's in a resumed one. We are the server. */
    size_t n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, finished, sizeof finished)
                                       : SSL_get_peer_finished(ssl, finished, sizeof finished);
    buf_add(out, finished, n < sizeof finished ? n : sizeof finished);
}

static bool add_name(const ASN1_STRING *s, struct buf *out)
{
    const unsigned char *p = s ? ASN1_STRING_get0_data(s) : NULL;
    int n = p ? ASN1_STRING_length(s) : 0;
    if (n <= 0 || memchr(p, 0, (size_t)n))
        return false;
    buf_add(out, p, (size_t)n);
    return true;
}

bool tls_client_identity(SSL *ssl, struct buf *out)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    bool found = false;
    if (!x || SSL_get_verify_result(ssl) != X509_V_OK)
        return false;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_EMAIL)
            found = add_name(name->d.rfc822Name, out);
    }
    GENERAL_NAMES_free(names);
    if (found)
        return true;
    X509_NAME *subject = X509_get_subject_name(x);
    int last = -1, at;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
        last = at;
    return last >= 0 && add_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)), out);
}
