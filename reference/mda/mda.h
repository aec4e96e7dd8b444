/* mda.h - the delivery agent: an LMTP server (RFC 2033) that puts messages into mailboxes.
 *
 * It is given recipients whose aliases the queue has expanded already: a recipient that is an alias
 * still is taken for the account of that name. A message is stored as it came, with LF line ends,
 * and with one field at its top: Return-Path (RFC 5321 4.4), of which there are no others then. */
#ifndef REFERENCE_MDA_H
#define REFERENCE_MDA_H

#include "base/service.h"
#include "base/stream.h"
#include "reference/auth/auth.h"
#include "reference/config.h"
#include "reference/mda/incoming.h"

/* What all sessions share. */
struct mda_ctx {
    const struct config *config;
    const struct service *service;     /* asked whether it stops; NULL: it never does */
    /* Puts the message into the account's mailbox: mda_deliver, or a test's own. */
    int (*deliver)(const struct config *c, const struct account *a, const char *sender,
                   struct incoming *message, struct buf *path);
};

/* Who is asked for accounts: auth_lookup, or a test's own. */
struct mda_accounts {
    enum auth_status (*lookup)(void *arg, const char *address, struct account *out);
    void *arg;
};

/* Runs one session from greeting to QUIT, time-out or a lost connection. The stream is flushed but
 * not closed. `session` is its number, for events. */
void mda_session(struct stream *io, const struct mda_ctx *ctx, const struct mda_accounts *accounts,
                 uint64_t session);

/* Delivers into <mail_dir>/<user>; *path gets the file. 0 when it is durable, -1 with errno as
 * store.h says (EINVAL: the account's name cannot be a file name). */
int mda_deliver(const struct config *c, const struct account *a, const char *sender,
                struct incoming *message, struct buf *path);

#endif
