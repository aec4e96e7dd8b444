/* stream_io.c - waiting with deadlines, and moving bytes over a socket, TLS or memory. */
#include "base/stream_internal.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

int64_t stream_limit(const struct stream *s)
{
    int64_t limit = s->timeout_ms > 0 ? mono_ms() + s->timeout_ms : INT64_MAX;
    return s->deadline && s->deadline < limit ? s->deadline : limit;
}

enum io stream_fail(struct stream *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->error, sizeof s->error, fmt, ap);
    va_end(ap);
    return IO_ERROR;
}

enum io stream_poll(struct stream *s, short events, int64_t limit)
{
    struct pollfd p = {.fd = s->fd, .events = events};
    for (;;) {
        if (atomic_load(&s->interrupted))
            return stream_fail(s, "interrupted");
        int wait = -1;
        if (limit != INT64_MAX) {
            int64_t left = limit - mono_ms();
            if (left <= 0)
                return IO_TIMEOUT;
            wait = left > 60000 ? 60000 : (int)left;
        }
        int n = poll(&p, 1, wait);
        if (n > 0)
            return atomic_load(&s->interrupted) ? stream_fail(s, "interrupted") : IO_OK;
        if (n < 0 && errno != EINTR)
            return stream_fail(s, "poll: %s", strerror(errno));
    }
}

/* An idle stream whose reading side the service has shut down (stream_set_idle). OpenSSL would take the
 * end for a broken connection and write no more. */
