/* mail.c - MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3). */
#include "base/mem.h"
#include "reference/policy/sender.h"
#include "reference/smtpd/filters.h"
#include "reference/smtpd/memory.h"
#include "reference/smtpd/parameters.h"

#include <stdlib.h>

enum { SIZE_DIGITS_MAX = 20 }; /* RFC 1870 4 */

static bool handle_size(struct session *s, struct slice value)
{
    uint64_t size;
    if (value.n > SIZE_DIGITS_MAX) {
        smtpd_refuse(s, 501, "5.5.4", "size-syntax", "RFC 1870 4", "SIZE= takes at most 20 digits");
        return false;
    }
    bool digits = value.n > 0;
    for (size_t i = 0; i < value.n; i++)
        digits = digits && value.p[i] >= '0' && value.p[i] <= '9';
    if (!digits) {
        smtpd_refuse(s, 501, "5.5.4", "size-syntax", "RFC 1870 4",
                     "SIZE= takes a number of octets");
        return false;
    }
    if (!slice_number(value, UINT64_MAX, &size)) /* 20 digits may be more than 64 bits hold */
        size = UINT64_MAX;
    if (s->config->message_size > 0 && size > s->config->message_size) {
        smtpd_refuse(s, 552, "5.3.4", "message-size", "RFC 1870 6.1",
                     "message of %llu octets is over the limit of %llu", (unsigned long long)size,
                     (unsigned long long)s->config->message_size);
        return false;
    }
    s->declared_size = size;
    return true;
}

static bool handle_body(struct session *s, struct slice value)
{
    s->envelope.eight_bit = slice_ieq_str(value, "8BITMIME");
    s->envelope.binary = slice_ieq_str(value, "BINARYMIME");
    if (s->envelope.eight_bit || s->envelope.binary || slice_ieq_str(value, "7BIT"))
        return true;
    smtpd_refuse(s, 501, "5.5.4", "body-value", "RFC 6152 2, RFC 3030 3",
                 "BODY= takes 7BIT, 8BITMIME or BINARYMIME");
    return false;
}

static bool handle_utf8(struct session *s, struct slice value)
{
    s->envelope.utf8 = value.p == NULL;
    if (!s->envelope.utf8)
        smtpd_refuse(s, 501, "5.5.4", "smtputf8-value", "RFC 6531 3.1", "SMTPUTF8 takes no value");
    return s->envelope.utf8;
}

/* RFC 6531 3.5: an address that is not ASCII, from a client that did not say SMTPUTF8. */
static bool refuse_utf8(struct session *s, const struct path *p, int code)
{
    if (!p->utf8 || s->envelope.utf8)
        return false;
    smtpd_refuse(s, code, "5.6.7", "address-not-ascii", "RFC 6531 3.5, RFC 5321 4.1.2",
                 "the address is not ASCII; MAIL needs SMTPUTF8 for that");
    return true;
}

static const struct parameter_row mail_parameters[] = {
    {"SIZE", handle_size},
    {"BODY", handle_body},
    {"AUTH", smtpd_auth_parameter},
    {"SMTPUTF8", handle_utf8},
    {"RET", smtpd_ret_parameter},
    {"ENVID", smtpd_envid_parameter},
    {0},
};

static const struct parameter_row rcpt_parameters[] = {
    {"NOTIFY", smtpd_notify_parameter},
    {"ORCPT", smtpd_orcpt_parameter},
    {0},
};

/* RFC 6409 6.1: whoever has logged in may send as himself, and as an alias that leads to him. */
static bool sender_matches(struct session *s, const struct path *from)
{
    struct account found = {0};
    if (!s->config->auth_sender_match || !s->user || !s->ctx->account || from->address[0] == 0)
        return true;
    enum auth_status status = s->ctx->account(s->ctx->lookup_arg, from->address, &found);
    bool his = status == AUTH_OK && found.user && strcmp(found.user, s->user) == 0;
    for (size_t i = 0; status == AUTH_ALIAS && i < found.target_count; i++) {
        struct slice t = slice_str(found.targets[i]), name;
        slice_next(&t, '@', &name);
        his |= slice_ieq_str(slice_str(found.targets[i]), s->user) || slice_ieq_str(name, s->user);
    }
    account_free(&found);
    return his;
}

