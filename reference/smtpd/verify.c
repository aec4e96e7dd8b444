/* verify.c - VRFY (RFC 5321 3.5, 4.1.1.6). It changes nothing in the session. */
#include "reference/smtpd/session.h"

/* What can be said without telling who has an account here: RFC 5321 7.3 lets a server answer
 * 252 for that reason, and 3.5.3 for addresses that it would pass on. Only an address of a domain
 * that we would not take mail for is answered otherwise; RCPT would say so too. */
void smtpd_vrfy(struct session *s, struct slice argument)
{
    struct slice text = slice_trim(argument);
    if (text.n == 0) {
        smtpd_refuse(s, 501, "5.5.4", "argument-missing", "RFC 5321 4.1.1.6",
                     "VRFY takes a user name or an address");
        return;
    }
    /* RFC 6531 3.7.4.2 */
    bool utf8 = slice_ends(text, SLICE(" SMTPUTF8"));
    if (utf8)
        text = slice_trim(slice_sub(text, 0, text.n - 9));
    if (!utf8 && !text_is_ascii(text)) {
        smtpd_refuse(s, 501, "5.5.4", "octets-in-argument", "RFC 5321 4.1.2, RFC 6531 3.7.4",
                     "printable ASCII only, unless SMTPUTF8 stands behind it");
        return;
    }
    if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
        text = slice_sub(text, 1, text.n - 1);
    struct path p;
    if (slice_index(text, '@') >= 0 && mailbox_parse(text, &p) == ADDRESS_OK) {
        struct slice domain = slice_str(p.domain);
        bool ours = config_is_local(s->config, domain) || config_is_relay(s->config, domain) ||
                    (s->ctx->domain && s->ctx->domain(s->ctx->lookup_arg, domain) != AUTH_NO);
        path_free(&p);
        if (!ours && !s->trusted) {
            smtpd_refuse(s, 550, "5.7.1", "relay-refused", "RFC 5321 3.5.3, 3.6.2",
                         "this server takes no mail for that domain");
            return;
        }
    }
    smtpd_reply(s, 252, "2.5.0", "will not verify users; send the mail and see");
}
