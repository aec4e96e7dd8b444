/* client_internal.h - shared by client.c (connection) and transaction.c (mail). Not for others. */
#ifndef REFERENCE_CLIENT_INTERNAL_H
#define REFERENCE_CLIENT_INTERNAL_H

#include "reference/relay/client.h"

/* Writes a command line (CRLF included); it leaves with the next read. */
void client_command(struct client *cl, const char *line);
/* EHLO (LHLO), and HELO where that is not known. False when the server takes neither. */
bool client_hello(struct client *cl);
/* STARTTLS as the configuration has it, when cl->tls is set. False when there is no going on. */
bool client_start_tls(struct client *cl);
/* Reads a reply into cl->reply; broken is set when there is none, or 421. */
bool client_reply(struct client *cl, int64_t timeout_ms);

#endif
