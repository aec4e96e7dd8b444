/* transaction.c - the TRANSACTION and UPDATE states (RFC 1939 5, 6, 7). */
#include "base/event.h"
#include "reference/pop3d/session.h"

#include <errno.h>

/* --- message numbers -------------------------------------------------------------------------- */

/* The message that the word names, counted from 0. False: there is none, and it was said so. */
static bool find_message(struct session *s, struct slice word, size_t *i)
{
    uint64_t number;
    size_t n = mailbox_count(s->mailbox);
    if (!slice_number(word, UINT32_MAX, &number)) {
        pop3_bad_command(s, "a message number is needed");
        return false;
    }
    if (number == 0 || number > n || s->deleted[number - 1]) {
        pop3_reply(s, "-ERR no such message");
        return false;
    }
    *i = (size_t)number - 1;
    return true;
}

struct total { size_t messages; int64_t octets; };

static struct total count_kept(const struct session *s)
{
    struct total t = {0};
    for (size_t i = 0; i < mailbox_count(s->mailbox); i++) {
        if (s->deleted[i])
            continue;
        t.messages++;
        t.octets += mailbox_message(s->mailbox, i).size;
    }
    return t;
}

/* --- STAT, LIST, UIDL ------------------------------------------------------------------------- */

void pop3_stat(struct session *s, struct slice argument)
{
    (void)argument;
    struct total t = count_kept(s);
    pop3_reply(s, "+OK %zu %lld", t.messages, (long long)t.octets);
}

static void scan_line(struct session *s, const char *before, size_t i, bool uid)
{
    struct message_info m = mailbox_message(s->mailbox, i);
    if (uid)
        stream_printf(s->io, "%s%zu %s\r\n", before, i + 1, m.unique_id);
    else
        stream_printf(s->io, "%s%zu %lld\r\n", before, i + 1, (long long)m.size);
}

/* RFC 1939 5, 7: one message's line, or a line for each message that is not deleted. */
static void list(struct session *s, struct slice argument, bool uid)
{
    size_t i;
    if (argument.n > 0) {
        if (find_message(s, argument, &i))
            scan_line(s, "+OK ", i, uid);
        return;
    }
    struct total t = count_kept(s);
    pop3_reply(s, "+OK %zu messages (%lld octets)", t.messages, (long long)t.octets);
    for (i = 0; i < mailbox_count(s->mailbox); i++) {
        if (!s->deleted[i])
            scan_line(s, "", i, uid);
    }
    stream_puts(s->io, ".\r\n");
}

void pop3_list(struct session *s, struct slice argument)
{
    list(s, argument, false);
}

void pop3_uidl(struct session *s, struct slice argument)
{
    if (s->numbered)
        list(s, argument, true);
    else
        pop3_reply(s, "-ERR [SYS/TEMP] the index cannot be read or written now");
}

/* --- RETR, TOP -------------------------------------------------------------------------------- */

/* Sends lines until the message ends or, after its header, body_lines were sent. 0, or -1. */
static int send_lines(struct session *s, struct message_reader *r, uint64_t body_lines)
{
    struct line_piece p;
    bool body = false;
    int more;
    while ((more = message_line(r, &p)) == 1) {
        if (body && body_lines == 0)
            return 0;
        /* RFC 1939 3: a dot at a line's start is doubled, so that it does not end the response. */
        if (p.begins && p.text.n > 0 && p.text.p[0] == '.')
            stream_write(s->io, ".", 1);
        enum io w = stream_write(s->io, p.text.p, p.text.n);
        if (p.ends)
            w = stream_write(s->io, "\r\n", 2);
        if (w < IO_OK)
            return -1;
        if (body)
            body_lines -= p.ends;
        else
            body = p.begins && p.ends && p.text.n == 0;
    }
    return more;
}

static void send_message(struct session *s, size_t i, uint64_t body_lines)
{
    if (!s->utf8 && pop3_header_is_utf8(s, i)) {
        pop3_reply(s, "-ERR [UTF8] message %zu has UTF-8 in its header; say UTF8 first", i + 1);
        return;
    }
    struct message_reader *r = mailbox_read(s->mailbox, i);
    if (!r) {
        int error = errno;
        if (error == ENOENT)   /* a mail program removed it meanwhile */
            pop3_reply(s, "-ERR message %zu is no longer there", i + 1);
        else
            pop3_reply(s, "-ERR [SYS/TEMP] message %zu cannot be read now", i + 1);
        return;
    }
    if (body_lines == UINT64_MAX)
        pop3_reply(s, "+OK %lld octets", (long long)mailbox_message(s->mailbox, i).size);
    else
        pop3_reply(s, "+OK top of message follows");
    if (send_lines(s, r, body_lines) < 0) {
        /* Ended properly it would look like the whole message. */
        s->broken = s->closing = true;
        s->end = "error";
    } else {
        stream_puts(s->io, ".\r\n");
    }
    message_reader_free(r);
}

void pop3_retr(struct session *s, struct slice argument)
{
    size_t i;
    if (find_message(s, argument, &i))
        send_message(s, i, UINT64_MAX);
}

void pop3_top(struct session *s, struct slice argument)
{
    struct slice word;
    size_t i;
    uint64_t lines;
    slice_word(&argument, &word);
    if (!find_message(s, word, &i))
        return;
    if (!slice_number(slice_trim(argument), UINT32_MAX, &lines))
        pop3_bad_command(s, "TOP takes a number of lines, 0 or more");
    else
        send_message(s, i, lines);
}

/* --- DELE, RSET, NOOP ------------------------------------------------------------------------- */

void pop3_dele(struct session *s, struct slice argument)
{
    size_t i;
    if (!find_message(s, argument, &i))
        return;
    s->deleted[i] = true;
    pop3_reply(s, "+OK message %zu will be removed at QUIT", i + 1);
}

void pop3_rset(struct session *s, struct slice argument)
{
    (void)argument;
    memset(s->deleted, 0, mailbox_count(s->mailbox) * sizeof *s->deleted);
    struct total t = count_kept(s);
    pop3_reply(s, "+OK %zu messages (%lld octets)", t.messages, (long long)t.octets);
}

void pop3_noop(struct session *s, struct slice argument)
{
    (void)argument;
    pop3_reply(s, "+OK");
}

/* --- QUIT ------------------------------------------------------------------------------------- */

/* RFC 1939 6: in TRANSACTION, QUIT is what removes; the lock goes in any case. */
void pop3_quit(struct session *s, struct slice argument)
{
    (void)argument;
    s->closing = true;
    s->end = "quit";
    if (s->state == TRANSACTION) {
        int result = mailbox_expunge(s->mailbox, s->deleted);
        int error = errno;
        /* The client may come again as soon as it has the answer. */
        mailbox_close(s->mailbox);
        s->mailbox = NULL;
        if (result < 0) {
            event("pop3d.update-failed", EV_INT("session", s->number),
                  EV_STR("user", s->account.user), EV_STR("error", strerror(error)));
            pop3_reply(s, "-ERR [SYS/TEMP] some deleted messages were not removed");
            return;
        }
    }
    pop3_reply(s, "+OK %s bye", s->config->hostname);
}
