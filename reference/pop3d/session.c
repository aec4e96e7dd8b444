/* session.c - the loop of a POP3 session: read a command, look it up, answer. */
#include "reference/pop3d/session.h"

#include "base/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 2449 4: a command has 255 octets, the first line of a response 512, with their CRLF. */
enum { COMMAND_MAX = 253, RESPONSE_MAX = 510 };

enum { BOTH = AUTHORIZATION | TRANSACTION };

static const struct command commands[] = {
    {"USER", AUTHORIZATION, 1, ONE_TEXT, pop3_user, "RFC 1939 7"},
    {"PASS", AUTHORIZATION, 1, ONE_TEXT, pop3_pass, "RFC 1939 7"},
    {"QUIT", BOTH, 0, 0, pop3_quit, "RFC 1939 4, 6"},
    {"STAT", TRANSACTION, 0, 0, pop3_stat, "RFC 1939 5"},
    {"LIST", TRANSACTION, 0, 1, pop3_list, "RFC 1939 5"},
    {"RETR", TRANSACTION, 1, 1, pop3_retr, "RFC 1939 5"},
    {"DELE", TRANSACTION, 1, 1, pop3_dele, "RFC 1939 5"},
    {"NOOP", TRANSACTION, 0, 0, pop3_noop, "RFC 1939 5"},
    {"RSET", TRANSACTION, 0, 0, pop3_rset, "RFC 1939 5"},
    {"TOP", TRANSACTION, 2, 2, pop3_top, "RFC 1939 7"},
    {"UIDL", TRANSACTION, 0, 1, pop3_uidl, "RFC 1939 7"},
    {"CAPA", BOTH, 0, 0, pop3_capa, "RFC 2449 5"},
    {"AUTH", AUTHORIZATION, 1, 2, pop3_auth, "RFC 5034 4"},
    {"STLS", AUTHORIZATION, 0, 0, pop3_stls, "RFC 2595 4"},
    {"UTF8", AUTHORIZATION, 0, 0, pop3_utf8, "RFC 6856 2"},
    {"LANG", BOTH, 0, 1, pop3_lang, "RFC 6856 3"},

    /* Known, but not implemented. APOP needs the passwords themselves, and only hashes are kept;
     * the greeting has no time stamp, which tells clients so. */
    {"APOP", AUTHORIZATION, 1, ONE_TEXT, NULL, "RFC 1939 7"},
};

struct capability {
    const char *line;              /* NULL: not offered */
    const char *name, *section;
    bool (*when)(const struct session *s);    /* NULL: always */
};

/* RFC 5034 3: in both states alike, although AUTH is legal in one. */
static bool offers_mechanisms(const struct session *s)
{
    struct buf names = {0};
    if (s->accounts->sasl)
        sasl_mechanisms(s->config, &s->channel, &names);
    bool any = names.len > 0;
    buf_free(&names);
    return any;
}

/* RFC 2595 4: the capability says that the command is permitted now. */
static bool offers_stls(const struct session *s)
{
    return s->ctx->tls && s->state == AUTHORIZATION && !stream_is_tls(s->io);
}

static bool delays_login(const struct session *s)
{
    return s->config->pop3_login_delay > 0;
}

/* But for STLS the same in both states (RFC 2449 5). */
static const struct capability capabilities[] = {
    {"TOP", "TOP", "RFC 2449 6.1", NULL},
    {"USER", "USER", "RFC 2449 6.2", pop3_user_allowed},
    {"SASL", "SASL", "RFC 2449 6.3, RFC 5034 3", offers_mechanisms},
    {"RESP-CODES", "RESP-CODES", "RFC 2449 6.4", NULL},
    {"LOGIN-DELAY", "LOGIN-DELAY", "RFC 2449 6.5", delays_login},
    {"PIPELINING", "PIPELINING", "RFC 2449 6.6", NULL},
    {"EXPIRE NEVER", "EXPIRE", "RFC 2449 6.7", NULL},
    {"UIDL", "UIDL", "RFC 2449 6.8", NULL},
    {"IMPLEMENTATION Postroad", "IMPLEMENTATION", "RFC 2449 6.9", NULL},
    {"AUTH-RESP-CODE", "AUTH-RESP-CODE", "RFC 3206 6", NULL},
    {"STLS", "STLS", "RFC 2595 4", offers_stls},
    {"UTF8 USER", "UTF8", "RFC 6856 2", NULL},
    {"LANG", "LANG", "RFC 6856 3", NULL},
};

static void vreply(struct session *s, const char *sign, const char *fmt, va_list ap)
{
    char line[RESPONSE_MAX + 1];
    size_t n = strlen(sign);
    memcpy(line, sign, n);
    vsnprintf(line + n, sizeof line - n, fmt, ap);
    if (event_verbose())
        event("pop3d.reply", EV_INT("session", s->number), EV_STR("line", line));
    stream_printf(s->io, "%s\r\n", line);
}

void pop3_reply(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vreply(s, "", fmt, ap);
    va_end(ap);
}

void pop3_bad_command(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vreply(s, "-ERR ", fmt, ap);
    va_end(ap);
    s->errors++;
}

void pop3_capa(struct session *s, struct slice argument)
{
    (void)argument;
    pop3_reply(s, "+OK capabilities follow");
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        const struct capability *c = &capabilities[i];
        if (!c->line || (c->when && !c->when(s)))
            continue;
        struct buf arguments = {0};
        if (c->when == offers_mechanisms)
            sasl_mechanisms(s->config, &s->channel, &arguments);
        if (c->when == delays_login)   /* in seconds; one that has begun counts */
            buf_printf(&arguments, " %lld", (long long)(s->config->pop3_login_delay + 999) / 1000);
        stream_printf(s->io, "%s%s\r\n", c->line, buf_str(&arguments));
        buf_free(&arguments);
    }
    stream_puts(s->io, ".\r\n");
}

