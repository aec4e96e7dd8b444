/* client.c - the clients of a scenario: connections to the target or to any address. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/runner/tape.h"
#include "conformance/runner/tls.h"

#include <errno.h>
#include <stdlib.h>

enum { DELIVERY_MS = 10000 };

static void tap(void *arg, char direction, struct slice bytes)
{
    struct actor *a = arg;
    run_bytes(a->run, a->name, direction, bytes);
    tape_bytes(a->run->world->tape, a->channel, direction, bytes);
}

struct actor *client_find(struct run *r, const char *name)
{
    for (size_t i = 0; i < r->actor_count; i++)
        if (strcmp(r->actors[i]->name, name) == 0)
            return r->actors[i];
    return NULL;
}

/* Where the client goes, and from where. False with a reason that is the scenario's fault. */
static bool endpoints(struct actor *a, struct netaddr *to, struct netaddr *from, bool *has_from,
                      struct buf *why)
{
    const struct client *c = a->client;
    const struct target *t = a->run->world->target;
    const char *address = c->address;
    int port = c->port;
    if (c->service) {
        const struct target_service *s = target_service(t, c->service);
        if (!s) {
            buf_printf(why, "the target has no service %s", c->service);
            return false;
        }
        address = s->address ? s->address : t->address;
        port = s->port;
        /* A client with an IPv6 source talks to the target's IPv6 address. */
        if (c->from && strchr(c->from, ':') && t->address6 && !s->address)
            address = t->address6;
    }
    /* Strangers come from 198.51.100.7; who is "as USER" sits in the trusted network. */
    const char *source = c->from ? c->from : c->user ? "203.0.113.7" : "198.51.100.7";
    if (!netaddr_parse(to, slice_str(address), (uint16_t)port)) {
        buf_printf(why, "%s is no address", address);
        return false;
    }
    *has_from = (t->lab || c->from) && netaddr_parse(from, slice_str(source), 0);
    if (*has_from && from->sa.sa_family != to->sa.sa_family)
        *has_from = netaddr_parse(from, slice_str(c->user ? "2001:db8:113::7" : "2001:db8:100::7"), 0);
    return true;
}

bool client_connect(struct actor *a, struct place at)
{
    struct run *r = a->run;
    struct netaddr to, from;
    bool has_from;
    struct buf why = {0};
    if (a->stream)
        stream_close(a->stream);
    a->stream = NULL;
    a->connect_failed = a->ended = a->greeted = false;
    if (!endpoints(a, &to, &from, &has_from, &why)) {
        run_error(r, at, "%s", buf_str(&why));
        buf_free(&why);
        return false;
    }
    char where[160], source[64] = "any address";
    netaddr_text(&to, where);
    if (has_from)
        netaddr_host(&from, source);
    int fd = world_connect(r->world, &to, has_from ? &from : NULL,
                           run_patience(r, r->scenario->patience_ms));
    int reason = fd < 0 ? errno : 0;
    a->channel = tape_connect(r->world->tape, &to, reason);
    if (fd < 0) {
        /* Reset so early that connect() itself sees it: there was a connection, and it is closed. */
        a->connect_failed = reason != ECONNRESET;
        free(a->connect_error);
        a->connect_error = xasprintf("%s: %s", where, strerror(reason));
        run_note(r, a->name, "cannot connect to %s from %s: %s", where, source, strerror(reason));
        return true;               /* "S: refused" may be what is expected */
    }
    run_note(r, a->name, "connects to %s from %s", where, source);
    a->stream = stream_new_fd(fd);
    stream_set_tap(a->stream, tap, a);
    stream_set_timeout(a->stream, r->scenario->patience_ms);
    if (a->client->tls) {
        struct step step = {.kind = STEP_HANDSHAKE, .at = at, .source = "(implicit TLS)",
                            .tls = a->client->tls_options};
        return actor_handshake(a, &step);
    }
    return true;
}

static void *background(void *arg)
{
    struct actor *a = arg;
    if (client_connect(a, a->client->at))
        run_steps(a, a->client->steps, a->client->step_count);
    if (a->stream)
        stream_flush(a->stream);
    return NULL;
}

static struct actor *new_actor(struct run *r, const struct client *c, const char *name)
{
    struct actor *a = xcalloc(1, sizeof *a);
    *a = (struct actor){.run = r, .name = name, .role = 'C', .proto = c->proto, .client = c,
                        .background = c->background, .channel = -1};
    run_lock(r);
    r->actors = xreallocarray(r->actors, r->actor_count + 1, sizeof *r->actors);
    r->actors[r->actor_count++] = a;
    run_unlock(r);
    return a;
}

void client_part(struct run *r, const struct part *part)
{
    const struct client *c = part->client;
    if (c->again) {
        struct actor *a = client_find(r, c->name);
        if (a)
            run_steps(a, c->steps, c->step_count);
        return;
    }
    for (int64_t i = 0; i < c->copies; i++) {
        struct actor *a = new_actor(r, c, c->name);
        if (!c->background) {
            if (client_connect(a, part->at))
                run_steps(a, c->steps, c->step_count);
        } else if (pthread_create(&a->thread, NULL, background, a) != 0) {
            a->joined = true;
            run_error(r, part->at, "no more threads");
        }
    }
}

/* Waits until the inbox has so many messages. */
static bool arrived(struct run *r, const struct part *part, size_t want)
{
    int64_t until = mono_ms() + run_patience(r, DELIVERY_MS);
    for (;;) {
        struct mail *v = NULL;
        size_t n = 0;
        struct buf error = {0};
        bool ok = inbox_read(r->world, part->deliver->user, &v, &n, &error);
        mailbox_free(v, n);
        if (!ok)
            run_error(r, part->at, "%s", buf_str(&error));
        buf_free(&error);
        if (!ok || n >= want)
            return ok;
        if (mono_ms() >= until) {
            run_finding(r, part->at, part->source, NULL, run_severity(r, NULL),
                        xasprintf("%zu messages in the mailbox of %s", want, part->deliver->user),
                        xasprintf("%zu", n), NULL);
            return false;
        }
        sleep_ms(10);
    }
}

void client_deliver(struct run *r, const struct part *part)
{
    bool lmtp = target_service(r->world->target, "lmtp") != NULL;
    struct client *c = arena_alloc(&r->arena, sizeof *c);
    *c = (struct client){.at = part->at, .name = "deliver", .service = lmtp ? "lmtp" : "smtp",
                         .proto = lmtp ? PROTO_LMTP : PROTO_SMTP, .copies = 1};
    struct mail *v = NULL;
    size_t before = 0;
    struct buf error = {0};
    inbox_read(r->world, part->deliver->user, &v, &before, &error);
    mailbox_free(v, before);
    buf_free(&error);
    struct actor *a = new_actor(r, c, c->name);
    for (int64_t i = 0; i < part->times && !run_stopped(r); i++)
        /* One after the other, so that their order in the mailbox is theirs. */
        if (!(a->stream || client_connect(a, part->at)) || !run_steps(a, part->deliver, 1) ||
            !arrived(r, part, before + (size_t)i + 1))
            return;
    if (a->stream)
        stream_close(a->stream);
    a->stream = NULL;
}

void client_join(struct run *r, struct actor *a)
{
    (void)r;
    if (a->background && !a->joined) {
        pthread_join(a->thread, NULL);
        a->joined = true;
    }
}
