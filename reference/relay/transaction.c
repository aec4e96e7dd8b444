/* transaction.c - MAIL, RCPT, DATA and what the replies mean for each recipient. */
#include "reference/relay/client.h"

#include "base/mem.h"
#include "reference/relay/client_internal.h"
#include "reference/relay/convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Commands whose replies are still to come. RFC 2920 3.1: the replies to a group must fit the
 * windows, or both sides would wait for the other for ever. */
#define PIPELINE_MAX 64
#define CHUNK 65536
#define HEADER_MAX (1 << 20)      /* octets of a header that are looked at */
#define PIECE (1 << 20)           /* of a message that goes by BDAT */

struct transaction {
    struct client *cl;
    const struct relay_message *m; /* as it was given, or converted */
    struct relay_message converted;
    struct relay_recipient **r;  /* those that take part */
    size_t n;
    size_t sent, answered;       /* commands: 0 MAIL, 1..n RCPT, n + 1 DATA */
    size_t accepted;
    bool farewell;               /* 421 instead of an answer to MAIL */
    bool ended;                  /* no more commands; only replies are awaited */
    bool data_open;              /* the server waits for a message */
    bool chunk;                  /* it goes by BDAT (RFC 3030), without DATA and its 354 */
};

static enum verdict verdict_of(const struct reply *reply)
{
    return reply_is(reply, 2) ? VERDICT_DELIVERED
         : reply_is(reply, 5) ? VERDICT_FAIL : VERDICT_DEFER;
}

/* What the last reply means, for a recipient. */
static void settle(struct transaction *t, struct relay_recipient *r, enum verdict verdict)
{
    /* RFC 3463 3.1: .0.0 where the server gave no enhanced code. */
    static const char *const undefined[] = {"", "2.0.0", "4.0.0", "5.0.0"};
    const struct reply *reply = &t->cl->reply;
    struct buf line = {0};
    reply_add_line(&line, reply);
    if (reply->code >= 300 && reply->code < 400)
        buf_add_str(&line, " (which is no answer here)");
    /* RFC 5321 3.8: 421 says that the service goes away, not what it thinks of the message. */
    r->server_failed = verdict == VERDICT_DEFER && (reply->code < 400 || reply->code == 421);
    recipient_settle(r, t->m, verdict, reply->status[0] ? reply->status : undefined[verdict],
                     buf_str(&line), t->cl);
    buf_free(&line);
}

/* The last reply decides about everyone who is still undecided: all, or those accepted. */
static void settle_open(struct transaction *t, enum verdict verdict, bool only_accepted)
{
    for (size_t i = 0; i < t->n; i++)
        if (only_accepted ? t->r[i]->accepted : t->r[i]->verdict == VERDICT_NONE)
            settle(t, t->r[i], verdict);
}

/* The connection is gone or in a state that nobody knows: what is not settled waits. */
static void give_up(struct transaction *t)
{
    t->cl->broken = true;
    for (size_t i = 0; i < t->n; i++)
        if (t->r[i]->verdict == VERDICT_NONE)
            settle(t, t->r[i], VERDICT_DEFER);
}

static void refuse_all(struct transaction *t, const char *status, const char *why)
{
    for (size_t i = 0; i < t->n; i++)
        recipient_settle(t->r[i], t->m, VERDICT_FAIL, status, why, t->cl);
}

static bool is_ascii(const char *s) { return text_is_ascii(slice_str(s)); }

/* RFC 6532: only messages of SMTPUTF8 may have UTF-8 in their header. */
static bool header_is_ascii(const struct relay_message *m)
{
    size_t most = m->size < HEADER_MAX ? (size_t)m->size : HEADER_MAX;
    char *text = xmalloc(most + 1);
    ssize_t n = pread(m->fd, text, most, m->offset);
    struct slice header = slice_of(text, n > 0 ? (size_t)n : 0);
    ptrdiff_t end = slice_find(header, SLICE("\r\n\r\n"));
    bool ascii = text_is_ascii(slice_sub(header, 0, end < 0 ? header.n : (size_t)end));
    free(text);
    return ascii;
}

static bool needs_utf8(const struct transaction *t)
{
    bool needed = t->m->utf8 || !is_ascii(t->m->reverse_path);
    for (size_t i = 0; i < t->n; i++)
        needed |= !is_ascii(t->r[i]->to);
    return needed;
}

/* RFC 6531 3.2, 3.5: to a server without SMTPUTF8 goes what is ASCII all the same; the rest is
 * returned, since an address cannot be converted. */
