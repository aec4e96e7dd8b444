/* bounce.c - the report to a sender that a message could not be delivered: a multipart/report
 * (RFC 6522) of three parts, for people, for programs (RFC 3464), and the message. It goes into the
 * queue like any mail, with the null reverse-path (RFC 5321 4.5.5). */
#include "reference/queue/worker.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETURN_MAX 65536         /* longer messages come back as their header only */
#define REPLY_SHOWN 800          /* octets of a reply: with its field's name below the 998 of
                                    RFC 5322 2.1.1 */

/* Text of others in our own words' place: printable ASCII, in one line. */
static void add_shown(struct buf *b, const char *text)
{
    for (size_t i = 0; text[i] && i < REPLY_SHOWN; i++)
        buf_add_byte(b, text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
}

static bool said_by_host(const struct relay_recipient *r)
{
    return r->host && *r->host;
}

/* The original: whole, or the header when it is long. False when it cannot be read. */
static bool read_original(const struct opened *o, struct buf *original, bool *whole)
{
    size_t most = o->e.size < RETURN_MAX ? (size_t)o->e.size : RETURN_MAX;
    *whole = o->e.size <= RETURN_MAX;
    buf_reserve(original, most);
    while (original->len < most) {
        ssize_t n = pread(o->fd, original->data + original->len, most - original->len,
                          o->e.message_offset + (int64_t)original->len);
        if (n <= 0)
            return false;
        original->len += (size_t)n;
    }
    original->data[original->len] = 0;
    if (!*whole) {
        ptrdiff_t end = slice_find(buf_slice(original), SLICE("\r\n\r\n"));
        ptrdiff_t line = slice_rindex(buf_slice(original), '\n');
        buf_truncate(original, (size_t)((end >= 0 ? end + 1 : line) + 1));
    }
    return true;
}

static void add_header(struct buf *b, const struct config *c, const struct envelope *e,
                       const char *id, const char *boundary)
{
    buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <%s>\r\nDate: ",
               c->hostname, e->reverse_path);
    buf_add_rfc5322_date(b, wall_us());
    /* RFC 3834 5: so that no robot answers. RFC 3464 2: the report's content type. */
    buf_printf(b, "\r\nMessage-ID: <%s@%s>\r\nSubject: Your message could not be delivered\r\n"
               "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=delivery-status;\r\n"
               " boundary=\"%s\"\r\n\r\n", id, c->hostname, boundary);
}

static void add_explanation(struct buf *b, const struct config *c, const struct opened *o,
                            struct relay_recipient *const *r, size_t n, const char *boundary)
{
    buf_printf(b, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
               "This is the mail server of %s.\r\n\r\n"
               "Your message could not be delivered to:\r\n", boundary, c->hostname);
    for (size_t i = 0; i < n; i++) {
        const struct recipient *to = &o->e.rcpt[r[i]->index];
        buf_add_str(b, "\r\n  <");
        add_shown(b, to->via ? to->via : to->address);
        buf_add_str(b, ">\r\n    ");
        if (strcmp(r[i]->status, "4.4.7") == 0)
            buf_add_str(b, "It was tried again and again, and is given up now. The last answer:"
                        "\r\n    ");
        if (said_by_host(r[i])) {
            add_shown(b, r[i]->host);
            buf_printf(b, "[%s] said:\r\n    ", r[i]->address);
        }
        add_shown(b, r[i]->reply);
        buf_add_str(b, "\r\n");
    }
    buf_add_str(b, "\r\nIt will not be tried again. A report for mail programs and the message "
                "itself follow.\r\n\r\n");
}

