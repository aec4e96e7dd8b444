/* Packets of a milter, and making the changes that they ask for: header '\0' '\0' then packets, each
 * the answer's octet, the length of its data and the data. */
#include "reference/filter/milter_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    ptrdiff_t end = slice_find(input, SLICE("\0\0"));
    struct slice header = slice_sub(input, 0, end < 0 ? size : (size_t)end);
    struct slice packets = slice_sub(input, header.n + 2, size);
    struct filter_changes changes;
    struct filter_result r = {0};
    struct buf out = {0};

    changes_init(&changes, "/tmp");
    while (packets.n >= 2) {
        unsigned char answer = (unsigned char)packets.p[0];
        size_t n = (unsigned char)packets.p[1];
        struct slice body = slice_sub(packets, 2, 2 + n);
        if (answer == SMFIR_REPLYCODE) {
            if (milter_take_refusal("f", answer, body, &r) &&
                (r.verdict.code < 400 || r.verdict.code > 599))
                abort();
        } else {
            milter_take_change(answer, body, SMFIF_ALL, &changes);
        }
        packets = slice_sub(packets, 2 + n, packets.n);
    }
    ssize_t body_at = header_end(header);
    struct slice fields = slice_sub(header, 0, body_at < 0 ? header.n : (size_t)body_at);
    size_t own = changes_apply_header(&changes, fields, fields.n / 2, &out);
    if (own > out.len || (changes.n == 0 && !slice_eq(buf_slice(&out), fields)))
        abort();
    struct envelope e = {0};
    changes_apply_envelope(&changes, &e);
    envelope_free(&e);
    changes_free(&changes);
    buf_free(&out);
    return 0;
}
