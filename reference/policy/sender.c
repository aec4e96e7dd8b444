/* sender.c - the decision at MAIL. */
#include "reference/policy/sender.h"

void policy_sender(const struct sender_check *c, const struct path *from, struct verdict *v)
{
    /* RFC 6409 4.3: submission is for those who are known; port 25 is for everybody. */
    if (config_is_submission(c->service) && !c->trusted) {
        verdict_set(v, 530, "5.7.0", "submission-not-trusted", "RFC 6409 4.3, RFC 4954 6",
                    "authentication required: submission is for our users");
        return;
    }
    if (config_is_submission(c->service) && path_is_unqualified(from)) {
        verdict_set(v, 554, "5.1.8", "sender-unqualified", "RFC 6409 4.2",
                    "<%s> give the whole name of the domain", from->address);
        return;
    }
    verdict_set(v, 250, "2.1.0", "sender-accepted", "RFC 5321 3.3", "<%s> sender ok",
                from->address);
}
