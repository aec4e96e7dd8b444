/* content.c - the content of a message on its way into the spool: our own fields, the limits, and
 * the answer at its end. DATA and BDAT bring it here. */
#include "reference/smtpd/content.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/message/header_scan.h"
#include "reference/message/received.h"
#include "reference/smtpd/data_reader.h"
#include "reference/smtpd/filters.h"
#include "reference/smtpd/header_addresses.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <stdlib.h>

/* Of the header, for the operator's rules; of a copy of the message. */
enum { RULES_HEADER_MAX = 256 * 1024, COPY_PORTION = 32 * 1024 };

struct content {
    struct session *s;
    struct queue_writer *w;
    struct content_faults faults;
    struct header_scan header;
    struct header_addresses addresses; /* of a submitted message */
    bool in_header;
    bool dropping;             /* a field that is not taken over, and its folded lines */
    struct buf fields;         /* the header as it came, for the operator's rules */
    bool refused_by_rule;      /* at the header, with this verdict: told at the end */
    struct verdict verdict;
    bool redirected;           /* at the header: the envelope is another than the spool has */
    struct buf line;           /* the beginning of a header line whose end has not come yet */
    uint64_t size;             /* as RFC 1870 5 counts: without our own fields */
    uint64_t discarded;
    int64_t trace;             /* octets of the Received field that we have put on top */
    int64_t stored;            /* octets of the message as it is in the spool */
    bool too_big;
    int write_errno;           /* why the spool cannot take it */
};

static void store(struct content *in, struct slice bytes)
{
    if (bytes.n > 0 && in->write_errno == 0 &&
        in->s->ctx->spool->write(in->w, bytes.p, bytes.n) != 0)
        in->write_errno = errno;
    in->stored += (int64_t)bytes.n;
}

/* --- the header ---------------------------------------------------------------------------- */

/* RFC 6409 8.2, 8.3: a submission server completes the header of a message. On port 25 nothing
 * but Received may be added (RFC 5321 6.4). */
static void add_missing_fields(struct content *in)
{
    if (!config_is_submission(in->s->peer->service))
        return;
    struct buf fields = {0};
    if (!in->header.has_date) {
        buf_add_str(&fields, "Date: ");
        buf_add_rfc5322_date(&fields, in->s->envelope.arrived_us);
        buf_add_str(&fields, "\r\n");
    }
    if (!in->header.has_message_id)
        buf_printf(&fields, "Message-ID: <%s@%s>\r\n", in->s->envelope.id, in->s->config->hostname);
    store(in, buf_slice(&fields));
    buf_free(&fields);
}

/* Quarantine: one recipient instead of all, who is told whose mail it is. */
static void redirect(struct session *s)
{
    struct policy_session *p = &s->policy;
    struct buf field = {0};
    for (size_t i = 0; i < s->envelope.rcpt_count; i++)
        buf_printf(&field, "X-Quarantined: %s; for=<%s>\r\n", p->fate_rule,
                   s->envelope.rcpt[i].address);
    buf_add_slice(&p->fields, buf_slice(&field));
    buf_free(&field);
    envelope_drop_recipients(&s->envelope, 0);
    envelope_add_recipient(&s->envelope, slice_str(p->quarantine));
}

/* The rules of the stage `header`. A reply has to wait for the end of the content (RFC 5321
 * 4.1.1.4); what a rule adds stands at the end of the header. */
static void ask_about_header(struct content *in)
{
    struct policy_session *p = &in->s->policy;
    const struct policy *policy = in->s->ctx->policy;
    size_t before = p->fields.len;
    bool quarantined = p->fate == ACTION_QUARANTINE;
    if (!policy)
        return;
    p->header = buf_slice(&in->fields);
    in->refused_by_rule = !smtpd_policy_ask(in->s, AT_HEADER, NULL, &in->verdict);
    in->redirected = !quarantined && p->fate == ACTION_QUARANTINE;
    if (in->redirected)
        redirect(in->s);
    store(in, slice_sub(buf_slice(&p->fields), before, p->fields.len));
}

/* Keeps a line for those rules; of a header that is longer they see the beginning. */
static void keep_for_rules(struct content *in, struct slice line)
{
    const struct policy *policy = in->s->ctx->policy;
    if (policy && policy->conf->headers && in->fields.len + line.n <= RULES_HEADER_MAX)
        buf_add_slice(&in->fields, line);
}

