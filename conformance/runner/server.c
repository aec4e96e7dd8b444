/* server.c - the scripted servers: listening, a thread a connection, which reaction is due. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "conformance/runner/filter.h"
#include "conformance/runner/replay.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static void tap(void *arg, char direction, struct slice bytes)
{
    struct actor *a = arg;
    run_bytes(a->run, a->name, direction, bytes);
    tape_bytes(a->run->world->tape, a->channel, direction, bytes);
    if (direction != '<')
        return;
    run_lock(a->run);
    if (a->connection->input.len < MESSAGE_MAX)
        buf_add_slice(&a->connection->input, bytes);
    run_unlock(a->run);
}

struct server_state *server_find(struct run *r, const char *name)
{
    for (size_t i = 0; i < r->server_count; i++)
        if (strcmp(r->servers[i]->def->name, name) == 0)
            return r->servers[i];
    return NULL;
}

void server_rule(struct server_state *s, const struct rule *rule)
{
    struct live_rule live = {rule, xcalloc(rule->reaction_count + 1, sizeof(int64_t)), false};
    run_lock(s->run);
    s->rules = xreallocarray(s->rules, s->rule_count + 1, sizeof *s->rules);
    memmove(s->rules + 1, s->rules, s->rule_count * sizeof *s->rules);
    s->rules[0] = live;
    s->rule_count++;
    run_unlock(s->run);
}

const struct reaction *server_react(struct server_state *s, const char *event,
                                    struct slice argument)
{
    const struct reaction *found = NULL;
    run_lock(s->run);
    for (size_t i = 0; i < s->rule_count && !found; i++) {
        struct live_rule *live = &s->rules[i];
        const struct rule *rule = live->rule;
        bool named = strcmp(rule->event, event) == 0 ||
                     (strcmp(rule->event, "any") == 0 && strcmp(event, "connect") != 0 &&
                      strcmp(event, "message") != 0);
        if (!named || (rule->argument && !pattern_match(rule->argument, argument, &s->run->env)))
            continue;
        live->touched = true;
        for (size_t k = 0; k < rule->reaction_count && !found; k++)
            if (rule->reactions[k].times == 0 || live->used[k] < rule->reactions[k].times) {
                live->used[k]++;
                found = &rule->reactions[k];
            }
        break;                     /* its counted reactions are used up: the default */
    }
    run_unlock(s->run);
    return found;
}

/* The exact dialogue for a connection, or NULL. */
static const struct script *script_for(struct server_state *s, int number, size_t *which)
{
    const struct script *any = NULL;
    for (size_t i = 0; i < s->def->script_count; i++) {
        const struct script *script = &s->def->scripts[i];
        if (script->connection == number) {
            *which = i;
            return script;
        }
        if (script->connection == 0 && !any) {
            *which = i;
            any = script;
        }
    }
    return any;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct server_state *s = c->server;
    struct actor a = {.run = s->run, .name = s->def->name, .role = 'S', .proto = s->def->proto,
                      .stream = c->stream, .connection = c, .server = s->def,
                      .channel = c->channel};
    stream_set_tap(c->stream, tap, &a);
    stream_set_timeout(c->stream, run_limit(s->run, s->run->scenario->timeout_ms));
    struct filter filter = {.proto = s->def->proto, .stream = c->stream};
    if (proto_is_filter(s->def->proto))
        a.filter = &filter;
    bool ok = true;
    if (s->def->tls) {
        struct step step = {.kind = STEP_HANDSHAKE, .at = s->def->at, .source = "(implicit TLS)",
                            .tls = s->def->tls_options};
        step.tls.noted = true;
        ok = actor_handshake(&a, &step);
    }
    size_t which = 0;
    const struct script *script = script_for(s, c->number, &which);
    if (ok && script) {
        bool done = run_steps(&a, script->steps, script->step_count);
        run_lock(s->run);
        s->script_done[which] |= done;
        pthread_cond_broadcast(&s->run->changed);
        run_unlock(s->run);
    } else if (ok && a.filter) {
        filter_serve(&a);
    } else if (ok) {
        smtp_serve(&a);
    }
    if (a.filter)
        filter_free(a.filter);
    run_lock(s->run);
    struct stream *stream = c->stream;     /* NULL when the steps closed it */
    c->stream = NULL;
    run_unlock(s->run);
    if (stream)
        run_note(s->run, s->def->name, "connection %d: ends", c->number);
    stream_close(stream);
    tape_over(s->run->world->tape, c->channel);
    buf_free(&a.keywords);
    buf_free(&a.greeting);
    run_lock(s->run);
    c->finished = true;
    pthread_cond_broadcast(&s->run->changed);
    run_unlock(s->run);
    return NULL;
}

