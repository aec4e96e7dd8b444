/* starttls.c - STARTTLS (RFC 3207), and what a session knows of its TLS. */
#include "reference/front.h"
#include "reference/smtpd/session.h"
#include "reference/tls/tls.h"

#include <stdlib.h>

/* RFC 3207 4.2: whatever the client has said so far is forgotten, a log-in included. */
static void forget(struct session *s)
{
    smtpd_transaction_reset(s);
    free(s->helo);
    free(s->user);
    s->helo = s->user = NULL;
    s->extended = s->anonymous = false;
    s->trusted = config_may_relay(s->config, &s->peer->client);
    s->phase = PHASE_GREETED;
}

void smtpd_tls_began(struct session *s)
{
    front_tls_began("smtpd.tls", &(struct front_peer){(int64_t)s->peer->session, s->client}, s->io,
                    &s->channel, &s->channel_store);
}

void smtpd_starttls(struct session *s, struct slice argument)
{
    if (!s->ctx->tls) {
        smtpd_not_implemented(s, argument);
    } else if (stream_is_tls(s->io)) {
        smtpd_refuse(s, 503, "5.5.1", "tls-twice", "RFC 3207 4.2", "TLS is in use already");
    } else if (argument.n > 0) {
        smtpd_refuse(s, 501, "5.5.4", "argument-not-allowed", "RFC 3207 4",
                     "STARTTLS takes no argument");
    } else if (stream_buffered(s->io) > 0) {
        /* RFC 3207 4: nothing may follow in the same group. It would otherwise be taken for
         * something that was said inside TLS (CVE-2011-0411). */
        smtpd_close_421(s, "4.7.0", "text-after-starttls",
                        "plain text came after STARTTLS, closing");
    } else {
        smtpd_reply(s, 220, "2.0.0", "go ahead with TLS");
        enum io r = tls_accept(s->io, s->ctx->tls);
        forget(s);
        if (r != IO_OK) {
            front_tls_failed("smtpd.tls-failed",
                             &(struct front_peer){(int64_t)s->peer->session, s->client}, s->io, r);
            s->closing = true;
            s->end = "tls-failed";
            return;
        }
        smtpd_tls_began(s);
    }
}
