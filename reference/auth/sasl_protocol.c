/* sasl_protocol.c - requests and answers of SASL exchanges. */
#include "reference/auth/sasl_protocol.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/protocol.h"

#include <stdlib.h>

/* ---- client's side --------------------------------------------------------------------------- */

/* ,"key":"Base64" */
static void add_octets(struct buf *b, const char *key, struct slice octets)
{
    buf_printf(b, ",\"%s\":\"", key);
    buf_add_base64(b, octets);
    buf_add_byte(b, '"');
}

static void add_text(struct buf *b, const char *key, const char *text)
{
    buf_printf(b, ",\"%s\":", key);
    buf_add_json(b, slice_str(text));
}

void sasl_write_start(struct buf *b, const struct sasl_channel *ch, const char *mechanism,
                      const struct slice *initial)
{
    buf_add_str(b, "{\"op\":\"sasl-start\"");
    add_text(b, "mechanism", mechanism);
    add_text(b, "service", ch->service);
    add_text(b, "peer", ch->peer);
    if (ch->external)
        add_text(b, "external", ch->external);
    add_octets(b, "exporter", ch->exporter);
    add_octets(b, "unique", ch->unique);
    if (initial)
        add_octets(b, "initial", *initial);
    buf_printf(b, ",\"tls\":%s}\n", ch->tls ? "true" : "false");
}

void sasl_write_step(struct buf *b, struct slice message)
{
    buf_add_str(b, "{\"op\":\"sasl-step\"");
    add_octets(b, "data", message);
    buf_add_str(b, "}\n");
}

void sasl_write_cancel(struct buf *b) { buf_add_str(b, "{\"op\":\"sasl-cancel\"}\n"); }

/* Appends the octets of a member in Base64. False when it is not there or is something else. */
static bool octets_of(const json_t *o, const char *key, struct buf *out)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text && buf_add_unbase64(out, slice_str(text));
}

enum sasl_status sasl_read_answer(struct slice line, struct buf *challenge, struct account *out)
{
    json_t *o = json_loadb(line.p ? line.p : "", line.n, 0, NULL);
    const char *status = json_string_value(json_object_get(o, "status"));
    bool more = status && strcmp(status, "continue") == 0;
    bool readable = more && octets_of(o, "data", challenge);
    json_decref(o);
    if (more) {
        *out = (struct account){.uid = -1, .gid = -1};
        return readable ? SASL_CONTINUE : SASL_TEMPFAIL;
    }
    switch (auth_read_answer(line, out)) {
    case AUTH_OK:
        return SASL_OK;
    case AUTH_NO:
        return SASL_NO;
    default:
        return SASL_TEMPFAIL;
    }
}

/* ---- server's side --------------------------------------------------------------------------- */

void sasl_connection_end(struct sasl_connection *c)
{
    sasl_exchange_free(c->exchange);
    free(c->peer);
    c->exchange = NULL;
    c->peer = NULL;
}

static void wipe(struct buf *b)
{
    if (b->cap)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

static void step(struct sasl_connection *c, const struct slice *message, struct buf *answer)
{
    struct buf challenge = {0};
    struct account account = {0};
    int64_t began = mono_ms();
    enum sasl_status status = sasl_exchange_step(c->exchange, message, &challenge, &account);
    if (status == SASL_CONTINUE) {
        buf_add_str(answer, "{\"status\":\"continue\"");
        add_octets(answer, "data", buf_slice(&challenge));
        buf_add_str(answer, "}\n");
    } else {
        enum auth_status verdict = status == SASL_OK   ? AUTH_OK
                                   : status == SASL_NO ? AUTH_NO
                                                       : AUTH_TEMPFAIL;
        auth_write_answer(answer, verdict, &account);
        if (c->verdict)
            c->verdict(c->peer, sasl_exchange_user(c->exchange), verdict, began);
        sasl_connection_end(c);
    }
    account_free(&account);
    wipe(&challenge);
}

static bool start(struct sasl_connection *c, const json_t *o, struct buf *answer)
{
    const char *mechanism = json_string_value(json_object_get(o, "mechanism"));
    const char *service = json_string_value(json_object_get(o, "service"));
    const char *peer = json_string_value(json_object_get(o, "peer"));
    struct buf exporter = {0}, unique = {0}, initial = {0};
    bool has_initial = json_object_get(o, "initial") != NULL;
    bool good = mechanism && service && peer && octets_of(o, "exporter", &exporter) &&
                octets_of(o, "unique", &unique) &&
                (!has_initial || octets_of(o, "initial", &initial));
    if (good) {
        const struct sasl_channel ch = {
            .service = service,
            .peer = peer,
            .tls = json_is_true(json_object_get(o, "tls")),
            .exporter = buf_slice(&exporter),
            .unique = buf_slice(&unique),
            .external = json_string_value(json_object_get(o, "external")),
        };
        sasl_connection_end(c);    /* an old exchange that its session forgot */
        c->exchange = sasl_exchange_new(c->server, &ch, mechanism);
        c->peer = xstrdup(peer);
        good = c->exchange != NULL;
    }
    if (good) {
        struct slice octets = buf_slice(&initial);
        step(c, has_initial ? &octets : NULL, answer);
    }
    buf_free(&exporter);
    buf_free(&unique);
    wipe(&initial);
    return good;
}

bool sasl_answer(struct sasl_connection *c, const json_t *request, struct buf *answer)
{
    const char *op = json_string_value(json_object_get(request, "op"));
    if (op && strcmp(op, "sasl-start") == 0 && c->server)
        return start(c, request, answer);
    if (op && strcmp(op, "sasl-cancel") == 0) {
        sasl_connection_end(c);
        auth_write_answer(answer, AUTH_NO, &(struct account){0});
        return true;
    }
    struct buf message = {0};
    bool good = op && strcmp(op, "sasl-step") == 0 && c->exchange &&
                octets_of(request, "data", &message);
    if (good) {
        struct slice octets = buf_slice(&message);
        step(c, &octets, answer);
    }
    wipe(&message);
    return good;
}