/* The header is text even where the body is not (RFC 3030 3, RFC 2045 2.8 speak of bodies only).
 * Text has been looked at octet by octet before it came here. */
static void check_header_line(struct content *in, struct slice line)
{
    if (!in->s->envelope.binary)
        return;
    struct slice text = slice_sub(line, 0, line.n > 1 ? line.n - 2 : 0);
    in->faults.bare_lf |= line.n < 2 || line.p[line.n - 2] != '\r';
    in->faults.bare_cr |= slice_index(text, '\r') >= 0;
    in->faults.nul |= slice_index(text, 0) >= 0;
}

/* RFC 8601 5: what a stranger says in our name about his own mail is taken out. A field whose first
 * line does not name who speaks is taken out as well. */
static bool is_forged_result(const struct content *in, struct slice line)
{
    static const struct slice name = {"Authentication-Results:", 23};
    const struct policy *p = in->s->ctx->policy;
    struct slice rest = slice_sub(line, name.n, line.n), id;
    if (!p || !p->conf->results || in->s->trusted || !slice_istarts(line, name))
        return false;
    rest = slice_trim(rest);
    return !slice_next(&rest, ';', &id) || id.n == 0 || id.p[0] == '(' ||
           slice_ieq_str(slice_trim(id), in->s->config->hostname);
}

/* A whole header line with its CRLF. */
static void header_line(struct content *in, struct slice line)
{
    check_header_line(in, line);
    enum header_line kind = header_scan_line(&in->header, slice_sub(line, 0, line.n - 2));
    if (kind == HEADER_FIELD && config_is_submission(in->s->peer->service))
        header_addresses_line(&in->addresses, slice_sub(line, 0, line.n - 2));
    if (kind != HEADER_FIELD) {
        in->in_header = false;
        add_missing_fields(in);
        ask_about_header(in);
        if (kind == HEADER_BROKEN && config_is_submission(in->s->peer->service))
            store(in, SLICE("\r\n")); /* ends the header that we have begun */
    }
    bool folded = line.p[0] == ' ' || line.p[0] == '\t';
    if (kind != HEADER_FIELD || !folded)
        in->dropping = kind == HEADER_FIELD && is_forged_result(in, line);
    if (in->dropping)
        return;
    if (kind == HEADER_FIELD)
        keep_for_rules(in, line);
    store(in, line);
}

/* Passes header lines on one by one; what follows the header is left in *bytes. Lines end in CRLF,
 * since a message with other line ends is discarded. */
static void header_bytes(struct content *in, struct slice *bytes)
{
    while (in->in_header && bytes->n > 0) {
        ptrdiff_t lf = slice_index(*bytes, '\n');
        size_t n = lf < 0 ? bytes->n : (size_t)lf + 1;
        if (in->line.len + n > DATA_LINE_MAX) {
            in->faults.line_too_long = true;
            return;
        }
        if (lf < 0 || in->line.len > 0)
            buf_add(&in->line, bytes->p, n);
        if (lf >= 0 && in->line.len > 0) {
            header_line(in, buf_slice(&in->line));
            buf_clear(&in->line);
        } else if (lf >= 0) {
            header_line(in, slice_sub(*bytes, 0, n));
        }
        *bytes = slice_sub(*bytes, n, bytes->n);
    }
}

/* --- what comes ---------------------------------------------------------------------------- */

static bool is_hopeless(const struct content *in)
{
    return in->too_big || in->write_errno != 0 || in->refused_by_rule || content_has_fault(&in->faults);
}

void content_add(struct content *in, struct slice text, const struct content_faults *faults)
{
    uint64_t limit = in->s->config->message_size;
    in->size += text.n;
    in->too_big = in->too_big || (limit > 0 && in->size > limit);
    if (!content_has_fault(&in->faults))
        in->faults = *faults;
    if (!is_hopeless(in)) {
        header_bytes(in, &text);
        if (!content_has_fault(&in->faults))
            store(in, text);
    }
    if (is_hopeless(in))
        in->discarded += text.n;
}

bool content_is_endless(const struct content *in) { return in->discarded > CONTENT_DISCARD_MAX; }

/* --- the answer ---------------------------------------------------------------------------- */

static void refuse_for_errno(struct session *s, int err)
{
    if (err == ENOSPC || err == EDQUOT || err == EFBIG)
        smtpd_refuse(s, 452, "4.3.1", "disk-full", "RFC 5321 4.2.3",
                     "no room in the queue, try later");
    else
        smtpd_refuse(s, 451, "4.3.0", "queue-error", "RFC 5321 4.2.3",
                     "the queue cannot be written (%s), try later", strerror(err));
}