static const struct command *find_command(struct slice name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (slice_ieq_str(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

/* RFC 1939 3: arguments are printable ASCII and stand one space apart. */
static bool arguments_fit(const struct command *c, struct slice argument)
{
    struct slice word;
    int n = 0;
    if (c->arguments_max == ONE_TEXT)
        return argument.n > 0 || c->arguments_min == 0;
    while (argument.n > 0 && slice_next(&argument, ' ', &word)) {
        if (word.n == 0)
            return false;
        n++;
    }
    return n >= c->arguments_min && n <= c->arguments_max;
}

static bool has_control(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
            return true;
    }
    return false;
}

/* The password stays out of the log, also behind a misspelt PASS: before the log-in, only the
 * first words of commands that have no secrets are shown. */
static void log_command(const struct session *s, const struct command *c, struct slice line)
{
    bool secret = s->state == AUTHORIZATION && (!c || c->run != pop3_user);
    if (!event_verbose())
        return;
    event("pop3d.command", EV_INT("session", s->number), EV_STR("client", s->client),
          EV_SLICE("line", secret ? slice_str(c ? c->name : "(unknown)") : line));
}

static void execute(struct session *s, struct slice line)
{
    ptrdiff_t space = slice_index(line, ' ');
    struct slice name = slice_sub(line, 0, space < 0 ? line.n : (size_t)space);
    struct slice argument = slice_sub(line, name.n + 1, line.n);
    const struct command *c = find_command(name);
    log_command(s, c, line);
    /* Some clients send a space after a command without arguments. */
    if (c && c->arguments_max == 0)
        argument = slice_trim(argument);
    /* RFC 1939 7: PASS comes right after USER; any other command in between undoes USER. */
    if (!c || c->run != pop3_pass) {
        free(s->name);
        s->name = NULL;
    }
    if (has_control(line))
        pop3_bad_command(s, "control characters in a command");
    else if (!c)
        pop3_bad_command(s, "unknown command");
    else if (!c->run)
        pop3_bad_command(s, "%s is not implemented", c->name);
    else if (!(c->states & s->state))
        pop3_bad_command(s, s->state == AUTHORIZATION ? "%s: log in first"
                                                      : "%s: you are logged in", c->name);
    else if (!arguments_fit(c, argument))
        pop3_bad_command(s, "%s: wrong number of arguments (%s)", c->name, c->section);
    else
        c->run(s, argument);
}

static bool stopping(const struct session *s)
{
    return s->ctx->service && service_stopping(s->ctx->service);
}

static enum io read_command(struct session *s, struct buf *line, enum line_end *end)
{
    stream_set_idle(s->io, true);
    enum io r = stopping(s) ? IO_EOF : stream_read_line(s->io, line, COMMAND_MAX, end);
    stream_set_idle(s->io, false);
    return r;
}

static void serve_line(struct session *s, struct buf *line)
{
    enum line_end end = LINE_CRLF;
    enum io r = read_command(s, line, &end);
    if (r == IO_OK && end == LINE_LF) {
        pop3_bad_command(s, "a line ends in CRLF");      /* RFC 1939 3 */
    } else if (r == IO_OK) {
        execute(s, buf_slice(line));
    } else if (r == IO_TOO_LONG) {
        pop3_bad_command(s, "the line is too long");
    } else {
        /* RFC 1939 3, 6: on time-out, a stop or a lost connection nothing is removed. Nothing is said
         * either: a client would take it for the answer to its next command. */
        s->closing = true;
        s->end = stopping(s) ? "shutdown" : r == IO_TIMEOUT ? "timeout" : r == IO_EOF ? "lost" : "error";
    }
    if (!s->closing && s->errors >= s->config->errors) {
        pop3_reply(s, "-ERR too many errors, closing");
        s->closing = true;
        s->end = "errors";
    }
    if (!s->closing && stopping(s)) {
        s->closing = true;
        s->end = "shutdown";
    }
}

bool pop3_session(struct stream *io, const struct pop3_ctx *ctx,
                  const struct login_accounts *accounts, const char *client, uint64_t session)
{
    struct buf line = {0};
    struct session s = {
        .io = io,
        .ctx = ctx,
        .config = ctx->config,
        .accounts = accounts,
        .client = client,
        .number = (int64_t)session,
        .state = AUTHORIZATION,
        .channel = {.service = "pop", .peer = client},
    };
    event("pop3d.connect", EV_INT("session", s.number), EV_STR("client", client));
    pop3_tls_began(&s);
    stream_set_timeout(io, s.config->timeout_pop3);
    pop3_reply(&s, "+OK %s POP3 Postroad", s.config->hostname);
    while (!s.closing) {
        buf_clear(&line);
        serve_line(&s, &line);
        if (line.cap)              /* it may have been PASS */
            explicit_bzero(line.data, line.cap);
    }
    mailbox_close(s.mailbox);
    mailbox_place_free(&s.place);
    if (!s.broken)
        stream_flush(io);
    event("pop3d.close", EV_INT("session", s.number), EV_STR("client", client),
          EV_STR("user", s.account.user), EV_STR("end", s.end));
    account_free(&s.account);
    free(s.deleted);
    free(s.name);
    buf_free(&s.channel_store);
    buf_free(&line);
    return !s.broken;
}
