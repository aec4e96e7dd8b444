/* session.c - an LMTP session (RFC 2033): SMTP's commands with LHLO for a greeting and, after the
 * message, one reply a recipient. */
#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/mda/program.h"
#include "reference/message/address.h"
#include "reference/message/utf8.h"
#include "reference/store/account.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 5321 4.5.3.1.4: 512 octets with CRLF; RFC 1870 3, RFC 6152 and RFC 6531 add 26, 17
 * and 9 for MAIL. */
#define LINE_MAX_OCTETS (512 + 26 + 17 + 9 - 2)
/* RFC 5321 4.5.3.1.5 */
#define REPLY_MAX 510
/* Bound on one message that never comes to its end. */
#define DATA_TIME_MAX_MS (3600 * 1000LL)
/* What smtpd puts before a message of exactly the announced size (RFC 5321 4.4, RFC 6409 8). */
enum { OWN_FIELDS_MAX = 16 * 1024 };

enum phase { GREETED = 1, READY = 2, MAIL = 4, ANY = 7 };

struct to {
    char *address;             /* as given at RCPT */
    struct account account;
    bool commands;             /* of an alias, to be run */
};

struct session {
    struct stream *io;
    const struct mda_ctx *ctx;
    const struct config *config;
    const struct mda_accounts *accounts;
    int64_t number;
    enum phase phase;
    char *sender;              /* reverse-path of the transaction */
    struct to *to;
    size_t to_count;
    int errors;
    bool closing;
};

struct command {
    const char *name;
    unsigned phases;           /* in which it is legal; otherwise 503 */
    bool argument;             /* takes one; otherwise 501 when there is one */
    void (*run)(struct session *s, struct slice argument);   /* NULL: known, not implemented */
    const char *section;
};

/* RFC 1870 5: a size counts all that comes here, so our own fields must not make it too large.
 * 0: no limit. */
static uint64_t size_max(const struct session *s)
{
    return s->config->message_size > 0 ? s->config->message_size + OWN_FIELDS_MAX : 0;
}

__attribute__((format(printf, 2, 3)))
static void reply(struct session *s, const char *fmt, ...)
{
    char line[REPLY_MAX + 1];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    /* What the client got wrong in the dialogue; an unknown recipient is not its error. */
    if (strncmp(line, "50", 2) == 0 || strncmp(line, "555", 3) == 0)
        s->errors++;
    for (char *p = line; *p; p++)
        if (*p & 0x80)
            *p = '?';          /* replies are ASCII (RFC 5321 2.4) */
    if (event_verbose())
        event("mda.reply", EV_INT("session", s->number), EV_STR("line", line));
    stream_printf(s->io, "%s\r\n", line);
}

static void reset(struct session *s)
{
    for (size_t i = 0; i < s->to_count; i++) {
        free(s->to[i].address);
        account_free(&s->to[i].account);
    }
    free(s->to);
    free(s->sender);
    s->to = NULL;
    s->to_count = 0;
    s->sender = NULL;
    if (s->phase == MAIL)
        s->phase = READY;
}

/* --- LHLO, MAIL, RCPT ------------------------------------------------------------------------ */

static void run_lhlo(struct session *s, struct slice argument)
{
    struct netaddr literal;
    if (!domain_valid(argument) && !address_literal_parse(argument, &literal)) {
        reply(s, "501 5.5.4 LHLO takes a domain name or an address literal");
        return;
    }
    reset(s);                  /* RFC 5321 4.1.4: as if RSET had been given */
    s->phase = READY;
    reply(s, "250-%s", s->config->hostname);
    /* RFC 2033 5: the first two are required, the third is recommended. */
    reply(s, "250-PIPELINING");
    reply(s, "250-ENHANCEDSTATUSCODES");
    reply(s, "250-8BITMIME");
    reply(s, "250-SMTPUTF8");
    reply(s, "250 SIZE %llu", (unsigned long long)size_max(s));
}

