/* tls.h - TLS for the parties of a scenario. */
#ifndef RUNNER_TLS_H
#define RUNNER_TLS_H

#include "conformance/runner/ast.h"

#include <openssl/ssl.h>

/* A context for a client (trusting `ca_file` when not NULL) with the versions that o names. */
SSL_CTX *client_tls_context(const struct tls_options *o, const char *ca_file);
/* A context with a certificate made on the spot for the name; shared by all servers of a run. */
SSL_CTX *server_tls_context(const char *name);

/* The certificate that o names (its CommonName; a server's DNS name, a client's mail address, which is
 * NAME@magedu.test where the name has no @), issued by the authority of the world in `folder`, or by
 * nobody but itself. False: there is no authority. */
bool tls_certificate(SSL_CTX *ctx, const struct tls_options *o, bool server, const char *folder);

#endif
