/* verify.c - VRFY and EXPN (RFC 5321 3.5, 4.1.1.6, 4.1.1.7). They change nothing in the session. */
#include "reference/smtpd/session.h"

#include "base/mem.h"

#include <stdlib.h>

/* The argument as an address of ours, its domain the first of them where it has none; NULL: it is
 * none. *p is the caller's to free. */
static char *local_address(const struct session *s, struct slice argument, struct path *p)
{
    const struct string_list *domains = &s->config->local_domains;
    struct slice text = slice_trim(argument);
    if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
        text = slice_sub(text, 1, text.n - 1);
    char *whole = slice_index(text, '@') >= 0 || domains->n == 0
                      ? slice_dup(text)
                      : xasprintf("%.*s@%s", SLICE_ARG(text), domains->v[0]);
    bool good = mailbox_parse(slice_str(whole), p) == ADDRESS_OK;
    if (good && !config_is_local(s->config, slice_str(p->domain))) {
        path_free(p);
        good = false;
    }
    if (good)
        return whole;
    free(whole);
    return NULL;
}

/* RFC 5321 3.5.1: 250 with the mailbox, 550. False: 252 is all that can be said. */
static bool verified(struct session *s, struct slice argument)
{
    struct path p;
    char *address = local_address(s, argument, &p);
    if (address == NULL)
        return false;
    enum auth_status status = s->ctx->lookup(s->ctx->lookup_arg, address);
    if (status == AUTH_OK || status == AUTH_ALIAS)
        smtpd_reply(s, 250, "2.1.5", "<%s>", address);
    else if (status == AUTH_NO)
        smtpd_refuse(s, 550, "5.1.1", "unknown-user", "RFC 5321 3.5.3", "<%s> no such user here",
                     address);
    free(address);
    path_free(&p);
    return status != AUTH_TEMPFAIL;
}

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
    if (!smtpd_may_expand(s) || !verified(s, text))
        smtpd_reply(s, 252, "2.5.0", "will not verify users; send the mail and see");
}

/* --- EXPN ------------------------------------------------------------------------------------ */

bool smtpd_may_expand(const struct session *s)
{
    return s->config->expn == EXPN_ALL || (s->config->expn == EXPN_TRUSTED && s->trusted);
}

/* RFC 5321 3.5.1: a mailbox a line. Members that are no addresses are not shown. */
static void reply_members(struct session *s, const struct account *a, const char *domain)
{
    struct buf lines = {0};
    for (size_t i = 0; i < a->target_count; i++) {
        const char *t = a->targets[i][0] == '\\' ? a->targets[i] + 1 : a->targets[i];
        if (strchr("|/:", t[0]))     /* "" too: strchr finds its NUL */
            continue;
        buf_printf(&lines, strchr(t, '@') ? "<%s>\n" : "<%s@%s>\n", t, domain);
    }
    if (lines.len > 0)
        smtpd_reply_lines(s, 250, "2.1.5", buf_slice(&lines));
    else
        smtpd_reply(s, 252, "2.5.0", "it has no members that could be shown");
    buf_free(&lines);
}

void smtpd_expn(struct session *s, struct slice argument)
{
    struct account found = {0};
    struct path p;
    if (!smtpd_may_expand(s) || !s->ctx->account) {
        smtpd_refuse(s, 502, "5.5.1", "expn-not-permitted", "RFC 5321 3.5.3, 7.3",
                     "EXPN was not offered to you");
        return;
    }
    char *address = local_address(s, argument, &p);
    enum auth_status status = address ? s->ctx->account(s->ctx->lookup_arg, address, &found) : AUTH_NO;
    if (status == AUTH_ALIAS)
        reply_members(s, &found, p.domain);
    else if (status == AUTH_OK)
        smtpd_reply(s, 250, "2.1.5", "<%s>", address);
    else if (status == AUTH_TEMPFAIL)
        smtpd_refuse(s, 451, "4.3.0", "accounts-unavailable", "RFC 5321 3.5.3",
                     "it cannot be looked up now, try again later");
    else
        smtpd_refuse(s, 550, "5.1.1", "unknown-list", "RFC 5321 3.5.3", "there is no such alias here");
    if (address)
        path_free(&p);
    free(address);
    account_free(&found);
}