/* "FROM:<path>" or "TO:<path>"; *rest becomes the parameters. False: refused. */
static bool take_path(struct session *s, struct slice argument, struct slice keyword, bool reverse,
                      struct path *out, struct slice *rest)
{
    if (slice_istarts(argument, keyword)) {
        argument = slice_sub(argument, keyword.n, argument.n);
        enum address_error error = path_parse(argument, reverse, !reverse, out, rest);
        if (error == ADDRESS_OK && (rest->n == 0 || rest->p[0] == ' '))
            return true;
        if (error == ADDRESS_OK)
            path_free(out);
    }
    reply(s, "501 5.1.%d write %.*s<address>", reverse ? 7 : 3, SLICE_ARG(keyword));
    return false;
}

/* One parameter of MAIL. False: refused. */
static bool take_mail_parameter(struct session *s, struct slice word)
{
    uint64_t size = 0;
    if (slice_ieq_str(word, "BODY=7BIT") || slice_ieq_str(word, "BODY=8BITMIME"))
        return true;           /* RFC 6152 2: both are stored as they come */
    if (slice_ieq_str(word, "SMTPUTF8"))
        return true;           /* RFC 6531: so is UTF-8 in header and addresses */
    if (!slice_istarts(word, SLICE("SIZE="))) {
        reply(s, "555 5.5.4 parameter %.*s was not offered", SLICE_ARG(word));
        return false;
    }
    /* RFC 1870 4: up to 20 digits. */
    if (word.n > 25 || !slice_number(slice_sub(word, 5, word.n), UINT64_MAX, &size)) {
        reply(s, "501 5.5.4 SIZE= takes a number of octets");
        return false;
    }
    if (size_max(s) > 0 && size > size_max(s)) {
        reply(s, "552 5.3.4 the message is larger than this server takes");
        return false;
    }
    return true;
}

static void run_mail(struct session *s, struct slice argument)
{
    struct path path;
    struct slice rest, word;
    if (!take_path(s, argument, SLICE("FROM:"), true, &path, &rest))
        return;
    bool ok = true;
    while (ok && slice_word(&rest, &word))
        ok = take_mail_parameter(s, word);
    if (ok) {
        s->sender = xstrdup(path.address);
        s->phase = MAIL;
        reply(s, "250 2.1.0 sender ok");
    }
    path_free(&path);
}

/* Whose mailbox is it? The queue has expanded aliases before it came to us: a name that is both an
 * alias and an account means the account here ("bob: bob, ann"). */
static enum auth_status find_account(struct session *s, const char *address, struct account *out)
{
    enum auth_status status = s->accounts->lookup(s->accounts->arg, address, out);
    if (status == AUTH_ALIAS) {
        char *name = xasprintf("\\%s", out->user);
        account_free(out);
        status = s->accounts->lookup(s->accounts->arg, name, out);
        free(name);
    }
    if (status == AUTH_OK && !store_user_valid(slice_str(out->user)))
        status = AUTH_NO;
    if (status == AUTH_ALIAS)
        status = AUTH_NO;
    return status;
}

/* The commands of an alias. */
static enum auth_status find_commands(struct session *s, const char *name, const char *domain,
                                      struct account *out)
{
    char *address = xasprintf("%s@%s", name, domain);
    enum auth_status status = s->accounts->lookup(s->accounts->arg, address, out);
    free(address);
    return status == AUTH_ALIAS ? AUTH_OK : status == AUTH_OK ? AUTH_NO : status;
}

static void add_recipient(struct session *s, const struct path *path)
{
    const char *address = path->address, *alias = mda_commands_of(path->local);
    struct account account = {0};
    enum auth_status status = alias ? find_commands(s, alias, path->domain, &account)
                                    : find_account(s, address, &account);
    if (status == AUTH_OK) {
        s->to = xreallocarray(s->to, s->to_count + 1, sizeof *s->to);
        s->to[s->to_count++] = (struct to){xstrdup(address), account, alias != NULL};
        reply(s, "250 2.1.5 recipient ok");
        return;
    }
    account_free(&account);
    if (status == AUTH_TEMPFAIL)
        reply(s, "451 4.3.0 accounts cannot be looked up now, try later");
    else
        reply(s, "550 5.1.1 <%s> has no mailbox here", address);
}