static bool ended_below_tls(const struct stream *s)
{
    char c;
    return atomic_load(&s->idle) && !SSL_has_pending(s->ssl) &&
           recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

ssize_t stream_read_some(struct stream *s, char *p, size_t room, short *events)
{
    *events = POLLIN;
    if (s->fd < 0) {
        size_t n = s->input.n < room ? s->input.n : room;
        memcpy(p, n ? s->input.p : "", n);
        s->input = slice_sub(s->input, n, s->input.n);
        return (ssize_t)n;
    }
    if (s->ssl) {
        if (ended_below_tls(s)) {
            stream_fail(s, "TLS: ended without close_notify");
            return -2;
        }
        ERR_clear_error();
        int n = SSL_read(s->ssl, p, room > INT_MAX ? INT_MAX : (int)room);
        if (n > 0)
            return n;
        switch (SSL_get_error(s->ssl, n)) {
        case SSL_ERROR_WANT_WRITE: *events = POLLOUT; return -1;
        case SSL_ERROR_WANT_READ: return -1;
        case SSL_ERROR_ZERO_RETURN: return 0;
        default: {
            /* A TCP end without close_notify may be an attacker's truncation: not a good end. */
            unsigned long e = ERR_get_error();
            stream_fail(s, "TLS: %s", e ? ERR_reason_error_string(e) : "ended without close_notify");
            return -2;
        }
        }
    }
    for (;;) {
        ssize_t n = read(s->fd, p, room);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return -1;
        if (errno != EINTR) {
            stream_fail(s, "read: %s", strerror(errno));
            return -2;
        }
    }
}

/* Between commands a session may stay for hours: nothing of what passed is kept, nor the room for it. */
static void give_back(struct stream *s)
{
    if (s->in && s->in_pos == s->in_len) {
        explicit_bzero(s->in, s->in_cap);
        free(s->in);
        s->in = NULL;
        s->in_cap = s->in_pos = s->in_len = 0;
    }
    if (s->out.len == 0) {
        if (s->out.data)
            explicit_bzero(s->out.data, s->out.cap);
        buf_free(&s->out);
    }
}

enum io stream_wait_beside(struct stream *s, int other, int64_t ms, bool *other_ready)
{
    int64_t limit = mono_ms() + ms;
    *other_ready = false;
    for (;;) {
        enum io r = s->in_pos < s->in_len ? IO_OK : stream_fill(s, 0);
        if (r != IO_TIMEOUT)
            return r;
        give_back(s);
        int64_t left = limit - mono_ms();
        if (left <= 0)
            return IO_TIMEOUT;
        struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
        if (poll(p, 2, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
            return stream_fail(s, "poll: %s", strerror(errno));
        *other_ready = p[1].revents != 0;
        if (*other_ready && p[0].revents == 0)
            return IO_OK;
    }
}

static void grow_input(struct stream *s)
{
    size_t want = s->in_len == s->in_cap && s->in_cap ? IN_LARGE : IN_SMALL;
    if (s->in_cap < want) {
        s->in = xrealloc(s->in, want);
        s->in_cap = want;
    }
}

enum io stream_fill(struct stream *s, int64_t limit)
{
    if (atomic_load(&s->interrupted))
        return stream_fail(s, "interrupted");
    if (s->eof)
        return IO_EOF;
    grow_input(s);
    s->in_pos = s->in_len = 0;
    for (;;) {
        short events;
        ssize_t n = s->deflate ? stream_read_inflated(s, &events)
                               : stream_read_some(s, s->in, s->in_cap, &events);
        if (n > 0) {
            s->in_len = (size_t)n;
            if (s->tap)
                s->tap(s->tap_arg, '<', slice_of(s->in, s->in_len));
            return IO_OK;
        }
        if (n == 0) {
            s->eof = true;
            return IO_EOF;
        }
        if (n == -2)
            return IO_ERROR;
        /* We are about to wait for the peer, who may be waiting for what we have written. */
        if (s->out.len && stream_flush(s) != IO_OK)
            return s->write_status;
        enum io r = stream_poll(s, events, limit);
        if (r != IO_OK)
            return r;
    }
}

enum io stream_tls_wait(struct stream *s, int ret, int64_t limit, const char *what)
{
    int error = SSL_get_error(s->ssl, ret);
    if (error == SSL_ERROR_WANT_READ)
        return stream_poll(s, POLLIN, limit);
    if (error == SSL_ERROR_WANT_WRITE)
        return stream_poll(s, POLLOUT, limit);
    unsigned long e = ERR_get_error();
    return stream_fail(s, "%s: %s", what,
                       e ? ERR_reason_error_string(e) : "the connection ended");
}

static enum io send_tls(struct stream *s, const char *p, size_t n, int64_t limit)
{
    while (n) {
        ERR_clear_error();
        int sent = SSL_write(s->ssl, p, n > 16384 ? 16384 : (int)n);
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
            continue;
        }
        enum io r = stream_tls_wait(s, sent, limit, "TLS write");
        if (r != IO_OK)
            return r;
    }
    return IO_OK;
}

enum io stream_send(struct stream *s, const char *p, size_t n, int64_t limit)
{
    if (s->tap)
        s->tap(s->tap_arg, '>', slice_of(p, n));
    return s->deflate ? stream_send_deflated(s, p, n, limit) : stream_send_raw(s, p, n, limit);
}

enum io stream_send_raw(struct stream *s, const char *p, size_t n, int64_t limit)
{
    if (s->fd < 0) {
        if (s->output)
            buf_add(s->output, p, n);
        return IO_OK;
    }
    if (s->ssl)
        return send_tls(s, p, n, limit);
    while (n) {
        ssize_t sent = send(s->fd, p, n, MSG_NOSIGNAL);
        if (sent >= 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            enum io r = stream_poll(s, POLLOUT, limit);
            if (r != IO_OK)
                return r;
        } else if (errno != EINTR) {
            return stream_fail(s, "write: %s", strerror(errno));
        }
    }
    return IO_OK;
}

/* The slow way of stream_send_file: through a buffer. */
static enum io copy_file(struct stream *s, int fd, int64_t offset, int64_t n)
{
    char chunk[16384];
    while (n > 0) {
        size_t want = n < (int64_t)sizeof chunk ? (size_t)n : sizeof chunk;
        ssize_t got = pread(fd, chunk, want, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return s->write_status = stream_fail(s, "the file ended %lld octets early", (long long)n);
        if (stream_write(s, chunk, (size_t)got) != IO_OK)
            return s->write_status;
        offset += got;
        n -= got;
    }
    return IO_OK;
}

enum io stream_send_file(struct stream *s, int fd, int64_t offset, int64_t n)
{
    /* Small files share a segment with what is around them; sendfile would cost one more. */
    if (s->fd < 0 || s->ssl || s->deflate || s->tap || n < 32768)
        return copy_file(s, fd, offset, n);
    if (stream_flush(s) != IO_OK)
        return s->write_status;
    int64_t limit = stream_limit(s);
    while (n > 0) {
        off_t at = offset;
        ssize_t sent = sendfile(s->fd, fd, &at, n > 1 << 20 ? 1 << 20 : (size_t)n);
        if (sent > 0) {
            offset += sent;
            n -= sent;
        } else if (sent == 0) {
            return s->write_status = stream_fail(s, "the file ended %lld octets early", (long long)n);
        } else if (errno == EAGAIN) {
            enum io r = stream_poll(s, POLLOUT, limit);
            if (r != IO_OK)
                return s->write_status = r;
        } else if (errno != EINTR) {
            return s->write_status = stream_fail(s, "sendfile: %s", strerror(errno));
        }
    }
    return IO_OK;
}

enum io stream_shutdown_write(struct stream *s)
{
    enum io r = stream_flush(s);
    if (r != IO_OK)
        return r;
    if (s->ssl)
        SSL_shutdown(s->ssl);
    if (s->fd >= 0)
        shutdown(s->fd, SHUT_WR);
    s->write_status = IO_ERROR;
    return IO_OK;
}