/* RFC 5321 4.2.3, RFC 1870 6.1: told at MAIL, before the message is on its way. */
static bool has_room(struct session *s)
{
    if (queue_has_room(s->config, s->declared_size) && memory_left(s->config->free_memory))
        return true;
    smtpd_refuse(s, 452, "4.3.1", "disk-full", "RFC 5321 4.2.3, RFC 1870 6.1",
                 "no room in the queue, try later");
    return false;
}

void smtpd_mail(struct session *s, struct slice argument)
{
    struct path from;
    struct slice parameters;
    if (!smtpd_parse_path_argument(s, argument, "FROM:", true, &from, &parameters))
        return;
    struct verdict v;
    const struct sender_check check = {.service = s->peer->service, .trusted = s->trusted};
    policy_sender(&check, &from, &v);
    if (!verdict_accepts(&v)) {
        smtpd_answer(s, &v);
    } else if (!sender_matches(s, &from)) {
        smtpd_refuse(s, 550, "5.7.1", "sender-of-another", "RFC 6409 6.1, RFC 4954 9",
                     "<%s> is not an address of %s", from.address, s->user);
    } else if (smtpd_parameters_apply(s, parameters, mail_parameters) && !refuse_utf8(s, &from, 550)) {
        s->envelope.reverse_path = xstrdup(from.address);
        if (!has_room(s)) {
            smtpd_transaction_reset(s);
            path_free(&from);
            return;
        }
        if (smtpd_policy(s, AT_MAIL, NULL) &&
            smtpd_filters_pass(s, MILTER_MAIL, NULL, parameters)) {
            s->phase = PHASE_MAIL;
            smtpd_answer(s, &v);
        } else {
            smtpd_transaction_reset(s);
        }
    } else {
        smtpd_transaction_reset(s); /* RFC 5321 4.1.4: a refused MAIL leaves nothing behind */
    }
    path_free(&from);
}

/* The same mailbox twice is one delivery. */
static bool is_known_recipient(const struct envelope *e, const char *address)
{
    for (size_t i = 0; i < e->rcpt_count; i++)
        if (strcmp(e->rcpt[i].address, address) == 0)
            return true;
    return false;
}

static void put_recipient(struct session *s, struct slice address)
{
    envelope_add_recipient(&s->envelope, address);
    struct recipient *r = &s->envelope.rcpt[s->envelope.rcpt_count - 1];
    r->notify = s->notify;
    r->orcpt = s->orcpt;
    s->orcpt = NULL;
}

static void add_recipient(struct session *s, const struct path *to, struct slice parameters)
{
    struct buf address = {0};
    struct verdict v;
    const struct recipient_check check = {
        .config = s->config,
        .local = &s->peer->local,
        .trusted = s->trusted,
        .submission = config_is_submission(s->peer->service),
        .lookup = s->ctx->lookup,
        .domain = s->ctx->domain,
        .lookup_arg = s->ctx->lookup_arg,
    };
    policy_recipient(&check, to, &address, &v);
    if (verdict_accepts(&v) &&
        (!smtpd_policy(s, AT_RCPT, buf_str(&address)) ||
         !smtpd_filters_pass(s, MILTER_RCPT, buf_str(&address), parameters))) {
        buf_free(&address);
        return;
    }
    if (verdict_accepts(&v)) {
        if (!is_known_recipient(&s->envelope, buf_str(&address)))
            put_recipient(s, buf_slice(&address));
        s->phase = PHASE_RCPT;
    }
    smtpd_answer(s, &v);
    buf_free(&address);
}

void smtpd_rcpt(struct session *s, struct slice argument)
{
    struct path to;
    struct slice parameters;
    if (!smtpd_parse_path_argument(s, argument, "TO:", false, &to, &parameters))
        return;
    s->notify = 0;
    free(s->orcpt);
    s->orcpt = NULL;
    if (smtpd_parameters_apply(s, parameters, rcpt_parameters)) {
        /* RFC 5321 4.5.3.1.10: 452, so that the client sends the rest in another transaction. */
        if (s->envelope.rcpt_count >= (size_t)s->config->recipients)
            smtpd_refuse(s, 452, "4.5.3", "recipient-limit", "RFC 5321 4.5.3.1.8, 4.5.3.1.10",
                         "too many recipients: at most %d in one transaction",
                         s->config->recipients);
        else if (!refuse_utf8(s, &to, 553))
            add_recipient(s, &to, parameters);
    }
    path_free(&to);
}