static void run_rcpt(struct session *s, struct slice argument)
{
    struct path path;
    struct slice rest, word;
    if (!take_path(s, argument, SLICE("TO:"), false, &path, &rest))
        return;
    if (slice_word(&rest, &word))
        reply(s, "555 5.5.4 parameter %.*s was not offered", SLICE_ARG(word));
    else if (s->to_count >= (size_t)s->config->recipients)
        reply(s, "452 4.5.3 too many recipients, send the rest in another transaction");
    else
        add_recipient(s, &path);
    path_free(&path);
}

/* --- DATA ------------------------------------------------------------------------------------- */

static const char *failure_text(int error)
{
    switch (error) {
    case EAGAIN: return "450 4.2.0 the mailbox is in use, try later";
    case ENOSPC: return "452 4.3.1 no room on the disk, try later";
    case EDQUOT:
    case EFBIG: return "452 4.2.2 no room in the mailbox, try later";
    case EMSGSIZE: return "552 5.2.2 the message is larger than all mail of the user may be";
    case EBADMSG: return "451 4.2.0 the mailbox is damaged or not of this format";
    default: return "451 4.3.0 the mailbox cannot be written, try later";
    }
}

/* A program in the place of the mailbox (program.h). */
static void deliver_by_program(struct session *s, const struct to *to, struct incoming *message)
{
    const char *id = message->id[0] ? message->id : NULL;
    struct command_result result;
    if (to->commands)
        mda_run_commands(s->config, &to->account, s->sender, to->address, message, &result);
    else
        mda_run_program(s->config, &to->account, s->sender, to->address, message, &result);
    event(result.delivered ? "mda.delivered" : "mda.failed", EV_INT("session", s->number),
          EV_STR("id", id), EV_STR("user", to->account.user), EV_STR("to", to->address),
          EV_STR("path", to->commands ? "commands" : s->config->mailbox_program),
          EV_STR("reply", result.text));
    reply(s, "%d %s %s", result.delivered ? 250 : result.temporary ? 451 : 554, result.status,
          result.text);
    stream_flush(s->io);
}

/* RFC 5321 4.2.2, RFC 3463 3.3: a message that will never fit is refused for good. */
static bool over_quota(struct session *s, const struct to *to, const struct incoming *message)
{
    struct store_quota q = {0};
    const struct account *a = &to->account;
    if (a->quota <= 0 || to->commands)
        return false;
    struct store_account *box =
        store_account_get(s->config, a->user, a->home, a->uid, a->gid);
    bool known = box && store_account_quota(box, &q) == 0;
    store_account_put(box);
    if (!known || q.octets + message->octets <= (uint64_t)a->quota)
        return false;
    if (message->octets > (uint64_t)a->quota)
        reply(s, "552 5.2.2 <%s> the message is larger than the whole mailbox may be", to->address);
    else
        reply(s, "452 4.2.2 <%s> the mailbox is full", to->address);
    event("mda.failed", EV_INT("session", s->number), EV_STR("user", a->user),
          EV_STR("to", to->address), EV_STR("reply", "over quota"));
    stream_flush(s->io);
    return true;
}

