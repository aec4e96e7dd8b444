/* dns.h - the lab's name server. */
#ifndef LAB_DNS_H
#define LAB_DNS_H

#include "conformance/lab/lab.h"

/* Starts dns-sim on port 53 of loop-back with the zones of the world, and waits until it is ready.
 * Its control socket is <dir>/dns.control, its query log <dir>/dns.log, what it says goes to
 * <dir>/dns-sim.log. The program is looked for in program_dir and in PATH; $LAB_DNS_SIM names
 * another. False with the reason in *error. */
bool dns_start(const struct world *w, const char *dir, const char *program_dir, pid_t *pid,
               struct buf *error);
/* Becomes `dns-sim ctl CONTROL WORDS...`; returns only when that cannot be run, with errno. */
void dns_control(const char *control, const char *program_dir, char *const *words);

#endif
