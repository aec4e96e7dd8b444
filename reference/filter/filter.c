/* filter.c - a session's filters: the steps for milters, the message for all. */
#include "reference/filter/filter.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"
#include "reference/filter/milter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct filters {
    struct filter_facts *facts;
    size_t n;
    struct one {
        const struct filter_conf *conf;
        struct milter *milter;     /* NULL: of another kind */
    } v[];
};

static bool serves(const struct filter_conf *c, const char *service)
{
    for (size_t i = 0; i < c->services.n; i++) {
        if (strcmp(c->services.v[i], service) == 0)
            return true;
    }
    return false;
}

struct filters *filters_new(const struct config *c, struct filter_facts *facts)
{
    if (c->filter_count == 0)
        return NULL;
    struct filters *f = xcalloc(1, sizeof *f + c->filter_count * sizeof *f->v);
    f->facts = facts;
    for (size_t i = 0; i < c->filter_count; i++) {
        const struct filter_conf *conf = &c->filters[i];
        if (!serves(conf, facts->service))
            continue;
        f->v[f->n].conf = conf;
        if (conf->kind == FILTER_MILTER)
            f->v[f->n].milter = milter_new(conf, facts);
        f->n++;
    }
    return f;
}

void filters_free(struct filters *f)
{
    for (size_t i = 0; f && i < f->n; i++)
        milter_free(f->v[i].milter);
    free(f);
}

/* --- what one filter's answer comes to -------------------------------------------------------- */

void filter_failed(struct filter_result *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out->why, sizeof out->why, fmt, ap);
    va_end(ap);
    out->action = FILTER_FAILED;
}

static void report(const struct filters *f, const struct filter_conf *c, const char *id,
                   const struct filter_result *r, const char *step)
{
    static const char *const names[] = {"pass", "refuse", "discard", "quarantine", "failed"};
    static const char *const choices[] = {"accept", "defer", "reject"};
    event("filter.verdict", EV_INT("session", (int64_t)f->facts->session), EV_STR("id", id),
          EV_STR("filter", c->name), EV_STR("step", step), EV_STR("verdict", names[r->action]),
          EV_STR("reply", r->action == FILTER_REFUSE ? r->verdict.text : NULL),
          EV_STR("why", r->why[0] ? r->why : NULL),
          EV_STR("on_failure", r->action == FILTER_FAILED ? choices[c->on_failure] : NULL));
}

/* A filter that failed becomes what its on-failure says. */
static void settle(const struct filter_conf *c, struct filter_result *r)
{
    if (r->action != FILTER_FAILED)
        return;
    r->action = c->on_failure == ON_FAILURE_ACCEPT ? FILTER_PASS : FILTER_REFUSE;
    if (c->on_failure == ON_FAILURE_REJECT)
        verdict_set(&r->verdict, 554, "5.3.0", "filter-failed", "RFC 5321 4.2.1",
                    "the filter %s cannot look at mail", c->name);
    else
        verdict_set(&r->verdict, 451, "4.3.0", "filter-failed", "RFC 5321 4.2.1",
                    "the filter %s cannot look at mail now, try later", c->name);
}

/* --- the steps -------------------------------------------------------------------------------- */

/* Tells every milter. */
static bool tell(struct filters *f, const struct milter_step *step, struct verdict *v)
{
    for (size_t i = 0; f && i < f->n; i++) {
        struct filter_result r = {FILTER_PASS, {0}, ""};
        if (!f->v[i].milter)
            continue;
        milter_tell(f->v[i].milter, step, &r);
        if (r.action != FILTER_PASS)
            report(f, f->v[i].conf, NULL, &r, milter_step_name(step->kind));
        settle(f->v[i].conf, &r);
        if (r.action == FILTER_REFUSE) {
            *v = r.verdict;
            return false;
        }
    }
    return true;
}

bool filters_connect(struct filters *f, struct verdict *v)
{
    return tell(f, &(struct milter_step){.kind = MILTER_CONNECT}, v);
}

