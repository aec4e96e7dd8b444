/* stream.h - the only face of a connection that protocol code sees.
 *
 * A stream reads and writes bytes with deadlines, over a socket, over TLS on a socket, or over
 * memory (unit tests, fuzzers, golden transcripts). Output is corked: it is kept until
 * stream_flush, until it is large, or until a read would have to wait for the peer. So the replies
 * to a batch of pipelined commands leave in one segment (RFC 2920 3.2) and no session can forget to
 * flush. */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include "base/buf.h"
#include "base/net.h"

#include <openssl/types.h>

struct stream;

/* What an operation came to. Everything below IO_OK means that it did not happen. */
enum io {
    IO_OK = 1,
    IO_EOF = 0,       /* the peer closed in good order (at the start of what was asked for) */
    IO_TIMEOUT = -1,  /* the deadline passed */
    IO_ERROR = -2,    /* reset, TLS failure, EOF inside what was asked for; see stream_error */
    IO_TOO_LONG = -3, /* a line over the limit: it was read to its end and dropped */
};

/* How a line ended. RFC 5321 2.3.8: only CRLF ends a line; who gets LINE_LF must treat the line
 * as broken, never as a line. */
enum line_end { LINE_CRLF, LINE_LF };

/* Takes ownership of the socket. */
struct stream *stream_new_fd(int fd);
/* Reads `input` (borrowed, must outlive the stream), then EOF; what is written is appended to
 * *output (borrowed; may be NULL to drop it). */
struct stream *stream_new_memory(struct slice input, struct buf *output);
/* Flushes (for at most 5 s), says close_notify on TLS, closes the socket, frees. NULL is fine. */
void stream_close(struct stream *s);
/* As stream_close but without flushing, with RST where the socket allows it. */
void stream_abort(struct stream *s);

/* Overwrites what has been read and consumed, and what has been sent: after a password went by. */
void stream_wipe(struct stream *s);
/* Each later operation that has to wait gives up ms after it began; <= 0: waits for ever. */
void stream_set_timeout(struct stream *s, int64_t ms);
/* And in any case at this point of mono_ms (0: none): a bound on a whole command or message. */
void stream_set_deadline(struct stream *s, int64_t mono_ms);
/* Makes every waiting and later operation fail with IO_ERROR; callable from another thread. */
void stream_interrupt(struct stream *s);

/* Set while a session waits for the next command. A stop of the service then wakes the waiting read
 * (it fails or gives IO_EOF) while writing still works, so that the session can say its farewell.
 * The session looks at service_stopping() after setting it and after any read that failed. */
void stream_set_idle(struct stream *s, bool idle);

/* Reads to the next LF. *line gets the line without its CRLF (or LF, see *end); any other byte,
 * a CR inside included, stays in it. `max` bounds the length without the line end; longer lines
 * are consumed and give IO_TOO_LONG. EOF after some bytes gives IO_ERROR with the bytes in *line. */
enum io stream_read_line(struct stream *s, struct buf *line, size_t max, enum line_end *end);
/* Exactly n bytes into p (a literal, a BDAT chunk). */
enum io stream_read_exact(struct stream *s, void *p, size_t n);
/* At least one byte, as a view into the stream's own buffer, valid until the next read; what is
 * not consumed stays. For byte automata such as the end of DATA. */
enum io stream_peek(struct stream *s, struct slice *bytes);
void stream_consume(struct stream *s, size_t n);
/* Bytes already read from the peer and not consumed (of this layer: plain or TLS). */
size_t stream_buffered(const struct stream *s);
/* Waits up to ms for input (buffered or new): IO_OK when a read would not wait, IO_EOF, IO_TIMEOUT. */
enum io stream_wait(struct stream *s, int64_t ms);
/* Waits for input as stream_wait does, or until the descriptor `other` (-1: none) is readable: IO_OK
 * with *other_ready set then. Output is flushed and the empty buffers' memory given back before
 * the waiting, because it may last: RFC 2177. */
enum io stream_wait_beside(struct stream *s, int other, int64_t ms, bool *other_ready);

/* Appends to the output; the result is that of a flush if one was due, else IO_OK. Once a write
 * failed all later ones fail the same way, so that only the last result need be looked at. */
enum io stream_write(struct stream *s, const void *p, size_t n);
enum io stream_puts(struct stream *s, const char *text);
enum io stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
enum io stream_flush(struct stream *s);
/* n bytes of file fd from offset, without passing through a buffer where the system can. */
enum io stream_send_file(struct stream *s, int fd, int64_t offset, int64_t n);
/* No more output: half-close (FIN, or close_notify). */
enum io stream_shutdown_write(struct stream *s);

/* TLS from here on. Input that was already buffered in plain is dropped, and reported in
 * *injected (bytes; may be NULL): CVE-2011-0411, RFC 3207 4.2. IO_OK after the handshake. */
enum io stream_start_tls_server(struct stream *s, SSL_CTX *ctx, size_t *injected);
/* server_name goes out as SNI and, when verify is set, must match the certificate. */
enum io stream_start_tls_client(struct stream *s, SSL_CTX *ctx, const char *server_name,
                                bool verify, size_t *injected);
/* Both directions are compressed from here on (RFC 4978: raw deflate, flushed with the output). What was
 * buffered and not consumed counts as compressed. */
enum io stream_start_deflate(struct stream *s);
SSL *stream_ssl(struct stream *s);            /* NULL when plain */
bool stream_is_tls(const struct stream *s);

int stream_fd(const struct stream *s);        /* -1 for memory */
/* Text of the last IO_ERROR, "" when none; owned by the stream. */
const char *stream_error(const struct stream *s);

/* Every byte that passes, after decryption: direction '<' read from the peer, '>' written to it.
 * For transcripts. NULL ends it. */
typedef void stream_tap(void *arg, char direction, struct slice bytes);
void stream_set_tap(struct stream *s, stream_tap *tap, void *arg);

#endif
