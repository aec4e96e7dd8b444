/* server.h - the sockets of dns-sim: UDP, TCP and control. */
#ifndef DNS_SIM_SERVER_H
#define DNS_SIM_SERVER_H

#include "base/service.h"
#include "dns-sim/sim.h"

/* ---- udp.c: one thread a socket, and one that sends what a fault delays ---- */

struct udp_server;

struct udp_server *udp_server_new(struct dns_sim *sim);
/* Binds; the result tells whether that worked, errno why not. */
bool udp_server_listen(struct udp_server *u, const struct netaddr *a);
void udp_server_start(struct udp_server *u);
/* Stops the threads and frees all; delayed replies that are not due are dropped. */
void udp_server_stop(struct udp_server *u);

/* ---- tcp.c: RFC 7766; a session of base/service.h, ctx is the struct dns_sim ---- */

enum {
    TCP_IDLE_MS = 10000,            /* RFC 7766 6.2.3: closed when nothing comes for so long */
    TCP_SESSIONS_MAX = 300,
    TCP_BACKLOG = 256,
};
void tcp_session(struct stream *s, const struct session_info *info, void *ctx);

/* ---- control.c: commands by line; a session of base/service.h, ctx is the struct dns_sim ---- */

void control_session(struct stream *s, const struct session_info *info, void *ctx);
/* Carries out one command (without its line end). `body` is the zone text of "load", else empty.
 * The reply is appended to out: "ok N\n" and N lines, or "error REASON\n". False for the latter. */
bool control_command(struct dns_sim *sim, struct slice line, struct slice body, struct buf *out);
/* True for a command after which lines of text up to a lone "." follow. */
bool control_wants_body(struct slice line);

/* ctl.c: sends the command of argv to the socket at `path`, prints the reply. The exit status. */
int ctl_main(const char *path, int argc, char **argv);

#endif
