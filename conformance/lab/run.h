/* run.h - the keeper: the process outside that a lab is started by and answers for. */
#ifndef LAB_RUN_H
#define LAB_RUN_H

#include "conformance/lab/lab.h"

struct run_options {
    const char *world;   /* file; NULL: a world without hosts */
    const char *dir;     /* NULL: temporary */
    bool keep;           /* the lab stays up when the command has ended */
    bool remove;         /* the folder goes with the lab, although it was named */
    bool hold;           /* no command: up until standard input is closed */
    char *const *argv;   /* the command */
};

/* Runs a lab from beginning to end. Returns the exit status. */
int run_lab(const struct run_options *o);
/* Says step by step what works on this machine. Returns the exit status. */
int run_check(void);

#endif
