/* envelope.c - ENVELOPE, and the strings of IMAP. */
#include "reference/message/envelope.h"

#include <stddef.h>

static const struct { const char *name; size_t at; } FIELDS[] = {
    {"Date", offsetof(struct envelope, date)},
    {"Subject", offsetof(struct envelope, subject)},
    {"From", offsetof(struct envelope, from)},
    {"Sender", offsetof(struct envelope, sender)},
    {"Reply-To", offsetof(struct envelope, reply_to)},
    {"To", offsetof(struct envelope, to)},
    {"Cc", offsetof(struct envelope, cc)},
    {"Bcc", offsetof(struct envelope, bcc)},
    {"In-Reply-To", offsetof(struct envelope, in_reply_to)},
    {"Message-ID", offsetof(struct envelope, message_id)},
    {"References", offsetof(struct envelope, references)},
};

void envelope_read(struct envelope *e, struct slice header)
{
    *e = (struct envelope){.header = header};
    struct header_field field;
    while (header_next(&header, &field)) {
        if (field.name.n < 2 || field.name.n > 11)
            continue;
        for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
            struct slice *at = (struct slice *)((char *)e + FIELDS[i].at);
            if ((field.name.p[0] | 0x20) != (FIELDS[i].name[0] | 0x20) ||
                !slice_ieq_str(field.name, FIELDS[i].name))
                continue;
            if (at->p)
                e->twice = true;
            else
                *at = field.value;
        }
    }
}

/* Whether s may stand between quotes: QUOTED-CHAR of RFC 9051 9, without UTF-8. */
static bool quotable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80 || s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0)
            return false;
    return true;
}

static void add_quoted(struct buf *out, struct slice s)
{
    buf_add_byte(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_add(out, s.p + from, i - from);
            buf_add_byte(out, '\\');
            from = i;
        }
    buf_add(out, s.p + from, s.n - from);
    buf_add_byte(out, '"');
}

void imap_nstring(struct buf *out, struct slice s)
{
    if (!s.p) {
        buf_add_str(out, "NIL");
    } else if (quotable(s)) {
        add_quoted(out, s);
    } else {
        size_t nuls = 0;
        for (size_t i = 0; i < s.n; i++)
            nuls += s.p[i] == 0;
        buf_printf(out, "{%zu}\r\n", s.n - nuls);
        for (size_t i = 0; i < s.n; i++)
            if (s.p[i] != 0)
                buf_add_byte(out, s.p[i]);
    }
}

/* An unstructured value as it was written, unfolded. */
static void write_value(struct buf *out, struct slice value, struct buf *scratch)
{
    if (!value.p) {
        imap_nstring(out, value);
        return;
    }
    buf_clear(scratch);
    header_unfold(scratch, value);
    imap_nstring(out, slice_of(buf_str(scratch), scratch->len));
}

/* NIL for no addresses (RFC 9051 7.5.2: an empty or missing field). */
static void write_addresses(struct buf *out, const struct mailbox_list *list)
{
    if (list->count == 0) {
        buf_add_str(out, "NIL");
        return;
    }
    buf_add_byte(out, '(');
    for (size_t i = 0; i < list->count; i++) {
        const struct mailbox_address *a = &list->all[i];
        const struct slice parts[] = {a->name, a->route, a->mailbox, a->host};
        for (int k = 0; k < 4; k++) {
            buf_add_byte(out, k == 0 ? '(' : ' ');
            imap_nstring(out, parts[k]);
        }
        buf_add_byte(out, ')');
    }
    buf_add_byte(out, ')');
}

/* The addresses of a field; of all fields of that name when there are several, which RFC 5322 3.6
 * does not allow. */
static void read_addresses(struct mailbox_list *list, const struct envelope *e, const char *name,
                           struct slice value, struct buf *scratch)
{
    struct slice rest = e->header;
    struct header_field field;
    if (e->twice) {
        buf_clear(scratch);
        while (header_next_named(&rest, name, &field)) {
            if (scratch->len > 0)
                buf_add_byte(scratch, ',');
            buf_add_slice(scratch, field.value);
        }
        value = buf_slice(scratch);
    }
    mailbox_list_parse(list, value);
}

void envelope_write(struct buf *out, const struct envelope *e)
{
    struct mailbox_list from = {0}, other = {0};
    struct buf scratch = {0};
    static const char *const NAMES[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
    const struct slice fields[] = {e->from, e->sender, e->reply_to, e->to, e->cc, e->bcc};
    buf_add_byte(out, '(');
    write_value(out, e->date, &scratch);
    buf_add_byte(out, ' ');
    write_value(out, e->subject, &scratch);
    read_addresses(&from, e, "From", e->from, &scratch);
    for (int i = 0; i < 6; i++) {
        buf_add_byte(out, ' ');
        other.count = 0;
        if (i > 0 && fields[i].p)
            read_addresses(&other, e, NAMES[i], fields[i], &scratch);
        /* RFC 9051 7.5.2: Sender and Reply-To are From's when missing or empty. */
        bool as_from = i == 0 || (i <= 2 && other.count == 0);
        write_addresses(out, as_from ? &from : &other);
    }
    buf_add_byte(out, ' ');
    write_value(out, e->in_reply_to, &scratch);
    buf_add_byte(out, ' ');
    write_value(out, e->message_id, &scratch);
    buf_add_byte(out, ')');
    mailbox_list_free(&from);
    mailbox_list_free(&other);
    buf_free(&scratch);
}
