/* session.c - the loop of a session: read a command, look it up, answer. */
#include "reference/smtpd/filters.h"

#include "base/event.h"
#include "reference/message/utf8.h"

#include <stdlib.h>

void smtpd_transaction_reset(struct session *s)
{
    smtpd_chunks_abandon(s);
    if (s->phase != PHASE_GREETED && s->phase != PHASE_READY)
        filters_abort(s->filters);
    envelope_free(&s->envelope);
    s->envelope = (struct envelope){0};
    s->declared_size = 0;
    policy_session_reset(&s->policy);
    if (s->phase != PHASE_GREETED)
        s->phase = PHASE_READY;
}

void smtpd_lost_in_content(struct session *s, enum io how)
{
    s->closing = true;
    s->end = how == IO_EOF ? "lost-in-data" : "broken-in-data";
    if (how == IO_TIMEOUT)
        smtpd_close_421(s, "4.4.2", "timeout", "time-out inside the message, closing");
    else if (how == IO_OK)
        smtpd_close_421(s, "4.7.0", "endless-message", "message has no end, closing");
}

static bool stopping(const struct session *s)
{
    return s->ctx->service != NULL && service_stopping(s->ctx->service);
}

/* The next line into s->line. RFC 5321 4.5.3.2.7: the client has timeout_command for it. */
static enum io read_command(struct session *s, enum line_end *end)
{
    buf_clear(&s->line);
    stream_set_idle(s->io, true);
    enum io r = stopping(s) ? IO_OK : stream_wait(s->io, s->config->timeout_command);
    /* The rest of a line that has begun: once more timeout_command, however it trickles. */
    if (r == IO_OK && !stopping(s))
        r = stream_read_line(s->io, &s->line, smtpd_command_line_max() - 2, end);
    stream_set_idle(s->io, false);
    return r;
}

/* RFC 5321 4.1.4: 503, and the same state afterwards. */
static void refuse_sequence(struct session *s, const struct command *c)
{
    const char *what = s->phase == PHASE_GREETED ? "send EHLO first"
                       : s->phase == PHASE_READY ? "send MAIL first"
                                                 : "a transaction is open; RSET ends it";
    smtpd_refuse(s, 503, "5.5.1", "sequence", "RFC 5321 4.1.4", "%s is out of order: %s",
                 c->name, what);
}

/* RFC 5321 4.1.2: no control characters (a CR without its LF is one) and nothing over 126. A verb
 * that has one is unknown. */
static bool is_printable(struct slice s, bool utf8)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] & 0x80) ? !utf8 : s.p[i] < 32 || s.p[i] > 126)
            return false;
    return utf8_valid(s);
}

