/* Lines and literals of base/stream.h over arbitrary bytes: never a line over the limit, never a CR
 * LF inside one, and together the lines account for the input. */
#include "base/stream.h"

#include <stdlib.h>

enum { MAX = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream *s = stream_new_memory(slice_of(data, size), NULL);
    struct buf line = {0};
    enum line_end end;
    enum io r;
    while ((r = stream_read_line(s, &line, MAX, &end)) == IO_OK || r == IO_TOO_LONG) {
        if (r == IO_OK && (line.len > MAX || slice_index(buf_slice(&line), '\n') >= 0))
            abort();
        char literal[8];
        if (r == IO_OK && line.len && line.data[line.len - 1] == '}' &&
            stream_read_exact(s, literal, sizeof literal) != IO_OK)
            break;
    }
    buf_free(&line);
    stream_close(s);
    return 0;
}
