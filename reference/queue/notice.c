/* notice.c - what a sender is told about a message: that it failed, waits, or arrived. A
 * multipart/report (RFC 6522) of three parts, for people, for programs (RFC 3464), and the message or
 * its header. It goes into the queue like any mail, with the null reverse-path (RFC 5321 4.5.5). */
#include "reference/queue/notice.h"

#include "base/base64.h"
#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETURN_MAX 65536         /* longer messages come back as their header only, unless RET=FULL */
#define HEADER_MAX (1 << 20)     /* octets of a header that are returned */
#define REPLY_SHOWN 800          /* octets of a reply: with its field's name below the 998 of
                                    RFC 5322 2.1.1 */

static const struct kind {
    char letter;                 /* in the id */
    const char *subject, *intro, *outro, *event;
} kinds[] = {
    [NOTICE_FAILED] = {'b', "Your message could not be delivered",
                       "Your message could not be delivered to:",
                       "It will not be tried again.", "queue.bounced"},
    [NOTICE_DELAYED] = {'d', "Your message is delayed",
                        "Your message could not be delivered yet to:",
                        "It is tried again and again; you need not send it once more.",
                        "queue.warned"},
    [NOTICE_SUCCESS] = {'s', "Your message was delivered",
                        "You asked to be told what became of your message. It has arrived at:",
                        "Nothing needs to be done.", "queue.confirmed"},
    [NOTICE_POSTMASTER] = {'p', "A notice that nobody takes",
                           "A notice to the sender of a message could not be delivered to:",
                           "It is kept in the queue's hold folder.", "queue.postmaster-told"},
};

/* A notice on its way into the queue. */
struct notice {
    struct worker *worker;
    const struct config *c;
    const struct opened *o;
    const struct kind *kind;
    enum notice_kind number;
    bool utf8;                   /* its own addresses need SMTPUTF8 (RFC 6533) */
    struct envelope e;           /* its own */
    char boundary[QUEUE_ID_MAX];
    int64_t returned;            /* octets of the original that come back */
    bool whole;                  /* that is all of it */
    bool high;                   /* there is an octet over 127 in them */
};

/* Text of others in our own words' place: printable, in one line. */
static void add_shown(struct buf *b, const char *text, bool utf8)
{
    for (size_t i = 0; text[i] && i < REPLY_SHOWN; i++) {
        unsigned char c = (unsigned char)text[i];
        buf_add_byte(b, c < 0x20 || c == 0x7f || (c & 0x80 && !utf8) ? '?' : text[i]);
    }
}

static bool said_by_host(const struct relay_recipient *r)
{
    return r->host && *r->host;
}

/* What an alias came to is nobody's business but ours. */
static const char *shown_address(const struct recipient *to)
{
    return to->via ? to->via : to->address;
}

/* RFC 3464 2.3.3 */
static const char *action_of(const struct notice *n, const struct recipient *to)
{
    const struct envelope *e = &n->o->e;
    if (n->number != NOTICE_SUCCESS)
        return n->number == NOTICE_DELAYED ? "delayed" : "failed";
    for (size_t i = 0; i < e->rcpt_count; i++)
        if (e->rcpt[i].via && strcmp(e->rcpt[i].via, to->address) == 0)
            return "expanded";
    return address_is_local(n->worker, to->address) == AUTH_OK ? "delivered" : "relayed";
}

/* --- the parts ------------------------------------------------------------------------------- */

static void add_header(struct buf *b, const struct notice *n)
{
    buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <%s>\r\nDate: ",
               n->c->hostname, n->e.rcpt[0].address);
    buf_add_rfc5322_date(b, wall_us());
    /* RFC 3834 5: so that no robot answers. RFC 3464 2: the report's content type. */
    buf_printf(b, "\r\nMessage-ID: <%s@%s>\r\nSubject: %s\r\n"
               "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
               " boundary=\"%s\"\r\n\r\n", n->e.id, n->c->hostname, n->kind->subject,
               n->utf8 ? "global-" : "", n->boundary);
}

static void add_words(struct buf *b, const struct notice *n, const struct relay_recipient *r)
{
    const char *action = action_of(n, &n->o->e.rcpt[r->index]);
    if (strcmp(r->status, "4.4.7") == 0 || strcmp(r->status, "5.4.7") == 0)
        buf_add_str(b, "It was tried again and again, and is given up now. The last answer:\r\n    ");
    if (strcmp(action, "delivered") == 0)
        buf_add_str(b, "It is in the mailbox.");
    else if (strcmp(action, "expanded") == 0)
        buf_add_str(b, "It was sent on to the members of this address.");
    else if (strcmp(action, "relayed") == 0)
        buf_add_str(b, "It was handed over to a server that sends no such notices:\r\n    ");
    if (said_by_host(r)) {
        add_shown(b, r->host, n->utf8);
        buf_printf(b, "[%s] said:\r\n    ", r->address);
    }
    if (r->reply && strcmp(action, "delivered") != 0)
        add_shown(b, r->reply, n->utf8);
}