static void deliver_to(struct session *s, const struct to *to, struct incoming *message)
{
    struct buf path = {0};
    const char *id = message->id[0] ? message->id : NULL;
    if (over_quota(s, to, message))
        return;
    if (to->commands || s->config->mailbox_program) {
        deliver_by_program(s, to, message);
        return;
    }
    if (s->ctx->deliver(s->config, &to->account, s->sender, message, &path) == 0) {
        event("mda.delivered", EV_INT("session", s->number), EV_STR("id", id),
              EV_STR("user", to->account.user), EV_STR("to", to->address),
              EV_STR("path", buf_str(&path)), EV_INT("size", (int64_t)message->octets),
              EV_STR("format", mailbox_format_name(s->config->mailbox_format)));
        s->errors = 0;
        reply(s, "250 2.0.0 <%s> delivered", to->address);
    } else {
        const char *text = failure_text(errno);
        event("mda.failed", EV_INT("session", s->number), EV_STR("id", id),
              EV_STR("user", to->account.user), EV_STR("to", to->address), EV_STR("reply", text),
              EV_STR("error", strerror(errno)));
        reply(s, "%s", text);
    }
    buf_free(&path);
    /* RFC 2033 5: each reply as soon as it is known. */
    stream_flush(s->io);
}

/* To the end of the message. IO_OK, or what happened to the connection. */
static enum io read_message(struct session *s, struct incoming *message)
{
    struct slice bytes;
    enum io r;
    stream_set_deadline(s->io, mono_ms() + DATA_TIME_MAX_MS);
    while ((r = stream_peek(s->io, &bytes)) == IO_OK) {
        stream_consume(s->io, incoming_feed(message, bytes));
        if (message->reader.state == DATA_END)
            break;
    }
    stream_set_deadline(s->io, 0);
    return r;
}

static void run_data(struct session *s, struct slice argument)
{
    (void)argument;
    if (s->to_count == 0) {    /* RFC 2033 4.2 */
        reply(s, "503 5.5.1 no recipient was accepted");
        return;
    }
    struct incoming message;
    incoming_init(&message, s->config->mail_dir, size_max(s));
    reply(s, "354 send the message, end it with a line of one dot");
    enum io r = read_message(s, &message);
    if (r == IO_OK) {
        const char *refusal = incoming_refusal(&message);
        /* RFC 2033 4.2: one reply for each successful RCPT, in their order. */
        for (size_t i = 0; i < s->to_count; i++) {
            if (refusal)
                reply(s, "%s", refusal);
            else
                deliver_to(s, &s->to[i], &message);
        }
    } else {
        s->closing = true;     /* RFC 5321 4.1.1.10: as if nothing had been sent */
        if (r == IO_TIMEOUT)
            reply(s, "421 4.4.2 time-out inside the message, closing");
    }
    incoming_free(&message);
    reset(s);
}

/* --- the small ones --------------------------------------------------------------------------- */

static void run_rset(struct session *s, struct slice argument)
{
    (void)argument;
    reset(s);
    reply(s, "250 2.0.0 reset");
}

static void run_noop(struct session *s, struct slice argument)
{
    (void)argument;
    reply(s, "250 2.0.0 ok");
}

static void run_vrfy(struct session *s, struct slice argument)
{
    if (argument.n == 0)
        reply(s, "501 5.5.4 VRFY takes a user or an address");
    else                       /* RFC 5321 3.5.3: not said here, RCPT will tell */
        reply(s, "252 2.1.5 send RCPT to find out");
}

static void run_quit(struct session *s, struct slice argument)
{
    (void)argument;
    reply(s, "221 2.0.0 %s closing", s->config->hostname);
    s->closing = true;
}

/* RFC 2033 4.1: these get no positive answer, so that a client of SMTP notices. */
static void run_smtp_hello(struct session *s, struct slice argument)
{
    (void)argument;
    reply(s, "500 5.5.1 this is LMTP: send LHLO");
}

