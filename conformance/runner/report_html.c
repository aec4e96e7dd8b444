#include "conformance/runner/report.h"
void report_html(struct buf *out, const json_t *const *runs, size_t n, const struct catalogue *c)
{ (void)runs;(void)n;(void)c; buf_add_str(out,""); }
