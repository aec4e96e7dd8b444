/* checker.h - a program that checks passwords, behind a Unix socket: saslauthd, authdaemond. A connection
 * a question. */
#ifndef REFERENCE_AUTH_CHECKER_H
#define REFERENCE_AUTH_CHECKER_H

#include "base/stream.h"
#include "reference/auth/backend.h"

/* Where the program listens by custom, and what it is called. */
struct checker { const char *path, *program; };

/* Connected within conf->timeout, which bounds everything on the stream too; NULL with a line in *why. */
struct stream *checker_connect(const struct checker *k, const struct accounts_conf *conf,
                               struct buf *why);
/* The probe of backend.h. */
void checker_probe(const struct checker *k, const struct accounts_conf *conf, struct buf *errors);
/* The state of such a back end is its section of the configuration. */
void *checker_open(const struct accounts_conf *conf);
void checker_close(void *state);

#endif