bool content_refused(struct content *in)
{
    struct session *s = in->s;
    const struct content_faults *r = &in->faults;
    if (r->bare_lf)
        smtpd_refuse(s, 554, "5.6.0", "bare-lf", "RFC 5321 2.3.8, 4.1.1.4",
                     "message has a LF without CR before it; lines end in CRLF");
    else if (r->bare_cr)
        smtpd_refuse(s, 554, "5.6.0", "bare-cr", "RFC 5321 2.3.8",
                     "message has a CR without LF after it; lines end in CRLF");
    else if (r->nul)
        smtpd_refuse(s, 554, "5.6.0", "nul-octet", "RFC 2045 2.7, 2.8, RFC 5322 4",
                     "message has a NUL octet, which neither 7BIT nor 8BITMIME text may have");
    else if (r->line_too_long)
        smtpd_refuse(s, 554, "5.6.0", "text-line-length", "RFC 5321 4.5.3.1.6",
                     "message has a line over %d octets", DATA_LINE_MAX);
    else if (in->too_big)
        smtpd_refuse(s, 552, "5.3.4", "message-size", "RFC 1870 6.3, RFC 5321 4.5.3.1.7",
                     "message is over the limit of %llu octets",
                     (unsigned long long)s->config->message_size);
    else if (in->header.received > s->config->hops)
        smtpd_refuse(s, 554, "5.4.6", "mail-loop", "RFC 5321 6.3",
                     "message has been through %d servers: it is going in a circle",
                     in->header.received);
    else if (in->addresses.wrong)
        smtpd_refuse(s, 554, "5.6.0", "header-unqualified", "RFC 6409 4.2",
                     "<%.200s> in the header: give the whole name of the domain", in->addresses.wrong);
    else if (in->write_errno != 0)
        refuse_for_errno(s, in->write_errno);
    else if (in->refused_by_rule)
        smtpd_policy_refuse(s, &in->verdict);
    else
        return false;
    return true;
}

static void accepted(struct content *in)
{
    struct session *s = in->s;
    const struct envelope *e = &s->envelope;
    int64_t session = (int64_t)s->peer->session;
    event("smtpd.accepted", EV_INT("session", session), EV_STR("id", e->id),
          EV_STR("client", s->client), EV_STR("from", e->reverse_path),
          EV_INT("size", (int64_t)in->size), EV_INT("recipients", (int64_t)e->rcpt_count));
    for (size_t i = 0; i < e->rcpt_count; i++)
        event("smtpd.recipient", EV_INT("session", session), EV_STR("id", e->id),
              EV_STR("from", e->reverse_path), EV_STR("to", e->rcpt[i].address),
              EV_INT("size", (int64_t)in->size));
    s->messages++;
    s->errors = 0;
    smtpd_reply(s, 250, "2.0.0", "queued as %s", e->id);
}

/* What the operator's rules and the filters have decided about the message: it goes on its way,
 * waits for the operator, or vanishes. 0 or -1 with errno; in->w is used up. */
static int take_its_way(struct content *in, enum filter_action action)
{
    const struct smtpd_spool *spool = in->s->ctx->spool;
    const struct policy_session *p = &in->s->policy;
    if (p->fate == ACTION_HOLD || (action == FILTER_QUARANTINE && p->fate != ACTION_DISCARD))
        return spool->hold(in->w);
    if (p->fate != ACTION_DISCARD)
        return spool->commit(in->w);
    spool->abandon(in->w);
    event("smtpd.discarded", EV_INT("session", (int64_t)in->s->peer->session),
          EV_STR("id", in->s->envelope.id), EV_STR("from", in->s->envelope.reverse_path),
          EV_STR("rule", p->fate_rule));
    return 0;
}

static void content_free(struct content *in)
{
    buf_free(&in->line);
    header_addresses_free(&in->addresses);
    buf_free(&in->fields);
    in->s->policy.header = (struct slice){0};
    free(in);
}

/* The message ends in its header: without a body, or inside a line. */
static void end_header(struct content *in)
{
    if (!in->in_header)
        return;
    if (in->line.len > 0) {
        buf_add_str(&in->line, "\r\n");   /* RFC 3030 does without; a field's line has its end */
        header_line(in, buf_slice(&in->line));
    }
    if (in->in_header) {
        add_missing_fields(in);
        ask_about_header(in);
    }
}

