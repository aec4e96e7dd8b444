/* mechanisms.c - the SASL mechanisms, as a table with the condition under which each is offered. */
#include "reference/auth/sasl.h"

enum need {
    NEEDS_NOTHING,
    NEEDS_SECRECY,       /* the password itself is sent */
    NEEDS_BINDING,       /* TLS whose channel binding we have */
    NEEDS_CERTIFICATE,   /* the client's, verified */
    NEEDS_ACCOUNT,       /* one that the configuration names for it */
    NEEDS_KEYTAB,        /* our key in a Kerberos realm */
    NEEDS_TOKENS,        /* secrecy, and somebody who can be asked about tokens */
};

struct mechanism {
    const char *name;
    const char *key;          /* as the configuration lists it; a -PLUS comes with the plain one */
    enum need need;
    bool client_first;
    const char *section;
};

static const struct mechanism mechanisms[] = {
    {"EXTERNAL", "EXTERNAL", NEEDS_CERTIFICATE, true, "RFC 4422 A"},
    {"GSSAPI", "GSSAPI", NEEDS_KEYTAB, true, "RFC 4752"},
    {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", NEEDS_BINDING, true, "RFC 7677"},
    {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", NEEDS_BINDING, true, "RFC 5802"},
    {"SCRAM-SHA-256", "SCRAM-SHA-256", NEEDS_NOTHING, true, "RFC 7677"},
    {"SCRAM-SHA-1", "SCRAM-SHA-1", NEEDS_NOTHING, true, "RFC 5802"},
    {"OAUTHBEARER", "OAUTHBEARER", NEEDS_TOKENS, true, "RFC 7628"},
    /* What large providers had before OAUTHBEARER; clients in use know it. */
    {"XOAUTH2", "XOAUTH2", NEEDS_TOKENS, true, "developers.google.com/gmail/imap/xoauth2-protocol"},
    {"DIGEST-MD5", "DIGEST-MD5", NEEDS_NOTHING, false, "RFC 2831"},
    {"CRAM-MD5", "CRAM-MD5", NEEDS_NOTHING, false, "RFC 2195"},
    {"PLAIN", "PLAIN", NEEDS_SECRECY, true, "RFC 4616"},
    /* Never became an RFC; clients in use send the user name with AUTH. */
    {"LOGIN", "LOGIN", NEEDS_SECRECY, true, "draft-murchison-sasl-login"},
    {"ANONYMOUS", "ANONYMOUS", NEEDS_ACCOUNT, true, "RFC 4505"},
};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static const struct mechanism *find(struct slice name)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (slice_ieq_str(name, mechanisms[i].name))
            return &mechanisms[i];
    return NULL;
}

static bool is_listed(const struct config *c, const char *key)
{
    for (size_t i = 0; i < c->auth_mechanisms.n; i++)
        if (slice_ieq_str(slice_str(key), c->auth_mechanisms.v[i]))
            return true;
    return false;
}

static bool offered(const struct config *c, const struct sasl_channel *ch,
                    const struct mechanism *m)
{
    if (!is_listed(c, m->key))
        return false;
    switch (m->need) {
    case NEEDS_SECRECY:      /* RFC 4954 4, RFC 5034 4, RFC 4616 4 */
        return ch->tls || c->auth_plain_without_tls;
    case NEEDS_TOKENS:       /* RFC 6750 5.2 */
        return c->oauth_introspection && (ch->tls || c->auth_plain_without_tls);
    case NEEDS_KEYTAB:
        return c->auth_keytab != NULL;
    case NEEDS_BINDING:
        return ch->exporter.n > 0 || ch->unique.n > 0;
    case NEEDS_CERTIFICATE:
        return ch->external != NULL;
    case NEEDS_ACCOUNT:
        return c->auth_anonymous != NULL;
    case NEEDS_NOTHING:
        break;
    }
    return true;
}

bool sasl_offered(const struct config *c, const struct sasl_channel *ch, struct slice mechanism)
{
    const struct mechanism *m = find(mechanism);
    return m && offered(c, ch, m);
}

bool sasl_known(struct slice mechanism) { return find(mechanism) != NULL; }

bool sasl_client_first(struct slice mechanism)
{
    const struct mechanism *m = find(mechanism);
    return m && m->client_first;
}

void sasl_mechanisms(const struct config *c, const struct sasl_channel *ch, struct buf *out)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (offered(c, ch, &mechanisms[i]))
            buf_printf(out, " %s", mechanisms[i].name);
}