/* Recorded; or, in a replay, as early or late as it was then. */
static void put_on_tape(struct server_state *s, struct connection *c)
{
    struct netaddr at;
    struct world_up *w = s->run->world;
    c->channel = -1;
    if (!netaddr_parse(&at, slice_str(s->def->address), (uint16_t)s->def->port))
        return;
    c->channel = tape_accept(w->tape, &at);
    if (w->replay)
        c->us = replay_accepted(w->replay, &at, c->number);
}

static void accept_one(struct server_state *s)
{
    struct netaddr peer = {.len = sizeof(struct sockaddr_in6)};
    int fd = accept4(s->fd, &peer.sa, &peer.len, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (s->connection_count >= CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    char host[64];
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);    /* what is written leaves at once */
    netaddr_host(&peer, host);
    struct connection *c = xcalloc(1, sizeof *c);
    *c = (struct connection){.server = s, .us = mono_us() - s->run->start_us,
                             .stream = stream_new_fd(fd)};
    run_lock(s->run);
    s->connections = xreallocarray(s->connections, s->connection_count + 1, sizeof *s->connections);
    s->connections[s->connection_count++] = c;
    c->number = (int)s->connection_count;
    run_unlock(s->run);
    put_on_tape(s, c);
    run_note(s->run, s->def->name, "connection %d from %s", c->number, host);
    if (pthread_create(&c->thread, NULL, serve, c) != 0) {
        run_lock(s->run);
        s->connection_count--;
        run_unlock(s->run);
        stream_close(c->stream);
        free(c);
        run_error(s->run, s->def->at, "no more threads");
        return;
    }
    run_lock(s->run);
    pthread_cond_broadcast(&s->run->changed);
    run_unlock(s->run);
}

static void *accept_all(void *arg)
{
    struct server_state *s = arg;
    struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake[0], .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (fds[0].revents & POLLIN)
            accept_one(s);
    }
}

bool server_start(struct run *r, struct server_state *s)
{
    struct netaddr at;
    if (s->accepting)
        return true;
    if (!netaddr_parse(&at, slice_str(s->def->address), (uint16_t)s->def->port) ||
        (s->fd = world_listen(r->world, &at)) < 0) {
        run_error(r, s->def->at, "%s cannot listen at %s:%d: %s", s->def->name, s->def->address,
                  s->def->port, strerror(errno));
        return false;
    }
    if (pipe2(s->wake, O_CLOEXEC) < 0 || pthread_create(&s->thread, NULL, accept_all, s) != 0) {
        run_error(r, s->def->at, "%s: %s", s->def->name, strerror(errno));
        return false;
    }
    s->accepting = true;
    return true;
}

void server_stop(struct server_state *s)
{
    if (!s->accepting)
        return;
    close(s->wake[1]);
    pthread_join(s->thread, NULL);
    close(s->wake[0]);
    close(s->fd);
    s->fd = -1;
    s->accepting = false;
}

void server_part(struct run *r, const struct server *def)
{
    struct server_state *s = xcalloc(1, sizeof *s);
    *s = (struct server_state){.run = r, .def = def, .fd = -1};
    s->script_done = xcalloc(def->script_count + 1, sizeof *s->script_done);
    for (size_t i = def->rule_count; i-- > 0;)     /* the last added is looked at first */
        server_rule(s, &def->rules[i]);
    run_lock(r);
    r->servers = xreallocarray(r->servers, r->server_count + 1, sizeof *r->servers);
    r->servers[r->server_count++] = s;
    run_unlock(r);
    if (!def->stopped)
        server_start(r, s);
}

static void free_server(struct server_state *s)
{
    for (size_t i = 0; i < s->connection_count; i++) {
        struct connection *c = s->connections[i];
        buf_free(&c->input);
        for (size_t k = 0; k < c->commands.n; k++)
            free(c->commands.v[k]);
        free(c->commands.v);
        free(c);
    }
    for (size_t i = 0; i < s->message_count; i++) {
        struct received *m = &s->messages[i];
        for (size_t k = 0; k < m->to_count; k++)
            free(m->to[k]);
        free(m->to);
        free(m->from);
        free(m->parameters);
        free(m->bytes);
    }
    for (size_t i = 0; i < s->rule_count; i++)
        free(s->rules[i].used);
    free(s->rules);
    free(s->messages);
    free(s->connections);
    free(s->script_done);
    free(s);
}

void servers_end(struct run *r)
{
    for (size_t i = 0; i < r->server_count; i++) {
        struct server_state *s = r->servers[i];
        server_stop(s);
        run_lock(r);
        for (size_t k = 0; k < s->connection_count; k++)
            if (s->connections[k]->stream)
                stream_interrupt(s->connections[k]->stream);
        run_unlock(r);
        for (size_t k = 0; k < s->connection_count; k++)
            pthread_join(s->connections[k]->thread, NULL);
    }
    for (size_t i = 0; i < r->server_count; i++)
        free_server(r->servers[i]);
    free(r->servers);
    r->servers = NULL;
    r->server_count = 0;
}
