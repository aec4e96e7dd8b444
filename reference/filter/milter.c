/* milter.c - a session with one milter. */
#include "reference/filter/milter.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/filter/milter_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum listening { ALL, NOT_THIS_MESSAGE, NOT_THIS_SESSION };

struct milter {
    const struct filter_conf *c;
    const struct filter_facts *facts;
    struct stream *io;             /* NULL: not connected (yet) */
    bool tried;                    /* to connect */
    bool refuses_all;              /* it refused at connect: the session hears it at each step */
    struct filter_result failure;  /* of a connection that broke */
    struct verdict refusal;
    enum listening listening;
    bool in_message;               /* MAIL was told, the end was not */
    bool discards;                 /* it said so before the message came */
    uint32_t actions, protocol;    /* as negotiated */
    char id[QUEUE_ID_MAX];
    char *from;
    struct buf out, in;
};

/* One row a step: when it is not wanted, when it is not answered. */
static const struct {
    enum milter_command command;
    uint32_t unwanted, unanswered;
    const char *name;
} steps[] = {
    [MILTER_CONNECT] = {SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN, "connect"},
    [MILTER_HELO] = {SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO, "helo"},
    [MILTER_MAIL] = {SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL, "mail"},
    [MILTER_RCPT] = {SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT, "rcpt"},
    [MILTER_DATA] = {SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA, "data"},
};

const char *milter_step_name(enum milter_step_kind kind)
{
    return steps[kind].name;
}

struct milter *milter_new(const struct filter_conf *c, const struct filter_facts *facts)
{
    struct milter *m = xcalloc(1, sizeof *m);
    m->c = c;
    m->facts = facts;
    return m;
}

void milter_free(struct milter *m)
{
    if (!m)
        return;
    if (m->io) {
        stream_set_deadline(m->io, mono_ms() + 1000);
        milter_send(m->io, SMFIC_QUIT, (struct slice){0});
        stream_close(m->io);
    }
    free(m->from);
    buf_free(&m->out);
    buf_free(&m->in);
    free(m);
}

/* The connection is of no use any more: every later step fails the same way. */
static void give_up(struct milter *m, struct filter_result *out, const char *why)
{
    filter_failed(out, "%s", why);
    m->failure = *out;
    stream_abort(m->io);
    m->io = NULL;
}

/* One packet. False: *out has the failure. */
static bool hear(struct milter *m, unsigned char *answer, struct filter_result *out)
{
    enum io r = milter_read(m->io, answer, &m->in);
    if (r == IO_OK)
        return true;
    give_up(m, out, r == IO_TIMEOUT    ? "time-out"
                    : r == IO_TOO_LONG ? "its packet makes no sense"
                                       : "it closed the connection");
    return false;
}

/* --- option negotiation ----------------------------------------------------------------------- */

static bool negotiate(struct milter *m, struct filter_result *out)
{
    const uint32_t offer[3] = {htonl(MILTER_VERSION), htonl(SMFIF_ALL), htonl(SMFIP_OFFERED)};
    unsigned char answer;
    uint32_t version;
    milter_send(m->io, SMFIC_OPTNEG, slice_of(offer, sizeof offer));
    if (!hear(m, &answer, out))
        return false;
    struct slice rest = buf_slice(&m->in);
    if (answer == SMFIC_OPTNEG && milter_next_number(&rest, &version) &&
        milter_next_number(&rest, &m->actions) && milter_next_number(&rest, &m->protocol) &&
        version >= 2 && version <= MILTER_VERSION && (m->protocol & ~(uint32_t)SMFIP_OFFERED) == 0)
        return true;               /* a list of macros that may follow is a wish: we send them all */
    give_up(m, out, "it speaks another protocol");
    return false;
}

static bool connected(struct milter *m, struct filter_result *out)
{
    if (m->io)
        return true;
    if (m->tried) {
        *out = m->failure;
        return false;
    }
    m->tried = true;
    m->io = filter_connect(m->c, out);
    if (m->io)
        return negotiate(m, out);
    m->failure = *out;
    return false;
}

/* --- an answer -------------------------------------------------------------------------------- */

