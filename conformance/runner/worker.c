/* worker.c - one lab, one target in it, one scenario after the other. */
#include "conformance/runner/pool.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/runner/files.h"
#include "conformance/runner/probe.h"
#include "conformance/runner/selftest.h"
#include "conformance/runner/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct worker_state {
    const struct pool_conf *conf;
    struct world_up world;
    bool up, dirty, forgave;
    char *failed_profile;          /* its world could not be started: not tried again */
    char *failure;
};

/* Every address that any scenario of the selection speaks of, and those of the world. */
static void all_addresses(const struct pool_conf *conf, struct arena *a, struct ids *out)
{
    static const char *const fixed[] = {"198.51.100.7", "203.0.113.7", "2001:db8:100::7",
                                        "2001:db8:113::7"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        ids_add(a, out, fixed[i]);
    ids_add(a, out, conf->target->address);
    if (conf->target->address6)
        ids_add(a, out, conf->target->address6);
    for (size_t i = 0; i < conf->target->service_count; i++)
        if (conf->target->services[i].address)
            ids_add(a, out, conf->target->services[i].address);
    for (size_t i = 0; i < conf->count; i++)
        for (size_t k = 0; k < conf->scenarios[i]->part_count; k++) {
            const struct part *p = &conf->scenarios[i]->parts[k];
            if (p->kind == PART_SERVER)
                ids_add(a, out, p->server->address);
            if (p->kind == PART_HOST)
                ids_add(a, out, p->host);
            if (p->kind == PART_CLIENT && p->client->from)
                ids_add(a, out, p->client->from);
        }
}

static bool start(struct worker_state *w, const char *profile, struct buf *error)
{
    struct arena a = {0};
    struct ids addresses = {0};
    all_addresses(w->conf, &a, &addresses);
    bool ok = world_start(&w->world, w->conf->target, profile, &addresses, error);
    arena_free(&a);
    return ok;
}

/* The world of this profile, up and clean. */
static bool ready(struct worker_state *w, const char *profile, struct buf *error)
{
    if (w->up && strcmp(w->world.profile, profile) != 0) {
        world_stop(&w->world);
        w->up = false;
    }
    if (w->failed_profile && strcmp(w->failed_profile, profile) == 0) {
        buf_add_str(error, w->failure);
        return false;
    }
    if (w->up && (w->dirty || w->world.stopped || !world_target_running(&w->world))) {
        w->world.stopped = false;
        w->up = world_reset(&w->world, error);
        if (!w->up)
            world_stop(&w->world);
    }
    /* A machine with too much to do may fail once. */
    for (int i = 0; !w->up && i < (w->conf->target->lab ? 2 : 1); i++) {
        buf_clear(error);
        w->up = start(w, profile, error);
    }
    w->dirty = false;
    if (!w->up) {
        free(w->failed_profile);
        free(w->failure);
        w->failed_profile = xstrdup(profile);
        w->failure = xstrdup(buf_str(error));
    }
    return w->up;
}

/* Hosts, zones and faults as they were. */
static void clean(struct worker_state *w, const struct scenario *s)
{
    struct buf ignored = {0};
    for (size_t i = 0; w->world.lab && i < s->part_count; i++)
        if (s->parts[i].kind == PART_HOST)
            lab_set_state(w->world.lab, s->parts[i].host, LAB_UP, 0, &ignored);
    world_clean_dns(&w->world, s);
    buf_free(&ignored);
}

/* What is left of a run, for whoever wants to look closer. */
static void keep_artefacts(struct worker_state *w, const struct run *r, const json_t *result)
{
    enum verdict v = result_verdict(result);
    if (!w->conf->artefacts || ((v == V_PASS || v == V_INFO) && !w->conf->keep_all))
        return;
    char *folder = xasprintf("%s/%s/%s", w->conf->artefacts, w->conf->target->name,
                             r->scenario->id);
    for (char *p = folder; *p; p++)
        if (*p == '#')
            *p = '/';
    if (make_folders(folder) == 0) {
        char *path = xasprintf("%s/transcript.txt", folder);
        write_file(path, slice_str(json_text(result, "transcript")));
        free(path);
        path = xasprintf("%s/result.json", folder);
        json_dump_file(result, path, JSON_INDENT(1));
        free(path);
        if (w->world.lab) {
            struct buf log = {0};
            char *from = xasprintf("%s/target.log", lab_dir(w->world.lab));
            path = xasprintf("%s/target.log", folder);
            if (buf_read_file(&log, from, 64 << 20) == 0)
                write_file(path, buf_slice(&log));
            free(from);
            free(path);
            buf_free(&log);
        }
    }
    free(folder);
}

/* Versions are known only when the target is up. */
static bool version_fits(const struct worker_state *w, const struct scenario *s, struct buf *reason)
{
    const char *version = w->world.version ? w->world.version : "";
    for (size_t i = 0; i < s->needs.n; i++)
        if (version_is_need(s->needs.v[i]) && !version_agrees(s->needs.v[i], version)) {
            buf_printf(reason, "it needs %s, and this is %s", s->needs.v[i], version);
            return false;
        }
    return true;
}

static json_t *run_one(struct worker_state *w, const struct scenario *s)
{
    struct buf reason = {0};
    json_t *result = NULL;
    if (s->broken) {
        buf_add_str(&reason, "the scenario has mistakes; see conform lint");
        result = result_without_run(s, V_ERROR, buf_str(&reason));
    }
    enum verdict may = result ? V_PASS : target_may_run(w->conf->target, s, &reason);
    if (!result && may == V_SKIP)
        result = result_without_run(s, V_SKIP, buf_str(&reason));
    struct buf error = {0};
    if (!result && !ready(w, s->profile, &error))
        result = result_without_run(s, V_ERROR, buf_str(&error));
    buf_free(&error);
    if (!result && !version_fits(w, s, &reason))
        result = result_without_run(s, V_SKIP, buf_str(&reason));
    if (!result && may == V_PASS && !probe_needs(&w->world, s, &reason))
        result = result_without_run(s, V_SKIP, buf_str(&reason));
    if (!result && may == V_UNSUPPORTED) {
        may = probe_confirm(&w->world, s, &reason);
        result = result_without_run(s, may, buf_str(&reason));
    }
    buf_free(&reason);
    if (result)
        return result;
    struct run r;
    struct tape tape;
    if (w->conf->selftest) {
        tape_init(&tape);
        w->world.tape = &tape;
    }
    run_init(&r, s, &w->world, w->conf->catalogue);
    run_scenario(&r);
    if (!w->world.stopped && !world_target_running(&w->world))
        run_finding(&r, s->at, NULL, NULL, V_FAIL, xstrdup("the target goes on running"),
                    xstrdup("its process ended during the scenario"), NULL);
    w->dirty |= r.dirty;
    clean(w, s);
    result = result_of_run(&r, 1);
    if (w->world.version)
        json_object_set_new(result, "target_version", json_string(w->world.version));
    if (w->conf->selftest) {
        enum verdict v = result_verdict(result);
        w->world.tape = NULL;
        if (v <= V_WARN)
            json_object_set_new(result, "selftest",
                                selftest_replays(&tape, s, &w->world, w->conf->catalogue));
        tape_free(&tape);
    }
    if (w->conf->trace)
        fprintf(stderr, "%s\n%s\n", s->id, json_text(result, "transcript"));
    keep_artefacts(w, &r, result);
    run_free(&r);
    return result;
}

void worker_main(const struct pool_conf *conf, int fd)
{
    struct worker_state w = {.conf = conf};
    struct buf frame = {0};
    while (frame_receive(fd, &frame) && frame.len == sizeof(uint64_t)) {
        uint64_t index;
        memcpy(&index, frame.data, sizeof index);
        if (index & POOL_AGAIN && !w.forgave) {    /* a world that did not start may start now */
            free(w.failed_profile);
            w.failed_profile = NULL;
            w.forgave = true;
        }
        index &= ~POOL_AGAIN;
        if (index >= conf->count)
            break;
        json_t *result = run_one(&w, conf->scenarios[index]);
        char *text = json_dumps(result, JSON_COMPACT);
        bool sent = text && frame_send(fd, text, strlen(text));
        free(text);
        json_decref(result);
        if (!sent)
            break;
    }
    struct buf ignored = {0};
    if (w.up && w.dirty && !conf->target->lab)
        world_reset(&w.world, &ignored);   /* nothing of a test stays in the user's own server */
    buf_free(&ignored);
    if (w.up)
        world_stop(&w.world);
    free(w.failed_profile);
    free(w.failure);
    buf_free(&frame);
    close(fd);
}