static const struct command commands[] = {
    {"LHLO", ANY, true, run_lhlo, "RFC 2033 4.1"},
    {"MAIL", READY, true, run_mail, "RFC 5321 4.1.1.2"},
    {"RCPT", MAIL, true, run_rcpt, "RFC 5321 4.1.1.3"},
    {"DATA", ANY, false, run_data, "RFC 2033 4.2"},
    {"RSET", ANY, false, run_rset, "RFC 5321 4.1.1.5"},
    {"NOOP", ANY, true, run_noop, "RFC 5321 4.1.1.9"},
    {"QUIT", ANY, false, run_quit, "RFC 5321 4.1.1.10"},
    {"VRFY", ANY, true, run_vrfy, "RFC 5321 4.1.1.6"},
    {"HELO", ANY, true, run_smtp_hello, "RFC 2033 4.1"},
    {"EHLO", ANY, true, run_smtp_hello, "RFC 2033 4.1"},
    {"EXPN", ANY, true, NULL, "RFC 5321 4.1.1.7"},
    {"HELP", ANY, true, NULL, "RFC 5321 4.1.1.8"},
    {"BDAT", ANY, true, NULL, "RFC 2033 4.3, RFC 3030 2"},
    {"STARTTLS", ANY, true, NULL, "RFC 3207 4"},
    {"AUTH", ANY, true, NULL, "RFC 4954 4"},
};

/* --- the loop --------------------------------------------------------------------------------- */

static const struct command *find_command(struct slice name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (slice_ieq_str(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

/* RFC 5321 4.1.2, RFC 6531 3.3: commands are printable ASCII, their addresses UTF-8. */
static bool is_printable(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
            return false;
    }
    return utf8_valid(line);
}

static void execute(struct session *s, struct slice line)
{
    struct slice argument = line, name = {0};
    if (event_verbose())
        event("mda.command", EV_INT("session", s->number), EV_SLICE("line", line));
    slice_word(&argument, &name);
    argument = slice_trim(argument);
    const struct command *c = find_command(name);
    if (!is_printable(slice_trim(line)))
        reply(s, "500 5.5.2 a command is printable ASCII");
    else if (!c)
        reply(s, "500 5.5.2 unknown command");
    else if (!c->run)
        reply(s, "502 5.5.1 %s is not implemented", c->name);
    else if (argument.n > 0 && !c->argument)
        reply(s, "501 5.5.4 %s takes no argument", c->name);
    else if (!(c->phases & s->phase))
        reply(s, "503 5.5.1 %s is out of order: %s", c->name,
              s->phase == GREETED ? "send LHLO first"
              : s->phase == READY ? "send MAIL first" : "a transaction is open");
    else
        c->run(s, argument);
}

static void serve_line(struct session *s, struct buf *line)
{
    enum line_end end = LINE_CRLF;
    enum io r = stream_read_line(s->io, line, LINE_MAX_OCTETS, &end);
    if (r == IO_OK && end == LINE_LF) {
        reply(s, "500 5.5.2 a line ends in CRLF");    /* RFC 5321 2.3.8 */
    } else if (r == IO_OK) {
        execute(s, buf_slice(line));
    } else if (r == IO_TOO_LONG) {
        reply(s, "500 5.5.2 the line is too long");
    } else {
        s->closing = true;
        if (r == IO_TIMEOUT)
            reply(s, "421 4.4.2 %s time-out, closing", s->config->hostname);
    }
    if (s->closing)
        return;
    if (s->ctx->service && service_stopping(s->ctx->service) && s->phase != MAIL) {
        reply(s, "421 4.3.2 %s shutting down", s->config->hostname);
        s->closing = true;
    } else if (s->errors >= s->config->errors) {
        reply(s, "421 4.7.0 %s too many errors, closing", s->config->hostname);
        s->closing = true;
    }
}

void mda_session(struct stream *io, const struct mda_ctx *ctx, const struct mda_accounts *accounts,
                 uint64_t session)
{
    struct buf line = {0};
    struct session s = {
        .io = io,
        .ctx = ctx,
        .config = ctx->config,
        .accounts = accounts,
        .number = (int64_t)session,
        .phase = GREETED,
    };
    stream_set_timeout(io, s.config->timeout_command);
    reply(&s, "220 %s LMTP Postroad", s.config->hostname);
    while (!s.closing) {
        buf_clear(&line);
        serve_line(&s, &line);
    }
    stream_flush(io);
    reset(&s);
    buf_free(&line);
}
