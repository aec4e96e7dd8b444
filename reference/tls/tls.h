/* tls.h - what the reference wants of TLS: contexts made from files, with the defaults of RFC 9325
 * (TLS 1.2 and 1.3, forward secrecy, no compression, no renegotiation), and what a session may
 * know about its connection. The handshakes themselves are in base/stream.h. */
#ifndef REFERENCE_TLS_H
#define REFERENCE_TLS_H

#include "base/stream.h"
#include "reference/config.h"

#include <openssl/types.h>

enum {
    TLS_FILE_MAX = 1024 * 1024,      /* octets of a certificate, key or CA file */
    TLS_HANDSHAKE_MS = 60 * 1000,    /* longer than any honest one takes */
};

/* A context for our listeners from the files that the configuration names: the certificate with
 * its chain, its key, and the authorities that client certificates may come from. NULL when there
 * is a problem: *errors then has a line with the file and the remedy. The caller frees it. */
SSL_CTX *tls_server_new(const struct config *c, struct buf *errors);

/* A context for connections to other servers. With verify the system's authorities are trusted,
 * and those of ca_file when it is not NULL; whether a certificate is asked for is decided by
 * stream_start_tls_client. NULL as above. */
SSL_CTX *tls_client_new(const char *ca_file, struct buf *errors);

/* Reads the files for this process while it may still read them: before a role gives up root.
 * True when there is nothing to read, too. */
bool tls_server_prepare(const struct config *c, struct buf *errors);
/* What tls_server_prepare made, shared by all sessions of the process; NULL: no TLS. */
SSL_CTX *tls_server_context(void);

/* The handshake as a server, over at TLS_HANDSHAKE_MS. The stream's deadline is taken away. */
enum io tls_accept(struct stream *io, SSL_CTX *ctx);

/* Contexts for TLS with others, each made once in a process; NULL when that failed. The first trusts
 * nobody, and is for connections whose certificates are not looked at: to read the system's
 * authorities takes long. */
SSL_CTX *tls_client_context(void);
SSL_CTX *tls_verifying_client_context(const char *ca_file);
/* The handshake as a client; server_name goes out as SNI and, with verify, must be in a certificate
 * that is to be trusted. Over at TLS_HANDSHAKE_MS; the stream's deadline is taken away. */
enum io tls_connect(struct stream *io, SSL_CTX *ctx, const char *server_name, bool verify);

/* The registered name of the cipher suite, such as "TLS_AES_256_GCM_SHA384" (static): for the "tls"
 * clause of Received (RFC 8314 4.3) and for events. */
const char *tls_cipher(SSL *ssl);

/* Channel bindings of a connection for SASL, appended as octets; nothing is appended where the
 * connection has none.
 *   tls-exporter (RFC 9266): TLS 1.3, and TLS 1.2 with the extended master secret
 *   tls-unique   (RFC 5929 3): TLS 1.2 with the extended master secret (RFC 7627) only */
void tls_exporter_binding(SSL *ssl, struct buf *out);
void tls_unique_binding(SSL *ssl, struct buf *out);

/* Who the client's verified certificate says it is: the first rfc822Name, or else the last common
 * name of the subject. False when there was none, or it was not verified, or has a NUL inside. */
bool tls_client_identity(SSL *ssl, struct buf *out);

#endif
