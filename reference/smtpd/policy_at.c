/* policy_at.c - where a session meets the operator's rules. */
#include "reference/smtpd/session.h"

/* What the rules may look at now. Strings are borrowed until the answer. */
static void tell_facts(struct session *s, const char *recipient)
{
    struct policy_session *p = &s->policy;
    p->policy = s->ctx->policy;
    p->client = &s->peer->client;
    p->number = s->peer->session;
    p->user = s->trusted || s->user;
    p->helo = s->helo;
    p->sender = s->envelope.reverse_path;
    p->recipient = recipient;
}

void smtpd_greet_delay(struct session *s)
{
    const struct policy *p = s->ctx->policy;
    bool world = s->peer->service == SERVICE_SMTP && !s->trusted;
    if (!p || !world || p->conf->greet_delay <= 0)
        return;
    /* RFC 5321 4.3.1: the client waits for the greeting. A line that has come, or a client that has
     * gone, ends the wait. */
    s->policy.early = stream_wait(s->io, p->conf->greet_delay) == IO_OK;
}

bool smtpd_policy_ask(struct session *s, enum policy_stage at, const char *recipient,
                      struct verdict *v)
{
    if (!s->ctx->policy)
        return true;
    tell_facts(s, recipient);
    return policy_ask(&s->policy, at, v);
}

void smtpd_policy_refuse(struct session *s, const struct verdict *v)
{
    if (v->code == 421)
        smtpd_close_421(s, "4.7.0", v->rule, v->text);
    else
        smtpd_answer(s, v);
}

bool smtpd_policy(struct session *s, enum policy_stage at, const char *recipient)
{
    struct verdict v;
    if (smtpd_policy_ask(s, at, recipient, &v))
        return true;
    s->refused_at_connect = at == AT_CONNECT && v.code != 421;
    smtpd_policy_refuse(s, &v);
    return false;
}
