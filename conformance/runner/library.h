/* library.h - all scenarios and requirements of the project, and a selection of them. */
#ifndef RUNNER_LIBRARY_H
#define RUNNER_LIBRARY_H

#include "conformance/runner/catalogue.h"
#include "conformance/runner/parse.h"

struct library {
    char *root;                    /* conformance/ */
    struct scenarios scenarios;
    struct catalogue catalogue;
    struct source *sources;        /* of the scenarios: their texts */
    size_t source_count;
};

struct selection {
    const char **words;            /* ids or prefixes (rfc5321/4.5, D05, smtp/...), files, tag:NAME */
    size_t word_count;
    enum level level;              /* LEVEL_NONE: all */
    const char **tags;
    size_t tag_count;
    const char *name;              /* part of the id or title */
};

/* Every *.scn below root/scenarios and the catalogue. Complaints about the requirements go to d; those about a
 * scenario stay with it. */
void library_load(struct library *l, const char *root, struct diags *d);
/* One more file, from anywhere. */
void library_add_file(struct library *l, const char *path);
/* To standard error: what is wrong in these scenarios, and how many others have mistakes. */
void library_complaints(const struct library *l, struct scenario *const *v, size_t n);
void library_free(struct library *l);
/* The first word that selects nothing, or NULL. */
const char *library_unused_word(const struct library *l, const struct selection *s);
/* The scenarios that are selected, in order; the caller frees the array. */
struct scenario **library_select(const struct library *l, const struct selection *s, size_t *n);

#endif
