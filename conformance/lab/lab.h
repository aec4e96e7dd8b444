/* lab.h - a small internet in a box: a network namespace whose loop-back carries the addresses
 * of every host that a world names, with real port numbers, a simulated DNS and its own
 * resolv.conf. Labs are independent: many may run side by side with the same addresses.
 *
 *   struct world *w = world_load("hehuan.world", &errors);
 *   struct lab *lab = lab_create(w, NULL, &errors);        runs until lab_destroy
 *   pid_t pid = lab_spawn(lab, &(struct lab_command){.argv = argv});
 *   int fd = lab_socket(lab, AF_INET, SOCK_STREAM);        a socket inside, for use out here
 *   lab_set_state(lab, "mail", LAB_SLOW, 300, &errors);
 *   lab_destroy(lab);
 *
 * The lab lives in processes of its own (the program `lab`), so any thread may use it, and it
 * ends with its creator even when that is killed. docs/lab.8.md describes the program. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include "base/buf.h"
#include "base/net.h"

#include <sys/types.h>

/* ---- the world: who is where ------------------------------------------------------------- */

struct world_host {
    char *name;
    struct netaddr *addrs;
    size_t addr_count;
};

struct world {
    struct world_host *hosts;
    size_t host_count;
    char **zones;                     /* zone files for dns-sim; absolute paths */
    size_t zone_count;
    struct netaddr source_v4, source_v6; /* of clients that bind to no address */
};

/* A world with no host, no zone and the customary sources. */
struct world *world_new(void);
/* NULL on error, with "file:line: what is wrong; what to do" in *errors. Zone files are taken
 * relative to the world file and must be there. */
struct world *world_load(const char *path, struct buf *errors);
void world_free(struct world *w);
void world_add_zone(struct world *w, const char *path);
/* Adds an address to the host of this name, which is made if need be. False when another host
 * has the address. */
bool world_add_address(struct world *w, const char *name, const struct netaddr *a);
/* The host of this name or with this address; NULL if there is none. */
struct world_host *world_find(const struct world *w, const char *name_or_address);
/* As the text of a world file. */
void world_write(const struct world *w, struct buf *text);

/* ---- the lab ----------------------------------------------------------------------------- */

enum lab_state {
    LAB_UP,
    LAB_DOWN,         /* every connection is refused */
    LAB_UNREACHABLE,  /* EHOSTUNREACH at once */
    LAB_SILENT,       /* packets vanish: time-outs */
    LAB_SLOW,         /* packets to it arrive later by so many ms */
};

/* "up", "down", ...; -1 for any other word. */
int lab_state_by_name(const char *name);
const char *lab_state_name(enum lab_state s);
#define LAB_SLOW_MAX_MS 60000

struct lab;

/* A new lab of this world. Its folder is `dir`, made if need be, or when NULL a new one under
 * $TMPDIR that goes away with the lab. NULL on failure, with the reason in *error. */
struct lab *lab_create(const struct world *w, const char *dir, struct buf *error);
/* A handle on a lab that runs already in this folder. */
struct lab *lab_open(const char *dir, struct buf *error);
/* Ends a lab of lab_create with every process in it; a handle of lab_open is only freed. */
void lab_destroy(struct lab *lab);

const char *lab_dir(const struct lab *lab);
/* Sockets and logs of the simulated DNS: the path of its control socket and of its query log. */
const char *lab_dns_control(const struct lab *lab);
const char *lab_dns_log(const struct lab *lab);

struct lab_command {
    char *const *argv;                /* found through PATH */
    char *const *env;                 /* "NAME=value" to be added; may be NULL */
    const char *cwd;                  /* NULL: as the caller's */
    int fds[3];                       /* standard input, output, error; -1 (and all 0): inherited */
};

/* Starts a command in the lab. Returns a pid to be waited for and killed as any: that of a small
 * process which passes signals on, dies with the command and ends as it does. -1 with errno, also
 * when there is no such program. LAB_DIR and its kin are added to the environment. */
pid_t lab_spawn(struct lab *lab, const struct lab_command *c);
/* A socket of the lab's network: bind, listen and connect act in there. -1 with errno. */
int lab_socket(struct lab *lab, int domain, int type);
/* A state for a host, named as in the world or by one of its addresses, both families at once.
 * `ms` is the delay of LAB_SLOW. False with the reason in *error. */
bool lab_set_state(struct lab *lab, const char *host, enum lab_state s, int64_t ms,
                   struct buf *error);
/* One more address for a host, new or known. */
bool lab_add_address(struct lab *lab, const char *host, const struct netaddr *a,
                     struct buf *error);
/* Asks a running lab to end and waits until it has. */
bool lab_stop(struct lab *lab, struct buf *error);

#endif
