#include "conformance/runner/tls.h"

#include "base/mem.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static int version_of(const char *v)
{
    return strcmp(v, "1.0") == 0 ? TLS1_VERSION : strcmp(v, "1.1") == 0 ? TLS1_1_VERSION
         : strcmp(v, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

SSL_CTX *client_tls_context(const struct tls_options *o, const char *ca_file)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        die(2, "OpenSSL gives no context");
    SSL_CTX_set_security_level(ctx, 0);    /* old versions are offered where a scenario wants it */
    if (o->version) {
        SSL_CTX_set_min_proto_version(ctx, version_of(o->version));
        SSL_CTX_set_max_proto_version(ctx, version_of(o->version));
    }
    if (ca_file)
        SSL_CTX_load_verify_locations(ctx, ca_file, NULL);
    return ctx;
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, subject);
    X509_set_pubkey(x, key);
    char *names = xasprintf("DNS:%s", name);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    if (e)
        X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    free(names);
    X509_sign(x, key, EVP_sha256());
    return x;
}

SSL_CTX *server_tls_context(const char *name)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = key ? make_certificate(key, name) : NULL;
    if (!ctx || !x || SSL_CTX_use_certificate(ctx, x) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key) != 1)
        die(2, "OpenSSL makes no certificate");
    X509_free(x);
    EVP_PKEY_free(key);
    return ctx;
}
