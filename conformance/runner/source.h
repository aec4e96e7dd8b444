/* source.h - the lines of a scenario file: includes followed, comments gone, parameters and the
 * row of a table put in. */
#ifndef RUNNER_SOURCE_H
#define RUNNER_SOURCE_H

#include "base/arena.h"
#include "conformance/runner/diag.h"

struct line {
    struct place at;       /* col: where the text begins */
    int indent;
    const char *text;      /* without indentation and blanks at the end; "" never */
};

struct binding { const char *name, *value; };

struct table_row {
    struct place at;
    const char *name;              /* of the row: its first cell */
    struct binding *cells;
    size_t cell_count;
};

struct source {
    struct arena arena;
    const char *file;
    struct line *lines;
    size_t line_count;
    struct table_row *rows;        /* none: one scenario */
    size_t row_count;
};

enum {
    SOURCE_MAX = 1024 * 1024,      /* octets in a file */
    SOURCE_LINES = 20000,          /* with includes */
    SOURCE_INCLUDES = 8,           /* depth */
    SOURCE_ROWS = 1000,
};

/* Reads the file and what it includes. Complaints go to d. Call source_free in any case. */
bool source_load(struct source *s, const char *path, struct diags *d);
/* The same over text (fuzzer, unit tests); include lines are errors then. */
bool source_text(struct source *s, const char *name, struct slice text, struct diags *d);
void source_free(struct source *s);

/* line.text with each $name or ${name} that the row (may be NULL) or a param line gives replaced
 * by its raw text; other names stay. The result lies in arena a. */
const char *source_expand(const struct source *s, const struct table_row *row, const char *text,
                          struct arena *a);

#endif
