/* command.h - running a program that reads a message: procmail, maildrop, a list manager. What its
 * exit code means is said by sysexits(3), which all of them follow. */
#ifndef REFERENCE_MDA_COMMAND_H
#define REFERENCE_MDA_COMMAND_H

#include "base/buf.h"

struct command_run {
    char *const *words;          /* the program's path and its arguments, NULL at the end */
    char *const *environment;    /* NULL at the end */
    int input;                   /* a file, read from its beginning as standard input */
    const char *folder;          /* to start in; NULL: / */
    int64_t uid, gid;            /* to run as; -1: as we are */
    int64_t timeout_ms;          /* then it is killed */
};

struct command_result {
    bool delivered, temporary;   /* neither: it has failed for good */
    char status[12];             /* RFC 3463 */
    char text[400];              /* what happened, with the first line that it wrote */
};

/* Runs it to its end. */
void program_run(const struct command_run *run, struct command_result *result);

#endif
