#include "dns-sim/server.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

/* A fault's delay; false when the server is stopping meanwhile. */
static bool wait_delay(struct stream *s, const struct session_info *info, int64_t ms)
{
    int64_t end = mono_ms() + ms;
    stream_flush(s);                        /* what was answered before is not late */
    while (mono_ms() < end) {
        int64_t left = end - mono_ms();
        sleep_ms(left < 50 ? left : 50);
        if (info->service && service_stopping(info->service))
            return false;
    }
    return true;
}

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
        if (reply.delay_ms > 0 && !wait_delay(s, info, reply.delay_ms))
            break;
        if (stream_write(s, reply.bytes.data, reply.bytes.len) != IO_OK)
            break;
    }
    buf_free(&reply.bytes);
    free(packet);
    stream_close(s);
}
