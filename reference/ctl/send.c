/* send.c - `postroad send`: a message from standard input into the queue, as sendmail does it. */
#include "reference/ctl/ctl.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/message/header_scan.h"
#include "reference/queue/queue.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    LINE_MAX_OCTETS = 998,                      /* RFC 5321 4.5.3.1.6, without CRLF */
    MESSAGE_MOST = 1024 * 1024 * 1024,          /* where the configuration has no limit */
};

struct outgoing {
    struct buf lines;           /* the message with CRLF line ends */
    bool has_from, high_octets;
    struct header_scan header;
    enum header_line state;     /* of the last line looked at */
    bool any_header;
};

/* ---- reading --------------------------------------------------------------------------------- */

static bool add_line(struct outgoing *m, struct slice line, unsigned number)
{
    if (line.n > LINE_MAX_OCTETS) {
        fprintf(stderr,
                "postroad: line %u has %zu octets and SMTP carries 998 (RFC 5321 4.5.3.1.6); "
                "encode the message as base64 or quoted-printable\n",
                number, line.n);
        return false;
    }
    if (m->state == HEADER_FIELD) {
        m->state = header_scan_line(&m->header, line);
        if (m->state == HEADER_FIELD)
            m->any_header = true;
        if (m->state == HEADER_FIELD && slice_istarts(line, SLICE("from:")))
            m->has_from = true;
        /* Not a header at all: what follows is the body, and it needs an empty line before it. */
        if (m->state == HEADER_BROKEN)
            buf_add_str(&m->lines, "\r\n");
    }
    for (size_t i = 0; i < line.n; i++)
        m->high_octets |= (unsigned char)line.p[i] > 127;
    buf_add_slice(&m->lines, line);
    buf_add_str(&m->lines, "\r\n");
    return true;
}

/* Any of LF, CRLF and a lone CR ends a line here; on the wire only CRLF does (RFC 5321 2.3.8). */
static bool split_lines(struct outgoing *m, struct slice text)
{
    unsigned number = 0;
    size_t start = 0;
    /* The first line of an mbox is not part of the message. */
    if (slice_starts(text, SLICE("From ")))
        start = (size_t)slice_index(text, '\n') + 1;
    while (start < text.n) {
        size_t end = start;
        while (end < text.n && text.p[end] != '\n' && text.p[end] != '\r')
            end++;
        if (!add_line(m, slice_sub(text, start, end), ++number))
            return false;
        start = end + 1 + (slice_starts(slice_sub(text, end, text.n), SLICE("\r\n")) ? 1 : 0);
    }
    if (m->state == HEADER_FIELD)      /* a header without a body is a message too */
        buf_add_str(&m->lines, "\r\n");
    return true;
}

static bool read_all(struct buf *text, size_t max)
{
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) {
        if (text->len + n > max) {
            fprintf(stderr, "postroad: the message is over %zu octets; raise limits message-size\n",
                    max);
            return false;
        }
        buf_add(text, piece, n);
    }
    if (ferror(stdin))
        fprintf(stderr, "postroad: cannot read standard input: %s\n", strerror(errno));
    return !ferror(stdin);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The fields that a message must have (RFC 5322 3.6: Date, From; Message-ID should) and ours. */
static void add_missing(struct buf *head, const struct config *c, const struct envelope *e,
                        const struct outgoing *m)
{
    /* RFC 5321 4.4: every system that handles a message says so. There was no connection to name.
     */
    buf_printf(head, "Received: by %s (postroad, from user id %d) id %s;\r\n\t", c->hostname,
               (int)getuid(), e->id);
    buf_add_rfc5322_date(head, e->arrived_us);
    buf_add_str(head, "\r\n");
    if (!m->header.has_date) {
        buf_add_str(head, "Date: ");
        buf_add_rfc5322_date(head, e->arrived_us);
        buf_add_str(head, "\r\n");
    }
    if (!m->has_from)
        buf_printf(head, "From: <%s>\r\n", *e->reverse_path ? e->reverse_path : "MAILER-DAEMON");
    if (!m->header.has_message_id)
        buf_printf(head, "Message-ID: <%s@%s>\r\n", e->id, c->hostname);
}

static int enqueue(const struct config *c, struct envelope *e, const struct outgoing *m)
{
    struct buf head = {0};
    queue_new_id(e->id);
    e->arrived_us = wall_us();
    add_missing(&head, c, e, m);
    struct queue_writer *w = queue_create(c, e);
    bool written = w && queue_write(w, head.data, head.len) == 0 &&
                   queue_write(w, m->lines.data, m->lines.len) == 0;
    int saved = errno;
    buf_free(&head);
    if (!written)
        queue_abandon(w);
    else if (queue_commit(w) == 0)
        return EX_OK;
    else
        saved = errno;
    fprintf(stderr, "postroad: cannot write into the queue %s: %s\n", c->spool, strerror(saved));
    return saved == ENOSPC || saved == EDQUOT ? EX_TEMPFAIL : EX_CANTCREAT;
}

static char *default_sender(const struct config *c)
{
    const struct passwd *pw = getpwuid(getuid());
    return ctl_address(c, pw ? pw->pw_name : "root");
}

static bool fill_envelope(const struct config *c, struct envelope *e, const char *from, char **to,
                          int count)
{
    e->protocol = xstrdup("local");
    e->client = xstrdup("local");
    e->helo = xstrdup(c->hostname);
    e->reverse_path = !from ? default_sender(c) : *from && strcmp(from, "<>") != 0
                    ? ctl_address(c, from) : xstrdup("");
    bool good = e->reverse_path != NULL;
    for (int i = 0; i < count; i++) {
        char *address = ctl_address(c, to[i]);
        if (address)
            envelope_add_recipient(e, slice_str(address));
        good = good && address;
        free(address);
    }
    return good;
}

int ctl_send(int argc, char **argv)
{
    const char *path = CTL_DEFAULT_CONFIG, *from = NULL;
    bool quiet = false;
    int o;
    while ((o = getopt(argc, argv, "c:f:q")) != -1) {
        if (o == 'c')
            path = optarg;
        else if (o == 'f')
            from = optarg;
        else if (o == 'q')
            quiet = true;
        else
            return ctl_usage("send");
    }
    if (optind == argc)
        return ctl_usage("send");
    struct config *c = ctl_config(path);
    struct envelope e = {0};
    struct outgoing m = {.state = HEADER_FIELD};
    struct buf text = {0};
    size_t max = c->message_size ? (size_t)c->message_size : MESSAGE_MOST;
    int status = EX_DATAERR;
    if (fill_envelope(c, &e, from, argv + optind, argc - optind) && read_all(&text, max) &&
        split_lines(&m, buf_slice(&text))) {
        ctl_become_queue_user(c);
        e.eight_bit = m.high_octets;
        status = enqueue(c, &e, &m);
        if (status == EX_OK && !quiet)
            printf("%s\n", e.id);
    }
    buf_free(&text);
    buf_free(&m.lines);
    envelope_free(&e);
    config_free(c);
    return status;
}
