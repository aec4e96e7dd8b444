/* explain_client.c - what the rules against unwanted mail would make of a client now. */
#include "reference/ctl/ctl.h"

#include "reference/policy/policy.h"

#include <stdio.h>

static void explain_lists(struct policy_session *s)
{
    const struct policy_conf *conf = s->policy->conf;
    static const enum dnsbl_subject subjects[] = {LIST_OF_CLIENT, LIST_OF_NAME};
    for (size_t k = 0; k < 2; k++) {
        const struct dnsbl_answer *answers = conf->list_count ? fact_lists(s, subjects[k]) : NULL;
        for (size_t i = 0; answers && i < conf->list_count; i++) {
            const struct dnsbl_answer *a = &answers[i];
            if (!a->asked)
                continue;
            printf("  %s of dnsbl %s: %s%s%s%s\n",
                   subjects[k] == LIST_OF_CLIENT ? "address" : "name", conf->lists[i].name,
                   a->listed    ? "listed, "
                   : a->trusted ? "not listed"
                                : "no answer that can be used",
                   a->listed ? a->code : "", a->listed && a->reason ? " " : "",
                   a->listed && a->reason ? a->reason : "");
        }
    }
}

void explain_client(const struct config *c, const struct netaddr *client)
{
    struct policy *p = policy_new(c);
    struct policy_session s = {.policy = p, .client = client, .user = config_may_relay(c, client)};
    bool any = false;
    if (c->policy->rule_count == 0) {
        policy_free(p);
        return;
    }
    const struct reverse *name = fact_reverse(&s);
    printf("  name: %s: %s\n", reverse_word(name->status), name->why);
    explain_lists(&s);
    for (size_t i = 0; i < c->policy->rule_count; i++) {
        const struct rule *r = &c->policy->rules[i];
        struct finding f = {0};
        enum holds h = policy_rule_holds(&s, r, &f);
        if (h != HOLDS_NO)
            printf("  rule %s, at %s: %s%s (%s)\n", r->name, policy_stage_name(r->at),
                   h == HOLDS_YES ? "" : "cannot be told now; would be ",
                   action_name(r->action.kind), buf_str(&f.why));
        any |= h == HOLDS_YES;
        buf_free(&f.why);
        buf_free(&f.reason);
    }
    if (!any)
        printf("  no rule holds for this client alone; what it says and sends may make one hold\n");
    policy_session_free(&s);
    policy_free(p);
}
