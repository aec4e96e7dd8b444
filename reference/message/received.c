/* received.c - writes the Received field. */
#include "reference/message/received.h"

#include "base/timing.h"

void buf_add_address_literal(struct buf *b, const struct netaddr *a)
{
    char host[64];
    netaddr_host(a, host);
    /* An IPv4-mapped IPv6 address is shown as IPv4, so the text decides, not the family. */
    buf_printf(b, strchr(host, ':') ? "[IPv6:%s]" : "[%s]", host);
}

void buf_add_received(struct buf *b, const struct received *r)
{
    /* FROM has what the client said and, in the comment, what the connection says. */
    buf_printf(b, "Received: from %s (%s%s", r->helo, r->client_name ? r->client_name : "",
               r->client_name ? " " : "");
    buf_add_address_literal(b, r->client);
    buf_printf(b, ")\r\n\tby %s with %s id %s", r->by, r->protocol, r->id);
    /* RFC 5321 4.4, 7.2: at most one path, and none when that would show the other recipients. */
    if (r->recipient != NULL)
        buf_printf(b, "\r\n\tfor <%s>", r->recipient);
    if (r->cipher != NULL)
        buf_printf(b, "\r\n\ttls %s", r->cipher); /* RFC 8314 4.3 */
    buf_add_str(b, ";\r\n\t");
    buf_add_rfc5322_date(b, r->time_us);
    buf_add_str(b, "\r\n");
}