static void drop_utf8(struct transaction *t)
{
    static const char status[] = "5.6.7", why[] = "the server does not take internationalized mail";
    bool all = !is_ascii(t->m->reverse_path) || !header_is_ascii(t->m);
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (all || !is_ascii(t->r[i]->to))
            recipient_settle(t->r[i], t->m, VERDICT_FAIL, status, why, t->cl);
        else
            t->r[kept++] = t->r[i];
    }
    t->n = kept;
}

/* RFC 6152 3: 8-bit content goes to servers with 8BITMIME only; RFC 3030 3: binary content to those
 * with BINARYMIME. For others the message is converted, or refused when that cannot be. */
static bool convert(struct transaction *t)
{
    const struct client *cl = t->cl;
    const char *why = NULL;
    bool to_7bit = t->m->high_octets && !cl->eight_bit;
    bool to_lines = t->m->binary && !(cl->chunking && cl->binary);
    if (!to_7bit && !to_lines)
        return true;
    enum downgrade_to to = cl->eight_bit ? DOWNGRADE_TO_LINES : DOWNGRADE_TO_7BIT;
    enum downgrade_result result = relay_convert(cl->c, t->m, to, &t->converted, &why);
    if (result == DOWNGRADE_OK) {
        t->m = &t->converted;
        return true;
    }
    char *text = xasprintf("the server does not take %s content, and it cannot be converted: %s",
                           to_lines ? "binary" : "8-bit", why);
    for (size_t i = 0; i < t->n; i++)
        recipient_settle(t->r[i], t->m,
                         result == DOWNGRADE_IMPOSSIBLE ? VERDICT_FAIL : VERDICT_DEFER,
                         result == DOWNGRADE_IMPOSSIBLE ? "5.6.3" : "4.3.1", text, cl);
    free(text);
    return false;
}

/* What can be known before a word is said. */
static bool server_can_take(struct transaction *t)
{
    const struct client *cl = t->cl;
    if (!cl->utf8 && needs_utf8(t))
        drop_utf8(t);
    if (t->n == 0 || !convert(t))
        return false;
    if (!cl->size_limit || (uint64_t)t->m->size <= cl->size_limit)
        return true;
    refuse_all(t, "5.3.4", "message larger than this server takes"); /* RFC 1870 6.1 */
    return false;
}

static void send_mail(struct transaction *t)
{
    const struct client *cl = t->cl;
    struct buf line = {0};
    buf_printf(&line, "MAIL FROM:<%s>", t->m->reverse_path);
    if (cl->size)
        buf_printf(&line, " SIZE=%lld", (long long)t->m->size);
    /* RFC 5321 2.4: the label says that the content is MIME, which only its sender knows. */
    if (t->m->binary)
        buf_add_str(&line, " BODY=BINARYMIME");
    else if (cl->eight_bit && t->m->eight_bit)
        buf_add_str(&line, " BODY=8BITMIME");
    if (cl->utf8 && needs_utf8(t))
        buf_add_str(&line, " SMTPUTF8");
    /* RFC 3461 5.2.1: passed on as they came, and nothing is made up. */
    if (cl->dsn && t->m->ret != RETURN_ANY)
        buf_printf(&line, " RET=%s", t->m->ret == RETURN_FULL ? "FULL" : "HDRS");
    if (cl->dsn && t->m->envid)
        buf_printf(&line, " ENVID=%s", t->m->envid);
    buf_add_str(&line, "\r\n");
    client_command(t->cl, buf_str(&line));
    buf_free(&line);
}

static void send_rcpt(struct transaction *t, const struct relay_recipient *r)
{
    struct buf line = {0};
    buf_printf(&line, "RCPT TO:<%s>", r->to);
    if (t->cl->dsn && r->notify) {
        buf_add_str(&line, " NOTIFY=");
        buf_add_notify(&line, r->notify);
    }
    if (t->cl->dsn && r->orcpt)
        buf_printf(&line, " ORCPT=%s", r->orcpt);
    buf_add_str(&line, "\r\n");
    client_command(t->cl, buf_str(&line));
    buf_free(&line);
}

static void send_command(struct transaction *t)
{
    size_t i = t->sent++;
    if (i == 0) {
        send_mail(t);
    } else if (i <= t->n) {
        send_rcpt(t, t->r[i - 1]);
    } else {
        client_command(t->cl, "DATA\r\n");
        t->ended = true;
    }
}

