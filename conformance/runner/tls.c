#include "conformance/runner/tls.h"

#include "base/mem.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A certificate for the key, in this name; issued by the authority, or (NULL) by itself. `names` are
 * its alternative names, `use` what it is for. */
static X509 *make_certificate(EVP_PKEY *key, const char *name, const char *names, const char *use,
                              X509 *authority, EVP_PKEY *authority_key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, authority ? X509_get_subject_name(authority) : subject);
    X509_set_pubkey(x, key);
    struct { int nid; const char *value; } extensions[] = {{NID_subject_alt_name, names},
                                                           {NID_ext_key_usage, use}};
    for (int i = 0; i < 2; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, extensions[i].nid, extensions[i].value);
        if (e)
            X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    X509_sign(x, authority ? authority_key : key, EVP_sha256());
    return x;
}

static bool use(SSL_CTX *ctx, X509 *x, EVP_PKEY *key)
{
    bool ok = x && SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

SSL_CTX *server_tls_context(const char *name)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *names = xasprintf("DNS:%s", name);
    if (!ctx || !key || !use(ctx, make_certificate(key, name, names, "serverAuth", NULL, NULL), key))
        die(2, "OpenSSL makes no certificate");
    free(names);
    return ctx;
}

/* What a PEM file holds; NULL when it cannot be read. */
static void *read_pem(const char *folder, const char *file, bool key)
{
    char *path = xasprintf("%s/%s", folder, file);
    FILE *f = fopen(path, "re");
    void *out = !f ? NULL : key ? (void *)PEM_read_PrivateKey(f, NULL, NULL, NULL)
                                : (void *)PEM_read_X509(f, NULL, NULL, NULL);
    if (f)
        fclose(f);
    free(path);
    return out;
}

bool tls_certificate(SSL_CTX *ctx, const struct tls_options *o, bool server, const char *folder)
{
    const char *name = o->certificate;
    bool by_stranger = o->by_stranger;
    X509 *authority = by_stranger ? NULL : read_pem(folder, "ca.pem", false);
    EVP_PKEY *authority_key = by_stranger ? NULL : read_pem(folder, "ca.key", true);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool ok = key && (by_stranger || (authority && authority_key));
    char *names = server ? xasprintf("DNS:%s", name)
                : strchr(name, '@') ? xasprintf("email:%s", name)
                                    : xasprintf("email:%s@magedu.test", name);
    if (ok)
        ok = use(ctx, make_certificate(key, name, names, server ? "serverAuth" : "clientAuth",
                                        authority, authority_key), key);
    free(names);
    X509_free(authority);
    EVP_PKEY_free(authority_key);
    return ok;
}
