/* engine.c - one scenario from its first part to its last. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "conformance/runner/replay.h"
#include "base/timing.h"

#include <stdlib.h>

static void count_barriers(struct run *r, const struct step *steps, size_t n, int64_t copies);

static void add_barrier(struct run *r, const char *name, int parties)
{
    for (size_t i = 0; i < r->barrier_count; i++)
        if (strcmp(r->barriers[i].name, name) == 0) {
            r->barriers[i].parties += parties;
            return;
        }
    if (r->barrier_count < sizeof r->barriers / sizeof *r->barriers) {
        r->barriers[r->barrier_count].name = name;
        r->barriers[r->barrier_count++].parties = parties;
    }
}

static void count_barriers(struct run *r, const struct step *steps, size_t n, int64_t copies)
{
    for (size_t i = 0; i < n; i++) {
        if (steps[i].kind == STEP_BARRIER)
            add_barrier(r, steps[i].name, (int)copies);
        count_barriers(r, steps[i].body, steps[i].body_count, copies);
    }
}

void run_init(struct run *r, const struct scenario *s, struct world_up *w,
              const struct catalogue *c)
{
    *r = (struct run){.scenario = s, .world = w, .catalogue = c, .start_us = mono_us(),
                      .start_wall_us = wall_us(), .deadline_ms = mono_ms() + s->timeout_ms};
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < s->part_count; i++) {
        const struct part *p = &s->parts[i];
        if (p->kind == PART_CLIENT)
            count_barriers(r, p->client->steps, p->client->step_count, p->client->copies);
        if (p->kind == PART_SERVER)
            for (size_t k = 0; k < p->server->script_count; k++)
                count_barriers(r, p->server->scripts[k].steps, p->server->scripts[k].step_count, 1);
    }
}

static void host_part(struct run *r, const struct part *p)
{
    static const enum lab_state states[] = {LAB_UP, LAB_DOWN, LAB_SILENT, LAB_UNREACHABLE,
                                            LAB_SLOW};
    struct buf error = {0};
    run_note(r, "host", "%s is now %s", p->host, lab_state_name(states[p->host_state]));
    if (r->world->replay)
        return;
    if (!r->world->lab || !lab_set_state(r->world->lab, p->host, states[p->host_state], p->host_ms,
                                         &error))
        run_error(r, p->at, "%s", error.len ? buf_str(&error) : "hosts need the lab");
    buf_free(&error);
}

static void target_part(struct run *r, const struct part *p)
{
    static const char *const words[] = {"restart", "stop", "start", "kill", "reload", "flush", "runs"};
    const char *script = p->script ? p->script : "";
    struct buf error = {0};
    run_note(r, "target", "%s %s", words[p->target_action], script);
    r->dirty = true;
    if (!r->world->replay && !world_action(r->world, p->target_action, script, &error))
        run_error(r, p->at, "target %s %s: %s", words[p->target_action], script, buf_str(&error));
    buf_free(&error);
}

static void dns_part(struct run *r, const struct part *p)
{
    struct buf error = {0};
    bool ok = true;
    if (r->world->replay)
        ;                          /* what the target made of it is on the tape */
    else if (p->kind == PART_ZONE)
        ok = world_zone(r->world, p->zone, &error);
    else
        ok = world_dns(r->world, p->dns, &error);
    run_note(r, "dns", "%s", p->source);
    if (!ok)
        run_error(r, p->at, "%s", buf_str(&error));
    buf_free(&error);
}

/* Between the parts a recording and its replay keep in step. */
static void next_part(struct run *r)
{
    tape_part(r->world->tape);
    if (r->world->replay && !run_stopped(r))
        replay_part(r->world->replay);
}

