/* etrn.c - ETRN (RFC 1985): a host that was away asks for its mail. We send it where MX leads, on a
 * connection of our own, so that nobody gets another's mail by asking. */
#include "reference/smtpd/session.h"

#include "base/mem.h"
#include "reference/message/idn.h"

#include <stdlib.h>

bool smtpd_may_etrn(const struct session *s)
{
    /* RFC 6409 7: not for submission. Only mail that we keep for others can be asked for. */
    return s->peer->service == SERVICE_SMTP && s->config->relay_domains.n > 0;
}

void smtpd_etrn(struct session *s, struct slice argument)
{
    struct slice name = slice_trim(argument);
    bool below = name.n > 0 && name.p[0] == '@';     /* its subdomains, too */
    if (below)
        name = slice_sub(name, 1, name.n);
    if (!smtpd_may_etrn(s))
        smtpd_refuse(s, 502, "5.5.1", "not-implemented", "RFC 5321 4.2.4",
                     "ETRN was not offered");
    else if (!domain_valid(name))
        smtpd_refuse(s, 501, "5.5.4", "etrn-syntax", "RFC 1985 5.3", "write ETRN <domain>");
    else if (!config_is_relay(s->config, name))
        smtpd_refuse(s, 459, "4.7.0", "etrn-not-allowed", "RFC 1985 5.3",
                     "no mail is kept here for %.*s", SLICE_ARG(name));
    else {
        char *wake = xasprintf("@%s%.*s", below ? "." : "", SLICE_ARG(name));
        queue_wake(s->config, wake);
        smtpd_reply(s, 250, "2.0.0", "mail for %.*s is being sent on", SLICE_ARG(name));
        free(wake);
    }
}
