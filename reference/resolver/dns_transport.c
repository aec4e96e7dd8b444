/* dns_transport.c - one question to one server, over UDP and TCP. */
#include "reference/resolver/dns.h"

#include "base/stream.h"
#include "base/timing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DATAGRAM_MAX 65535

static enum dns_reading failed(struct dns_answer *out, const char *what, int error)
{
    *out = (struct dns_answer){.status = DNS_TEMPFAIL};
    snprintf(out->why, sizeof out->why, "%s: %s", what, strerror(error));
    return READ_USELESS;
}

/* Waits on a connected socket until the right datagram comes. Its port and our id are what a
 * forger must guess; wrong guesses are dropped and change nothing (RFC 5452 9.1). */
static enum dns_reading await_datagram(int fd, const struct dns_question *q, int64_t until,
                                       uint8_t *space, struct dns_answer *out)
{
    for (;;) {
        int64_t left = until - mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0)
            return failed(out, "udp", ETIMEDOUT);
        if (poll(&p, 1, left > 60000 ? 60000 : (int)left) <= 0)
            continue;
        ssize_t n = recv(fd, space, DATAGRAM_MAX, 0);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return failed(out, "udp", errno);
        if (n < 0)
            continue;
        enum dns_reading reading = dns_read_answer(slice_of(space, (size_t)n), q, out);
        if (reading != READ_OTHER)
            return reading;
    }
}

static enum dns_reading ask_udp(const struct netaddr *server, const struct dns_question *q,
                                struct slice wire, int64_t until, struct dns_answer *out)
{
    enum dns_reading reading;
    int fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(out, "socket", errno);
    uint8_t *space = malloc(DATAGRAM_MAX);
    if (!space)
        reading = failed(out, "memory", ENOMEM);
    else if (connect(fd, &server->sa, server->len) < 0 || send(fd, wire.p, wire.n, 0) < 0)
        reading = failed(out, "udp", errno);
    else
        reading = await_datagram(fd, q, until, space, out);
    free(space);
    close(fd);
    return reading;
}

/* RFC 1035 4.2.2: two octets of length before each message. */
static enum dns_reading ask_tcp(const struct netaddr *server, const struct dns_question *q,
                                struct slice wire, int64_t until, struct dns_answer *out)
{
    int fd = net_connect(server, NULL, until - mono_ms());
    if (fd < 0)
        return failed(out, "tcp", errno);
    struct stream *s = stream_new_fd(fd);
    uint8_t length[2] = {(uint8_t)(wire.n >> 8), (uint8_t)wire.n};
    enum dns_reading reading = READ_USELESS;
    stream_set_deadline(s, until);
    stream_write(s, length, 2);
    stream_write(s, wire.p, wire.n);
    if (stream_read_exact(s, length, 2) != IO_OK) {
        failed(out, "tcp", EPROTO);
    } else {
        size_t n = (size_t)length[0] << 8 | length[1];
        uint8_t *space = malloc(n + 1);
        if (!space || stream_read_exact(s, space, n) != IO_OK)
            failed(out, "tcp", EPROTO);
        else
            reading = dns_read_answer(slice_of(space, n), q, out);
        free(space);
    }
    stream_close(s);
    /* Over TCP nothing follows a wrong answer, and there is nothing longer to ask for. */
    return reading == READ_OTHER || reading == READ_TRUNCATED ? failed(out, "tcp", EPROTO)
                                                              : reading;
}

enum dns_reading dns_ask(const struct netaddr *server, const struct dns_question *q,
                         int64_t timeout_ms, struct dns_answer *out)
{
    int64_t until = mono_ms() + timeout_ms;
    enum dns_reading reading = READ_NO_EDNS;
    for (int edns = 1; edns >= 0 && reading == READ_NO_EDNS; edns--) {
        uint8_t *wire = NULL;
        size_t n = 0;
        if (!dns_write_question(q, edns, &wire, &n))
            return failed(out, "name", EINVAL);
        reading = ask_udp(server, q, slice_of(wire, n), until, out);
        if (reading == READ_TRUNCATED)
            reading = ask_tcp(server, q, slice_of(wire, n), until, out);
        free(wire);
    }
    return reading == READ_NO_EDNS ? failed(out, "format error", EPROTO) : reading;
}
