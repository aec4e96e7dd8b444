/* sasl_dialogue.c - an exchange as lines of Base64 (RFC 4954 4, RFC 5034 4). */
#include "reference/auth/sasl.h"

#include "base/base64.h"
#include "base/mem.h"

#include <stdlib.h>

struct dialogue {
    struct stream *io;
    const struct sasl_backend *backend;
    const char *prompt;
    struct buf line;       /* of the client */
    struct buf message;    /* the same, decoded */
    struct buf challenge;
};

static void wipe(struct buf *b)
{
    if (b->cap)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

static void send_challenge(struct dialogue *d)
{
    struct buf text = {0};
    buf_add_base64(&text, buf_slice(&d->challenge));
    stream_printf(d->io, "%s%s\r\n", d->prompt, buf_str(&text));
    wipe(&text);
    buf_clear(&d->challenge);
}

/* The client's next message into d->message, or why there is none. */
static enum sasl_outcome read_response(struct dialogue *d)
{
    enum line_end end = LINE_CRLF;
    buf_clear(&d->line);
    buf_clear(&d->message);
    switch (stream_read_line(d->io, &d->line, SASL_LINE_MAX, &end)) {
    case IO_OK:
        break;
    case IO_TOO_LONG:
        return SASL_LINE_TOO_LONG;
    default:
        return SASL_LOST;
    }
    if (end == LINE_CRLF && slice_eq_str(buf_slice(&d->line), "*"))
        return SASL_CANCELLED;
    if (end != LINE_CRLF || !buf_add_unbase64(&d->message, buf_slice(&d->line)))
        return SASL_NOT_BASE64;
    return SASL_ACCEPTED;
}

static enum sasl_outcome run(struct dialogue *d, enum sasl_status status, struct account *out)
{
    while (status == SASL_CONTINUE) {
        send_challenge(d);
        enum sasl_outcome read = read_response(d);
        if (read != SASL_ACCEPTED) {
            d->backend->cancel(d->backend->arg);
            return read;
        }
        account_free(out);
        status = d->backend->step(d->backend->arg, buf_slice(&d->message), &d->challenge, out);
    }
    return status == SASL_OK   ? SASL_ACCEPTED
           : status == SASL_NO ? SASL_REFUSED
                               : SASL_UNAVAILABLE;
}

enum sasl_outcome sasl_dialogue(struct stream *io, const struct config *c,
                                const struct sasl_channel *ch, const struct sasl_backend *b,
                                struct slice argument, const char *prompt, struct account *out)
{
    struct dialogue d = {.io = io, .backend = b, .prompt = prompt};
    ptrdiff_t space = slice_index(argument, ' ');
    struct slice name = slice_sub(argument, 0, space < 0 ? argument.n : (size_t)space);
    struct slice initial = slice_sub(argument, name.n + 1, argument.n);
    *out = (struct account){.uid = -1, .gid = -1};
    if (!sasl_offered(c, ch, name))
        return SASL_NOT_OFFERED;
    /* "=" is the initial response without octets; an empty one cannot be written otherwise. */
    bool empty = slice_eq_str(initial, "=");
    if (space >= 0 && !sasl_client_first(name))
        return SASL_SERVER_FIRST;
    if (space >= 0 && (initial.n == 0 || (!empty && !buf_add_unbase64(&d.message, initial)))) {
        wipe(&d.message);
        return SASL_NOT_BASE64;
    }
    buf_reserve(&d.line, SASL_LINE_MAX + 1);     /* no copies are left behind by growing */
    struct slice octets = buf_slice(&d.message);
    char *mechanism = slice_dup(name);
    enum sasl_status status = b->begin(b->arg, ch, mechanism, space >= 0 ? &octets : NULL,
                                       &d.challenge, out);
    enum sasl_outcome outcome = run(&d, status, out);
    free(mechanism);
    wipe(&d.line);
    wipe(&d.message);
    wipe(&d.challenge);
    stream_wipe(io);
    stack_wipe();
    return outcome;
}
