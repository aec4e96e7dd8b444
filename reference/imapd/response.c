/* response.c - how answers are written (RFC 9051 7). */
#include "reference/imapd/session.h"

#include "base/event.h"
#include "reference/store/utf7.h"

enum { STRING_QUOTED_MAX = 1000 };   /* longer text goes as a literal */

void imap_send(struct session *s, struct buf *out)
{
    stream_write(s->io, out->data, out->len);
    buf_clear(out);
}

void imap_untagged(struct session *s, const char *fmt, ...)
{
    struct buf line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    if (event_verbose())
        event("imapd.reply", EV_INT("session", s->number), EV_STR("line", buf_str(&line)));
    stream_printf(s->io, "* %s\r\n", buf_str(&line));
    buf_free(&line);
}

static void tagged(struct session *s, const char *word, const char *fmt, va_list ap)
{
    /* RFC 9051 7: what the client does not know yet is told before the answer. */
    if (s->view && !(s->command->traits & QUIET))
        imap_tell_changes(s, !(s->command->traits & NUMBERS_STAY));
    struct buf line = {0};
    buf_add_slice(&line, s->tag);
    buf_printf(&line, " %s ", word);
    buf_vprintf(&line, fmt, ap);
    if (event_verbose())
        event("imapd.reply", EV_INT("session", s->number), EV_STR("line", buf_str(&line)));
    buf_add_str(&line, "\r\n");
    imap_send(s, &line);
    buf_free(&line);
    s->answered = true;
}

void imap_ok(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tagged(s, "OK", fmt, ap);
    va_end(ap);
    s->errors = 0;
}

void imap_no(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tagged(s, "NO", fmt, ap);
    va_end(ap);
}

void imap_bad(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tagged(s, "BAD", fmt, ap);
    va_end(ap);
    s->errors++;
}

void imap_bad_args(struct session *s, struct args *a)
{
    if (a->status == ARGS_TOO_LARGE)
        imap_bad(s, "[TOOBIG] %s", a->error);                   /* RFC 4469 4.2, RFC 7888 4 */
    else if (a->status == ARGS_WRONG)
        imap_bad(s, "%s: expected %s (%s)", s->command->name, a->error, s->command->section);
}

void imap_bye(struct session *s, const char *end, const char *text)
{
    imap_untagged(s, "BYE %s", text);
    s->closing = true;
    s->end = end;
}

void imap_string(struct buf *out, struct slice text, bool utf8)
{
    bool quotable = text.n <= STRING_QUOTED_MAX, ascii = true;
    for (size_t i = 0; i < text.n && quotable; i++) {
        unsigned char c = (unsigned char)text.p[i];
        quotable = c != '\r' && c != '\n' && c != 0;
        ascii &= c < 0x80;
    }
    if (!quotable || (!ascii && !(utf8 && utf8_valid(text)))) {
        buf_printf(out, "{%zu}\r\n", text.n);
        buf_add_slice(out, text);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.p[i]);
    }
    buf_add_byte(out, '"');
}

/* Sent without quotes where it is an atom: some clients like that better for INBOX. */
static bool is_plain_word(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && !strchr("/._-", c))
            return false;
    }
    return name.n > 0 && !slice_ieq_str(name, "NIL");
}

void imap_mailbox_name(const struct session *s, struct buf *out, struct slice name)
{
    struct buf encoded = {0};
    if (s->utf8)
        buf_add_slice(&encoded, name);
    else
        utf8_to_utf7(name, &encoded);
    if (is_plain_word(buf_slice(&encoded)))
        buf_add_slice(out, buf_slice(&encoded));
    else
        imap_string(out, buf_slice(&encoded), s->utf8);
    buf_free(&encoded);
}
