#include "conformance/lab/control.h"

#include "base/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

/* Neither side waits longer for the other: the lab has one thread, and a person only so much
 * patience. */
static const struct timeval patience = {.tv_sec = 5};

static int unix_socket(const char *path, struct netaddr *a)
{
    struct buf text = {0};
    buf_printf(&text, "unix:%s", path);
    bool fits = netaddr_parse(a, buf_slice(&text), 0);
    buf_free(&text);
    if (!fits) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    return fd;
}

int control_listen(const char *path)
{
    struct netaddr a;
    int fd = unix_socket(path, &a);
    if (fd < 0)
        return -1;
    unlink(path);
    if (bind(fd, &a.sa, a.len) < 0 || listen(fd, 64) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static ssize_t receive(int socket, struct buf *b, int *fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    buf_clear(b);
    buf_reserve(b, CONTROL_MAX + 1);
    struct iovec data = {.iov_base = b->data, .iov_len = CONTROL_MAX};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    int came = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&came, CMSG_DATA(c), sizeof came);
    if (fd)
        *fd = came;
    else if (came >= 0)
        close(came);
    if (n > 0) {
        b->len = (size_t)n;
        b->data[n] = 0;
    }
    return n;
}

bool control_ask(const char *path, const char *request, struct buf *text, int *fd)
{
    struct netaddr a;
    int s = unix_socket(path, &a), came = -1;
    if (s < 0 || connect(s, &a.sa, a.len) < 0) {
        buf_printf(text, "no lab answers at %s: %s; is it running?", path, strerror(errno));
        if (s >= 0)
            close(s);
        return false;
    }
    struct buf answer = {0};
    if (send(s, request, strlen(request), MSG_NOSIGNAL) < 0 || receive(s, &answer, &came) <= 0)
        buf_printf(&answer, "error the lab at %s ended or did not answer", path);
    close(s);
    struct slice said = buf_slice(&answer), ok = SLICE("ok"), error = SLICE("error ");
    bool good = slice_starts(said, ok);
    struct slice rest = slice_trim(slice_sub(said, good ? ok.n : error.n, said.n));
    if (rest.n)
        buf_add_slice(text, rest);
    buf_free(&answer);
    if (fd)
        *fd = came;
    else if (came >= 0)
        close(came);
    return good;
}

bool control_read(int connection, struct buf *request)
{
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return receive(connection, request, NULL) > 0;
}

void control_answer(int connection, struct slice text, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {.iov_base = (char *)text.p, .iov_len = text.n};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    sendmsg(connection, &m, MSG_NOSIGNAL);
}