static void run_part(struct run *r, const struct part *p)
{
    struct server_state *server = p->server ? server_find(r, p->server->name) : NULL;
    switch (p->kind) {
    case PART_ZONE:
    case PART_DNS:
        dns_part(r, p);
        break;
    case PART_SERVER:
        server_part(r, p->server);
        break;
    case PART_CLIENT:
        client_part(r, p);
        break;
    case PART_CHECK:
        check_part(r, p);
        break;
    case PART_HOST:
        host_part(r, p);
        break;
    case PART_TARGET:
        target_part(r, p);
        break;
    case PART_JOIN:
        for (size_t i = 0; i < r->actor_count; i++)
            if (r->actors[i]->client == p->client)
                client_join(r, r->actors[i]);
        break;
    case PART_START:
        run_note(r, server->def->name, "listens");
        server_start(r, server);
        break;
    case PART_STOP:
        run_note(r, server->def->name, "listens no more");
        server_stop(server);
        break;
    case PART_RULE:
        server_rule(server, p->rule);
        break;
    case PART_DELIVER:
        client_deliver(r, p);
        break;
    }
}

/* What happens behind the last line: background clients end, connections are closed, dialogues are
 * waited for. */
static void settle(struct run *r)
{
    for (size_t i = 0; i < r->actor_count; i++) {
        if (r->stop && r->actors[i]->background && !r->actors[i]->joined && r->actors[i]->stream)
            stream_interrupt(r->actors[i]->stream);
        client_join(r, r->actors[i]);
    }
    for (size_t i = 0; i < r->actor_count; i++) {
        stream_close(r->actors[i]->stream);
        r->actors[i]->stream = NULL;
    }
    int64_t until = mono_ms() + run_limit(r, r->scenario->patience_ms);
    for (size_t i = 0; i < r->server_count && !run_stopped(r); i++) {
        struct server_state *s = r->servers[i];
        for (size_t k = 0; k < s->def->script_count && !run_stopped(r); k++) {
            bool done = false;
            while (!done && mono_ms() < until && !run_stopped(r)) {
                run_lock(r);
                done = s->script_done[k];
                run_unlock(r);
                if (!done)
                    sleep_ms(5);
            }
            if (!done && !run_stopped(r))
                run_finding(r, s->def->at, s->def->name, NULL, run_severity(r, NULL),
                            xasprintf("the dialogue with %s comes to its end", s->def->name),
                            xasprintf("%zu connections, and it did not", s->connection_count),
                            NULL);
        }
    }
}

void run_scenario(struct run *r)
{
    const struct scenario *s = r->scenario;
    if (r->world->lab)
        r->dns_since = world_last_query(r->world);
    for (size_t i = 0; i < s->part_count && !run_stopped(r); i++) {
        if (mono_ms() >= r->deadline_ms) {
            run_finding(r, s->parts[i].at, s->parts[i].source, NULL, run_severity(r, NULL),
                        xasprintf("the scenario within %lld ms", (long long)s->timeout_ms),
                        xstrdup("it is not at its end"), NULL);
            break;
        }
        next_part(r);
        run_part(r, &s->parts[i]);
    }
    next_part(r);
    settle(r);
    next_part(r);
    run_lock(r);
    run_read_queries(r);
    run_unlock(r);
    tape_queries(r->world->tape, r->queries, r->query_count, r->start_wall_us);
    if (!run_stopped(r))
        check_leftovers(r);
    servers_end(r);
}

void run_free(struct run *r)
{
    for (size_t i = 0; i < r->actor_count; i++) {
        struct actor *a = r->actors[i];
        buf_free(&a->keywords);
        buf_free(&a->greeting);
        for (size_t k = 0; k < a->untagged_count; k++)
            buf_free(&a->untagged[k]);
        free(a->untagged);
        free(a->connect_error);
        free(a);
    }
    free(r->actors);
    for (size_t i = 0; i < r->entry_count; i++)
        free(r->entries[i].bytes);
    free(r->entries);
    for (size_t i = 0; i < r->finding_count; i++) {
        free(r->findings[i].expected);
        free(r->findings[i].came);
        free(r->findings[i].nearest);
    }
    free(r->findings);
    free(r->error);
    env_free(&r->env);
    arena_free(&r->arena);
    queries_free(r->queries, r->query_count);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}
