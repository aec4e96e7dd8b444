/* address.h - the addresses of SMTP: paths, mailboxes, domains, literals (RFC 5321 4.1.2-3). */
#ifndef REFERENCE_ADDRESS_H
#define REFERENCE_ADDRESS_H

#include "base/buf.h"
#include "base/net.h"

enum address_error {
    ADDRESS_OK,
    ADDRESS_SYNTAX,      /* 501 5.1.7 / 5.1.3 */
    ADDRESS_LOCAL_LONG,  /* local part over 64 octets (4.5.3.1.1) */
    ADDRESS_DOMAIN_LONG, /* domain over 255 (4.5.3.1.2) */
    ADDRESS_PATH_LONG,   /* path over 256 (4.5.3.1.3) */
};

struct path {
    char *address;       /* "local@domain" with the local part as written (quotes kept), "" for <>;
                            for "<postmaster>" just "postmaster". Source routes are dropped. */
    char *local;         /* local part without quoting */
    char *domain;        /* "" for <> and <postmaster>; "[192.0.2.1]" for a literal; U-labels have
                            become A-labels here, as DNS and the configuration have them */
    bool utf8;           /* it is not ASCII: only for those who speak SMTPUTF8 (RFC 6531 3.3) */
};

void path_free(struct path *p);
/* Parses "<...>" at the start of s; what follows the ">" becomes *rest. `null_allowed`: "<>" is
 * fine (MAIL); `postmaster_allowed`: "<postmaster>" without domain is fine (RCPT, 4.1.1.3). */
enum address_error path_parse(struct slice s, bool null_allowed, bool postmaster_allowed,
                              struct path *out, struct slice *rest);
/* "local@domain" as for the operator's commands: the same grammar without the brackets. */
enum address_error mailbox_parse(struct slice s, struct path *out);
/* Appends the address with the least quoting that its local part needs, so that equal mailboxes
 * give equal text (RFC 5321 4.1.2: all quoted forms are the same): "tom"@x becomes tom@x. */
void path_canonical(const struct path *p, struct buf *out);
/* A domain of one label, such as "localhost" (RFC 5321 2.3.5); literals and no domain are not. */
bool path_is_unqualified(const struct path *p);
/* A domain name by RFC 5321 4.1.2 (letters, digits, hyphens; labels up to 63; total up to 255). */
bool domain_valid(struct slice s);
/* "[192.0.2.25]" or "[IPv6:2001:db8::25]" (RFC 5321 4.1.3). */
bool address_literal_parse(struct slice s, struct netaddr *out);

#endif
