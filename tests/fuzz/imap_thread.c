/* Headers of arbitrary octets, put into threads: every message stands in the answer once, the
 * parentheses match, and a summary comes back as it was made. */
#include "reference/imapd/thread.h"

#include <stdlib.h>

enum { MESSAGES_MAX = 500 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_answer(struct slice s, uint32_t count)
{
    bool seen[MESSAGES_MAX + 1] = {false};
    uint32_t found = 0;
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        depth += (s.p[i] == '(') - (s.p[i] == ')');
        check(depth >= 0);
        if (s.p[i] < '0' || s.p[i] > '9')
            continue;
        uint32_t n = 0;
        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            n = n * 10 + (uint32_t)(s.p[i] - '0');
        i--;
        check(depth > 0 && n >= 1 && n <= count && !seen[n]);
        seen[n] = true;
        found++;
    }
    check(depth == 0 && found == count);
}

/* An empty line ends each header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int references = 0; references < 2; references++) {
        struct thread_tree *t = thread_new();
        struct slice rest = slice_of(data, size);
        struct buf text = {0}, out = {0};
        uint32_t count = 0;
        while (rest.n > 0 && count < MESSAGES_MAX) {
            ptrdiff_t end = slice_find(rest, SLICE("\n\n"));
            struct slice header = slice_sub(rest, 0, end < 0 ? rest.n : (size_t)end + 1);
            struct summary s;
            rest = slice_sub(rest, header.n + 1, rest.n);
            buf_clear(&text);
            summary_make(&text, header);
            check(summary_read(buf_slice(&text), &s));
            count++;
            thread_add(t, count, s.has_date ? s.sent : count, &s);
        }
        if (references)
            thread_references(t, &out);
        else
            thread_ordered_subject(t, &out);
        check_answer(buf_slice(&out), count);
        thread_free(t);
        buf_free(&text);
        buf_free(&out);
    }
    return 0;
}
