/* priority.c - two header fields. */
#include "reference/message/priority.h"

static const struct { const char *field, *value; enum priority priority; } words[] = {
    {"priority", "urgent", PRIORITY_URGENT},   {"priority", "normal", PRIORITY_NORMAL},
    {"priority", "non-urgent", PRIORITY_BULK}, {"precedence", "bulk", PRIORITY_BULK},
    {"precedence", "list", PRIORITY_BULK},     {"precedence", "junk", PRIORITY_BULK},
};

enum priority priority_of(struct slice text)
{
    enum priority found = PRIORITY_NORMAL;
    struct slice line;
    while (slice_next(&text, '\n', &line) && slice_trim(line).n > 0) {
        ptrdiff_t colon = slice_index(line, ':');
        if (colon < 0 || (line.p[0] | 32) != 'p')
            continue;
        struct slice name = slice_trim(slice_sub(line, 0, (size_t)colon));
        struct slice value = slice_trim(slice_sub(line, (size_t)colon + 1, line.n));
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (slice_ieq_str(name, words[i].field) && slice_ieq_str(value, words[i].value)) {
                found = words[i].priority;
                if (i < 3)
                    return found;
            }
    }
    return found;
}
