/* capability.c - what is offered, and when (RFC 9051 7.2.2). */
#include "reference/imapd/session.h"

struct capability {
    const char *name;              /* as sent; NULL: not offered */
    const char *section;
    bool (*when)(const struct session *s);    /* NULL: always */
    const char *absent;            /* the name of what is not offered */
};

bool imap_login_allowed(const struct session *s)
{
    return s->config->auth_imap_login_without_tls || stream_is_tls(s->io);
}

static bool is_stranger(const struct session *s) { return s->state == STRANGER; }
static bool is_known(const struct session *s) { return s->state != STRANGER; }

static bool offers_starttls(const struct session *s)
{
    return s->ctx->tls && is_stranger(s) && !stream_is_tls(s->io);
}

static bool any_size(const struct session *s) { return !s->config->literal_minus; }
static bool small_only(const struct session *s) { return s->config->literal_minus; }

static bool login_disabled(const struct session *s)
{
    return is_stranger(s) && !imap_login_allowed(s);
}

static bool may_compress(const struct session *s)
{
    return is_known(s) && !s->compressed;
}

/* Strangers are told what they need to become known; the answer to their log-in tells the rest. */
static const struct capability capabilities[] = {
    {"IMAP4rev1", "RFC 3501", NULL, NULL},
    {"IMAP4rev2", "RFC 9051", NULL, NULL},
    {"LITERAL+", "RFC 7888", any_size, NULL},
    {"LITERAL-", "RFC 7888 5", small_only, NULL},
    {"SASL-IR", "RFC 4959", NULL, NULL},
    {"ID", "RFC 2971", NULL, NULL},
    {"ENABLE", "RFC 5161", NULL, NULL},
    {"IDLE", "RFC 2177", NULL, NULL},
    {"NAMESPACE", "RFC 2342", is_known, NULL},
    {"UIDPLUS", "RFC 4315", is_known, NULL},
    {"MULTIAPPEND", "RFC 3502", is_known, NULL},
    {"UNSELECT", "RFC 3691", is_known, NULL},
    {"CHILDREN", "RFC 3348", is_known, NULL},
    {"LIST-EXTENDED", "RFC 5258", is_known, NULL},
    {"LIST-STATUS", "RFC 5819", is_known, NULL},
    {"SPECIAL-USE", "RFC 6154", is_known, NULL},
    {"CREATE-SPECIAL-USE", "RFC 6154 3", is_known, NULL},
    {"MOVE", "RFC 6851", is_known, NULL},
    {"STATUS=SIZE", "RFC 8438", is_known, NULL},
    {"ESEARCH", "RFC 4731", is_known, NULL},
    {"SEARCHRES", "RFC 5182", is_known, NULL},
    {"WITHIN", "RFC 5032", is_known, NULL},
    {"SORT", "RFC 5256", is_known, NULL},
    {"SORT=DISPLAY", "RFC 5957", is_known, NULL},
    {"ESORT", "RFC 5267 3", is_known, NULL},
    {"THREAD=ORDEREDSUBJECT", "RFC 5256", is_known, NULL},
    {"THREAD=REFERENCES", "RFC 5256", is_known, NULL},
    {"CONDSTORE", "RFC 7162", is_known, NULL},
    {"QRESYNC", "RFC 7162", is_known, NULL},
    {"BINARY", "RFC 3516", is_known, NULL},
    {"OBJECTID", "RFC 8474", is_known, NULL},
    {"SAVEDATE", "RFC 8514", is_known, NULL},
    {"UTF8=ACCEPT", "RFC 6855", is_known, NULL},
    {"QUOTA", "RFC 9208", is_known, NULL},
    {"QUOTA=RES-STORAGE", "RFC 9208 5.1", is_known, NULL},
    {"QUOTA=RES-MESSAGE", "RFC 9208 5.2", is_known, NULL},
    {"UNAUTHENTICATE", "RFC 8437", may_compress, NULL},
    {"COMPRESS=DEFLATE", "RFC 4978", may_compress, NULL},
    {"STARTTLS", "RFC 3501 6.2.1", offers_starttls, NULL},
    {"LOGINDISABLED", "RFC 3501 6.2.3", login_disabled, NULL},
    {NULL, "RFC 4314", is_known, "ACL"},
    {NULL, "RFC 5464", is_known, "METADATA"},
    {NULL, "RFC 5465", is_known, "NOTIFY"},
    {NULL, "RFC 4469", is_known, "CATENATE"},
    {NULL, "RFC 5267", is_known, "CONTEXT"},
    {NULL, "RFC 8970", is_known, "PREVIEW"},
    {NULL, "RFC 8508", is_known, "REPLACE"},
    {NULL, "RFC 9394", is_known, "PARTIAL"},
    {NULL, "RFC 9586", is_known, "UIDONLY"},
};

/* " AUTH=PLAIN AUTH=..." while the client is a stranger. */
static void add_mechanisms(const struct session *s, struct buf *out)
{
    struct buf names = {0};
    if (s->accounts->sasl && is_stranger(s))
        sasl_mechanisms(s->config, &s->channel, &names);
    struct slice rest = buf_slice(&names), name;
    while (slice_word(&rest, &name))
        buf_printf(out, " AUTH=%.*s", SLICE_ARG(name));
    buf_free(&names);
}

void imap_capabilities(const struct session *s, struct buf *out)
{
    buf_add_str(out, "CAPABILITY");
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        const struct capability *c = &capabilities[i];
        if (c->name && (!c->when || c->when(s)))
            buf_printf(out, " %s", c->name);
    }
    if (is_known(s) && s->config->message_size)          /* RFC 7889 2 */
        buf_printf(out, " APPENDLIMIT=%llu", (unsigned long long)s->config->message_size);
    else if (is_known(s))
        buf_add_str(out, " APPENDLIMIT");
    add_mechanisms(s, out);
}
