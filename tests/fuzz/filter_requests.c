/* What a target sends to a scripted milter, spamd or clamd, whatever it is: every request is read and
 * answered without a crash, a leak or a hang. The first octet chooses the protocol. */
#include "conformance/runner/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct buf out = {0};
    struct filter f = {.proto = data[0] % 3 == 0 ? PROTO_MILTER : data[0] % 3 == 1 ? PROTO_SPAMD : PROTO_CLAMD,
                       .stream = stream_new_memory(slice_of(data + 1, size - 1), &out)};
    while (filter_read(&f) == IO_OK && !f.ends)
        filter_answer(&f, (struct slice){0});
    stream_close(f.stream);
    filter_free(&f);
    buf_free(&out);
    return 0;
}