/* The spool's file once more, with the envelope as it is now. False with errno. */
static bool rewrite_envelope(struct content *in)
{
    const struct smtpd_spool *spool = in->s->ctx->spool;
    struct queue_writer *next = spool->again(in->w, &in->s->envelope);
    char *portion = xmalloc(COPY_PORTION);
    ssize_t n = 0;
    bool good = next != NULL;
    for (int64_t at = 0; good && (n = spool->read(in->w, portion, COPY_PORTION, at)) > 0; at += n)
        good = spool->write(next, portion, (size_t)n) == 0;
    int why = errno;
    free(portion);
    good = good && n == 0;
    if (good) {
        spool->abandon(in->w);
        in->w = next;
    } else if (next) {
        spool->abandon(next);
    }
    errno = why;
    return good;
}

/* RFC 5321 4.2.5, 6.1: 250 says that the message is ours from now on, so it is durable first. */
void content_finish(struct content *in)
{
    const struct smtpd_spool *spool = in->s->ctx->spool;
    end_header(in);
    header_addresses_end(&in->addresses);
    enum filter_action action = FILTER_REFUSE;
    if (in->redirected && !is_hopeless(in) && !rewrite_envelope(in))
        in->write_errno = errno;
    if (!content_refused(in) && smtpd_policy(in->s, AT_END, NULL))
        action = smtpd_filters_message(in->s, &in->w, in->stored, in->trace);
    if (action == FILTER_REFUSE) {
        spool->abandon(in->w);
    } else if (action == FILTER_DISCARD) {
        spool->abandon(in->w);
        accepted(in);
    } else if (take_its_way(in, action) != 0) {
        refuse_for_errno(in->s, errno);
    } else {
        accepted(in);
    }
    content_free(in);
}

void content_abandon(struct content *in)
{
    if (in == NULL)
        return;
    in->s->ctx->spool->abandon(in->w);
    content_free(in);
}

/* --- the beginning ------------------------------------------------------------------------- */


static void store_received(struct content *in)
{
    struct session *s = in->s;
    const struct envelope *e = &s->envelope;
    struct buf field = {0};
    buf_add_received(&field, &(struct received){
        .helo = s->helo,
        .client = &s->peer->client,
        .client_name = policy_client_name(&s->policy),
        .by = s->config->hostname,
        .protocol = e->protocol,
        .id = e->id,
        .recipient = e->rcpt_count == 1 ? e->rcpt[0].address : NULL,
        .cipher = stream_is_tls(s->io) ? tls_cipher(stream_ssl(s->io)) : NULL,
        .time_us = e->arrived_us,
    });
    policy_add_fields(&s->policy, &field);
    store(in, buf_slice(&field));
    in->trace = in->stored;
    buf_free(&field);
}

/* RFC 3848, RFC 6531 4.3: what the client had of TLS and a log-in; HELO has neither form. */
static const char *protocol_of(const struct session *s)
{
    bool tls = stream_is_tls(s->io);
    if (!s->extended)
        return "SMTP";
    if (s->envelope.utf8)
        return s->user ? (tls ? "UTF8SMTPSA" : "UTF8SMTPA") : tls ? "UTF8SMTPS" : "UTF8SMTP";
    return s->user ? (tls ? "ESMTPSA" : "ESMTPA") : tls ? "ESMTPS" : "ESMTP";
}

static struct queue_writer *open_spool(struct session *s)
{
    struct envelope *e = &s->envelope;
    free(e->protocol);
    free(e->client);
    free(e->helo);
    e->protocol = slice_dup(slice_str(protocol_of(s)));
    e->client = slice_dup(slice_str(s->client));
    e->helo = slice_dup(slice_str(s->helo));
    e->unfiltered = s->config->content_filter && s->peer->service != SERVICE_REINJECTION;
    return s->ctx->spool->create(s->config, e);
}

struct content *content_begin(struct session *s)
{
    if (!smtpd_policy(s, AT_DATA, NULL) ||
        !smtpd_filters_pass(s, MILTER_DATA, NULL, (struct slice){0}))
        return NULL;
    if (s->policy.fate == ACTION_QUARANTINE)
        redirect(s);
    struct queue_writer *w = open_spool(s);
    if (w == NULL) {
        refuse_for_errno(s, errno);
        return NULL;
    }
    struct content *in = xcalloc(1, sizeof *in);
    in->s = s;
    in->w = w;
    in->in_header = true;
    store_received(in);
    return in;
}
