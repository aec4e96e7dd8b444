/* net.h - addresses and sockets, IPv4, IPv6 and Unix. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include "base/buf.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct netaddr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t len;
};

/* "192.0.2.25", "2001:db8::25" or "unix:/path" (port is ignored then). False when it is none. */
bool netaddr_parse(struct netaddr *a, struct slice text, uint16_t port);
/* The host part as text, as in RFC 5952 for IPv6; no brackets, no port. An IPv4-mapped IPv6
 * address is shown as IPv4. Unix sockets give "unix". */
void netaddr_host(const struct netaddr *a, char out[64]);
/* "192.0.2.25:25", "[2001:db8::25]:25", "unix:/path" */
void netaddr_text(const struct netaddr *a, char out[160]);
uint16_t netaddr_port(const struct netaddr *a);
bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b);

/* A network: address and prefix length; "198.51.100.0/24" or a lone address. */
struct netblock { struct netaddr addr; int prefix; };
bool netblock_parse(struct netblock *b, struct slice text);
bool netblock_has(const struct netblock *b, const struct netaddr *a);

/* A listening stream socket (close-on-exec, SO_REUSEADDR; IPv6 sockets are v6only; an existing
 * Unix socket file is replaced). The descriptor, or -1 with errno. */
int net_listen(const struct netaddr *a, int backlog);
/* Connects within timeout_ms, from the address `from` when not NULL (port 0: any). The
 * descriptor (blocking mode, close-on-exec, TCP_NODELAY), or -1 with errno (ETIMEDOUT on time-out). */
int net_connect(const struct netaddr *to, const struct netaddr *from, int64_t timeout_ms);

#endif
