/* checker.c - a connection to a program that checks passwords. */
#include "reference/auth/checker.h"

#include "base/mem.h"
#include "base/net.h"
#include "base/timing.h"

#include <errno.h>
#include <stdlib.h>

void *checker_open(const struct accounts_conf *conf) { return (void *)(uintptr_t)conf; }
void checker_close(void *state) { (void)state; }

struct stream *checker_connect(const struct checker *k, const struct accounts_conf *conf,
                               struct buf *why)
{
    const char *path = conf->path ? conf->path : k->path;
    char *text = xasprintf("unix:%s", path);
    struct netaddr address;
    int fd = netaddr_parse(&address, slice_str(text), 0)
                 ? net_connect(&address, NULL, conf->timeout) : -1;
    free(text);
    if (fd < 0) {
        buf_printf(why, "%s: %s; is %s running?\n", path, strerror(errno), k->program);
        return NULL;
    }
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, conf->timeout);
    stream_set_deadline(s, mono_ms() + conf->timeout);
    return s;
}

void checker_probe(const struct checker *k, const struct accounts_conf *conf, struct buf *errors)
{
    struct stream *s = checker_connect(k, conf, errors);
    if (s)
        stream_close(s);
}