static void add_explanation(struct buf *b, const struct notice *n,
                            struct relay_recipient *const *r, size_t count)
{
    buf_printf(b, "--%s\r\nContent-Type: text/plain; charset=%s\r\n%s\r\n"
               "This is the mail server of %s.\r\n\r\n%s\r\n", n->boundary,
               n->utf8 ? "utf-8" : "us-ascii",
               n->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "", n->c->hostname,
               n->kind->intro);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(b, "\r\n  <");
        add_shown(b, shown_address(&n->o->e.rcpt[r[i]->index]), n->utf8);
        buf_add_str(b, ">\r\n    ");
        add_words(b, n, r[i]);
        buf_add_str(b, "\r\n");
    }
    buf_printf(b, "\r\n%s A report for mail programs and the message%s follow.\r\n\r\n",
               n->kind->outro, n->whole ? " itself" : "'s header");
}

/* RFC 3464 2.3 */
static void add_recipient_fields(struct buf *b, const struct notice *n,
                                 const struct relay_recipient *r)
{
    const struct recipient *to = &n->o->e.rcpt[r->index];
    buf_add_str(b, "\r\n");
    if (to->orcpt) {             /* 2.3.1: exactly as it came */
        buf_add_str(b, "Original-Recipient: ");
        buf_add_orcpt_decoded(b, to->orcpt);
        buf_add_str(b, "\r\n");
    }
    buf_add_str(b, "Final-Recipient: ");
    buf_add_typed_address(b, shown_address(to), !n->utf8);
    buf_printf(b, "\r\nAction: %s\r\nStatus: %s\r\n", action_of(n, to), r->status);
    if (said_by_host(r)) {
        buf_add_str(b, "Remote-MTA: dns; ");
        add_shown(b, r->host, n->utf8);
        buf_add_str(b, "\r\n");
    }
    /* 2.3.6: only what a server said is a diagnostic code of type smtp. */
    bool reply = said_by_host(r) && r->reply && r->reply[0] >= '2' && r->reply[0] <= '5';
    if (r->reply && *r->reply) {
        buf_printf(b, "Diagnostic-Code: %s; ", reply ? "smtp" : "x-postroad");
        add_shown(b, r->reply, n->utf8);
        buf_add_str(b, "\r\n");
    }
    buf_add_str(b, "Last-Attempt-Date: ");
    buf_add_rfc5322_date(b, wall_us());
    buf_add_str(b, "\r\n");
    if (n->number == NOTICE_DELAYED) {
        buf_add_str(b, "Will-Retry-Until: ");
        buf_add_rfc5322_date(b, n->o->e.arrived_us + n->c->expire * 1000);
        buf_add_str(b, "\r\n");
    }
}

