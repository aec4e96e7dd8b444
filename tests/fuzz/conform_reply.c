/* What a server under test may say: replies of every protocol as the harness reads them, and IMAP
 * responses as parsed data. The first octet chooses. */
#include "conformance/runner/imap.h"
#include "conformance/runner/match.h"

#include <stdint.h>
#include <stdlib.h>

enum { REPLIES = 50 };

static void read_all(struct slice bytes, enum proto proto, bool lines)
{
    struct stream *s = stream_new_memory(bytes, NULL);
    for (int i = 0; i < REPLIES; i++) {
        struct reply r = {0};
        answer_read(s, proto, lines, &r);
        enum reply_kind kind = r.kind;
        if (kind == REPLY_LINES && !r.count && !r.fault)
            abort();               /* a reply has a line, or something is wrong with it */
        if (kind == REPLY_LINES && proto == PROTO_IMAP && r.count) {
            struct arena a = {0};
            struct imap_node node;
            const char *why = NULL;
            if (!imap_parse(&a, buf_slice(&r.lines[0]), &node, &why) && !why)
                abort();           /* what is refused is refused for a reason */
            arena_free(&a);
        }
        answer_free(&r);
        if (kind != REPLY_LINES)
            break;
    }
    stream_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum proto protos[] = {PROTO_SMTP, PROTO_LMTP, PROTO_POP3, PROTO_IMAP, PROTO_RAW};
    if (n)
        read_all(slice_of((const char *)data + 1, n - 1), protos[data[0] % 5], data[0] & 64);
    return 0;
}
