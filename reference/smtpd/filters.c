/* filters.c - the session's side of filter/: what the filters are told, and their verdict on a
 * message that has been read. */
#include "reference/smtpd/filters.h"

#include "base/event.h"
#include "reference/tls/tls.h"

#include <openssl/ssl.h>

void smtpd_filters_begin(struct session *s)
{
    s->facts = (struct filter_facts){
        .config = s->config,
        .client = &s->peer->client,
        .local = &s->peer->local,
        .service = config_service_name(s->peer->service),
        .session = s->peer->session,
    };
    s->filters = filters_new(s->config, &s->facts);
}

/* What may have changed since the last step. */
static void refresh(struct session *s)
{
    SSL *ssl = stream_is_tls(s->io) ? stream_ssl(s->io) : NULL;
    s->facts.helo = s->helo;
    s->facts.user = s->user;
    s->facts.tls_version = ssl ? SSL_get_version(ssl) : NULL;
    s->facts.cipher = ssl ? tls_cipher(ssl) : NULL;
    s->facts.cipher_bits = ssl ? SSL_get_cipher_bits(ssl, NULL) : 0;
}

bool smtpd_filters_pass(struct session *s, enum milter_step_kind step, const char *address,
                        struct slice parameters)
{
    struct verdict v;
    bool pass = true;
    if (!s->filters)
        return true;
    refresh(s);
    switch (step) {
    case MILTER_CONNECT:
        pass = filters_connect(s->filters, &v);
        break;
    case MILTER_HELO:
        pass = filters_helo(s->filters, &v);
        break;
    case MILTER_MAIL:
        pass = filters_mail(s->filters, &s->envelope, parameters, &v);
        break;
    case MILTER_RCPT:
        pass = filters_rcpt(s->filters, address, parameters, &v);
        break;
    case MILTER_DATA:
        pass = filters_data(s->filters, &v);
        break;
    }
    if (!pass)
        smtpd_answer(s, &v);
    return pass;
}

/* --- the message ------------------------------------------------------------------------------ */

/* The message that the filters look at, and the one that is being made of it. */
struct filtered {
    struct session *s;
    struct queue_writer *now, *next;
};

static ssize_t read_now(void *arg, void *p, size_t n, int64_t at)
{
    struct filtered *f = arg;
    return f->s->ctx->spool->read(f->now, p, n, at);
}

static bool begin(void *arg)
{
    struct filtered *f = arg;
    f->next = f->s->ctx->spool->again(f->now, &f->s->envelope);
    return f->next != NULL;
}

static int write_next(void *arg, const void *p, size_t n)
{
    struct filtered *f = arg;
    return f->s->ctx->spool->write(f->next, p, n);
}

static bool end(void *arg)
{
    struct filtered *f = arg;
    f->s->ctx->spool->abandon(f->now);
    f->now = f->next;
    f->next = NULL;
    return true;
}

enum filter_action smtpd_filters_message(struct session *s, struct queue_writer **w, int64_t size,
                                         int64_t trace)
{
    struct filtered f = {.s = s, .now = *w};
    struct filter_mail mail = {&s->envelope, size, trace, read_now, &f};
    const struct filter_writer writer = {begin, write_next, end, &f};
    struct verdict v;
    if (!s->filters)
        return FILTER_PASS;
    refresh(s);
    enum filter_action action = filters_message(s->filters, &mail, &writer, &v);
    if (f.next)                    /* the change was begun and could not be finished */
        s->ctx->spool->abandon(f.next);
    *w = f.now;
    if (action == FILTER_REFUSE)
        smtpd_answer(s, &v);
    return action;
}
