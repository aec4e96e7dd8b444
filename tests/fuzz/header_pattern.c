/* The operator's patterns for header fields, and the fields of a stranger: the first line is the
 * pattern, the rest the header. Whatever both say, the search ends soon, and what is found is there. */
#include "reference/policy/header_pattern.h"

#include <stdlib.h>
#include <time.h>

/* Octets: many short inputs find more than few long ones. The time: with sanitizers, on a busy machine. */
enum { PATTERN_MAX = 100, FIELDS_MAX = 300, MOST_MS = 10000 };

static long cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice header = slice_of(data, size), line = {0};
    struct buf why = {0};
    slice_next(&header, '\n', &line);
    header = slice_sub(header, 0, FIELDS_MAX);
    char *text = slice_dup(slice_sub(line, 0, PATTERN_MAX));
    struct header_pattern *p = header_pattern_new(text, &why);
    if (!p != (why.len > 0))
        abort();
    buf_clear(&why);
    long began = cpu_ms();
    enum header_found found = p ? header_pattern_find(p, header, &why) : HEADER_ABSENT;
    if (cpu_ms() - began > MOST_MS || (found == HEADER_ABSENT) != (why.len == 0))
        abort();
    if (found == HEADER_FOUND && slice_index(header, ':') < 0)
        abort();
    header_pattern_free(p);
    buf_free(&why);
    free(text);
    return 0;
}
