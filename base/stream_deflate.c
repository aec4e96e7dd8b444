/* stream_deflate.c - a compressed stream between the session and the connection (RFC 4978, RFC 1951). */
#include "base/stream_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    RAW_SIZE = 4096,          /* compressed input read at once */
    CHUNK_SIZE = 16384,       /* compressed output sent at once */
    WINDOW_IN = -15,          /* raw deflate; the peer may use the largest window */
    WINDOW_OUT = -13,         /* ours is smaller, to use less memory in each session */
    MEMORY_OUT = 6,
};

struct deflate_layer {
    z_stream in, out;
    unsigned char raw[RAW_SIZE];
    bool in_full;             /* the last inflate filled its output: there may be more */
    bool ended;               /* the peer ended its stream */
};

enum io stream_start_deflate(struct stream *s)
{
    if (stream_flush(s) != IO_OK)
        return s->write_status;
    struct deflate_layer *z = xcalloc(1, sizeof *z);
    if (inflateInit2(&z->in, WINDOW_IN) != Z_OK ||
        deflateInit2(&z->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_OUT, MEMORY_OUT,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        die(71, "memory is out for compression");
    /* What came behind the command already is compressed. */
    size_t early = stream_buffered(s) < RAW_SIZE ? stream_buffered(s) : RAW_SIZE;
    memcpy(z->raw, early ? s->in + s->in_pos : "", early);
    z->in.next_in = z->raw;
    z->in.avail_in = (unsigned)early;
    s->in_pos = s->in_len = 0;
    s->deflate = z;
    return IO_OK;
}

void stream_deflate_free(struct stream *s)
{
    if (!s->deflate)
        return;
    inflateEnd(&s->deflate->in);
    deflateEnd(&s->deflate->out);
    free(s->deflate);
    s->deflate = NULL;
}

ssize_t stream_read_inflated(struct stream *s, short *events)
{
    struct deflate_layer *z = s->deflate;
    for (;;) {
        if (z->ended)
            return 0;
        if (z->in.avail_in == 0 && !z->in_full) {
            ssize_t n = stream_read_some(s, (char *)z->raw, sizeof z->raw, events);
            if (n <= 0)
                return n;
            z->in.next_in = z->raw;
            z->in.avail_in = (unsigned)n;
        }
        z->in.next_out = (unsigned char *)s->in;
        z->in.avail_out = (unsigned)s->in_cap;
        int r = inflate(&z->in, Z_SYNC_FLUSH);
        z->ended = r == Z_STREAM_END;
        z->in_full = z->in.avail_out == 0;
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) {
            stream_fail(s, "inflate: %s", z->in.msg ? z->in.msg : "damaged");
            return -2;
        }
        if (s->in_cap - z->in.avail_out > 0)
            return (ssize_t)(s->in_cap - z->in.avail_out);
    }
}

enum io stream_send_deflated(struct stream *s, const char *p, size_t n, int64_t limit)
{
    struct deflate_layer *z = s->deflate;
    unsigned char chunk[CHUNK_SIZE];
    z->out.next_in = (unsigned char *)(uintptr_t)p;
    while (n > 0 || z->out.avail_in > 0) {
        /* zlib counts in 32 bits. */
        if (z->out.avail_in == 0) {
            z->out.avail_in = n > 1 << 30 ? 1 << 30 : (unsigned)n;
            n -= z->out.avail_in;
        }
        do {
            z->out.next_out = chunk;
            z->out.avail_out = sizeof chunk;
            deflate(&z->out, n ? Z_NO_FLUSH : Z_SYNC_FLUSH);
            enum io r = stream_send_raw(s, (char *)chunk, sizeof chunk - z->out.avail_out, limit);
            if (r != IO_OK)
                return r;
        } while (z->out.avail_out == 0);
    }
    return IO_OK;
}
