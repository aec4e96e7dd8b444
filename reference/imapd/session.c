/* session.c - the loop of an IMAP session: read a command, look it up, answer. */
#include "reference/imapd/session.h"

#include "base/event.h"
#include "base/mem.h"

#include <stdlib.h>

static const struct command unknown = {.name = "command", .section = "RFC 9051 2.2.1"};

/* Passwords stay out of the log, also behind a misspelt LOGIN: of a stranger only commands without
 * secrets are shown. */
static void log_command(const struct session *s, const struct args *a)
{
    const struct command *c = s->command;
    bool secret = c->traits & SECRET || (c == &unknown && s->state == STRANGER);
    if (!event_verbose())
        return;
    event("imapd.command", EV_INT("session", s->number), EV_SLICE("tag", s->tag),
          EV_STR("command", c->name),
          EV_SLICE("arguments", secret ? SLICE("...") : a->rest));
}

static bool stopping(const struct session *s)
{
    return s->ctx->service && service_stopping(s->ctx->service);
}

static const char *wrong_state(const struct session *s, const struct command *c)
{
    if (s->state == STRANGER)
        return "log in first";
    return c->states & SELECTED ? "select a mailbox first" : "you are logged in";
}

/* Takes "name" or "UID name" off the line. False: it was answered. */
static bool find_command(struct session *s, struct args *a)
{
    struct slice name;
    s->uid = false;
    if (!args_atom(a, &name)) {
        imap_bad_args(s, a);
        return false;
    }
    if (slice_ieq_str(name, "UID")) {
        s->uid = true;
        if (!args_space(a) || !args_atom(a, &name)) {
            imap_bad_args(s, a);
            return false;
        }
    }
    const struct command *c = imap_command_find(name);
    if (c)
        s->command = c;
    log_command(s, a);
    if (!c || !c->run)
        imap_bad(s, c ? "%s is not implemented" : "unknown command", c ? c->name : "");
    else if (!(c->states & s->state))
        imap_bad(s, "%s: %s", c->name, wrong_state(s, c));
    else if (s->uid && !(c->traits & (ALSO_UID | ONLY_UID)))
        imap_bad(s, "UID %s is no command", c->name);
    else if (!s->uid && c->traits & ONLY_UID)
        imap_bad(s, "%s exists after UID only", c->name);
    else
        return true;
    return false;
}

static void execute(struct session *s, struct args *a)
{
    s->answered = false;
    s->tag = SLICE("*");
    s->command = &unknown;
    if (a->status != ARGS_GOOD) {                 /* too long, or without CRLF */
        imap_bad(s, "%s", a->error);
    } else if (!args_tag(a, &s->tag) || !args_space(a)) {
        s->tag = SLICE("*");
        imap_bad(s, "a command is a tag, a space and a name (RFC 9051 2.2.1)");
    } else if (find_command(s, a)) {
        s->command->run(s, a);
    }
}

/* Waits for a command. Who sends none for a while is idle, and costs little from then on. */
static enum io wait_for_command(struct session *s)
{
    enum { BUSY_MS = 2000 };
    bool other;
    int64_t timeout = s->state == STRANGER ? s->config->timeout_command : s->config->timeout_imap;
    enum io r = stream_wait(s->io, timeout < BUSY_MS ? timeout : BUSY_MS);
    if (r != IO_TIMEOUT || timeout <= BUSY_MS)
        return r;
    stack_give_back();
    return stream_wait_beside(s->io, -1, timeout - BUSY_MS, &other);
}

/* One turn of the dialogue. */
static void serve_command(struct session *s)
{
    struct args a;
    stream_set_idle(s->io, true);
    enum io r = stopping(s) ? IO_ERROR : wait_for_command(s);
    if (r == IO_OK)
        r = args_begin(&a, s->io, s->state == STRANGER ? ARGS_MAX_STRANGER : ARGS_MAX, s->utf8);
    a.unasked_max = s->config->literal_minus ? LITERAL_MINUS_MAX : 0;
    stream_set_idle(s->io, false);
    if (stopping(s)) {
        imap_bye(s, "shutdown", "[UNAVAILABLE] the server goes down; come again soon");
    } else if (r == IO_OK) {
        execute(s, &a);
    } else if (r == IO_TIMEOUT) {                 /* RFC 9051 5.4 */
        imap_bye(s, "timeout", "autologout: nothing came for too long");
    } else {
        s->closing = true;
        s->end = r == IO_EOF ? "lost" : "error";
    }
    if (r == IO_OK && !args_end_command(&a) && !s->closing) {
        s->closing = true;
        s->end = "lost";
    }
    if (!s->closing && s->errors >= s->config->errors)
        imap_bye(s, "errors", "too many errors, closing");
}

static void greet(struct session *s)
{
    struct buf capabilities = {0};
    imap_capabilities(s, &capabilities);
    imap_untagged(s, "OK [%s] %s IMAP4rev1 Postroad", buf_str(&capabilities),
                  s->config->hostname);
    buf_free(&capabilities);
}

bool imap_session(struct stream *io, const struct imap_ctx *ctx,
                  const struct login_accounts *accounts, const char *client, uint64_t session)
{
    struct session s = {
        .io = io,
        .ctx = ctx,
        .config = ctx->config,
        .accounts = accounts,
        .client = client,
        .number = (int64_t)session,
        .state = STRANGER,
        .channel = {.service = "imap", .peer = client},
    };
    event("imapd.connect", EV_INT("session", s.number), EV_STR("client", client));
    imap_tls_began(&s);
    stream_set_timeout(io, s.config->timeout_command);
    greet(&s);
    while (!s.closing)
        serve_command(&s);
    if (!s.broken)
        stream_flush(io);
    view_close(s.view);
    store_account_put(s.mail);
    uid_set_free(&s.saved);
    event("imapd.close", EV_INT("session", s.number), EV_STR("client", client),
          EV_STR("user", s.account.user), EV_STR("end", s.end));
    account_free(&s.account);
    buf_free(&s.channel_store);
    return !s.broken;
}
