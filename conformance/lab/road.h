/* road.h - the bad road: what happens to packets for a host that is down, silent or slow.
 *
 * A lab has a veth pair, road0 and road1. Packets for a host in trouble are routed out of road0
 * (init.c); here they are read at road1 as they come and answered with a reset, dropped, or put
 * back into road0 later, where the kernel delivers them to the host as if nothing had been. No
 * kernel module but veth is needed, and no packet filter: netem and nftables are not everywhere. */
#ifndef LAB_ROAD_H
#define LAB_ROAD_H

#include "base/net.h"
#include "conformance/lab/lab.h"

struct road;

#define ROAD_NEAR "road0"
#define ROAD_FAR "road1"

/* The pair must exist and be up. NULL with errno on failure. */
struct road *road_open(void);
void road_free(struct road *r);
int road_fd(const struct road *r);             /* to be polled for input */
/* What becomes of packets for `host` from now on: LAB_DOWN, LAB_SILENT or LAB_SLOW (by `ms`). Any
 * other state forgets the host. */
void road_set(struct road *r, const struct netaddr *host, enum lab_state state, int64_t ms);
void road_receive(struct road *r);             /* takes what has come in */
/* Sends the packets whose time has come. The ms until the next one's; -1 when none waits. */
int64_t road_deliver(struct road *r);

#endif
