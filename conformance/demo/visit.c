/* visit.c - somebody comes to mail.hehuan.test with a letter: the dialogue of one client, from an
 * address of his own, and what the server's log says became of it. */
#include "conformance/demo/demo.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"
#include "conformance/demo/evening.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_MS = 30000, LOG_WAIT_MS = 5000, MESSAGE_MAX = 1 << 20 };

/* Reads a reply to its last line. Its code; 0 when there was none. */
static int reply(struct stream *s, struct buf *last)
{
    enum line_end end;
    do
        if (stream_read_line(s, last, 1000, &end) != IO_OK)
            return 0;
    while (last->len > 3 && last->data[3] == '-' && (buf_clear(last), true));
    return atoi(buf_str(last));
}

static int say(struct stream *s, struct buf *last, const char *line)
{
    buf_clear(last);
    stream_printf(s, "%s\r\n", line);
    return reply(s, last);
}

/* The lines with their dots doubled (RFC 5321 4.5.2), and the end. */
static void send_message(struct stream *s, struct slice text)
{
    struct slice line;
    while (slice_next(&text, '\n', &line) && (line.n > 0 || text.n > 0)) {
        stream_puts(s, line.n > 0 && line.p[0] == '.' ? "." : "");
        stream_write(s, line.p, line.n);
        stream_puts(s, "\n");
    }
}

/* From the greeting to the reply that decides, which is left in *last. */
static void talk(struct stream *s, const struct visit *v, struct slice message, struct buf *last)
{
    char line[600];
    const struct { const char *format, *value; } commands[] = {
        {"EHLO %s", v->helo}, {"MAIL FROM:<%s>", v->from}, {"RCPT TO:<%s>", v->to}, {"DATA%s", ""}};
    int code = 220;
    if (!v->early)
        code = reply(s, last);
    for (size_t i = 0; i < 4 && code / 100 == 2; i++) {
        snprintf(line, sizeof line, commands[i].format, commands[i].value);
        code = say(s, last, line);
        if (v->early && i == 0 && code == 220) {
            buf_clear(last);
            code = reply(s, last);  /* it was greeted all the same: now the answer to EHLO */
        }
    }
    if (code == 354) {
        send_message(s, message);
        say(s, last, ".");
    }
    struct buf farewell = {0};
    say(s, &farewell, "QUIT");
    buf_free(&farewell);
}

/* Waits until the server has logged the end of this session. */
static bool find_outcome(const char *dir, size_t number, struct evening *e)
{
    for (int64_t end = mono_ms() + LOG_WAIT_MS; mono_ms() < end; sleep_ms(10)) {
        evening_load(e, dir);
        for (size_t i = 0; i < e->n; i++)
            if (e->v[i].number == number && e->v[i].closed)
                return true;
        evening_free(e);
    }
    return false;
}

static int judge(const char *dir, const struct visit *v, size_t number, const char *last)
{
    struct evening e;
    bool colours = isatty(1);
    if (!find_outcome(dir, number, &e)) {
        printf("?  %-34s the server has logged nothing of it; the last reply was %s\n", v->title,
               last);
        return 1;
    }
    for (size_t i = 0; i < e.n; i++) {
        const struct caller *c = &e.v[i];
        if (c->number != number)
            continue;
        bool good = strcmp(c->rule, v->want) == 0;
        bool arrived = strcmp(c->rule, "mailbox") == 0;
        const char *colour = !colours ? "" : arrived ? "\033[32m" : "\033[31m";
        printf("%s%s%s  %-34s %-15s %s%s: %s%s\n", good ? "" : "WRONG ", colour,
               arrived ? "✓" : "✗", v->title, v->client, c->rule, colours ? "\033[0m" : "", last,
               good ? "" : " <- this is not what should have stopped it");
        fflush(stdout);
        evening_free(&e);
        return good ? 0 : 1;
    }
    return 1;
}

int visit(const char *dir, const struct visit *v)
{
    struct netaddr from, to;
    struct buf message = {0}, last = {0};
    static char log[300], file[300];
    snprintf(log, sizeof log, "%s/demo.jsonl", dir);
    snprintf(file, sizeof file, "%s/messages/%s.eml", dir, v->message);
    if (!netaddr_parse(&from, slice_str(v->client), 0) ||
        !netaddr_parse(&to, SLICE("192.0.2.25"), v->submission ? 587 : 25) ||
        buf_read_file(&message, file, MESSAGE_MAX) != 0)
        die(1, "demo-page visit: %s or %s cannot be used", v->client, file);
    int64_t number = wall_us();
    event_open(log, false, NULL, "demo");
    event("demo.visit", EV_INT("number", number), EV_STR("title", v->title),
          EV_STR("client", v->client), EV_STR("helo", v->helo), EV_STR("from", v->from),
          EV_STR("to", v->to), EV_STR("want", v->want));
    int fd = net_connect(&to, &from, WAIT_MS);
    if (fd < 0)
        die(1, "demo-page visit: no connection from %s", v->client);
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, WAIT_MS);
    talk(s, v, buf_slice(&message), &last);
    stream_close(s);
    int status = judge(dir, v, (size_t)number, buf_str(&last));
    buf_free(&message);
    buf_free(&last);
    return status;
}

int await(const char *address, uint16_t port, int64_t ms)
{
    struct netaddr a;
    if (!netaddr_parse(&a, slice_str(address), port))
        return 1;
    for (int64_t end = mono_ms() + ms; mono_ms() < end; sleep_ms(50)) {
        int fd = net_connect(&a, NULL, 1000);
        if (fd >= 0) {
            close(fd);
            return 0;
        }
    }
    fprintf(stderr, "demo: nobody listens at %s port %d after %d s\n", address, port,
            (int)(ms / 1000));
    return 1;
}