/* RFC 5321 4.1.1: white space before the CRLF is tolerated. */
static struct slice without_trailing_space(struct slice s)
{
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static void execute(struct session *s, struct slice line)
{
    line = without_trailing_space(line);
    ptrdiff_t found = slice_index(line, ' ');
    size_t space = found < 0 ? line.n : (size_t)found;
    struct slice verb = slice_sub(line, 0, space);
    struct slice argument = slice_sub(line, verb.n + 1, line.n);

    const struct command *c = smtpd_command_find(verb);
    if (c == NULL)
        smtpd_refuse(s, 500, "5.5.2", "unknown-command", "RFC 5321 4.2.4",
                     "command not recognized; HELP lists them");
    else if (s->refused_at_connect && c->run != smtpd_quit)
        smtpd_refuse(s, 503, "5.5.1", "refused-at-connect", "RFC 5321 3.1",
                     "this connection was refused: QUIT ends it");
    else if (!is_printable(argument, c->utf8))
        smtpd_refuse(s, 501, "5.5.4", "octets-in-argument", "RFC 5321 4.1.2",
                     "%s: printable ASCII only", c->name);
    else if (argument.n > 0 && !c->argument)
        smtpd_refuse(s, 501, "5.5.4", "argument-not-allowed", "RFC 5321 4.1.1, 4.3.2",
                     "%s takes no argument", c->name);
    else if ((c->phases & s->phase) == 0)
        refuse_sequence(s, c);
    else
        c->run(s, argument);
    /* RFC 2920 3.2 (5), (6). */
    if (c == NULL || c->answer_now)
        stream_flush(s->io);
}

static void line_came(struct session *s, enum line_end end)
{
    struct slice line = buf_slice(&s->line);
    if (event_verbose())
        event("smtpd.command", EV_INT("session", (int64_t)s->peer->session),
              EV_SLICE("line", smtpd_without_secret(line)));
    /* RFC 5321 4.1.1.4: never to be taken for a line, let alone for a command. */
    if (end == LINE_LF)
        smtpd_refuse(s, 500, "5.5.2", "bare-lf", "RFC 5321 2.3.8, 4.1.1.4",
                     "line ends in LF; lines end in CRLF");
    else
        execute(s, line);
}

/* One turn of the dialogue. */
static void serve_command(struct session *s)
{
    enum line_end end = LINE_CRLF;
    enum io r = read_command(s, &end);
    if (stopping(s)) {
        smtpd_close_421(s, "4.3.2", "shutdown", "shutting down, try again later");
        return;
    }
    switch (r) {
    case IO_OK:
        line_came(s, end);
        break;
    case IO_TOO_LONG:
        buf_clear(&s->line);
        smtpd_refuse(s, 500, "5.5.2", "command-length", "RFC 5321 4.5.3.1.4",
                     "line is over %zu octets", smtpd_command_line_max());
        break;
    case IO_TIMEOUT:
        buf_clear(&s->line);
        smtpd_close_421(s, "4.4.2", "timeout", "time-out waiting for a command, closing");
        break;
    default:
        /* RFC 5321 4.1.1.5: a lost connection is a QUIT. */
        s->closing = true;
        s->end = r == IO_EOF ? "lost" : "error";
    }
    if (!s->closing && s->errors >= s->config->errors)
        smtpd_close_421(s, "4.7.0", "error-limit", "too many bad commands, closing");
}

/* RFC 5321 3.1: a refusal by the rules in place of the greeting leaves only QUIT; one by a filter
 * ends the session at once. */
static void greet(struct session *s)
{
    smtpd_greet_delay(s);
    if (!smtpd_policy(s, AT_CONNECT, NULL))
        return;
    if (smtpd_filters_pass(s, MILTER_CONNECT, NULL, (struct slice){0})) {
        if (s->config->no_mail && s->peer->service == SERVICE_SMTP) {
            /* RFC 7504 2, 3: 521 instead of 220, and the session waits for QUIT. */
            smtpd_reply(s, 521, NULL, "%s takes no mail", s->config->hostname);
            s->refused_at_connect = true;
        } else {
            smtpd_reply(s, 220, NULL, "%s ESMTP Postroad", s->config->hostname);
        }
        return;
    }
    s->closing = true;
    s->end = "refused";
}

void smtpd_session(struct stream *io, const struct smtpd_peer *peer, const struct smtpd_ctx *ctx)
{
    struct session s = {
        .io = io,
        .peer = peer,
        .ctx = ctx,
        .config = ctx->config,
        .trusted = config_may_relay(ctx->config, &peer->client),
        .phase = PHASE_GREETED,
        .channel = {.service = "smtp"},
    };
    char local[160];
    netaddr_host(&peer->client, s.client);
    netaddr_text(&peer->local, local);
    event("smtpd.connect", EV_INT("session", (int64_t)peer->session), EV_STR("client", s.client),
          EV_STR("local", local),
          EV_STR("service", config_service_name(peer->service)));
    s.channel.peer = s.client;
    smtpd_tls_began(&s);
    stream_set_timeout(io, s.config->timeout_command);
    smtpd_filters_begin(&s);
    greet(&s);
    while (!s.closing)
        serve_command(&s);
    stream_flush(io);
    event("smtpd.close", EV_INT("session", (int64_t)peer->session), EV_STR("client", s.client),
          EV_STR("local", local), EV_STR("end", s.end), EV_INT("messages", s.messages));
    smtpd_transaction_reset(&s);
    policy_session_free(&s.policy);
    free(s.orcpt);
    free(s.helo);
    free(s.user);
    filters_free(s.filters);
    buf_free(&s.channel_store);
    buf_free(&s.line);
}
