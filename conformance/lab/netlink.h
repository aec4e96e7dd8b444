/* netlink.h - the few requests to the kernel's rtnetlink that a lab needs (rtnetlink(7)).
 *
 * `nl` is a socket from nl_open; it acts on the network namespace in which it was opened. Each
 * call waits for the kernel's acknowledgement: 0, or -1 with the kernel's errno. */
#ifndef LAB_NETLINK_H
#define LAB_NETLINK_H

#include "base/net.h"

int nl_open(void);

/* Brings an interface up; `no_arp`: its neighbours need no ARP and no neighbour discovery. */
int nl_link_up(int nl, const char *name, bool no_arp);
/* Two interfaces, each the other's far end. */
int nl_add_veth(int nl, const char *name, const char *peer);

/* The address as /32 or /128, usable at once (no duplicate address detection). */
int nl_add_address(int nl, const char *interface, const struct netaddr *a);
/* Makes `source` the source address of whoever connects to the local address `a` unbound; by
 * itself the kernel would take `a`. */
int nl_prefer_source(int nl, const struct netaddr *a, const struct netaddr *source);

/* In `table`, everything of the family goes out of `interface` (NULL: EHOSTUNREACH). */
int nl_add_default_route(int nl, int family, uint32_t table, const char *interface,
                         const struct netaddr *source);
/* Packets that this namespace sends to `to` look their route up in `table` (`to` NULL: all
 * packets, also the received ones). Rules with a smaller preference come first. */
int nl_add_rule(int nl, int family, uint32_t preference, const struct netaddr *to, uint32_t table);
int nl_delete_rule(int nl, int family, uint32_t preference, const struct netaddr *to,
                   uint32_t table);

/* The octets of an IPv4 or IPv6 address, *n of them. */
const void *netaddr_octets(const struct netaddr *a, size_t *n);

#endif
