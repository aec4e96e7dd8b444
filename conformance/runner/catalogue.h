/* catalogue.h - the requirements: one row a clause, from conformance/requirements/. */
#ifndef RUNNER_CATALOGUE_H
#define RUNNER_CATALOGUE_H

#include "conformance/runner/ast.h"

struct requirement {
    const char *id;                /* "rfc5321/4.5.2/leading-dot-doubled", "D05" */
    const char *document;          /* "rfc5321", "behaviours" */
    const char *section;           /* "4.5.2"; "" for behaviours */
    struct place at;
    const char *level_text;        /* "MUST NOT" */
    enum level level;
    const char *binds, *text, *seen, *source, *why, *standard;
    bool observable;
    struct ids serves;             /* behaviours */
};

struct catalogue {
    struct arena arena;
    struct requirement *v;         /* in the order of files and rows */
    size_t n;
    size_t *index;                 /* by id */
};

/* Reads each *.req file of the folder. Complaints (unknown keys, ids twice, missing fields) go to
 * d; what could be read is there all the same. */
bool catalogue_load(struct catalogue *c, const char *folder, struct diags *d);
/* One file's text: for unit tests. */
void catalogue_read(struct catalogue *c, const char *file, struct slice text, struct diags *d);
/* To be called after the last catalogue_read: sorts, finds ids given twice. */
void catalogue_finish(struct catalogue *c, struct diags *d);
const struct requirement *catalogue_find(const struct catalogue *c, const char *id);
/* The id nearest to one that does not exist, or NULL. */
const char *catalogue_nearest(const struct catalogue *c, const char *id);
void catalogue_free(struct catalogue *c);
/* True when `id` lies under the prefix: equal, or the prefix ends at a '/' or '#' boundary. */
bool id_under(const char *id, const char *prefix);

#endif
