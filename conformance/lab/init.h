/* init.h - the first process of a lab. It sets the lab up, is the parent of everything in it, and
 * with it everything ends. One thread, one poll loop: signals, requests, the road. */
#ifndef LAB_INIT_H
#define LAB_INIT_H

#include "conformance/lab/lab.h"

struct init_conf {
    struct world *world;
    char *dir;                /* exists; absolute */
    const char *program_dir;  /* where dns-sim is */
    char *const *argv;        /* the command; NULL: none, the lab stays up (`lab hold`) */
    int lifeline;             /* readable end: on EOF the creator is gone and the lab ends */
    int creator;              /* with `hold`: another such, that of who asked for it; else -1 */
    int report;               /* with `keep`: one octet, the exit status, goes here */
    bool keep;                /* the lab stays up when the command has ended */
    bool remove_dir;          /* at the end */
};

#define INIT_FAILED 125       /* exit status when the lab itself failed */

/* Runs the lab. Returns the exit status for the keeper outside. */
int init_run(struct init_conf *c);

#endif
