/* parsed.h - a scenario parsed from text, for the tests. */
#ifndef TESTS_PARSED_H
#define TESTS_PARSED_H

#include "conformance/runner/lint.h"
#include "conformance/runner/parse.h"

struct parsed {
    struct source source;
    struct scenarios all;
    struct diags diags;
    const struct scenario *s;      /* the first */
};

void parse_text(struct parsed *p, const char *text);
void parsed_free(struct parsed *p);
/* The complaints about a text, as one string; the caller frees. */
char *complaints(const char *text);

#endif