/* RFC 3464 2.3 */
static void add_recipient_fields(struct buf *b, const struct recipient *to,
                                 const struct relay_recipient *r)
{
    /* What an alias came to is nobody's business but ours. */
    const char *address = to->via ? to->via : to->address;
    buf_add_str(b, "\r\nFinal-Recipient: rfc822; ");
    add_shown(b, address);
    buf_printf(b, "\r\nAction: failed\r\nStatus: %s\r\n", r->status);
    if (said_by_host(r)) {
        buf_add_str(b, "Remote-MTA: dns; ");
        add_shown(b, r->host);
        buf_add_str(b, "\r\n");
    }
    /* 2.3.6: only what a server said is a diagnostic code of type smtp. */
    bool reply = said_by_host(r) && r->reply[0] >= '2' && r->reply[0] <= '5';
    buf_printf(b, "Diagnostic-Code: %s; ", reply ? "smtp" : "x-postroad");
    add_shown(b, r->reply);
    buf_add_str(b, "\r\nLast-Attempt-Date: ");
    buf_add_rfc5322_date(b, wall_us());
    buf_add_str(b, "\r\n");
}

/* RFC 3464 2.2: fields about the message, then a group of fields a recipient. */
static void add_report(struct buf *b, const struct config *c, const struct opened *o,
                       struct relay_recipient *const *r, size_t n, const char *boundary)
{
    buf_printf(b, "--%s\r\nContent-Type: message/delivery-status\r\n\r\n"
               "Reporting-MTA: dns; %s\r\nArrival-Date: ", boundary, c->hostname);
    buf_add_rfc5322_date(b, o->e.arrived_us);
    buf_add_str(b, "\r\n");
    for (size_t i = 0; i < n; i++)
        add_recipient_fields(b, &o->e.rcpt[r[i]->index], r[i]);
    buf_add_str(b, "\r\n");
}

static void add_original(struct buf *b, const struct opened *o, const struct buf *original,
                         bool whole, const char *boundary)
{
    buf_printf(b, "--%s\r\nContent-Type: %s\r\n%s\r\n", boundary,
               whole ? "message/rfc822" : "text/rfc822-headers",
               o->e.high_octets ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    buf_add_slice(b, buf_slice(original));
    buf_printf(b, "\r\n--%s--\r\n", boundary);
}

/* The bounce's id follows from the message's and from the first recipient's place, so that after a
 * crash between the bounce and the marks it is not made a second time. */
static void bounce_id(const struct opened *o, size_t first, char id[QUEUE_ID_MAX])
{
    snprintf(id, QUEUE_ID_MAX, "%.20sb%zu", o->e.id, first);
}

static int put_into_queue(const struct config *c, struct envelope *e, const struct buf *text)
{
    struct queue_writer *w = queue_create(c, e);
    if (w && queue_write(w, text->data, text->len) == 0)
        return queue_commit(w);
    int error = errno;
    queue_abandon(w);
    errno = error;
    return -1;
}

int bounce_write(const struct config *c, const struct opened *o, struct relay_recipient *const *r,
                 size_t n)
{
    struct recipient sender = {.address = o->e.reverse_path};
    struct envelope e = {.protocol = "local", .client = "", .helo = "", .reverse_path = "",
                         .eight_bit = o->e.high_octets, .rcpt = &sender, .rcpt_count = 1};
    struct buf original = {0}, text = {0};
    char boundary[QUEUE_ID_MAX];
    bool whole;

    bounce_id(o, r[0]->index, e.id);
    if (queue_find(c, e.id))
        return 0;
    if (!read_original(o, &original, &whole)) {
        buf_free(&original);
        errno = EIO;
        return -1;
    }
    queue_new_id(boundary);      /* nobody could know it when the message was written */
    add_header(&text, c, &o->e, e.id, boundary);
    add_explanation(&text, c, o, r, n, boundary);
    add_report(&text, c, o, r, n, boundary);
    add_original(&text, o, &original, whole, boundary);
    int result = put_into_queue(c, &e, &text), error = errno;
    if (result == 0)
        event("queue.bounced", EV_STR("id", o->e.id), EV_STR("bounce", e.id),
              EV_STR("to", o->e.reverse_path), EV_INT("recipients", (int64_t)n));
    buf_free(&original);
    buf_free(&text);
    errno = error;
    return result;
}
