#include "base/stream_internal.h"

#include "base/mem.h"
#include "base/timing.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A peer that closed must give an error, not a signal (OpenSSL writes without MSG_NOSIGNAL). */
static void ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }

struct stream *stream_new_fd(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ignore_sigpipe);
    struct stream *s = xcalloc(1, sizeof *s);
    s->fd = fd;
    s->write_status = IO_OK;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return s;
}

struct stream *stream_new_memory(struct slice input, struct buf *output)
{
    struct stream *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    s->input = input;
    s->output = output;
    s->write_status = IO_OK;
    return s;
}

static void stream_free(struct stream *s)
{
    if (s->on_free)
        s->on_free(s->on_free_arg);
    stream_deflate_free(s);
    if (s->ssl)
        SSL_free(s->ssl);
    if (s->fd >= 0)
        close(s->fd);
    /* What passed may have been a password. */
    if (s->in)
        explicit_bzero(s->in, s->in_cap);
    if (s->out.data)
        explicit_bzero(s->out.data, s->out.cap);
    free(s->in);
    buf_free(&s->out);
    free(s);
}

/* Closing a socket with unread input sends RST, which may destroy our last reply on its way (the
 * 421 to a client that keeps sending). So say that we are done, and read a little longer. */
static void drain(struct stream *s)
{
    int unread = 0;
    if (ioctl(s->fd, FIONREAD, &unread) < 0 || unread == 0)
        return;
    shutdown(s->fd, SHUT_WR);
    int64_t limit = mono_ms() + CLOSE_DRAIN_MS;
    char sink[4096];
    for (int i = 0; i < 256; i++) {
        ssize_t n = recv(s->fd, sink, sizeof sink, 0);
        if (n == 0 || (n < 0 && stream_poll(s, POLLIN, limit) != IO_OK))
            break;
    }
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    if (!s->deadline || s->deadline > mono_ms() + CLOSE_FLUSH_MS)
        s->deadline = mono_ms() + CLOSE_FLUSH_MS;
    bool sent = stream_flush(s) == IO_OK;
    if (sent && s->ssl)
        SSL_shutdown(s->ssl);
    if (sent && s->fd >= 0)
        drain(s);
    stream_free(s);
}

void stream_abort(struct stream *s)
{
    if (!s)
        return;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (s->fd >= 0)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    stream_free(s);
}

void stream_set_timeout(struct stream *s, int64_t ms) { s->timeout_ms = ms; }
void stream_set_deadline(struct stream *s, int64_t mono) { s->deadline = mono; }
size_t stream_buffered(const struct stream *s) { return s->in_len - s->in_pos; }
bool stream_is_tls(const struct stream *s) { return s->ssl != NULL; }
SSL *stream_ssl(struct stream *s) { return s->ssl; }
int stream_fd(const struct stream *s) { return s->fd; }
const char *stream_error(const struct stream *s) { return s->error; }

void stream_set_idle(struct stream *s, bool idle) { atomic_store(&s->idle, idle); }

void stream_set_tap(struct stream *s, stream_tap *tap, void *arg)
{
    s->tap = tap;
    s->tap_arg = arg;
}

void stream_interrupt(struct stream *s)
{
    atomic_store(&s->interrupted, true);
    if (s->fd >= 0)
        shutdown(s->fd, SHUT_RDWR); /* wakes the thread that waits in poll */
}

/* --- reading ------------------------------------------------------------------------------ */

enum io stream_peek(struct stream *s, struct slice *bytes)
{
    if (stream_buffered(s) == 0) {
        enum io r = stream_fill(s, stream_limit(s));
        if (r != IO_OK)
            return r;
    }
    *bytes = slice_of(s->in + s->in_pos, stream_buffered(s));
    return IO_OK;
}

void stream_wipe(struct stream *s)
{
    if (s->in) {
        explicit_bzero(s->in, s->in_pos);
        explicit_bzero(s->in + s->in_len, s->in_cap - s->in_len);
    }
    if (s->out.data && s->out.len == 0)
        explicit_bzero(s->out.data, s->out.cap);
}

void stream_consume(struct stream *s, size_t n)
{
    size_t have = stream_buffered(s);
    s->in_pos += n < have ? n : have;
}

enum io stream_wait(struct stream *s, int64_t ms)
{
    if (stream_buffered(s))
        return IO_OK;
    return stream_fill(s, mono_ms() + ms);
}

enum io stream_read_line(struct stream *s, struct buf *line, size_t max, enum line_end *end)
{
    int64_t limit = stream_limit(s);
    bool too_long = false;
    buf_clear(line);
    for (;;) {
        if (stream_buffered(s) == 0) {
            enum io r = stream_fill(s, limit);
            if (r == IO_EOF && (line->len || too_long))
                return stream_fail(s, "the connection ended inside a line");
            if (r != IO_OK)
                return r;
        }
        struct slice have = slice_of(s->in + s->in_pos, stream_buffered(s));
        ptrdiff_t lf = slice_index(have, '\n');
        size_t take = lf < 0 ? have.n : (size_t)lf;
        /* One more than max may be the CR of the line end. */
        if (line->len + take > max + 1)
            too_long = true;
        else
            buf_add(line, have.p, take);
        stream_consume(s, lf < 0 ? take : take + 1);
        if (lf >= 0)
            break;
    }
    if (too_long)
        return IO_TOO_LONG;
    *end = line->len && line->data[line->len - 1] == '\r' ? LINE_CRLF : LINE_LF;
    if (*end == LINE_CRLF)
        buf_truncate(line, line->len - 1);
    return line->len > max ? IO_TOO_LONG : IO_OK;
}

enum io stream_read_exact(struct stream *s, void *p, size_t n)
{
    char *to = p;
    size_t wanted = n;
    int64_t limit = stream_limit(s);
    while (n) {
        if (stream_buffered(s) == 0) {
            enum io r = stream_fill(s, limit);
            if (r == IO_EOF && n < wanted)
                return stream_fail(s, "the connection ended %zu octets early", n);
            if (r != IO_OK)
                return r;
        }
        size_t take = stream_buffered(s) < n ? stream_buffered(s) : n;
        memcpy(to, s->in + s->in_pos, take);
        stream_consume(s, take);
        to += take;
        n -= take;
    }
    return IO_OK;
}

/* --- writing ------------------------------------------------------------------------------ */

enum io stream_flush(struct stream *s)
{
    if (s->write_status != IO_OK || s->out.len == 0)
        return s->write_status;
    s->write_status = stream_send(s, s->out.data, s->out.len, stream_limit(s));
    buf_clear(&s->out);
    return s->write_status;
}

enum io stream_write(struct stream *s, const void *p, size_t n)
{
    if (s->write_status != IO_OK)
        return s->write_status;
    if (n >= OUT_FLUSH) { /* large enough to go without a copy */
        if (stream_flush(s) != IO_OK)
            return s->write_status;
        return s->write_status = stream_send(s, p, n, stream_limit(s));
    }
    buf_add(&s->out, p, n);
    return s->out.len >= OUT_FLUSH ? stream_flush(s) : IO_OK;
}

enum io stream_puts(struct stream *s, const char *text) { return stream_write(s, text, strlen(text)); }

enum io stream_printf(struct stream *s, const char *fmt, ...)
{
    if (s->write_status != IO_OK)
        return s->write_status;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&s->out, fmt, ap);
    va_end(ap);
    return s->out.len >= OUT_FLUSH ? stream_flush(s) : IO_OK;
}