/* The verdict of a step, or of the message when `changes` is given. True when it is known. */
static bool understand(struct milter *m, unsigned char answer, enum milter_command step,
                       struct filter_changes *changes, struct filter_result *out)
{
    bool session = step == SMFIC_CONNECT || step == SMFIC_HELO;
    switch (answer) {
    case SMFIR_CONTINUE:
        return true;
    case SMFIR_ACCEPT:
        m->listening = session ? NOT_THIS_SESSION : NOT_THIS_MESSAGE;
        return true;
    case SMFIR_DISCARD:
        m->discards = true;
        m->listening = NOT_THIS_MESSAGE;
        return true;
    case SMFIR_REJECT:
    case SMFIR_TEMPFAIL:
    case SMFIR_REPLYCODE:
        if (!milter_take_refusal(m->c->name, answer, buf_slice(&m->in), out))
            give_up(m, out, "its reply code makes no sense");
        else if (step != SMFIC_RCPT)
            m->listening = session ? NOT_THIS_SESSION : NOT_THIS_MESSAGE;
        if (session && out->action == FILTER_REFUSE) {
            m->refuses_all = true;
            m->refusal = out->verdict;
        }
        return true;
    case SMFIR_CONN_FAIL:
    case SMFIR_SHUTDOWN:
        out->action = FILTER_REFUSE;
        verdict_set(&out->verdict, 451, "4.7.1", "milter", "RFC 5321 3.8", "%s closes the session",
                    m->c->name);
        m->listening = NOT_THIS_SESSION;
        m->refuses_all = true;
        m->refusal = out->verdict;
        return true;
    case SMFIR_PROGRESS:           /* it needs more time */
        stream_set_deadline(m->io, mono_ms() + m->c->timeout);
        return false;
    case SMFIR_QUARANTINE:
        if (changes && (m->actions & SMFIF_QUARANTINE)) {
            out->action = FILTER_QUARANTINE;
            snprintf(out->why, sizeof out->why, "%s", buf_str(&m->in));
            return false;
        }
        give_up(m, out, "a quarantine that it may not ask for");
        return true;
    default:
        if (changes && milter_take_change(answer, buf_slice(&m->in), m->actions, changes))
            return false;
        give_up(m, out, "an answer that makes no sense");
        return true;
    }
}

/* Sends what is in m->out, and waits for the verdict unless none comes. */
static void exchange(struct milter *m, enum milter_command step, bool answered,
                     struct filter_changes *changes, struct filter_result *out)
{
    unsigned char answer;
    stream_set_deadline(m->io, mono_ms() + m->c->timeout);
    milter_send(m->io, step, buf_slice(&m->out));
    if (!answered)
        return;
    while (hear(m, &answer, out)) {
        if (understand(m, answer, step, changes, out))
            return;
    }
}

static void send_macros(struct milter *m, enum milter_command step, const char *to)
{
    const struct milter_macros macros = {m->facts, m->id, m->from, to};
    struct buf data = {0};
    milter_add_macros(&data, step, &macros);
    milter_send(m->io, SMFIC_MACRO, buf_slice(&data));
    buf_free(&data);
}

/* --- the steps -------------------------------------------------------------------------------- */

static void add_connection(struct buf *b, const struct filter_facts *f)
{
    char host[64];
    uint16_t port = htons(netaddr_port(f->client));
    int family = f->client->sa.sa_family;
    netaddr_host(f->client, host);
    char literal[80];
    snprintf(literal, sizeof literal, "[%s]", host);
    milter_add_text(b, f->client_name ? f->client_name : literal);
    buf_add_byte(b, family == AF_UNIX ? 'L' : strchr(host, ':') ? '6' : '4');
    buf_add(b, &port, sizeof port);
    if (strchr(host, ':')) {       /* RFC 5321 4.1.3's form, as Sendmail has it */
        buf_add_str(b, "IPv6:");
    }
    milter_add_text(b, host);
}

/* The address in angle brackets and each parameter, a text each. */
static void add_path(struct buf *b, const struct milter_step *s)
{
    struct slice rest = s->parameters, word;
    buf_printf(b, "<%s>", s->address ? s->address : "");
    buf_add_byte(b, '\0');
    while (slice_word(&rest, &word)) {
        buf_add_slice(b, word);
        buf_add_byte(b, '\0');
    }
}

void milter_tell(struct milter *m, const struct milter_step *s, struct filter_result *out)
{
    enum milter_command command = steps[s->kind].command;
    if (s->kind == MILTER_MAIL) {
        if (m->listening == NOT_THIS_MESSAGE)
            m->listening = ALL;
        m->discards = false;
        m->in_message = true;
        snprintf(m->id, sizeof m->id, "%s", s->id ? s->id : "");
        free(m->from);
        m->from = s->address ? xstrdup(s->address) : NULL;
    }
    if (m->refuses_all && s->kind != MILTER_HELO) {
        out->action = FILTER_REFUSE;
        out->verdict = m->refusal;
        return;
    }
    if (m->listening != ALL || !connected(m, out) || (m->protocol & steps[s->kind].unwanted))
        return;
    buf_clear(&m->out);
    if (s->kind == MILTER_CONNECT)
        add_connection(&m->out, m->facts);
    else if (s->kind == MILTER_HELO)
        milter_add_text(&m->out, m->facts->helo);
    else if (s->kind != MILTER_DATA)
        add_path(&m->out, s);
    send_macros(m, command, s->kind == MILTER_RCPT ? s->address : NULL);
    exchange(m, command, !(m->protocol & steps[s->kind].unanswered), NULL, out);
}

void milter_abort(struct milter *m)
{
    if (m->io && m->in_message && m->listening != NOT_THIS_SESSION)
        milter_send(m->io, SMFIC_ABORT, (struct slice){0});
    if (m->listening == NOT_THIS_MESSAGE)
        m->listening = ALL;
    m->discards = m->in_message = false;
}

/* --- the message ------------------------------------------------------------------------------ */

