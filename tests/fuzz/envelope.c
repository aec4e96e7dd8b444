/* The head of a queue file: whatever stands there is understood or refused, and what is understood
 * points into the head. */
#include "reference/queue/queue.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct envelope e;
    const char *why = NULL;
    if (!envelope_parse(slice_of(data, n), &e, &why)) {
        if (!why || e.rcpt)
            abort();
        return 0;
    }
    if (!queue_id_valid(e.id) || e.size <= 0 || e.rcpt_count == 0 || !e.reverse_path
        || e.message_offset > (int64_t)n)
        abort();
    for (size_t i = 0; i < e.rcpt_count; i++)
        if (e.rcpt[i].mark_offset + 4 > (int64_t)n
            || memcmp(data + e.rcpt[i].mark_offset, recipient_mark(e.rcpt[i].state), 4) != 0)
            abort();             /* a mark would be written somewhere else */
    envelope_free(&e);
    return 0;
}
