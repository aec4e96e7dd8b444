/* callers: many clients, each from an address of its own, say EHLO, MAIL, RCPT and QUIT.
 *
 *     callers SERVER PORT FIRST-ADDRESS COUNT AT-ONCE
 *
 * Client number i comes from FIRST-ADDRESS + i (IPv4) and calls itself c<i>.bench.test. Prints
 * "accepted N refused N failed N seconds S": RCPT answered 2yz; a 5yz or 4yz at any step; no answer. */
#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 30000 };

static struct netaddr server, first;
static int count;
static atomic_int next_caller, accepted, refused, failed;

/* The code of a reply of any number of lines; 0: none. */
static int reply(struct stream *s, struct buf *line)
{
    enum line_end end;
    do {
        if (stream_read_line(s, line, 1000, &end) != IO_OK)
            return 0;
    } while (line->len > 3 && line->data[3] == '-');
    return atoi(buf_str(line));
}

static atomic_int *outcome_of(struct stream *s, int i)
{
    char ehlo[80];
    struct buf line = {0};
    snprintf(ehlo, sizeof ehlo, "EHLO c%d.bench.test", i);
    const char *const say[] = {ehlo, "MAIL FROM:<jerry@bench.test>", "RCPT TO:<tom@magedu.test>"};
    int code = reply(s, &line);
    for (int step = 0; step < 3 && code / 100 == 2; step++) {
        stream_printf(s, "%s\r\n", say[step]);
        code = reply(s, &line);
    }
    if (code) {
        stream_puts(s, "QUIT\r\n");
        reply(s, &line);
    }
    buf_free(&line);
    return code / 100 == 2 ? &accepted : code >= 400 ? &refused : &failed;
}

static void *caller(void *arg)
{
    for (int i; (i = atomic_fetch_add(&next_caller, 1)) < count;) {
        struct netaddr from = first;
        from.in.sin_addr.s_addr = htonl(ntohl(first.in.sin_addr.s_addr) + (uint32_t)i);
        int fd = net_connect(&server, &from, TIMEOUT_MS);
        if (fd < 0) {
            failed++;
            continue;
        }
        struct stream *s = stream_new_fd(fd);
        stream_set_timeout(s, TIMEOUT_MS);
        ++*outcome_of(s, i);
        stream_close(s);
    }
    return arg;
}

int main(int argc, char **argv)
{
    if (argc != 6 || !netaddr_parse(&server, slice_str(argv[1]), (uint16_t)atoi(argv[2])) ||
        !netaddr_parse(&first, slice_str(argv[3]), 0) || first.sa.sa_family != AF_INET)
        die(64, "use: callers SERVER PORT FIRST-ADDRESS COUNT AT-ONCE");
    count = atoi(argv[4]);
    int threads = atoi(argv[5]);
    pthread_t *thread = xcalloc((size_t)threads, sizeof *thread);
    int64_t begin = mono_us();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, caller, NULL) != 0)
            die(71, "no thread");
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("accepted %d refused %d failed %d seconds %.3f\n", accepted, refused, failed,
           (double)(mono_us() - begin) / 1e6);
    free(thread);
    return 0;
}
