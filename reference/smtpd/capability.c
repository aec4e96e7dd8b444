/* capability.c - what EHLO offers, as a table that also says what it does not offer. */
#include "reference/smtpd/session.h"

static void size_parameter(const struct session *s, struct buf *b)
{
    /* RFC 1870 3, 7: the largest message, 0 when there is no fixed limit. */
    buf_printf(b, " %llu", (unsigned long long)s->config->message_size);
}

static bool starttls_offered(const struct session *s)
{
    return s->ctx->tls != NULL && !stream_is_tls(s->io);   /* RFC 3207 4.2: not once in use */
}

static void mechanisms_parameter(const struct session *s, struct buf *b)
{
    sasl_mechanisms(s->config, &s->channel, b);
}

static bool auth_offered(const struct session *s)
{
    struct buf names = {0};
    if (smtpd_auth_enabled(s))
        mechanisms_parameter(s, &names);
    bool any = names.len > 0;
    buf_free(&names);
    return any;
}

/* RFC 9422 4: what a client could find out only by being refused. */
static void limits_parameter(const struct session *s, struct buf *b)
{
    buf_printf(b, " RCPTMAX=%d", s->config->recipients);
}

struct capability {
    const char *keyword;
    const char *source;
    bool offered;
    void (*parameter)(const struct session *s, struct buf *b);
    size_t line_octets;       /* what its parameters add to the length of a command line */
    bool (*when)(const struct session *s);    /* NULL: always */
};

static const struct capability capabilities[] = {
    {"PIPELINING", "RFC 2920", true, NULL, 0, NULL},
    {"SIZE", "RFC 1870", true, size_parameter, 26 /* its section 3 (5) */, NULL},
    {"8BITMIME", "RFC 6152", true, NULL, sizeof " BODY=8BITMIME" - 1, NULL},
    {"CHUNKING", "RFC 3030", true, NULL, 0, NULL},
    {"BINARYMIME", "RFC 3030", true, NULL, 16 /* its section 3 (8) */, NULL},
    {"DSN", "RFC 3461", true, NULL, 524 /* its section 5.4: 1036 in all */, NULL},
    {"SMTPUTF8", "RFC 6531", true, NULL, sizeof " SMTPUTF8" - 1, NULL},
    {"ENHANCEDSTATUSCODES", "RFC 2034", true, NULL, 0, NULL},
    {"VRFY", "RFC 5321 3.5.2", true, NULL, 0, NULL},
    {"STARTTLS", "RFC 3207", true, NULL, 0, starttls_offered},
    {"AUTH", "RFC 4954", true, mechanisms_parameter, 500 /* its section 3 (5) */, auth_offered},
    /* RFC 5321 4.1.1.1: commands outside the required set must be listed. */
    {"EXPN", "RFC 5321 3.5.2", true, NULL, 0, smtpd_may_expand},
    {"ETRN", "RFC 1985", true, NULL, 0, smtpd_may_etrn},
    {"LIMITS", "RFC 9422", true, limits_parameter, 0, NULL},
    {"HELP", "RFC 5321 4.1.1.8", true, NULL, 0, NULL},

    {"REQUIRETLS", "RFC 8689", false, NULL, 0, NULL},
    {"DELIVERBY", "RFC 2852", false, NULL, 0, NULL},
    {"FUTURERELEASE", "RFC 4865", false, NULL, 0, NULL},
    {"MT-PRIORITY", "RFC 6710", false, NULL, 0, NULL},
    {"BURL", "RFC 4468", false, NULL, 0, NULL},
};

enum { CAPABILITIES = sizeof capabilities / sizeof *capabilities, COMMAND_LINE = 512 };

size_t smtpd_command_line_max(void)
{
    size_t max = COMMAND_LINE;
    for (size_t i = 0; i < CAPABILITIES; i++)
        if (capabilities[i].offered)
            max += capabilities[i].line_octets;
    return max;
}

void smtpd_capabilities_reply(struct session *s)
{
    struct buf text = {0};
    buf_printf(&text, "%s greets %s\n", s->config->hostname, s->helo);
    for (size_t i = 0; i < CAPABILITIES; i++) {
        const struct capability *c = &capabilities[i];
        if (!c->offered || (c->when != NULL && !c->when(s)))
            continue;
        buf_add_str(&text, c->keyword);
        if (c->parameter != NULL)
            c->parameter(s, &text);
        buf_add_byte(&text, '\n');
    }
    smtpd_reply_lines(s, 250, NULL, buf_slice(&text));
    buf_free(&text);
}
