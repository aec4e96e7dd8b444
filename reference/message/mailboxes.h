/* mailboxes.h - the address lists of header fields (RFC 5322 3.4, 4.4), as lenient as real mail
 * needs.
 *
 * Not the paths of SMTP: those are in address.h. Here nothing is refused; a broken address gives
 * the pieces that can be made out. */
#ifndef REFERENCE_MAILBOXES_H
#define REFERENCE_MAILBOXES_H

#include "base/buf.h"

/* One address in the form that ENVELOPE has (RFC 9051 7.5.2). A p of NULL is NIL. Start of a group:
 * host NULL, mailbox its name; end of a group: host and mailbox NULL. */
struct mailbox_address {
    struct slice name;      /* display name or the comment after the address, unquoted, undecoded */
    struct slice route;     /* obsolete source route "@a,@b" */
    struct slice mailbox;   /* local part, unquoted */
    struct slice host;      /* domain; "" when it was missing */
};

struct mailbox_list {
    struct mailbox_address *all;
    size_t count, room;
    struct buf text;        /* internal: what the slices point into */
};

enum { MAILBOX_LIST_MAX = 20000 };      /* addresses of one field; the rest is not looked at */

/* Parses the value of From, To, ...; *list was zeroed or is used again. */
void mailbox_list_parse(struct mailbox_list *list, struct slice value);
void mailbox_list_free(struct mailbox_list *list);

#endif
