/* append.c - APPEND (RFC 9051 6.3.12), of several messages at once (RFC 3502), with NULs (RFC 3516 4.4). */
#include "reference/imapd/session.h"

#include <errno.h>

struct append {
    struct view_append *to;
    bool missing;            /* there is no such mailbox */
    int error;               /* errno of the first failure; 0: none */
    bool has_nul;            /* in a literal that may have none */
    bool has_8bit_header;    /* RFC 6855 4: not without ENABLE */
    bool has_empty;          /* RFC 3502 3: a message without octets takes it all back */
};

static void failed(struct append *p)
{
    if (p->error == 0)
        p->error = errno ? errno : EIO;
}

/* Flags, date and the head of the literal of the next message. */
static bool read_head(struct args *a, struct flag_list *flags, int64_t *date, bool *utf8,
                      struct literal *l)
{
    int zone;
    *date = INT64_MIN;
    if (!args_space(a))
        return false;
    if (args_next_is(a, '(') && (!imap_read_flags(a, flags) || !args_space(a)))
        return false;
    if (args_next_is(a, '"') && (!args_date_time(a, date, &zone) || !args_space(a)))
        return false;
    *utf8 = args_keyword(a, "UTF8");                   /* RFC 6855 4: UTF8 (~{n}...) */
    if (*utf8 && (!args_space(a) || !args_char(a, '(')))
        return false;
    return args_literal_head(a, l);
}

/* Whether a header has 8-bit octets: looks at its portions one after the other. */
struct header_look { bool over, at_line_start, has_8bit; };

static void look(struct header_look *h, struct slice portion)
{
    for (size_t i = 0; i < portion.n && !h->over; i++) {
        char c = portion.p[i];
        h->over = c == '\n' && h->at_line_start;
        h->has_8bit |= (unsigned char)c >= 0x80;
        if (c != '\r')
            h->at_line_start = c == '\n';
    }
}

/* The octets of the literal, to the mailbox or, once something failed, nowhere. False: lost. */
static bool take_octets(struct session *s, struct append *p, const struct literal *l)
{
    struct header_look header = {.over = s->utf8, .at_line_start = true};
    uint64_t left = l->size;
    p->has_empty |= left == 0;
    while (left > 0) {
        struct slice got;
        if (stream_peek(s->io, &got) != IO_OK)
            return false;
        got = slice_sub(got, 0, left < got.n ? (size_t)left : got.n);
        p->has_nul |= !l->binary && memchr(got.p, 0, got.n) != NULL;
        look(&header, got);
        if (p->error == 0 && view_append_write(p->to, got.p, got.n) != 0)
            failed(p);
        stream_consume(s->io, got.n);
        left -= got.n;
    }
    p->has_8bit_header |= header.has_8bit;
    return true;
}

/* One message. False: no more can be read; then the command was answered or the connection is lost. */
static bool take_message(struct session *s, struct args *a, struct append *p)
{
    struct flag_list flags = {0};
    struct literal l = {0};
    int64_t date;
    bool utf8;
    if (!read_head(a, &flags, &date, &utf8, &l)) {
        imap_bad_args(s, a);
        imap_flags_free(&flags);
        return false;
    }
    /* What will be refused in any case is not asked for (RFC 7889 4: TOOBIG). */
    if (s->config->message_size && l.size > s->config->message_size)
        p->error = EFBIG;
    else if (p->error == 0 &&
             view_append_message(p->to, flags.flags, flags.names, flags.n, date, l.size) != 0)
        failed(p);
    imap_flags_free(&flags);
    if (p->error) {
        args_literal_refuse(a, &l);
        return false;
    }
    args_literal_go(a, &l);
    if (!take_octets(s, p, &l)) {
        a->status = ARGS_LOST;
        return false;
    }
    if (!args_literal_done(a) || (utf8 && !args_char(a, ')'))) {
        imap_bad_args(s, a);
        return false;
    }
    return true;
}

static void refuse(struct session *s, const struct append *p)
{
    if (p->error == ENOENT)
        imap_no(s, "[TRYCREATE] there is no such mailbox");
    else if (p->error == EFBIG)
        imap_no(s, "[TOOBIG] the message is larger than %llu octets",
                (unsigned long long)s->config->message_size);
    else
        imap_no_errno(s, p->error, "the message cannot be stored");
}

static void finish(struct session *s, struct append *p)
{
    uint32_t validity = 0;
    struct uid_set uids = {0};
    struct buf code = {0};
    if (view_append_commit(p->to, &validity, &uids) != 0) {
        p->to = NULL;
        failed(p);
        refuse(s, p);
        uid_set_free(&uids);
        return;
    }
    p->to = NULL;
    uid_set_text(&uids, &code);
    imap_ok(s, "[APPENDUID %u %s] APPEND completed", validity, buf_str(&code));
    buf_free(&code);
    uid_set_free(&uids);
}

/* All messages of the command; the answer. */
static void take_messages(struct session *s, struct args *a, struct append *p)
{
    do {
        if (!take_message(s, a, p)) {
            if (p->error)
                refuse(s, p);
            return;
        }
    } while (args_next_is(a, ' '));
    if (!args_end(a))
        imap_bad_args(s, a);
    else if (p->error)
        refuse(s, p);
    else if (p->has_nul)
        imap_bad(s, "NUL in a message that is no literal8 (RFC 9051 4.3.1)");
    else if (p->has_8bit_header)
        imap_no(s, "[CANNOT] the header has octets above 127: ENABLE UTF8=ACCEPT first");
    else if (p->has_empty)
        imap_no(s, "[CANNOT] a message without octets: nothing is appended");
    else
        finish(s, p);
}

void imap_append(struct session *s, struct args *a)
{
    struct buf name = {0};
    struct append p = {0};
    if (!args_space(a) || !args_mailbox(a, &name)) {
        imap_bad_args(s, a);
    } else {
        p.to = view_append_begin(s->mail, buf_str(&name));
        if (!p.to)
            failed(&p);
        take_messages(s, a, &p);
        view_append_abandon(p.to);
    }
    buf_free(&name);
}
