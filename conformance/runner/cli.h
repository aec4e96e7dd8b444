/* cli.h - the commands of `conform`. Each returns the exit status: 0 all is well, 1 a MUST is not
 * followed, 2 the harness or its usage. */
#ifndef RUNNER_CLI_H
#define RUNNER_CLI_H

#include "conformance/runner/library.h"

enum { EXIT_FINE = 0, EXIT_BROKEN = 1, EXIT_HARNESS = 2 };

struct options {
    char *root, *build;            /* conformance/, build/; owned */
    const char *target;
    struct selection selection;
    int jobs, repeat, min, stop_after;
    bool shuffle, rerun, trace, keep, json, quiet, fail_on_should, verbose, spec;
    unsigned seed;
    const char *out;               /* of the report */
    const char *format;            /* term, json, tap, junit, markdown, html */
    const char *artefacts;
    const char **reports;          /* "junit:FILE" and the like */
    size_t report_count;
};

/* Reads options behind the command's name; false after a complaint. */
bool options_read(struct options *o, int argc, char **argv);
void options_free(struct options *o);

/* Files named on the command line that are not among the project's scenarios. */
void add_named_files(struct options *o, struct library *l);

int command_run_scenarios(struct options *o);
int command_list(struct options *o);
int command_lint(struct options *o);
int command_explain(struct options *o);
int command_coverage(struct options *o);
int command_selftest(struct options *o);
int command_lab(struct options *o);
int command_report(struct options *o);

#endif
