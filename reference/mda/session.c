/* session.c - an LMTP session (RFC 2033): SMTP's commands with LHLO for a greeting and, after the
 * message, one reply a recipient. */
#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/mda/forward.h"
#include "reference/mda/program.h"
#include "reference/mda/session.h"
#include "reference/message/address.h"
#include "reference/message/utf8.h"
#include "reference/store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 5321 4.5.3.1.4: 512 octets with CRLF; RFC 1870 3, RFC 6152 and RFC 6531 add 26, 17
 * and 9 for MAIL. */
#define LINE_MAX_OCTETS (512 + 26 + 17 + 9 - 2)
/* RFC 5321 4.5.3.1.5 */
#define REPLY_MAX 510

struct command {
    const char *name;
    unsigned phases;           /* in which it is legal; otherwise 503 */
    bool argument;             /* takes one; otherwise 501 when there is one */
    void (*run)(struct session *s, struct slice argument);   /* NULL: known, not implemented */
    const char *section;
};

uint64_t mda_size_max(const struct session *s)
{
    return s->config->message_size > 0 ? s->config->message_size + MDA_OWN_FIELDS_MAX : 0;
}

void mda_reply(struct session *s, const char *fmt, ...)
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

void mda_reset(struct session *s)
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
        mda_reply(s, "501 5.5.4 LHLO takes a domain name or an address literal");
        return;
    }
    mda_reset(s);                  /* RFC 5321 4.1.4: as if RSET had been given */
    s->phase = READY;
    mda_reply(s, "250-%s", s->config->hostname);
    /* RFC 2033 5: the first two are required, the third is recommended. */
    mda_reply(s, "250-PIPELINING");
    mda_reply(s, "250-ENHANCEDSTATUSCODES");
    mda_reply(s, "250-8BITMIME");
    mda_reply(s, "250-SMTPUTF8");
    mda_reply(s, "250 SIZE %llu", (unsigned long long)mda_size_max(s));
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
    mda_reply(s, "501 5.1.%d write %.*s<address>", reverse ? 7 : 3, SLICE_ARG(keyword));
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
        mda_reply(s, "555 5.5.4 parameter %.*s was not offered", SLICE_ARG(word));
        return false;
    }
    /* RFC 1870 4: up to 20 digits. */
    if (word.n > 25 || !slice_number(slice_sub(word, 5, word.n), UINT64_MAX, &size)) {
        mda_reply(s, "501 5.5.4 SIZE= takes a number of octets");
        return false;
    }
    if (mda_size_max(s) > 0 && size > mda_size_max(s)) {
        mda_reply(s, "552 5.3.4 the message is larger than this server takes");
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
        mda_reply(s, "250 2.1.0 sender ok");
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

/* Who has the commands and files: an alias, or an account with its .forward. */
static enum auth_status find_owner(struct session *s, const char *name, const char *domain,
                                   enum to_what what, struct account *out)
{
    char *address = xasprintf("%s@%s", name, domain);
    enum auth_status status = what == TO_FORWARD
        ? find_account(s, address, out) : s->accounts->lookup(s->accounts->arg, address, out);
    free(address);
    if (what == TO_FORWARD)
        return status;
    return status == AUTH_ALIAS ? AUTH_OK : status == AUTH_OK ? AUTH_NO : status;
}

static void add_recipient(struct session *s, const struct path *path)
{
    enum to_what what = mda_what_of(path->local);
    const char *address = path->address;
    struct account account = {0};
    enum auth_status status = what == TO_MAILBOX
        ? find_account(s, address, &account)
        : find_owner(s, path->local + 1, path->domain, what, &account);
    if (status == AUTH_OK) {
        s->to = xreallocarray(s->to, s->to_count + 1, sizeof *s->to);
        s->to[s->to_count++] = (struct to){xstrdup(address), account, what};
        mda_reply(s, "250 2.1.5 recipient ok");
        return;
    }
    account_free(&account);
    if (status == AUTH_TEMPFAIL)
        mda_reply(s, "451 4.3.0 accounts cannot be looked up now, try later");
    else
        mda_reply(s, "550 5.1.1 <%s> has no mailbox here", address);
}

static void run_rcpt(struct session *s, struct slice argument)
{
    struct path path;
    struct slice rest, word;
    if (!take_path(s, argument, SLICE("TO:"), false, &path, &rest))
        return;
    if (slice_word(&rest, &word))
        mda_reply(s, "555 5.5.4 parameter %.*s was not offered", SLICE_ARG(word));
    else if (s->to_count >= (size_t)s->config->recipients)
        mda_reply(s, "452 4.5.3 too many recipients, send the rest in another transaction");
    else
        add_recipient(s, &path);
    path_free(&path);
}

/* --- the small ones --------------------------------------------------------------------------- */

static void run_rset(struct session *s, struct slice argument)
{
    (void)argument;
    mda_reset(s);
    mda_reply(s, "250 2.0.0 reset");
}

static void run_noop(struct session *s, struct slice argument)
{
    (void)argument;
    mda_reply(s, "250 2.0.0 ok");
}

static void run_vrfy(struct session *s, struct slice argument)
{
    if (argument.n == 0)
        mda_reply(s, "501 5.5.4 VRFY takes a user or an address");
    else                       /* RFC 5321 3.5.3: not said here, RCPT will tell */
        mda_reply(s, "252 2.1.5 send RCPT to find out");
}

/* Where his mail goes, as items of an alias: "\user" is his mailbox, and his commands and files are one
 * address of ours (program.h). */
static void reply_forward(struct session *s, const struct account *a, const struct alias_items *items)
{
    struct alias_items out = {0};
    bool own = items->n == 0, ours = false;
    for (size_t i = 0; i < items->n; i++) {
        if (forward_is_own(a, items->v[i]))
            own = true;
        else if (forward_is_ours(items->v[i]))
            ours = true;
        else
            alias_items_add(&out, xstrdup(items->v[i]));
    }
    if (own)
        alias_items_add(&out, xasprintf("\\%s", a->user));
    if (ours)
        alias_items_add(&out, mda_commands_item(a->user));
    for (size_t i = 0; i < out.n; i++)
        mda_reply(s, "250%c2.1.5 %s", i + 1 < out.n ? '-' : ' ', out.v[i]);
    alias_items_free(&out);
}

/* RFC 5321 3.5.1, for the queue: where does mail to this account go? */
static void run_expn(struct session *s, struct slice argument)
{
    struct account account = {0};
    struct alias_items items = {0};
    char *address = slice_dup(argument);
    enum auth_status status = argument.n > 0 ? find_account(s, address, &account) : AUTH_NO;
    if (argument.n == 0)
        mda_reply(s, "501 5.5.4 EXPN takes an address");
    else if (status == AUTH_NO)
        mda_reply(s, "550 5.1.1 <%s> has no mailbox here", address);
    else if (status == AUTH_TEMPFAIL)
        mda_reply(s, "451 4.3.0 accounts cannot be looked up now, try later");
    else if (forward_read(s->config, &account, &items) == FORWARD_LATER)
        mda_reply(s, "451 4.3.0 the forward file of <%s> cannot be read now", address);
    else
        reply_forward(s, &account, &items);
    alias_items_free(&items);
    account_free(&account);
    free(address);
}

static void run_quit(struct session *s, struct slice argument)
{
    (void)argument;
    mda_reply(s, "221 2.0.0 %s closing", s->config->hostname);
    s->closing = true;
}

/* RFC 2033 4.1: these get no positive answer, so that a client of SMTP notices. */
static void run_smtp_hello(struct session *s, struct slice argument)
{
    (void)argument;
    mda_reply(s, "500 5.5.1 this is LMTP: send LHLO");
}

static const struct command commands[] = {
    {"LHLO", ANY, true, run_lhlo, "RFC 2033 4.1"},
    {"MAIL", READY, true, run_mail, "RFC 5321 4.1.1.2"},
    {"RCPT", MAIL, true, run_rcpt, "RFC 5321 4.1.1.3"},
    {"DATA", ANY, false, mda_run_data, "RFC 2033 4.2"},
    {"RSET", ANY, false, run_rset, "RFC 5321 4.1.1.5"},
    {"NOOP", ANY, true, run_noop, "RFC 5321 4.1.1.9"},
    {"QUIT", ANY, false, run_quit, "RFC 5321 4.1.1.10"},
    {"VRFY", ANY, true, run_vrfy, "RFC 5321 4.1.1.6"},
    {"HELO", ANY, true, run_smtp_hello, "RFC 2033 4.1"},
    {"EHLO", ANY, true, run_smtp_hello, "RFC 2033 4.1"},
    {"EXPN", ANY, true, run_expn, "RFC 5321 4.1.1.7"},
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
        mda_reply(s, "500 5.5.2 a command is printable ASCII");
    else if (!c)
        mda_reply(s, "500 5.5.2 unknown command");
    else if (!c->run)
        mda_reply(s, "502 5.5.1 %s is not implemented", c->name);
    else if (argument.n > 0 && !c->argument)
        mda_reply(s, "501 5.5.4 %s takes no argument", c->name);
    else if (!(c->phases & s->phase))
        mda_reply(s, "503 5.5.1 %s is out of order: %s", c->name,
              s->phase == GREETED ? "send LHLO first"
              : s->phase == READY ? "send MAIL first" : "a transaction is open");
    else
        c->run(s, argument);
}

/* Between transactions nothing would be lost by a stop. */
static bool stops(const struct session *s)
{
    return s->ctx->service && service_stopping(s->ctx->service) && s->phase != MAIL;
}

static enum io read_command(struct session *s, struct buf *line, enum line_end *end)
{
    stream_set_idle(s->io, s->phase != MAIL);
    enum io r = stops(s) ? IO_EOF : stream_read_line(s->io, line, LINE_MAX_OCTETS, end);
    stream_set_idle(s->io, false);
    return r;
}

static void serve_line(struct session *s, struct buf *line)
{
    enum line_end end = LINE_CRLF;
    enum io r = read_command(s, line, &end);
    if (r == IO_OK && end == LINE_LF) {
        mda_reply(s, "500 5.5.2 a line ends in CRLF");    /* RFC 5321 2.3.8 */
    } else if (r == IO_OK) {
        execute(s, buf_slice(line));
    } else if (r == IO_TOO_LONG) {
        mda_reply(s, "500 5.5.2 the line is too long");
    } else {
        s->closing = true;
        if (stops(s))
            mda_reply(s, "421 4.3.2 %s shutting down", s->config->hostname);
        else if (r == IO_TIMEOUT)
            mda_reply(s, "421 4.4.2 %s time-out, closing", s->config->hostname);
    }
    if (!s->closing && s->errors >= s->config->errors) {
        mda_reply(s, "421 4.7.0 %s too many errors, closing", s->config->hostname);
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
    mda_reply(&s, "220 %s LMTP Postroad", s.config->hostname);
    while (!s.closing) {
        buf_clear(&line);
        serve_line(&s, &line);
    }
    stream_flush(io);
    mda_reset(&s);
    buf_free(&line);
}
