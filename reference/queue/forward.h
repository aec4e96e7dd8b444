/* forward.h - asking the delivery agent where a user's .forward sends his mail: EXPN over LMTP. */
#ifndef REFERENCE_QUEUE_FORWARD_H
#define REFERENCE_QUEUE_FORWARD_H

#include "reference/auth/auth.h"

struct forward_client;
/* Connects when first used; serves one thread at a time. c is borrowed. */
struct forward_client *forward_client_new(const struct config *c);
void forward_client_free(struct forward_client *f);

/* AUTH_ALIAS: *out has the items as targets, with "\user" for the mailbox itself; AUTH_OK: none, the
 * mailbox; AUTH_TEMPFAIL: nobody could be asked, or the file cannot be read now. */
enum auth_status forward_ask(void *forward_client, const char *address, struct account *out);

#endif
