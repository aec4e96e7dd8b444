/* commands.c - the table of commands, and the small ones. */
#include "reference/smtpd/session.h"

enum { TRANSACTION = PHASE_MAIL | PHASE_RCPT };

/* RFC 5321 4.1.4: NOOP, HELP, VRFY and RSET may come at any time, before EHLO too. DATA without
 * recipients has answers of its own, so its handler looks at the phase itself. */
const struct command smtpd_commands[] = {
    {"HELO", PHASE_ANY, true, false, true, smtpd_helo, "HELO <domain>", "RFC 5321 4.1.1.1"},
    {"EHLO", PHASE_ANY, true, false, true, smtpd_ehlo, "EHLO <domain or address literal>",
     "RFC 5321 4.1.1.1"},
    {"MAIL", PHASE_READY, true, true, false, smtpd_mail,
     "MAIL FROM:<reverse-path> [SIZE=<octets>] [BODY=7BIT|8BITMIME|BINARYMIME] [RET=FULL|HDRS] "
     "[ENVID=<xtext>] [SMTPUTF8]", "RFC 5321 4.1.1.2"},
    {"RCPT", TRANSACTION, true, true, false, smtpd_rcpt, "RCPT TO:<forward-path> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=rfc822;<xtext>]", "RFC 5321 4.1.1.3"},
    {"DATA", PHASE_ANY, false, false, true, smtpd_data, "DATA", "RFC 5321 4.1.1.4"},
    {"BDAT", PHASE_ANY, true, false, false, smtpd_bdat, "BDAT <octets> [LAST]", "RFC 3030 2"},
    {"RSET", PHASE_ANY, false, false, false, smtpd_rset, "RSET", "RFC 5321 4.1.1.5"},
    {"NOOP", PHASE_ANY, true, false, true, smtpd_noop, "NOOP [<string>]", "RFC 5321 4.1.1.9"},
    {"QUIT", PHASE_ANY, false, false, true, smtpd_quit, "QUIT", "RFC 5321 4.1.1.10"},
    {"VRFY", PHASE_ANY, true, true, true, smtpd_vrfy, "VRFY <user or address>", "RFC 5321 4.1.1.6"},
    {"EXPN", PHASE_ANY, true, true, true, smtpd_expn, "EXPN <alias>", "RFC 5321 4.1.1.7"},
    {"ETRN", PHASE_READY, true, false, true, smtpd_etrn, "ETRN <domain>",
     "RFC 1985 5"},
    {"HELP", PHASE_ANY, true, false, true, smtpd_help, "HELP [<command>]", "RFC 5321 4.1.1.8"},
    {"STARTTLS", PHASE_ANY, true, false, true, smtpd_starttls, "STARTTLS", "RFC 3207 4"},
    {"AUTH", PHASE_ANY, true, false, true, smtpd_auth, "AUTH <mechanism> [<initial response>]",
     "RFC 4954 4"},

    /* Known, but not implemented: 502, not 500 (RFC 5321 4.2.4). */
    {"BURL", PHASE_ANY, true, false, true, smtpd_not_implemented, NULL, "RFC 4468 3"},
    {"TURN", PHASE_ANY, true, false, true, smtpd_not_implemented, NULL, "RFC 5321 F.1"},
    {"SEND", PHASE_ANY, true, false, true, smtpd_not_implemented, NULL, "RFC 5321 F.6"},
    {"SOML", PHASE_ANY, true, false, true, smtpd_not_implemented, NULL, "RFC 5321 F.6"},
    {"SAML", PHASE_ANY, true, false, true, smtpd_not_implemented, NULL, "RFC 5321 F.6"},
    {0},
};

const struct command *smtpd_command_find(struct slice verb)
{
    for (const struct command *c = smtpd_commands; c->name != NULL; c++)
        if (slice_ieq_str(verb, c->name))
            return c;
    return NULL;
}

void smtpd_rset(struct session *s, struct slice argument)
{
    (void)argument;
    smtpd_transaction_reset(s);
    smtpd_reply(s, 250, "2.0.0", "reset");
}

void smtpd_noop(struct session *s, struct slice argument)
{
    (void)argument; /* RFC 5321 4.1.1.9: a parameter is ignored */
    smtpd_reply(s, 250, "2.0.0", "ok");
}

void smtpd_quit(struct session *s, struct slice argument)
{
    (void)argument;
    /* RFC 5321 4.3.1: replies of the greeting kind have our name as their first word. */
    smtpd_reply(s, 221, "2.0.0", "%s closing the connection", s->config->hostname);
    s->closing = true;
    s->end = "quit";
}

void smtpd_not_implemented(struct session *s, struct slice argument)
{
    (void)argument;
    struct slice rest = buf_slice(&s->line), verb;
    slice_word(&rest, &verb);
    smtpd_refuse(s, 502, "5.5.1", "not-implemented", "RFC 5321 4.2.4",
                 "%.*s is not implemented and was not offered", SLICE_ARG(verb));
}

void smtpd_help(struct session *s, struct slice argument)
{
    if (argument.n > 0) {
        const struct command *c = smtpd_command_find(slice_trim(argument));
        if (c != NULL && c->usage != NULL)
            smtpd_reply(s, 214, "2.0.0", "%s (%s)", c->usage, c->section);
        else
            smtpd_refuse(s, 504, "5.5.4", "no-help", "RFC 5321 4.1.1.8",
                         "no help on that; HELP alone lists the commands");
        return;
    }
    struct buf text = {0};
    buf_add_str(&text, "Postroad, a mail server that follows RFC 5321. Commands:\n");
    for (const struct command *c = smtpd_commands; c->name != NULL; c++)
        if (c->usage != NULL)
            buf_printf(&text, "  %s (%s)\n", c->usage, c->section);
    smtpd_reply_lines(s, 214, "2.0.0", buf_slice(&text));
    buf_free(&text);
}
