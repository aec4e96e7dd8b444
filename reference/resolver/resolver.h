/* resolver.h - DNS look-ups over ldns, the only file that knows ldns' ownership rules.
 *
 * A resolver serves one thread at a time. Every look-up says which of four things happened, since
 * what the caller may do depends on it: a temporary failure must never become a bounce. */
#ifndef REFERENCE_RESOLVER_H
#define REFERENCE_RESOLVER_H

#include "base/buf.h"
#include "base/net.h"
#include "reference/config.h"

enum dns_status {
    DNS_OK,        /* there are records */
    DNS_NODATA,    /* the name exists, not with this type (RFC 2308 2.2) */
    DNS_NXDOMAIN,  /* no such name */
    DNS_TEMPFAIL,  /* SERVFAIL, REFUSED, time-out, answer that cannot be read */
};

const char *dns_status_text(enum dns_status s);

struct mx { uint16_t preference; char *host; };            /* host without the final dot; "" is
                                                              the root: null MX (RFC 7505) */
struct mx_list { struct mx *v; size_t n; };
struct addr_list { struct netaddr *v; size_t n; };         /* port 0 */
struct name_list { char **v; size_t n; };

struct resolver;
struct resolver *resolver_new(const struct config *c);
void resolver_free(struct resolver *r);

/* Sorted by preference, equal ones in random order (RFC 5321 5.1). CNAMEs are followed. */
enum dns_status resolver_mx(struct resolver *r, const char *domain, struct mx_list *out);
/* AAAA, then A. DNS_OK when either has records; DNS_TEMPFAIL when neither has and one failed. */
enum dns_status resolver_addresses(struct resolver *r, const char *host, struct addr_list *out);
enum dns_status resolver_ptr(struct resolver *r, const struct netaddr *a, struct name_list *out);
enum dns_status resolver_txt(struct resolver *r, const char *name, struct name_list *out);

void mx_list_free(struct mx_list *l);
void addr_list_free(struct addr_list *l);
void name_list_free(struct name_list *l);

#endif
