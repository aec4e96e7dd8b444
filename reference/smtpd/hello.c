/* hello.c - HELO and EHLO (RFC 5321 4.1.1.1). */
#include "reference/smtpd/filters.h"

#include "base/mem.h"

#include <stdlib.h>

/* A domain or an address literal. RFC 5321 4.1.1.1: text after a literal, once encouraged, is
 * tolerated and dropped. HELO formally takes a domain only; clients without one send a literal. */
static bool client_name(struct slice argument, struct slice *name)
{
    struct slice rest = slice_trim(argument), word;
    struct netaddr unused;
    if (!slice_word(&rest, &word))
        return false;
    *name = word;
    if (address_literal_parse(word, &unused))
        return true;
    return domain_valid(word) && slice_trim(rest).n == 0;
}

static bool hello(struct session *s, struct slice argument)
{
    struct slice name;
    if (!client_name(argument, &name)) {
        /* RFC 5321 4.1.4: the state stays what it was, an open transaction included. */
        smtpd_refuse(s, 501, "5.5.4", "hello-syntax", "RFC 5321 4.1.1.1, 4.1.2",
                     "give your domain name or an address literal such as [192.0.2.1]; names have "
                     "letters, digits and hyphens only");
        return false;
    }
    char *before = s->helo;
    s->helo = slice_dup(name);
    if (!smtpd_policy(s, AT_HELO, NULL)) {
        free(s->helo);
        s->helo = before;
        return false;
    }
    /* RFC 5321 4.1.4: an accepted EHLO resets as RSET does. */
    smtpd_transaction_reset(s);
    free(before);
    if (!smtpd_filters_pass(s, MILTER_HELO, NULL, (struct slice){0})) {
        free(s->helo);
        s->helo = NULL;
        s->phase = PHASE_GREETED;
        return false;
    }
    s->phase = PHASE_READY;
    return true;
}

void smtpd_helo(struct session *s, struct slice argument)
{
    if (!hello(s, argument))
        return;
    s->extended = false;
    /* RFC 5321 3.2: never the extended answer; RFC 2034 4: no enhanced code. */
    smtpd_reply(s, 250, NULL, "%s", s->config->hostname);
}

void smtpd_ehlo(struct session *s, struct slice argument)
{
    if (!hello(s, argument))
        return;
    s->extended = true;
    smtpd_capabilities_reply(s);
}
