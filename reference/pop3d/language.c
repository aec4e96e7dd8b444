/* language.c - text beyond ASCII (RFC 6856): UTF8, LANG, names and passwords, and which messages a
 * client without UTF8 cannot be shown. */
#include "reference/message/utf8.h"
#include "reference/pop3d/session.h"

#include <gsasl.h>
#include <stdlib.h>

/* --- UTF8 (RFC 6856 2.1) ---------------------------------------------------------------------- */

void pop3_utf8(struct session *s, struct slice argument)
{
    (void)argument;
    s->utf8 = true;
    pop3_reply(s, "+OK UTF-8 from now on");
}

static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] > 0x7f)
            return false;
    }
    return true;
}

char *pop3_prepared(struct slice text)
{
    char *out = NULL, *raw = slice_dup(text);
    if (is_ascii(text))
        return raw;
    /* RFC 6856 2.2: a query string may hold characters that Unicode had not assigned yet. What is
     * no UTF-8, or is prohibited by RFC 4013 2.3, fails. */
    if (gsasl_saslprep(raw, GSASL_ALLOW_UNASSIGNED, &out, NULL) != GSASL_OK)
        out = NULL;
    explicit_bzero(raw, text.n);
    free(raw);
    return out;
}

/* RFC 6856 2.1: header fields with UTF-8 in them (RFC 6532) are not for a client that did not ask
 * for them. Other octets over 127 were never Internet mail, and go as they came; so do 8-bit bodies
 * (RFC 6152). */
bool pop3_header_is_utf8(struct session *s, size_t i)
{
    struct message_reader *r = mailbox_read(s->mailbox, i);
    struct line_piece p;
    bool found = false;
    while (r && !found && message_line(r, &p) == 1) {
        if (p.begins && p.text.n == 0)
            break;
        found = !is_ascii(p.text) && utf8_valid(p.text);
    }
    message_reader_free(r);
    return found;
}

/* --- LANG (RFC 6856 3) ------------------------------------------------------------------------ */

/* Replies are in English. "*" asks for the administrator's choice; a range such as "en-GB" is
 * served by the language that it is a kind of (RFC 4647 3.4). */
void pop3_lang(struct session *s, struct slice argument)
{
    if (argument.n == 0) {
        pop3_reply(s, "+OK languages follow");
        stream_puts(s->io, "en English\r\n.\r\n");
    } else if (slice_eq_str(argument, "*") || slice_ieq_str(argument, "en") ||
               slice_istarts(argument, SLICE("en-"))) {
        pop3_reply(s, "+OK en replies are in English");
    } else {
        pop3_reply(s, "-ERR this language is not spoken here; LANG lists those that are");
    }
}
