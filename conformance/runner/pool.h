/* pool.h - running many scenarios: labs side by side, one process a lab. */
#ifndef RUNNER_POOL_H
#define RUNNER_POOL_H

#include "conformance/runner/result.h"

struct pool_conf {
    const struct target *target;
    const struct catalogue *catalogue;
    struct scenario *const *scenarios;     /* in the order to run them */
    size_t count;
    int jobs;                              /* 1..64 */
    const char *artefacts;                 /* folder for what is left of each run; NULL: none */
    bool keep_all;                         /* of passed ones too */
    bool selftest;                         /* replays each that passed, with changes */
    bool trace;                            /* the transcript to standard error as it is made */
    /* Is the result worth a second try, alone? NULL: an ERROR is. */
    bool (*doubtful)(void *arg, const json_t *result);
    const bool *stop;                      /* once true, no more are begun; NULL: never */
    /* Called in the parent for each result, in the order of their coming. */
    void (*done)(void *arg, size_t index, const json_t *result);
    void *arg;
};

/* All results in the order of the scenarios; *version gets the target's. NULL with *error when
 * not a single lab could be made. */
json_t *pool_run(const struct pool_conf *conf, char **version, struct buf *error);

/* With an index: this scenario is tried again. */
#define POOL_AGAIN (UINT64_C(1) << 63)
/* worker.c: one lab's life. Reads indices from fd, writes results; ends when fd closes. */
void worker_main(const struct pool_conf *conf, int fd);
/* Frames on the socket between them. */
bool frame_send(int fd, const void *p, size_t n);
bool frame_receive(int fd, struct buf *out);

#endif
