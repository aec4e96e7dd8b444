/* handle.h - what a handle on a running lab holds; for lab.c and spawn.c. */
#ifndef LAB_HANDLE_H
#define LAB_HANDLE_H

#include "conformance/lab/lab.h"

struct lab {
    char *dir, *control, *dns_control, *dns_log;
    pid_t keeper;        /* of lab_create: the child that stands for the lab; else 0 */
    int lifeline;        /* of lab_create: the lab lives as long as this is open; else -1 */
    int init;            /* pidfd of the lab's first process: the way in; -1 inside */
    int root;            /* its root folder: not that of the namespace when it is in a chroot */
    int namespaces;      /* CLONE_NEW* to be joined; 0 inside */
};

#endif