static void on_mail(struct transaction *t)
{
    if (reply_is(&t->cl->reply, 2)) {
        t->cl->dirty = true;
        return;
    }
    t->farewell = t->cl->reply.code == 421;
    settle_open(t, verdict_of(&t->cl->reply), false);
    t->ended = true;
}

/* RFC 5321 4.5.3.1.10: 552 here is an old way to say 452, too many recipients; RFC 1870 6.4: unless
 * it is about size or room, which the enhanced code tells (RFC 3463 3.6: x.5.3 is too many). */
static bool says_too_many(const struct reply *reply)
{
    return reply->code == 452 || (reply->code == 552 && (!reply->status[0] ||
                                                        strcmp(reply->status, "5.5.3") == 0));
}

static void on_rcpt(struct transaction *t, struct relay_recipient *r)
{
    if (r->verdict != VERDICT_NONE)
        return;                  /* MAIL was refused: this is its echo */
    r->accepted = reply_is(&t->cl->reply, 2);
    t->accepted += r->accepted;
    if (r->accepted)
        return;
    r->too_many = says_too_many(&t->cl->reply);
    settle(t, r, r->too_many ? VERDICT_DEFER : verdict_of(&t->cl->reply));
}

/* False when the conversation cannot go on. */
static bool on_data(struct transaction *t)
{
    const struct reply *reply = &t->cl->reply;
    t->data_open = reply->code == 354;
    if (t->data_open)
        return true;
    if (t->accepted)
        settle_open(t, reply_is(reply, 5) ? VERDICT_FAIL : VERDICT_DEFER, true);
    /* 2yz or 3yz: does it wait for a message or for a command? Only a new connection can tell. */
    return reply_is(reply, 4) || reply_is(reply, 5);
}

/* Reads the reply to the oldest command without one. False when all is over. */
static bool read_answer(struct transaction *t)
{
    struct client *cl = t->cl;
    size_t i = t->answered;
    int64_t timeout = i == 0 ? cl->c->timeout_mail
                    : i <= t->n ? cl->c->timeout_rcpt : cl->c->timeout_data;
    if (!client_reply(cl, timeout))
        return false;
    t->answered++;
    if (i == 0)
        on_mail(t);
    else if (i <= t->n)
        on_rcpt(t, t->r[i - 1]);
    else
        return on_data(t) && !cl->broken;
    return !cl->broken;
}

/* MAIL, RCPTs, and DATA where that is used. */
static size_t command_count(const struct transaction *t) { return t->n + (t->chunk ? 1 : 2); }

/* The envelope. False when the connection is of no more use. */
static bool exchange(struct transaction *t)
{
    size_t window = t->cl->pipelining ? PIPELINE_MAX : 1;
    for (;;) {
        while (!t->ended && t->sent - t->answered < window && t->sent < command_count(t)) {
            /* Once all replies are in, nobody accepted means that there is nothing to send. */
            if (t->sent == t->n + 1 && t->answered == t->sent && t->accepted == 0)
                t->ended = true;
            else
                send_command(t);
        }
        if (t->answered == t->sent)
            return true;
        if (!read_answer(t))
            return false;
    }
}

/* RFC 5321 4.5.2: a dot more before each line that begins with one. `last` is the octet before. */
static void write_stuffed(struct stream *s, struct slice text, char last)
{
    while (text.n > 0) {
        const char *dot = NULL;
        size_t from = 0;
        if (last == '\n' && text.p[0] == '.')
            dot = text.p;
        else if ((dot = memmem(text.p, text.n, "\n.", 2)))
            dot++;
        from = dot ? (size_t)(dot - text.p) : text.n;
        stream_write(s, text.p, from);
        if (!dot)
            return;
        stream_write(s, "..", 2);
        text = slice_sub(text, from + 1, text.n);
        last = '.';
    }
}

/* The whole message as one chunk, to the octet. Now that all replies to RCPT are in, more would
 * gain nothing. */
static bool send_chunk(struct transaction *t)
{
    const struct relay_message *m = t->m;
    struct stream *s = t->cl->s;
    char *line = xasprintf("BDAT %lld LAST\r\n", (long long)m->size);
    client_command(t->cl, line);
    free(line);
    stream_set_timeout(s, t->cl->c->timeout_block);   /* of each piece */
    for (int64_t at = 0; at < m->size; at += PIECE) {
        int64_t n = m->size - at < PIECE ? m->size - at : PIECE;
        if (stream_send_file(s, m->fd, m->offset + at, n) != IO_OK)
            return false;
    }
    return stream_flush(s) == IO_OK;
}