bool filters_helo(struct filters *f, struct verdict *v)
{
    return tell(f, &(struct milter_step){.kind = MILTER_HELO}, v);
}

bool filters_mail(struct filters *f, const struct envelope *e, struct slice parameters,
                  struct verdict *v)
{
    return tell(f, &(struct milter_step){MILTER_MAIL, e->id, e->reverse_path, parameters}, v);
}

bool filters_rcpt(struct filters *f, const char *address, struct slice parameters,
                  struct verdict *v)
{
    return tell(f, &(struct milter_step){MILTER_RCPT, NULL, address, parameters}, v);
}

bool filters_data(struct filters *f, struct verdict *v)
{
    return tell(f, &(struct milter_step){.kind = MILTER_DATA}, v);
}

void filters_abort(struct filters *f)
{
    for (size_t i = 0; f && i < f->n; i++) {
        if (f->v[i].milter)
            milter_abort(f->v[i].milter);
    }
}

/* --- the message ------------------------------------------------------------------------------ */

enum { PORTION = 64 * 1024 };

struct stream *filter_connect(const struct filter_conf *c, struct filter_result *out)
{
    int fd = net_connect(&c->address, NULL, c->timeout);
    if (fd < 0) {
        char address[160];
        netaddr_text(&c->address, address);
        filter_failed(out, "%s: %s", address, strerror(errno));
        return NULL;
    }
    struct stream *io = stream_new_fd(fd);
    stream_set_deadline(io, mono_ms() + c->timeout);
    return io;
}

bool filter_send_mail(struct stream *io, const struct filter_mail *mail, bool framed,
                      struct filter_result *out)
{
    char *portion = xmalloc(PORTION);
    int64_t at = 0;
    enum io w = IO_OK;
    while (at < mail->size && w == IO_OK) {
        ssize_t n = mail->read(mail->arg, portion, PORTION, at);
        if (n <= 0) {
            filter_failed(out, "the message cannot be read: %s", n < 0 ? strerror(errno) : "cut off");
            break;
        }
        const uint32_t length = htonl((uint32_t)n);
        if (framed)
            stream_write(io, &length, sizeof length);
        w = stream_write(io, portion, (size_t)n);
        at += n;
    }
    free(portion);
    if (w != IO_OK)
        filter_failed(out, "it does not take the message: %s",
                      w == IO_TIMEOUT ? "time-out" : stream_error(io));
    return out->action != FILTER_FAILED;
}

/* Writes, and counts. */
struct counted { const struct filter_writer *w; int64_t size; };

static int write_counted(void *arg, const void *p, size_t n)
{
    struct counted *c = arg;
    c->size += (int64_t)n;
    return c->w->write(c->w->arg, p, n);
}

/* Copies from offset `at` of the old message to the new one. */
static bool copy_rest(const struct filter_mail *mail, struct counted *w, int64_t at)
{
    char *portion = xmalloc(PORTION);
    ssize_t n = 0;
    while (at < mail->size && (n = mail->read(mail->arg, portion, PORTION, at)) > 0 &&
           write_counted(w, portion, (size_t)n) == 0)
        at += n;
    if (n == 0 && at < mail->size)
        errno = EIO;
    free(portion);
    return at == mail->size;
}

/* The first octets of the message, its whole header. False: it is too long. */
static bool read_header(const struct filter_mail *mail, struct buf *text, size_t *end)
{
    ssize_t n, found = -1;
    while (found < 0 && text->len < FILTER_HEADER_MAX) {
        buf_reserve(text, PORTION);
        n = mail->read(mail->arg, text->data + text->len, PORTION, (int64_t)text->len);
        if (n < 0)
            return false;
        text->len += (size_t)n;
        found = header_end(buf_slice(text));
        if (n == 0 && found < 0)
            found = (ssize_t)text->len;
    }
    *end = (size_t)found;
    if (found < 0)
        errno = EMSGSIZE;
    return found >= 0;
}

