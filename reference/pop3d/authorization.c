/* authorization.c - the AUTHORIZATION state (RFC 1939 4, 7, RFC 5034, RFC 2595): who is it, and is
 * the maildrop free? */
#include "base/event.h"
#include "base/mem.h"
#include "reference/pop3d/session.h"
#include "reference/store/account.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <stdlib.h>

bool pop3_user_allowed(const struct session *s)
{
    return !s->config->auth_pop3_needs_tls || stream_is_tls(s->io);
}

void pop3_user(struct session *s, struct slice argument)
{
    if (!pop3_user_allowed(s)) {
        pop3_bad_command(s, "USER needs TLS; send STLS first");
        return;
    }
    /* RFC 1939 7 lets us say that there is no such user; then anyone could find out who is here. */
    s->name = pop3_prepared(argument);
    if (!s->name) {                /* RFC 6856 2.2 */
        pop3_bad_command(s, "that is no name in UTF-8");
        return;
    }
    pop3_reply(s, "+OK send PASS");
}

/* Unique-ids are those of IMAP. Without them the rest works: a user whose disk is full must be able to
 * delete. */
static void find_numbers(struct session *s)
{
    const struct account *a = &s->account;
    struct store_account *all = store_account_get(s->config, a->user, a->home, a->uid, a->gid);
    s->numbered = all && mailbox_number(s->mailbox, all) == 0;
    if (!s->numbered)
        event("pop3d.no-index", EV_INT("session", s->number), EV_STR("user", a->user),
              EV_STR("error", strerror(errno)));
    store_account_put(all);
}

/* Opens the maildrop of s->account, with the lock. The state is TRANSACTION after that. */
static void enter_transaction(struct session *s)
{
    const struct account *a = &s->account;
    if (!mailbox_place_init(&s->place, s->config, a->user, a->uid, a->gid)) {
        pop3_reply(s, "-ERR [SYS/PERM] the account has no mailbox");
        return;
    }
    /* RFC 1939 4: the exclusive-access lock is had before the answer. */
    s->mailbox = mailbox_open(&s->place, true);
    if (s->mailbox) {
        find_numbers(s);
        size_t n = mailbox_count(s->mailbox);
        s->deleted = xcalloc(n + 1, sizeof *s->deleted);
        s->state = TRANSACTION;
        event("pop3d.login", EV_INT("session", s->number), EV_STR("client", s->client),
              EV_STR("user", a->user), EV_INT("messages", (int64_t)n));
        pop3_reply(s, "+OK %zu messages", n);
        return;
    }
    int error = errno;
    event("pop3d.open-failed", EV_INT("session", s->number), EV_STR("user", a->user),
          EV_STR("path", s->place.path), EV_STR("error", strerror(error)));
    if (error == EAGAIN)       /* RFC 2449 8.1.2 */
        pop3_reply(s, "-ERR [IN-USE] the maildrop is in use");
    else if (error == EBADMSG || error == EACCES || error == EPERM || error == ENOTDIR ||
             error == EISDIR)
        pop3_reply(s, "-ERR [SYS/PERM] the maildrop cannot be read");
    else
        pop3_reply(s, "-ERR [SYS/TEMP] the maildrop cannot be opened now");
    mailbox_place_free(&s->place);
}

/* s->account has proven to be himself. */
static void log_in(struct session *s)
{
    if (login_delay_passed(s->ctx->login_delay, s->account.user))
        enter_transaction(s);
    else                           /* RFC 2449 8.1.1 */
        pop3_reply(s, "-ERR [LOGIN-DELAY] the last log-in was less than %lld s ago",
                   (long long)(s->config->pop3_login_delay + 999) / 1000);
    if (s->state == AUTHORIZATION)
        account_free(&s->account);
}

static void refuse(struct session *s, bool cannot_tell)
{
    if (cannot_tell)               /* RFC 3206 4: not the fault of the password */
        pop3_reply(s, "-ERR [SYS/TEMP] passwords cannot be checked now");
    else                           /* the same for a wrong user and for a wrong password */
        pop3_bad_command(s, "[AUTH] wrong user or password");
}

void pop3_pass(struct session *s, struct slice argument)
{
    if (!s->name) {
        pop3_bad_command(s, "PASS comes right after USER");
        return;
    }
    char *password = pop3_prepared(argument);
    account_free(&s->account);
    enum auth_status status = AUTH_NO;
    if (password) {
        status = s->accounts->verify(s->accounts->arg, s->name, password, s->client, &s->account);
        explicit_bzero(password, strlen(password));
        stream_wipe(s->io);
        stack_wipe();
        free(password);
    }
    free(s->name);
    s->name = NULL;
    if (status == AUTH_OK) {
        log_in(s);
        return;
    }
    account_free(&s->account);
    refuse(s, status == AUTH_TEMPFAIL);
}

/* --- AUTH (RFC 5034) -------------------------------------------------------------------------- */

void pop3_auth(struct session *s, struct slice argument)
{
    if (!s->accounts->sasl) {
        pop3_bad_command(s, "AUTH is not implemented");
        return;
    }
    account_free(&s->account);
    switch (sasl_dialogue(s->io, s->config, &s->channel, s->accounts->sasl, argument, "+ ",
                          &s->account)) {
    case SASL_ACCEPTED:
        log_in(s);
        return;
    case SASL_REFUSED:
        refuse(s, false);
        break;
    case SASL_UNAVAILABLE:
        refuse(s, true);
        break;
    case SASL_CANCELLED:
        pop3_bad_command(s, "cancelled");
        break;
    case SASL_NOT_BASE64:
        pop3_bad_command(s, "that is not Base64");
        break;
    case SASL_LINE_TOO_LONG:
        pop3_bad_command(s, "the line is too long");
        break;
    case SASL_SERVER_FIRST:
        pop3_bad_command(s, "this mechanism takes no initial response");
        break;
    case SASL_NOT_OFFERED:
        pop3_bad_command(s, "this mechanism is not offered; CAPA lists those that are");
        break;
    case SASL_LOST:
        s->closing = true;
        s->end = "lost";
    }
    account_free(&s->account);
}

/* --- STLS (RFC 2595 4) ------------------------------------------------------------------------ */

void pop3_tls_began(struct session *s)
{
    front_tls_began("pop3d.tls", &(struct front_peer){s->number, s->client}, s->io, &s->channel,
                    &s->channel_store);
}

void pop3_stls(struct session *s, struct slice argument)
{
    (void)argument;
    if (!s->ctx->tls) {
        pop3_bad_command(s, "STLS is not implemented");
    } else if (s->utf8) {
        pop3_bad_command(s, "STLS comes before UTF8");   /* RFC 6856 2.1 */
    } else if (stream_is_tls(s->io)) {
        pop3_bad_command(s, "TLS is in use already");
    } else if (stream_buffered(s->io) > 0) {
        /* It would be taken for something that was said inside TLS (CVE-2011-0411). */
        pop3_bad_command(s, "plain text came after STLS, closing");
        s->closing = true;
        s->end = "text-after-stls";
    } else {
        pop3_reply(s, "+OK go ahead with TLS");
        enum io r = tls_accept(s->io, s->ctx->tls);
        if (r == IO_OK) {
            pop3_tls_began(s);
            return;
        }
        front_tls_failed("pop3d.tls-failed", &(struct front_peer){s->number, s->client}, s->io, r);
        s->closing = true;
        s->end = "tls-failed";
    }
}
