/* stream.h: TLS, with a certificate made on the spot */
#include "base/stream.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <unistd.h>

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    char san[100];
    snprintf(san, sizeof san, "DNS:%s", name);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, key, EVP_sha256());
    return x;
}

struct sides { SSL_CTX *server, *client; int fd[2]; size_t injected; enum io result; };

static struct sides make_sides(const char *name)
{
    struct sides t = {.server = SSL_CTX_new(TLS_server_method()),
                      .client = SSL_CTX_new(TLS_client_method())};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make_certificate(key, name);
    SSL_CTX_use_certificate(t.server, x);
    SSL_CTX_use_PrivateKey(t.server, key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(t.client), x);
    X509_free(x);
    EVP_PKEY_free(key);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, t.fd), 0);
    return t;
}

/* Reads one plain line, starts TLS, echoes one line. */
static void *serve(void *arg)
{
    struct sides *t = arg;
    struct stream *s = stream_new_fd(t->fd[0]);
    stream_set_timeout(s, 3000);
    struct buf line = {0};
    enum line_end end;
    stream_read_line(s, &line, 100, &end);
    stream_puts(s, "220 go\r\n");
    t->result = stream_start_tls_server(s, t->server, &t->injected);
    if (t->result == IO_OK && stream_read_line(s, &line, 100, &end) == IO_OK)
        stream_printf(s, "echo %s\r\n", buf_str(&line));
    stream_close(s);
    buf_free(&line);
    return NULL;
}

static enum io talk(struct sides *t, const char *plain, const char *name, struct buf *answer)
{
    pthread_t thread;
    pthread_create(&thread, NULL, serve, t);
    struct stream *s = stream_new_fd(t->fd[1]);
    stream_set_timeout(s, 3000);
    stream_puts(s, plain);
    enum line_end end;
    cr_assert_eq(stream_read_line(s, answer, 100, &end), IO_OK);
    enum io r = stream_start_tls_client(s, t->client, name, true, NULL);
    if (r == IO_OK) {
        stream_puts(s, "hi\r\n");
        r = stream_read_line(s, answer, 100, &end);
    }
    stream_close(s);
    pthread_join(thread, NULL);
    SSL_CTX_free(t->server);
    SSL_CTX_free(t->client);
    return r;
}

Test(tls, talks_after_the_handshake, .timeout = 10)
{
    struct sides t = make_sides("mail.hehuan.test");
    struct buf answer = {0};
    cr_assert_eq(talk(&t, "STARTTLS\r\n", "mail.hehuan.test", &answer), IO_OK);
    cr_assert_str_eq(buf_str(&answer), "echo hi");
    cr_assert_eq(t.injected, 0);
    buf_free(&answer);
}

Test(tls, plain_text_behind_starttls_is_dropped_and_told, .timeout = 10)
{
    struct sides t = make_sides("mail.hehuan.test");
    struct buf answer = {0};
    cr_assert_eq(talk(&t, "STARTTLS\r\nINJECTED\r\n", "mail.hehuan.test", &answer), IO_OK);
    cr_assert_str_eq(buf_str(&answer), "echo hi");
    cr_assert_eq(t.injected, 10);
    buf_free(&answer);
}

Test(tls, a_wrong_name_fails, .timeout = 10)
{
    struct sides t = make_sides("mail.hehuan.test");
    struct buf answer = {0};
    cr_assert_eq(talk(&t, "STARTTLS\r\n", "mail1.hehuan.test", &answer), IO_ERROR);
    buf_free(&answer);
}
