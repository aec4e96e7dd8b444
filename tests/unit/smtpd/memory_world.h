/* memory_world.h - a server's surroundings in memory: configuration, accounts and a spool, for the
 * unit tests and the fuzzer of smtpd_session. */
#ifndef TESTS_MEMORY_WORLD_H
#define TESTS_MEMORY_WORLD_H

#include "base/mem.h"
#include "reference/smtpd/smtpd.h"

#include <errno.h>
#include <stdlib.h>

/* What became of one message. One world at a time. */
struct kept {
    bool committed;
    char *from;
    char **to;
    size_t to_count;
    bool eight_bit;
    struct buf text;
};

static struct {
    struct kept *v;
    size_t n;
    int fail_create, fail_write, fail_commit; /* errno values */
    int lookups;
} spool;

struct queue_writer {
    size_t index;
};

/* Dates in messages are in local time. */
static inline void world_begin(void)
{
    setenv("TZ", "UTC0", 1);
}

static void spool_clear(void)
{
    for (size_t i = 0; i < spool.n; i++) {
        for (size_t j = 0; j < spool.v[i].to_count; j++)
            free(spool.v[i].to[j]);
        free(spool.v[i].to);
        free(spool.v[i].from);
        buf_free(&spool.v[i].text);
    }
    free(spool.v);
    memset(&spool, 0, sizeof spool);
}

static inline size_t spool_committed(void)
{
    size_t n = 0;
    for (size_t i = 0; i < spool.n; i++)
        n += spool.v[i].committed;
    return n;
}

static struct queue_writer *memory_create(const struct config *c, struct envelope *e)
{
    (void)c;
    if (spool.fail_create) {
        errno = spool.fail_create;
        return NULL;
    }
    e->arrived_us = 1764000000LL * 1000000;
    strcpy(e->id, "6A1F");
    spool.v = xreallocarray(spool.v, spool.n + 1, sizeof *spool.v);
    struct kept *k = &spool.v[spool.n];
    *k = (struct kept){.from = xstrdup(e->reverse_path), .eight_bit = e->eight_bit};
    k->to = xcalloc(e->rcpt_count + 1, sizeof *k->to);
    for (; k->to_count < e->rcpt_count; k->to_count++)
        k->to[k->to_count] = xstrdup(e->rcpt[k->to_count].address);
    struct queue_writer *w = xmalloc(sizeof *w);
    w->index = spool.n++;
    return w;
}

static int memory_write(struct queue_writer *w, const void *p, size_t n)
{
    if (spool.fail_write) {
        errno = spool.fail_write;
        return -1;
    }
    buf_add(&spool.v[w->index].text, p, n);
    return 0;
}

static int memory_commit(struct queue_writer *w)
{
    int err = spool.fail_commit;
    spool.v[w->index].committed = err == 0;
    free(w);
    errno = err;
    return err ? -1 : 0;
}

static void memory_abandon(struct queue_writer *w) { free(w); }

static const struct smtpd_spool memory_spool = {
    .create = memory_create,
    .write = memory_write,
    .commit = memory_commit,
    .hold = memory_commit,
    .abandon = memory_abandon,
};

/* tom and "odd user" have accounts, all is an alias; later cannot be looked up. */
static enum auth_status memory_lookup(void *arg, const char *address)
{
    (void)arg;
    spool.lookups++;
    struct slice a = slice_str(address);
    ptrdiff_t at = slice_rindex(a, '@');
    struct slice local = at < 0 ? a : slice_sub(a, 0, (size_t)at);
    if (slice_ieq_str(local, "tom") || slice_eq_str(local, "\"odd user\""))
        return AUTH_OK;
    if (slice_eq_str(local, "all"))
        return AUTH_ALIAS;
    return slice_eq_str(local, "later") ? AUTH_TEMPFAIL : AUTH_NO;
}

static char *memory_local[] = {"hehuan.test", "ns.hehuan.test"};
static char *memory_relay[] = {"backup.test"};
static struct netblock memory_trusted[1];

/* 192.0.2.0/24 is trusted; others are not. */
static struct config memory_config(void)
{
    netblock_parse(&memory_trusted[0], SLICE("192.0.2.0/24"));
    return (struct config){
        .hostname = "mail.hehuan.test",
        .local_domains = {memory_local, 2},
        .relay_domains = {memory_relay, 1},
        .relay_from = {memory_trusted, 1},
        .message_size = 20000,
        .recipients = 100,
        .hops = 5,
        .errors = 20,
        .timeout_command = 300000,
    };
}

static const struct smtpd_peer *memory_peer(const char *client, enum service_kind service)
{
    static struct smtpd_peer peer;
    peer = (struct smtpd_peer){.service = service, .session = 7};
    netaddr_parse(&peer.client, slice_str(client), 4711);
    netaddr_parse(&peer.local, SLICE("192.0.2.25"), 25);
    return &peer;
}

/* Runs one session over `input`; what the server says is appended to *output. */
static void memory_session(const struct config *c, const struct smtpd_peer *peer,
                           struct slice input, struct buf *output)
{
    const struct smtpd_ctx ctx = {.config = c, .spool = &memory_spool, .lookup = memory_lookup};
    struct stream *io = stream_new_memory(input, output);
    smtpd_session(io, peer, &ctx);
    stream_close(io);
}

#endif
