#include "dns-sim/server.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

/* Queries of one connection are answered in their order; a delay holds up those behind it. Replies
 * to pipelined queries leave together (base/stream.h), as RFC 7766 6.2.1.1 wants it. */
void tcp_session(struct stream *s, const struct session_info *info, void *ctx)
{
    struct dns_sim *sim = ctx;
    struct asker from = {.client = info->peer, .transport = OVER_TCP};
    struct reply reply = {0};
    char *packet = xmalloc(MESSAGE_MAX);
    uint8_t length[2];
    stream_set_timeout(s, TCP_IDLE_MS);
    for (;;) {
        if (stream_read_exact(s, length, 2) != IO_OK)
            break;
        size_t n = get16(length);
        /* A message has to come whole within the time of one wait, not byte by byte for ever. */
        stream_set_deadline(s, mono_ms() + TCP_IDLE_MS);
        if (stream_read_exact(s, packet, n) != IO_OK)
            break;
        stream_set_deadline(s, 0);
        bool answered = dns_answer(sim, slice_of(packet, n), &from, &reply);
        if (reply.close)
            break;
        if (!answered)
            continue;
        if (reply.delay_ms > 0) {
            stream_flush(s);
            sleep_ms(reply.delay_ms);
        }
        if (stream_write(s, reply.bytes.data, reply.bytes.len) != IO_OK)
            break;
    }
    buf_free(&reply.bytes);
    free(packet);
    stream_close(s);
}
