/* authentication.c - STARTTLS, AUTHENTICATE, LOGIN (RFC 9051 6.2). */
#include "reference/imapd/session.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <stdlib.h>

/* ---- STARTTLS ---------------------------------------------------------------------------------- */

void imap_tls_began(struct session *s)
{
    front_tls_began("imapd.tls", &(struct front_peer){s->number, s->client}, s->io, &s->channel,
                    &s->channel_store);
}

void imap_starttls(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
    } else if (!s->ctx->tls) {
        imap_bad(s, "STARTTLS is not implemented");
    } else if (stream_is_tls(s->io)) {
        imap_bad(s, "TLS is in use already");
    } else if (stream_buffered(s->io) > 0) {
        /* It would be taken for something that was said inside TLS (CVE-2011-0411). */
        imap_bad(s, "plain text came after STARTTLS");
        imap_bye(s, "text-after-starttls", "closing");
    } else {
        imap_ok(s, "begin TLS now");
        enum io r = tls_accept(s->io, s->ctx->tls);
        if (r == IO_OK) {
            imap_tls_began(s);
            return;
        }
        front_tls_failed("imapd.tls-failed", &(struct front_peer){s->number, s->client}, s->io, r);
        s->closing = true;
        s->end = "tls-failed";
    }
}

/* ---- the log-in -------------------------------------------------------------------------------- */

/* s->account has proven to be himself. */
static void log_in(struct session *s)
{
    struct buf capabilities = {0};
    const struct account *who = &s->account;
    s->mail = store_account_get(s->config, who->user, who->home, who->uid, who->gid);
    if (!s->mail) {
        event("imapd.open-failed", EV_INT("session", s->number), EV_STR("user", who->user),
              EV_STR("error", strerror(errno)));
        imap_no(s, "[UNAVAILABLE] the mailboxes cannot be opened now");
        account_free(&s->account);
        return;
    }
    store_account_limit(s->mail, (uint64_t)who->quota);
    s->state = AUTHENTICATED;
    if (s->accounts->done)
        s->accounts->done(s->accounts->arg);
    stream_set_timeout(s->io, s->config->timeout_imap);
    event("imapd.login", EV_INT("session", s->number), EV_STR("client", s->client),
          EV_STR("user", s->account.user));
    imap_capabilities(s, &capabilities);           /* RFC 9051 6.2.2: saves the client a command */
    imap_ok(s, "[%s] logged in", buf_str(&capabilities));
    buf_free(&capabilities);
}

static void refuse(struct session *s, bool cannot_tell)
{
    if (cannot_tell) {
        imap_no(s, "[UNAVAILABLE] passwords cannot be checked now");
    } else {                       /* RFC 5530 3: the same for a wrong user and for a wrong password */
        imap_no(s, "[AUTHENTICATIONFAILED] wrong user or password");
        s->errors++;
    }
}

void imap_login(struct session *s, struct args *a)
{
    struct slice user, password;
    if (!imap_login_allowed(s)) {
        imap_no(s, "[PRIVACYREQUIRED] LOGIN needs TLS; send STARTTLS first");
        return;
    }
    if (!args_space(a) || !args_astring(a, &user) || !args_space(a) ||
        !args_astring(a, &password) || !args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    char *name = slice_dup(user), *secret = slice_dup(password);
    enum auth_status status = s->accounts->verify(s->accounts->arg, name, secret, s->client,
                                                  &s->account);
    explicit_bzero(secret, strlen(secret));
    stream_wipe(s->io);
    stack_wipe();
    free(secret);
    free(name);
    if (status == AUTH_OK) {
        log_in(s);
        return;
    }
    account_free(&s->account);
    refuse(s, status == AUTH_TEMPFAIL);
}

void imap_authenticate(struct session *s, struct args *a)
{
    if (!args_space(a)) {
        imap_bad_args(s, a);
        return;
    }
    struct slice argument = a->rest;
    if (!s->accounts->sasl || !a->line_is_over) {
        imap_bad(s, s->accounts->sasl ? "AUTHENTICATE takes no literal"
                                      : "AUTHENTICATE is not implemented");
        return;
    }
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
    case SASL_CANCELLED:               /* RFC 9051 6.2.2 */
        imap_bad(s, "cancelled");
        break;
    case SASL_NOT_BASE64:
        imap_bad(s, "that is not Base64");
        break;
    case SASL_LINE_TOO_LONG:
        imap_bad(s, "the line is too long");
        break;
    case SASL_SERVER_FIRST:            /* RFC 4959 3 */
        imap_no(s, "[CLIENTBUG] this mechanism takes no initial response");
        break;
    case SASL_NOT_OFFERED:
        if (sasl_known(slice_sub(argument, 0, (size_t)strcspn(argument.p, " "))) &&
            !stream_is_tls(s->io) && s->ctx->tls)
            imap_no(s, "[PRIVACYREQUIRED] this mechanism needs TLS; send STARTTLS first");
        else
            imap_no(s, "[CANNOT] this mechanism is not offered; CAPABILITY lists those that are");
        break;
    case SASL_LOST:
        s->closing = s->answered = true;
        s->end = "lost";
    }
    account_free(&s->account);
}

/* RFC 8437 3, 4.1: all that the log-in brought is gone; TLS stays. A compressed connection cannot be
 * opened again, so the command is not offered there. */
void imap_unauthenticate(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    if (s->compressed) {
        imap_bad(s, "UNAUTHENTICATE is not offered while COMPRESS is on");
        return;
    }
    imap_deselect(s);
    imap_ok(s, "you are a stranger again");
    event("imapd.logout", EV_INT("session", s->number), EV_STR("client", s->client),
          EV_STR("user", s->account.user));
    store_account_put(s->mail);
    s->mail = NULL;
    account_free(&s->account);
    s->utf8 = s->rev2 = s->condstore = s->qresync = false;
    s->state = STRANGER;
    stream_set_timeout(s->io, s->config->timeout_command);
}
