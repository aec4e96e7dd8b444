/* diag.h - what is wrong in a file, and where: file, line and column of each complaint. */
#ifndef RUNNER_DIAG_H
#define RUNNER_DIAG_H

#include "base/buf.h"

struct place {
    const char *file;
    int line;      /* from 1 */
    int col;       /* from 1, octets; 0: the whole line */
};

struct diags {
    struct buf text;       /* "file:line:col: error: ...\n" for each */
    int errors;
};

enum { DIAGS_MAX = 50 };   /* more are counted, not shown */

void diag_error(struct diags *d, struct place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "file:line" of a place for people. */
void place_text(struct buf *b, struct place at);
/* The candidate nearest to `word` by edit distance, or NULL when none is near: for "did you mean". */
const char *diag_nearest(const char *word, const char *const *candidates, size_t n);

#endif