/* RFC 3464 2.2: fields about the message, then a group of fields a recipient. */
static void add_report(struct buf *b, const struct notice *n, struct relay_recipient *const *r,
                       size_t count)
{
    buf_printf(b, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", n->boundary,
               n->utf8 ? "global-" : "",
               n->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    if (n->o->e.envid) {
        buf_add_str(b, "Original-Envelope-Id: ");
        buf_add_unxtext(b, slice_str(n->o->e.envid));
        buf_add_str(b, "\r\n");
    }
    buf_printf(b, "Reporting-MTA: dns; %s\r\nArrival-Date: ", n->c->hostname);
    buf_add_rfc5322_date(b, n->o->e.arrived_us);
    buf_add_str(b, "\r\n");
    for (size_t i = 0; i < count; i++)
        add_recipient_fields(b, n, r[i]);
    buf_add_str(b, "\r\n");
}

/* --- the original ---------------------------------------------------------------------------- */

static ssize_t read_at(const struct opened *o, char *p, size_t n, int64_t at)
{
    return pread(o->fd, p, n, o->e.message_offset + at);
}

/* RFC 3461 6.2: a failure returns the message unless it is long or RET=HDRS, all else the header.
 * Finds out how much of it that is, and what octets there are. False when it cannot be read. */
static bool measure_original(struct notice *n)
{
    const struct envelope *e = &n->o->e;
    int64_t most = e->ret == RETURN_FULL ? e->size : RETURN_MAX;
    n->whole = n->number == NOTICE_FAILED && e->ret != RETURN_HEADERS && e->size <= most
            && !e->binary;
    if (n->whole) {
        n->returned = e->size;
        n->high = e->high_octets;
        return true;
    }
    struct buf head = {0};
    buf_reserve(&head, HEADER_MAX);
    ssize_t got = read_at(n->o, head.data, e->size < HEADER_MAX ? (size_t)e->size : HEADER_MAX, 0);
    if (got > 0) {
        head.len = (size_t)got;
        ptrdiff_t end = slice_find(buf_slice(&head), SLICE("\r\n\r\n"));
        ptrdiff_t line = slice_rindex(buf_slice(&head), '\n');
        n->returned = end >= 0 ? end + 2 : line + 1;
        n->high = !text_is_ascii(slice_sub(buf_slice(&head), 0, (size_t)n->returned));
    }
    buf_free(&head);
    return got > 0 || e->size == 0;
}

enum { PIECE = 57 * 1024 };      /* whole lines of base64 */

static int write_encoded(struct queue_writer *w, const char *p, size_t n)
{
    struct buf text = {0};
    for (size_t at = 0; at < n; at += 57) {
        buf_add_base64(&text, slice_of(p + at, n - at < 57 ? n - at : 57));
        buf_add_str(&text, "\r\n");
    }
    int result = queue_write(w, text.data, text.len);
    buf_free(&text);
    return result;
}

static int write_original(const struct notice *n, struct queue_writer *w, bool encode)
{
    char *piece = xmalloc(PIECE);
    int result = 0;
    for (int64_t at = 0; at < n->returned && result == 0;) {
        int64_t left = n->returned - at;
        ssize_t got = read_at(n->o, piece, left < PIECE ? (size_t)left : PIECE, at);
        if (got <= 0) {
            errno = got < 0 ? errno : EIO;
            result = -1;
        } else {
            result = encode ? write_encoded(w, piece, (size_t)got)
                            : queue_write(w, piece, (size_t)got);
            at += got;
        }
    }
    free(piece);
    return result;
}

/* RFC 6533 4: a message with UTF-8 in its header is message/global; in a notice that itself is
 * ASCII it is wrapped in base64. */
static int write_third_part(const struct notice *n, struct queue_writer *w)
{
    bool global = n->o->e.utf8 && n->high;
    bool encode = global && !n->utf8;
    char *head = xasprintf("--%s\r\nContent-Type: %s\r\n%s\r\n", n->boundary,
                           n->whole ? (global ? "message/global" : "message/rfc822")
                                    : global ? "message/global-headers" : "text/rfc822-headers",
                           encode    ? "Content-Transfer-Encoding: base64\r\n"
                           : n->high ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    char *tail = xasprintf("\r\n--%s--\r\n", n->boundary);
    int result = queue_write(w, head, strlen(head)) == 0 && write_original(n, w, encode) == 0 &&
                 queue_write(w, tail, strlen(tail)) == 0 ? 0 : -1;
    free(head);
    free(tail);
    return result;
}

/* --- into the queue -------------------------------------------------------------------------- */

static int put_into_queue(struct notice *n, struct relay_recipient *const *r, size_t count)
{
    struct buf text = {0};
    struct queue_writer *w = queue_create(n->c, &n->e);
    add_header(&text, n);
    add_explanation(&text, n, r, count);
    add_report(&text, n, r, count);
    bool good = w && queue_write(w, text.data, text.len) == 0 && write_third_part(n, w) == 0;
    int error = errno;
    buf_free(&text);
    if (good)
        return queue_commit(w);
    queue_abandon(w);
    errno = error;
    return -1;
}

/* To whom: the sender, or the postmaster, who may have no domain of his own. */
static char *recipient_of(const struct config *c, const struct envelope *e, enum notice_kind kind)
{
    if (kind != NOTICE_POSTMASTER)
        return xstrdup(e->reverse_path);
    return xasprintf("postmaster@%s", c->local_domains.n ? c->local_domains.v[0] : c->hostname);
}

int notice_write(struct worker *worker, const struct opened *o, enum notice_kind kind,
                 struct relay_recipient *const *r, size_t count)
{
    const struct config *c = worker->c;
    char *address = recipient_of(c, &o->e, kind);
    struct recipient to = {.address = address};
    struct notice n = {.worker = worker, .c = c, .o = o, .kind = &kinds[kind], .number = kind,
                       .utf8 = !text_is_ascii(slice_str(address)),
                       .e = {.protocol = "local", .client = "", .helo = "", .reverse_path = "",
                             .rcpt = &to, .rcpt_count = 1}};
    /* The id follows from the message's and from the first recipient's place, so that after a crash
     * between the notice and the marks it is not made a second time. */
    if (kind == NOTICE_POSTMASTER)
        snprintf(n.e.id, QUEUE_ID_MAX, "%.20s%c%s", o->e.id, n.kind->letter,
                 strlen(o->e.id) > 20 ? o->e.id + 20 : "");
    else
        snprintf(n.e.id, QUEUE_ID_MAX, "%.20s%c%zu", o->e.id, n.kind->letter, r[0]->index);
    queue_new_id(n.boundary);    /* nobody could know it when the message was written */
    int result = 0, error = EIO;
    if (!queue_find(c, n.e.id)) {
        result = -1;
        if (measure_original(&n)) {
            n.e.utf8 = n.utf8;
            n.e.eight_bit = n.utf8 || (n.high && !o->e.utf8);
            result = put_into_queue(&n, r, count);
            error = errno;
        }
        if (result == 0)
            event(n.kind->event, EV_STR("id", o->e.id), EV_STR("bounce", n.e.id),
                  EV_STR("to", address), EV_INT("recipients", (int64_t)count));
    }
    free(address);
    errno = error;
    return result;
}

bool notice_is_for_postmaster(const char *id) { return strlen(id) > 20 && id[20] == 'p'; }
