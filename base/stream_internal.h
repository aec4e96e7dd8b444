/* stream_internal.h - shared by stream.c (buffers, lines), stream_io.c (waiting, moving bytes) and
 * stream_tls.c (handshakes), stream_deflate.c (compression). Not for others. */
#ifndef BASE_STREAM_INTERNAL_H
#define BASE_STREAM_INTERNAL_H

#include "base/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdatomic.h>

enum {
    IN_SMALL = 4096,        /* first input buffer: most sessions only send commands */
    IN_LARGE = 65536,       /* once a read filled the small one */
    OUT_FLUSH = 65536,      /* output is sent when it reaches this */
    CLOSE_FLUSH_MS = 5000,
    CLOSE_DRAIN_MS = 1000,
};

struct stream {
    int fd;                 /* -1: memory */
    SSL *ssl;               /* NULL: plain */
    struct slice input;     /* memory: what is still to be read */
    struct buf *output;     /* memory: where output goes; may be NULL */

    char *in;               /* in[in_pos..in_len) is read and not consumed */
    size_t in_pos, in_len, in_cap;
    struct buf out;         /* written and not sent */
    size_t out_sent;        /* bytes of out already sent */

    int64_t timeout_ms, deadline;
    bool eof;               /* sticky */
    enum io write_status;   /* sticky once below IO_OK */
    atomic_bool interrupted;
    atomic_bool idle;       /* stream_set_idle */
    char error[160];

    struct deflate_layer *deflate;  /* stream_deflate.c; NULL: not compressed */

    stream_tap *tap;
    void *tap_arg;

    void (*on_free)(void *arg); /* the service forgets its pointer to us */
    void *on_free_arg;
};

/* When an operation that begins now must give up, as mono_ms; INT64_MAX: never. */
int64_t stream_limit(const struct stream *s);
/* Waits until the socket is ready for events (POLLIN, POLLOUT). */
enum io stream_poll(struct stream *s, short events, int64_t limit);
/* Sets the error text and gives IO_ERROR. */
enum io stream_fail(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads at least one byte into the (empty) input buffer; output is flushed before any waiting. */
enum io stream_fill(struct stream *s, int64_t limit);
/* Sends n bytes, waiting as needed. */
enum io stream_send(struct stream *s, const char *p, size_t n, int64_t limit);
/* After a failed SSL_ call with result `ret`: waits as it asks (IO_OK: try again), or the failure. */
enum io stream_tls_wait(struct stream *s, int ret, int64_t limit, const char *what);

/* The layer below stream_fill: one read of at most n bytes without waiting. How many, 0 at the end, -1
 * when it would wait (for *events) and -2 on failure. And below stream_send: n bytes as they are. */
ssize_t stream_read_some(struct stream *s, char *p, size_t n, short *events);
enum io stream_send_raw(struct stream *s, const char *p, size_t n, int64_t limit);
/* The same with compression. */
ssize_t stream_read_inflated(struct stream *s, short *events);
enum io stream_send_deflated(struct stream *s, const char *p, size_t n, int64_t limit);
void stream_deflate_free(struct stream *s);

#endif