/* The message. False when it could not be read from the disk or not be written. */
static bool send_content(struct transaction *t)
{
    const struct relay_message *m = t->m;
    struct stream *s = t->cl->s;
    char *chunk = xmalloc(m->size < CHUNK ? (size_t)m->size + 1 : CHUNK);
    char ends[2] = {'\r', '\n'}, last = '\n';
    int64_t at = m->offset, left = m->size;
    enum io result = IO_OK;
    bool readable = true;

    stream_set_timeout(s, t->cl->c->timeout_block);
    while (left > 0 && readable && result == IO_OK) {
        ssize_t n = pread(m->fd, chunk, left < CHUNK ? (size_t)left : CHUNK, at);
        if (n <= 0) {
            readable = n < 0 && errno == EINTR;
            continue;
        }
        if (m->dots)
            write_stuffed(s, slice_of(chunk, (size_t)n), last);
        else
            stream_write(s, chunk, (size_t)n);
        ends[0] = n > 1 ? chunk[n - 2] : last;
        ends[1] = last = chunk[n - 1];
        at += n;
        left -= n;
        /* Full pieces leave, each with its own time-out; the rest goes with the final dot. */
        if (left > 0)
            result = stream_flush(s);
    }
    free(chunk);
    if (!readable || result != IO_OK)
        return false;
    if (ends[0] != '\r' || ends[1] != '\n')
        stream_puts(s, "\r\n");
    return stream_puts(s, ".\r\n") == IO_OK && stream_flush(s) == IO_OK;
}

/* Content and the reply to it; under LMTP one for each recipient that was accepted, in their order
 * (RFC 2033 4.2). */
static bool finish(struct transaction *t)
{
    struct client *cl = t->cl;
    if (!(t->chunk ? send_chunk(t) : send_content(t))) {
        /* Unfinished: the server must not take what it has for the whole, so no dot is sent. */
        cl->reply.code = 0;
        memcpy(cl->reply.status, "4.4.2", 6);
        buf_clear(&cl->reply.text);
        buf_printf(&cl->reply.text, "sending the message failed: %s",
                   *stream_error(cl->s) ? stream_error(cl->s) : "timed out");
        return false;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (!t->r[i]->accepted)
            continue;
        if (!client_reply(cl, cl->c->timeout_end))
            return false;
        if (!cl->lmtp) {
            settle_open(t, verdict_of(&cl->reply), true);
            break;
        }
        settle(t, t->r[i], verdict_of(&cl->reply));
    }
    cl->dirty = false;
    return !cl->broken && !reply_is(&cl->reply, 3);
}

/* No recipient was accepted, and yet the server took the DATA that had been sent along: an empty
 * message ends it, and its reply changes nothing (RFC 2920 3.1). */
static bool finish_nothing(struct transaction *t)
{
    int replies = t->cl->lmtp ? 0 : 1;
    stream_puts(t->cl->s, ".\r\n");
    t->cl->dirty = false;
    return replies == 0 || client_reply(t->cl, t->cl->c->timeout_end);
}

static bool begin(struct transaction *t)
{
    struct client *cl = t->cl;
    bool good = true;
    if (cl->dirty) {
        client_command(cl, "RSET\r\n");
        good = client_reply(cl, cl->c->timeout_mail) && reply_is(&cl->reply, 2);
        cl->dirty = false;
    }
    return good;
}

bool client_transact(struct client *cl, const struct relay_message *m, struct relay_recipient *r,
                     size_t n)
{
    struct transaction t = {.cl = cl, .m = m, .converted.fd = -1, .chunk = cl->chunking,
                            .r = xcalloc(n + 1, sizeof *t.r)};
    bool heard = true;

    cl->id = m->id;
    for (size_t i = 0; i < n; i++)
        if (r[i].take) {
            r[i].verdict = VERDICT_NONE;
            r[i].accepted = r[i].too_many = false;
            t.r[t.n++] = &r[i];
        }
    if (t.n > 0 && server_can_take(&t)) {
        bool good = begin(&t) && exchange(&t);
        heard = t.answered > 0 && !t.farewell;
        t.data_open |= t.chunk && t.accepted > 0;
        if (good && t.data_open)
            good = t.accepted ? finish(&t) : finish_nothing(&t);
        if (!good)
            give_up(&t);
        cl->transactions++;
    }
    cl->id = NULL;
    if (t.converted.fd >= 0)
        close(t.converted.fd);
    free(t.r);
    return heard || !cl->broken;
}
