/* send.c - `postroad send`: a message from standard input into the queue, as sendmail does it. */
#include "reference/ctl/ctl.h"
#include "reference/ctl/send.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/message/header.h"
#include "reference/message/header_scan.h"
#include "reference/message/mailboxes.h"
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
    const struct submission *how;
    struct buf lines;           /* the message with CRLF line ends */
    bool has_from, high_octets;
    bool dropping;              /* in a Bcc field */
    bool ended;                 /* by a dot */
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
    if (m->how->dot_ends && slice_eq_str(line, ".")) {
        m->ended = true;
        return true;
    }
    if (m->state == HEADER_FIELD) {
        m->state = header_scan_line(&m->header, line);
        if (m->state == HEADER_FIELD)
            m->any_header = true;
        if (m->state == HEADER_FIELD && slice_istarts(line, SLICE("from:")))
            m->has_from = true;
        /* RFC 5322 3.6.3: nobody is to see who is named there. */
        bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
        m->dropping = m->state == HEADER_FIELD && m->how->to_from_header &&
                      (folded ? m->dropping : slice_istarts(line, SLICE("bcc:")));
        if (m->dropping)
            return true;
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
    while (start < text.n && !m->ended) {
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

/* RFC 5322 3.4: a display name in quotes. */
static void add_quoted_from(struct buf *head, const char *name, const char *address)
{
    buf_add_str(head, "From: \"");
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            buf_add_byte(head, '\\');
        if ((unsigned char)*name >= ' ' && *name != 127)
            buf_add_byte(head, *name);
    }
    buf_printf(head, "\" <%s>\r\n", address);
}

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
    const char *from = *e->reverse_path ? e->reverse_path : "MAILER-DAEMON";
    if (!m->has_from && m->how->full_name)
        add_quoted_from(head, m->how->full_name, from);
    else if (!m->has_from)
        buf_printf(head, "From: <%s>\r\n", from);
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

/* RFC 5322 3.6.3: the addresses of To, Cc and Bcc. */
static bool add_from_header(const struct config *c, struct envelope *e, struct slice text)
{
    static const char *const names[] = {"To", "Cc", "Bcc"};
    struct header_field field;
    bool good = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice rest = text;
        while (header_next_named(&rest, names[i], &field)) {
            struct mailbox_list list = {0};
            mailbox_list_parse(&list, field.value);
            for (size_t k = 0; k < list.count; k++) {
                const struct mailbox_address *a = &list.all[k];
                if (!a->host.p)
                    continue;    /* the name of a group, or its end */
                char *written = xasprintf("%.*s%s%.*s", SLICE_ARG(a->mailbox),
                                          a->host.n ? "@" : "", SLICE_ARG(a->host));
                char *address = ctl_address(c, written);
                if (address)
                    envelope_add_recipient(e, slice_str(address));
                good = good && address;
                free(address);
                free(written);
            }
            mailbox_list_free(&list);
        }
    }
    if (e->rcpt_count == 0)
        fprintf(stderr, "postroad: no recipient in the header\n");
    return good && e->rcpt_count > 0;
}

static void add_requests(struct envelope *e, const struct submission *s)
{
    e->envid = s->envid ? xstrdup(s->envid) : NULL;
    e->ret = s->ret;
    for (size_t i = 0; i < e->rcpt_count; i++)
        e->rcpt[i].notify = s->notify;
}

int ctl_submit(const struct submission *s)
{
    struct config *c = ctl_config(s->config);
    struct envelope e = {0};
    struct outgoing m = {.how = s, .state = HEADER_FIELD};
    struct buf text = {0};
    size_t max = c->message_size ? (size_t)c->message_size : MESSAGE_MOST;
    int status = EX_DATAERR;
    if (fill_envelope(c, &e, s->from, s->to, s->to_count) && read_all(&text, max) &&
        (!s->to_from_header || add_from_header(c, &e, buf_slice(&text))) &&
        split_lines(&m, buf_slice(&text))) {
        ctl_become_queue_user(c);
        e.eight_bit = m.high_octets;
        add_requests(&e, s);
        status = enqueue(c, &e, &m);
        if (status == EX_OK && !s->quiet)
            printf("%s\n", e.id);
    }
    buf_free(&text);
    buf_free(&m.lines);
    envelope_free(&e);
    config_free(c);
    return status;
}

int ctl_send(int argc, char **argv)
{
    struct submission s = {.config = CTL_DEFAULT_CONFIG};
    int o;
    while ((o = getopt(argc, argv, "c:f:q")) != -1) {
        if (o == 'c')
            s.config = optarg;
        else if (o == 'f')
            s.from = optarg;
        else if (o == 'q')
            s.quiet = true;
        else
            return ctl_usage("send");
    }
    if (optind == argc)
        return ctl_usage("send");
    s.to = argv + optind;
    s.to_count = argc - optind;
    return ctl_submit(&s);
}
