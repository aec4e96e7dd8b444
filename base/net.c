#include "base/net.h"

#include "base/timing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool netaddr_parse(struct netaddr *a, struct slice text, uint16_t port)
{
    *a = (struct netaddr){0};
    struct slice unix_prefix = SLICE("unix:");
    if (slice_starts(text, unix_prefix)) {
        struct slice path = slice_sub(text, unix_prefix.n, text.n);
        if (path.n == 0 || path.n >= sizeof a->un.sun_path || slice_index(path, 0) >= 0)
            return false;
        a->un.sun_family = AF_UNIX;
        memcpy(a->un.sun_path, path.p, path.n);
        a->len = sizeof a->un;
        return true;
    }
    char host[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof host || slice_index(text, 0) >= 0)
        return false;
    memcpy(host, text.p, text.n);
    host[text.n] = 0;
    if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons(port);
        a->len = sizeof a->in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons(port);
        a->len = sizeof a->in6;
        return true;
    }
    return false;
}

/* The four or sixteen bytes of the host, IPv4-mapped IPv6 as its four; 0 for others. */
static size_t host_bytes(const struct netaddr *a, const unsigned char **bytes)
{
    if (a->sa.sa_family == AF_INET) {
        *bytes = (const unsigned char *)&a->in.sin_addr;
        return 4;
    }
    if (a->sa.sa_family != AF_INET6)
        return 0;
    *bytes = a->in6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
        *bytes += 12;
        return 4;
    }
    return 16;
}

void netaddr_host(const struct netaddr *a, char out[64])
{
    const unsigned char *bytes;
    size_t n = host_bytes(a, &bytes);
    if (n == 0 || !inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, out, 64))
        snprintf(out, 64, "unix");
}

uint16_t netaddr_port(const struct netaddr *a)
{
    return a->sa.sa_family == AF_INET ? ntohs(a->in.sin_port)
         : a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

void netaddr_text(const struct netaddr *a, char out[160])
{
    if (a->sa.sa_family == AF_UNIX) {
        snprintf(out, 160, "unix:%.*s", (int)sizeof a->un.sun_path, a->un.sun_path);
        return;
    }
    char host[64];
    netaddr_host(a, host);
    snprintf(out, 160, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, netaddr_port(a));
}

bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b)
{
    const unsigned char *x, *y;
    size_t n = host_bytes(a, &x);
    return n && n == host_bytes(b, &y) && memcmp(x, y, n) == 0;
}

bool netblock_parse(struct netblock *b, struct slice text)
{
    struct slice addr = text;
    ptrdiff_t slash = slice_index(text, '/');
    if (slash >= 0)
        addr = slice_sub(text, 0, (size_t)slash);
    if (!netaddr_parse(&b->addr, addr, 0) || b->addr.sa.sa_family == AF_UNIX)
        return false;
    uint64_t most = b->addr.sa.sa_family == AF_INET ? 32 : 128, prefix = most;
    if (slash >= 0 && !slice_number(slice_sub(text, (size_t)slash + 1, text.n), most, &prefix))
        return false;
    b->prefix = (int)prefix;
    return true;
}

bool netblock_has(const struct netblock *b, const struct netaddr *a)
{
    const unsigned char *x, *y;
    size_t n = host_bytes(&b->addr, &x);
    if (n == 0 || n != host_bytes(a, &y))
        return false;
    int bits = b->prefix;
    if (b->addr.sa.sa_family == AF_INET6 && n == 4)
        bits = bits > 96 ? bits - 96 : 0; /* a network written as IPv4-mapped */
    for (size_t i = 0; i < n && bits > 0; i++, bits -= 8) {
        unsigned char mask = bits >= 8 ? 0xff : (unsigned char)(0xff << (8 - bits));
        if ((x[i] ^ y[i]) & mask)
            return false;
    }
    return true;
}

/* A socket file left by a server that is gone would make bind fail; a living one keeps its own
 * open socket, so its owner must be excluded by other means (the master's lock file). */
static void remove_stale_socket(const struct netaddr *a)
{
    struct stat st;
    if (lstat(a->un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(a->un.sun_path);
}

int net_listen(const struct netaddr *a, int backlog)
{
    int family = a->sa.sa_family, on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == AF_UNIX)
        remove_stale_socket(a);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &a->sa, a->len) < 0 || listen(fd, backlog) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Waits for a connect in progress. 0, or -1 with errno. */
static int finish_connect(int fd, int64_t timeout_ms)
{
    int64_t until = mono_ms() + timeout_ms;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int64_t left = until - mono_ms();
        int n = poll(&p, 1, left > 0 ? (int)(left > 86400000 ? 86400000 : left) : 0);
        if (n > 0)
            break;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && mono_ms() >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    errno = error;
    return error ? -1 : 0;
}

int net_connect(const struct netaddr *to, const struct netaddr *from, int64_t timeout_ms)
{
    int on = 1;
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (from && bind(fd, &from->sa, from->len) < 0)
        goto fail;
    if (connect(fd, &to->sa, to->len) < 0 &&
        (errno != EINPROGRESS || finish_connect(fd, timeout_ms) < 0))
        goto fail;
    if (fcntl(fd, F_SETFL, 0) < 0)
        goto fail;
    if (to->sa.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
fail:;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}
