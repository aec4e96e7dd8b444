/* recipient.c - the decision at RCPT. */
#include "reference/policy/recipient.h"

#include "reference/message/idn.h"
#include "reference/transport.h"

#include <ctype.h>

enum where { ELSEWHERE, RELAY, LOCAL, CANNOT_TELL };

static enum where place_of(const struct recipient_check *c, struct slice domain)
{
    struct netaddr literal;
    if (config_is_local(c->config, domain))
        return LOCAL;
    /* RFC 5321 4.1.3: the address that the client has reached us by names us, whatever the
     * configuration lists (a listener on all addresses lists none). */
    if (c->local != NULL && address_literal_parse(domain, &literal) &&
        netaddr_same_host(&literal, c->local))
        return LOCAL;
    if (config_is_relay(c->config, domain))
        return RELAY;
    enum auth_status found = c->domain ? c->domain(c->lookup_arg, domain) : AUTH_NO;
    return found == AUTH_OK ? LOCAL : found == AUTH_TEMPFAIL ? CANNOT_TELL : ELSEWHERE;
}

static bool has_route_inside(const struct path *to) { return strpbrk(to->local, "@%!") != NULL; }

static void refuse_relay(const struct path *to, struct verdict *v)
{
    if (has_route_inside(to))
        verdict_set(v, 550, "5.7.1", "relay-route-in-local-part", "RFC 5321 3.6.1, RFC 2505 2.1",
                    "<%s> relay refused: a route inside the local part is not followed",
                    to->address);
    else
        verdict_set(v, 550, "5.7.1", "relay-refused", "RFC 5321 3.6.2",
                    "<%s> relay refused: not a domain of this server, and your address may not "
                    "send elsewhere through it", to->address);
}

/* The address as the accounts know it. Literals and the bare postmaster belong to the first local
 * domain: every later role can then tell by the domain alone that this is for us. */
static void add_local_address(const struct recipient_check *c, const struct path *to,
                              struct buf *address)
{
    const struct string_list *domains = &c->config->local_domains;
    struct path p = *to;
    if (domains->n > 0 && (p.domain[0] == 0 || p.domain[0] == '['))
        p.domain = domains->v[0];
    path_canonical(&p, address);
}

static void cannot_tell(const struct path *to, struct verdict *v)
{
    verdict_set(v, 451, "4.3.0", "accounts-unavailable", "RFC 5321 3.3, 4.2.1",
                "<%s> cannot be looked up now, try again later", to->address);
}

static void check_account(const struct recipient_check *c, const struct path *to,
                          const char *address, struct verdict *v)
{
    bool followable = !c->trusted && has_route_inside(to);
    /* ""@domain is an address by the grammar, but nobody's; and no account has an "@" in it. */
    bool nameless = to->local[0] == 0 || strchr(to->local, '@') != NULL;
    switch (nameless ? AUTH_NO : c->lookup(c->lookup_arg, address)) {
    case AUTH_OK:
    case AUTH_ALIAS:
        verdict_set(v, 250, "2.1.5", "local-recipient", "RFC 5321 3.3", "<%s> recipient ok",
                    to->address);
        return;
    case AUTH_NO:
        if (followable)
            refuse_relay(to, v);
        else
            verdict_set(v, 550, "5.1.1", "unknown-user", "RFC 5321 3.3", "<%s> no such user here",
                        to->address);
        return;
    case AUTH_TEMPFAIL:
        break;
    }
    cannot_tell(to, v);
}

/* A domain that the operator has closed, transport { to = "error:..." }: said now, while the sender waits,
 * rather than in a notice to whom the envelope names. */
static bool is_closed(const struct recipient_check *c, const struct path *to, struct verdict *v)
{
    struct buf ascii = {0};
    if (!buf_add_ascii_domain(&ascii, slice_str(to->domain)))
        buf_add_str(&ascii, to->domain);
    for (size_t i = 0; i < ascii.len; i++)
        ascii.data[i] = (char)tolower((unsigned char)ascii.data[i]);
    const struct transport *t = transport_find(c->config, to->address, buf_slice(&ascii), false);
    buf_free(&ascii);
    if (!t || t->kind != TRANSPORT_ERROR)
        return false;
    verdict_set(v, 550, t->status, "transport-error", "RFC 5321 6.2", "<%s>%s", to->address,
                t->text + strlen(t->status));
    return true;
}

void policy_recipient(const struct recipient_check *c, const struct path *to, struct buf *address,
                      struct verdict *v)
{
    struct slice domain = slice_str(to->domain);
    enum where where = domain.n == 0 ? LOCAL : place_of(c, domain);

    if (where == LOCAL) {
        add_local_address(c, to, address);
        /* RFC 5321 4.5.1: postmaster is always there, even when nobody can be asked. */
        if (slice_ieq_str(slice_str(to->local), "postmaster"))
            verdict_set(v, 250, "2.1.5", "postmaster", "RFC 5321 4.5.1", "<%s> recipient ok",
                        to->address);
        else
            check_account(c, to, buf_str(address), v);
        return;
    }
    buf_add_str(address, to->address);
    if (where == CANNOT_TELL)
        cannot_tell(to, v);
    else if (c->submission && path_is_unqualified(to))
        verdict_set(v, 554, "5.1.2", "recipient-unqualified", "RFC 6409 4.2",
                    "<%s> give the whole name of the domain", to->address);
    else if ((c->trusted || where == RELAY) && is_closed(c, to, v))
        ;
    else if (c->trusted)
        verdict_set(v, 250, "2.1.5", "trusted-client", "RFC 5321 3.6.2",
                    "<%s> recipient ok, will relay", to->address);
    else if (where == RELAY && !has_route_inside(to))
        verdict_set(v, 250, "2.1.5", "relay-domain", "RFC 5321 3.6.2",
                    "<%s> recipient ok, will relay", to->address);
    else
        refuse_relay(to, v);
}
