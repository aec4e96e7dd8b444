/* auth.c - AUTH (RFC 4954), and its parameter of MAIL. */
#include "base/event.h"
#include "base/mem.h"
#include "reference/smtpd/parameters.h"

bool smtpd_auth_enabled(const struct session *s)
{
    return s->peer->sasl && (config_is_submission(s->peer->service) || s->config->auth_smtp);
}

struct slice smtpd_without_secret(struct slice line)
{
    struct slice rest = line, verb, mechanism;
    if (!slice_word(&rest, &verb) || !slice_ieq_str(verb, "AUTH") || !slice_word(&rest, &mechanism))
        return line;
    return slice_sub(line, 0, (size_t)(mechanism.p - line.p) + mechanism.n);
}

/* Why AUTH may not come now; NULL: it may. */
static const char *out_of_order(const struct session *s)
{
    if (s->user || s->anonymous)
        return "you are logged in";                                  /* RFC 4954 4 */
    if (s->phase == PHASE_GREETED || !s->extended)
        return "send EHLO first";
    return s->phase == PHASE_READY ? NULL : "a transaction is open; RSET ends it";
}

/* RFC 4505 2: the account of ANONYMOUS is for reading. A client that comes as nobody in particular may
 * send what it might without AUTH, and its mail carries nobody's name. */
static void logged_in_as_nobody(struct session *s)
{
    s->anonymous = true;
    event("smtpd.login", EV_INT("session", (int64_t)s->peer->session), EV_STR("client", s->client),
          EV_STR("user", "anonymous"));
    smtpd_reply(s, 235, "2.7.0", "welcome, whoever you are");
}

static void logged_in(struct session *s, struct account *account)
{
    s->user = account->user;
    account->user = NULL;
    s->trusted = true;        /* RFC 6409 4.3: who has an account may send anywhere */
    event("smtpd.login", EV_INT("session", (int64_t)s->peer->session), EV_STR("client", s->client),
          EV_STR("user", s->user));
    smtpd_reply(s, 235, "2.7.0", "welcome, %s", s->user);
}

static void refuse(struct session *s, enum sasl_outcome outcome, bool known)
{
    const char *const clause = "RFC 4954 4, 6";
    switch (outcome) {
    case SASL_REFUSED:
        s->errors++;          /* a bad guess counts as a bad command */
        smtpd_refuse(s, 535, "5.7.8", "login-refused", clause, "wrong user or password");
        break;
    case SASL_UNAVAILABLE:
        smtpd_refuse(s, 454, "4.7.0", "accounts-unavailable", clause,
                     "log-ins cannot be checked now, try again later");
        break;
    case SASL_CANCELLED:
        smtpd_refuse(s, 501, "5.7.0", "login-cancelled", clause, "cancelled");
        break;
    case SASL_NOT_BASE64:
        smtpd_refuse(s, 501, "5.5.2", "login-not-base64", clause,
                     "that is not Base64 (RFC 4648 section 4)");
        break;
    case SASL_LINE_TOO_LONG:
        smtpd_refuse(s, 500, "5.5.6", "login-line-length", clause, "line is over %d octets",
                     SASL_LINE_MAX);
        break;
    case SASL_SERVER_FIRST:
        smtpd_refuse(s, 501, "5.7.0", "login-server-first", clause,
                     "this mechanism takes no initial response");
        break;
    case SASL_NOT_OFFERED:
        if (known && !s->channel.tls)
            smtpd_refuse(s, 538, "5.7.11", "login-needs-tls", clause,
                         "this mechanism needs TLS; send STARTTLS first");
        else
            smtpd_refuse(s, 504, "5.5.4", "login-mechanism", clause,
                         "this mechanism is not offered; EHLO lists those that are");
        break;
    default:
        s->closing = true;
        s->end = "lost";
    }
}

void smtpd_auth(struct session *s, struct slice argument)
{
    if (!smtpd_auth_enabled(s)) {
        smtpd_not_implemented(s, argument);
        return;
    }
    const char *wrong = out_of_order(s);
    if (wrong) {
        smtpd_refuse(s, 503, "5.5.1", "sequence", "RFC 4954 4", "AUTH is out of order: %s", wrong);
        return;
    }
    if (argument.n == 0) {
        smtpd_refuse(s, 501, "5.5.4", "argument-missing", "RFC 4954 4",
                     "the command is AUTH mechanism [initial-response]");
        return;
    }
    struct account account;
    ptrdiff_t space = slice_index(argument, ' ');
    struct slice mechanism = slice_sub(argument, 0, space < 0 ? argument.n : (size_t)space);
    struct sasl_channel with_tls = s->channel;
    with_tls.tls = true;
    bool known = sasl_offered(s->config, &with_tls, mechanism);
    enum sasl_outcome outcome = sasl_dialogue(s->io, s->config, &s->channel, s->peer->sasl,
                                              argument, "334 ", &account);
    /* Events show the command: what came after the mechanism is nobody's business. */
    size_t shown = smtpd_without_secret(buf_slice(&s->line)).n;
    explicit_bzero(s->line.data + shown, s->line.cap - shown);
    buf_truncate(&s->line, shown);
    if (outcome == SASL_ACCEPTED && slice_ieq_str(mechanism, "ANONYMOUS"))
        logged_in_as_nobody(s);
    else if (outcome == SASL_ACCEPTED)
        logged_in(s, &account);
    else
        refuse(s, outcome, known);
    account_free(&account);
}

/* ---- MAIL FROM:<...> AUTH=mailbox ------------------------------------------------------------ */

/* RFC 3461 4 xtext: "+" and two capital hexadecimal digits stand for an octet. */
static bool decode_xtext(struct slice text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '+') {
            buf_add_byte(out, text.p[i]);
            continue;
        }
        const char *high = i + 2 < text.n && text.p[i + 1] ? strchr(digits, text.p[i + 1]) : NULL;
        const char *low = high && text.p[i + 2] ? strchr(digits, text.p[i + 2]) : NULL;
        if (!low)
            return false;
        buf_add_byte(out, (char)((high - digits) * 16 + (low - digits)));
        i += 2;
    }
    return true;
}

/* RFC 4954 5: understood also from clients that have not logged in. We trust nobody to speak for
 * somebody else, so that the value, once it is right, counts as "<>". */
bool smtpd_auth_parameter(struct session *s, struct slice value)
{
    struct buf mailbox = {0};
    struct path p;
    if (!smtpd_auth_enabled(s)) {
        smtpd_refuse(s, 555, "5.5.4", "parameter-unknown", "RFC 5321 4.1.1.11",
                     "parameter AUTH is not known or was not offered");
        return false;
    }
    bool good = slice_eq_str(value, "<>");
    if (!good && decode_xtext(value, &mailbox) &&
        mailbox_parse(buf_slice(&mailbox), &p) == ADDRESS_OK) {
        path_free(&p);
        good = true;
    }
    buf_free(&mailbox);
    if (!good)
        smtpd_refuse(s, 501, "5.5.4", "auth-parameter", "RFC 4954 5, RFC 3461 4",
                     "AUTH= takes <> or a mailbox in xtext");
    return good;
}
