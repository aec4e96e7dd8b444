/* isolate.h - the walls of a lab: its namespaces, its mounts and its network. */
#ifndef LAB_ISOLATE_H
#define LAB_ISOLATE_H

#include "conformance/lab/lab.h"

/* Moves this process into new network and mount namespaces, and its next child into a new pid
 * namespace, whose init that child is. Root needs nothing more; others (and a root without
 * CAP_SYS_ADMIN) get a user namespace too, in which they keep their own uid. False with what is
 * missing on this machine in *error. */
bool isolate(struct buf *error);
/* For the children of a lab without root, before exec: they keep the right to configure the
 * lab's network and to look at its packets. */
void isolate_keep_capabilities(void);

/* In the init of the lab: /proc of the pid namespace; private copies in <dir>/etc over
 * /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf; no name service cache. */
bool isolate_mount(const char *dir, struct buf *error);

/* Where packets for hosts in trouble are routed (road.h), and where there is no way at all. */
#define TABLE_ROAD 77u
#define TABLE_UNREACHABLE 78u

/* Loop-back with every address of the world, the sources of unbound clients, the road. `nl`:
 * netlink.h. */
bool isolate_network(int nl, const struct world *w, struct buf *error);
/* One more address on loop-back. */
bool isolate_add_address(int nl, const struct world *w, const struct netaddr *a,
                         struct buf *error);

#endif