static bool write_body(struct filter_changes *c, const struct filter_mail *mail, struct counted *w,
                       size_t end)
{
    if (!c->body_replaced)
        return copy_rest(mail, w, (int64_t)end);
    return write_counted(w, "\r\n", 2) == 0 && spill_copy(&c->body, write_counted, w) == 0;
}

/* Makes the message anew with the changes. False with errno. */
static bool make_changes(struct filter_changes *c, struct filter_mail *mail,
                         const struct filter_writer *w)
{
    struct buf text = {0}, header = {0};
    struct counted counted = {w, 0};
    size_t end;
    if (!changes_end_text(c))
        return false;
    if (c->message_replaced) {
        mail->trace = 0;           /* ours is somewhere in it */
        mail->size = c->body.size;
        return w->begin(w->arg) && spill_copy(&c->body, w->write, w->arg) == 0 && w->end(w->arg);
    }
    bool good = read_header(mail, &text, &end);
    if (good) {
        mail->trace = (int64_t)changes_apply_header(c, slice_of(text.data, end),
                                                    (size_t)mail->trace, &header);
        changes_apply_envelope(c, mail->envelope);
        good = w->begin(w->arg) && write_counted(&counted, header.data, header.len) == 0 &&
               write_body(c, mail, &counted, end) && w->end(w->arg);
    }
    mail->size = counted.size;
    buf_free(&text);
    buf_free(&header);
    return good;
}

static void ask(struct one *o, const struct filter_facts *facts, const struct filter_mail *mail,
                struct filter_changes *changes, struct filter_result *r)
{
    switch (o->conf->kind) {
    case FILTER_SPAMD:
        spamd_ask(o->conf, facts, mail, changes, r);
        break;
    case FILTER_CLAMD:
        clamd_ask(o->conf, facts, mail, changes, r);
        break;
    case FILTER_MILTER:
        milter_message(o->milter, mail, changes, r);
        break;
    }
}

/* Whoever changes what the sender wrote says so, in the log and to the reader: a signature or a seal
 * over it is broken now (RFC 8551, RFC 3156). */
static void tell_of_body(const struct filter_conf *c, struct filter_changes *changes,
                         struct filter_result *r)
{
    size_t n = strlen(r->why);
    if (changes->body_replaced || changes->message_replaced)
        snprintf(r->why + n, sizeof r->why - n, "%sit gives the %s anew", n ? "; " : "",
                 changes->body_replaced ? "body" : "message");
    if (changes->body_replaced)
        changes_add(changes, CHANGE_ADD, 0, SLICE("X-Body-Changed-By"), slice_str(c->name));
}

enum filter_action filters_message(struct filters *f, struct filter_mail *mail,
                                   const struct filter_writer *writer, struct verdict *v)
{
    enum filter_action action = FILTER_PASS;
    for (size_t i = 0; f && i < f->n; i++) {
        struct filter_result r = {FILTER_PASS, {0}, ""};
        struct filter_changes changes;
        changes_init(&changes, f->facts->config->spool);
        ask(&f->v[i], f->facts, mail, &changes, &r);
        if (r.action != FILTER_FAILED)
            tell_of_body(f->v[i].conf, &changes, &r);
        report(f, f->v[i].conf, mail->envelope->id, &r, "message");
        settle(f->v[i].conf, &r);
        bool keep = r.action == FILTER_PASS || r.action == FILTER_QUARANTINE;
        if (keep && changes_any(&changes) && !make_changes(&changes, mail, writer)) {
            r.action = FILTER_REFUSE;
            verdict_set(&r.verdict, 451, "4.3.0", "filter-changes", "RFC 5321 4.2.1",
                        "what %s wants changed cannot be changed: %s", f->v[i].conf->name,
                        strerror(errno));
        }
        changes_free(&changes);
        if (r.action == FILTER_REFUSE)
            *v = r.verdict;
        /* A message that is held is still looked at by the rest: a virus in it is refused. */
        if (r.action == FILTER_QUARANTINE)
            action = FILTER_QUARANTINE;
        else if (r.action != FILTER_PASS)
            return r.action;
    }
    return action;
}
