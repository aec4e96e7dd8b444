/* report.h - reports made from the JSON of results. */
#ifndef RUNNER_REPORT_H
#define RUNNER_REPORT_H

#include "conformance/runner/catalogue.h"
#include "conformance/runner/deviations.h"

#include <jansson.h>

/* Control codes as \xHH: nothing that a server sent may move a cursor or end a line. */
void report_plain(struct buf *out, struct slice text);
/* What --target must be to run it again. */
const char *report_option(const json_t *all);
/* A failure for people: clause, level, sentence, expected, came, nearest, transcript, command. */
void report_block(struct buf *out, const json_t *result, const char *target);
/* The counts and what they mean. */
void report_summary(struct buf *out, const json_t *all);
void report_tap(struct buf *out, const json_t *all);
/* Valid XML whatever bytes were on the wire. */
void report_junit(struct buf *out, const json_t *all);
void report_markdown(struct buf *out, const json_t *all, const struct catalogue *c);
/* One page: requirements by targets; several runs side by side. */
void report_html(struct buf *out, const json_t *const *runs, size_t n, const struct catalogue *c);

/* By the format's name; false when there is none of that name. */
bool report_make(const char *format, const json_t *all, const struct catalogue *c, bool verbose,
                 struct buf *out);

#endif