/* May the message go on to this milter? */
static bool goes_on(const struct milter *m, const struct filter_result *out)
{
    return m->io && m->listening == ALL && out->action == FILTER_PASS;
}

/* Lines of a field go with LF between them, the space after the colon only when it was agreed. */
static void send_field(struct milter *m, struct slice field, struct filter_result *out)
{
    struct slice name;
    slice_next(&field, ':', &name);
    buf_clear(&m->out);
    buf_add_slice(&m->out, slice_trim(name));
    buf_add_byte(&m->out, '\0');
    if (!(m->protocol & SMFIP_HDR_LEADSPC) && field.n > 0 && field.p[0] == ' ')
        field = slice_sub(field, 1, field.n);
    for (size_t i = 0; i < field.n; i++) {
        if (field.p[i] != '\r')
            buf_add_byte(&m->out, field.p[i]);
    }
    while (m->out.len > 0 && m->out.data[m->out.len - 1] == '\n')
        buf_truncate(&m->out, m->out.len - 1);
    buf_add_byte(&m->out, '\0');
    exchange(m, SMFIC_HEADER, !(m->protocol & SMFIP_NR_HDR), NULL, out);
}

static void send_header(struct milter *m, struct slice header, struct filter_result *out)
{
    while (header.n > 0 && goes_on(m, out)) {
        size_t n = 0;
        do {
            ptrdiff_t lf = slice_index(slice_sub(header, n, header.n), '\n');
            n = lf < 0 ? header.n : n + (size_t)lf + 1;
        } while (n < header.n && (header.p[n] == ' ' || header.p[n] == '\t'));
        send_field(m, slice_sub(header, 0, n), out);
        header = slice_sub(header, n, header.n);
    }
}

/* SKIP: it has seen enough of the body. */
static bool send_portion(struct milter *m, struct slice portion, struct filter_result *out)
{
    unsigned char answer;
    stream_set_deadline(m->io, mono_ms() + m->c->timeout);
    milter_send(m->io, SMFIC_BODY, portion);
    if (m->protocol & SMFIP_NR_BODY)
        return true;
    while (hear(m, &answer, out)) {
        if (answer == SMFIR_SKIP && (m->protocol & SMFIP_SKIP))
            return false;
        if (understand(m, answer, SMFIC_BODY, NULL, out))
            return true;
    }
    return false;
}

static void send_body(struct milter *m, const struct filter_mail *mail, int64_t at,
                      struct filter_result *out)
{
    char *portion = xmalloc(MILTER_BODY_MAX);
    bool more = true;
    while (more && at < mail->size && goes_on(m, out)) {
        ssize_t n = mail->read(mail->arg, portion, MILTER_BODY_MAX, at);
        if (n <= 0) {
            give_up(m, out, "the message cannot be read");
            break;
        }
        more = send_portion(m, slice_of(portion, (size_t)n), out);
        at += n;
    }
    free(portion);
}

/* The header without our own field, and where the body begins. */
static bool read_header(const struct filter_mail *mail, struct buf *text, int64_t *body)
{
    buf_reserve(text, FILTER_HEADER_MAX);
    ssize_t n = mail->read(mail->arg, text->data, FILTER_HEADER_MAX, mail->trace);
    if (n < 0)
        return false;
    text->len = (size_t)n;
    ssize_t end = header_end(buf_slice(text));
    if (end < 0 && n == FILTER_HEADER_MAX)
        return false;
    size_t header = end < 0 ? (size_t)n : (size_t)end;
    *body = mail->trace + (int64_t)header;
    if (slice_starts(slice_sub(buf_slice(text), header, text->len), SLICE("\r\n")))
        *body += 2;
    buf_truncate(text, header);
    return true;
}

void milter_message(struct milter *m, const struct filter_mail *mail,
                    struct filter_changes *changes, struct filter_result *out)
{
    struct buf header = {0};
    int64_t body = 0;
    snprintf(m->id, sizeof m->id, "%s", mail->envelope->id);
    if (m->listening == ALL && connected(m, out) && !read_header(mail, &header, &body))
        filter_failed(out, "the header is too long or cannot be read");
    if (goes_on(m, out) && !(m->protocol & SMFIP_NOHDRS))
        send_header(m, buf_slice(&header), out);
    if (goes_on(m, out) && !(m->protocol & SMFIP_NOEOH)) {
        buf_clear(&m->out);
        exchange(m, SMFIC_EOH, !(m->protocol & SMFIP_NR_EOH), NULL, out);
    }
    if (goes_on(m, out) && !(m->protocol & SMFIP_NOBODY))
        send_body(m, mail, body, out);
    if (goes_on(m, out)) {
        send_macros(m, SMFIC_BODYEOB, NULL);
        buf_clear(&m->out);
        exchange(m, SMFIC_BODYEOB, true, changes, out);
    }
    if (m->discards && out->action == FILTER_PASS)
        out->action = FILTER_DISCARD;
    if (m->listening == NOT_THIS_MESSAGE)
        m->listening = ALL;
    m->discards = m->in_message = false;
    buf_free(&header);
}
