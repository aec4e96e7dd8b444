/* client.c - a connection: greeting, EHLO, commands, QUIT. */
#include "reference/relay/client.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/relay/client_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define QUIT_WAIT_MS 2000        /* RFC 5321 4.1.1.10 wants the answer read; it changes nothing */

struct client *client_new(const struct config *c, struct stream *s, bool lmtp, const char *host,
                          const char *address)
{
    struct client *cl = xcalloc(1, sizeof *cl);
    cl->c = c;
    cl->s = s;
    cl->lmtp = lmtp;
    cl->tls_policy = c->relay_tls;
    cl->host = xstrdup(host);
    snprintf(cl->address, sizeof cl->address, "%s", address);
    cl->opened_ms = mono_ms();
    return cl;
}

void client_free(struct client *cl)
{
    if (!cl)
        return;
    stream_close(cl->s);
    free(cl->host);
    reply_free(&cl->reply);
    free(cl);
}

/* RFC 5321 4.1.1.10: a client does not close before it has sent QUIT. */
void client_quit(struct client *cl, bool wait)
{
    if (!cl->broken) {
        client_command(cl, "QUIT\r\n");
        if (wait)
            client_reply(cl, QUIT_WAIT_MS);
    }
    client_free(cl);
}

void client_command(struct client *cl, const char *line)
{
    struct slice shown = slice_trim(slice_str(line));
    if (event_verbose())
        event("relay.command", EV_STR("id", cl->id), EV_STR("exchanger", cl->host),
              EV_STR("address", cl->address), EV_SLICE("line", shown));
    stream_puts(cl->s, line);
}

bool client_reply(struct client *cl, int64_t timeout_ms)
{
    bool good = reply_read(cl->s, timeout_ms, &cl->reply);
    /* 421 may answer anything, and says that the server closes (RFC 5321 3.8). */
    if (!good || cl->reply.code == 421)
        cl->broken = true;
    if (event_verbose()) {
        struct buf line = {0};
        reply_add_line(&line, &cl->reply);
        event("relay.reply", EV_STR("id", cl->id), EV_STR("exchanger", cl->host),
              EV_STR("address", cl->address), EV_SLICE("line", buf_slice(&line)));
        buf_free(&line);
    }
    return good;
}

/* The keywords of an EHLO reply, one a line after the first (RFC 5321 4.1.1.1). Unknown ones mean
 * nothing to us. */
static void read_keywords(struct client *cl)
{
    struct slice rest = buf_slice(&cl->reply.text), line, word;
    slice_next(&rest, '\n', &line);
    while (slice_next(&rest, '\n', &line)) {
        if (!slice_word(&line, &word))
            continue;
        if (slice_ieq_str(word, "PIPELINING")) {
            cl->pipelining = true;
        } else if (slice_ieq_str(word, "8BITMIME")) {
            cl->eight_bit = true;
        } else if (slice_ieq_str(word, "CHUNKING")) {
            cl->chunking = true;
        } else if (slice_ieq_str(word, "BINARYMIME")) {
            cl->binary = true;
        } else if (slice_ieq_str(word, "DSN")) {
            cl->dsn = true;
        } else if (slice_ieq_str(word, "SMTPUTF8")) {
            cl->utf8 = true;
        } else if (slice_ieq_str(word, "STARTTLS")) {
            cl->starttls = true;
        } else if (slice_ieq_str(word, "LIMITS")) {
            while (slice_word(&line, &word))
                if (slice_istarts(word, SLICE("RCPTMAX=")) &&
                    !slice_number(slice_sub(word, 8, word.n), UINT32_MAX, &cl->rcpt_max))
                    cl->rcpt_max = 0;    /* RFC 9422 4: a malformed limit is none */
        } else if (slice_ieq_str(word, "SIZE")) {
            cl->size = true;
            /* RFC 1870 3: the number is optional, and 0 means no limit. */
            if (!slice_word(&line, &word) || !slice_number(word, UINT64_MAX, &cl->size_limit))
                cl->size_limit = 0;
        }
    }
}

static bool hello(struct client *cl, const char *verb)
{
    char *line = xasprintf("%s %s\r\n", verb, cl->c->hostname);
    client_command(cl, line);
    free(line);
    return client_reply(cl, cl->c->timeout_mail);
}

bool client_hello(struct client *cl)
{
    cl->pipelining = cl->size = cl->eight_bit = cl->utf8 = cl->starttls = false;
    cl->chunking = cl->binary = cl->dsn = false;
    cl->size_limit = cl->rcpt_max = 0;
    if (!hello(cl, cl->lmtp ? "LHLO" : "EHLO"))
        return false;
    if (reply_is(&cl->reply, 2)) {
        read_keywords(cl);
        return true;
    }
    /* RFC 5321 3.2: a server that does not know EHLO may know HELO. LMTP has no other
     * (RFC 2033 4.1). */
    return !cl->lmtp && !cl->broken && reply_is(&cl->reply, 5) && hello(cl, "HELO")
        && reply_is(&cl->reply, 2);
}

bool client_greet(struct client *cl)
{
    return client_reply(cl, cl->c->timeout_greeting) && cl->reply.code == 220 &&
           client_hello(cl) && client_start_tls(cl);
}

void recipient_settle(struct relay_recipient *r, const struct relay_message *m,
                      enum verdict verdict, const char *status, const char *reply,
                      const struct client *cl)
{
    static const char classes[] = "0245";
    r->verdict = verdict;
    /* A server's status of another class than the verdict (a 552 that is read as 452) would
     * mislead: its class gives way. */
    snprintf(r->status, sizeof r->status, "%s", status);
    r->status[0] = classes[verdict];
    r->dsn_taken = cl && cl->dsn;
    free(r->reply);
    r->reply = xstrdup(reply);
    free(r->host);
    r->host = xstrdup(cl ? cl->host : "");
    snprintf(r->address, sizeof r->address, "%s", cl ? cl->address : "");
    if (m && m->settled && (verdict == VERDICT_DELIVERED || verdict == VERDICT_FAIL))
        m->settled(m->settled_arg, r);
}

void recipients_free(struct relay_recipient *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(r[i].reply);
        free(r[i].host);
    }
    free(r);
}
