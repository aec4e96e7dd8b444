/* steps.c - following the lines of a dialogue. */
#include "conformance/runner/run.h"

#include "base/timing.h"

#include <stdio.h>

static bool barrier(struct actor *a, const struct step *step)
{
    struct run *r = a->run;
    int64_t until = mono_ms() + run_limit(r, r->scenario->timeout_ms);
    bool together = false;
    run_lock(r);
    for (size_t i = 0; i < r->barrier_count; i++) {
        if (strcmp(r->barriers[i].name, step->name) != 0)
            continue;
        /* A barrier in a repeat is met again and again: rounds of `parties`. */
        int mine = r->barriers[i].arrived++, parties = r->barriers[i].parties;
        int round_end = (mine / parties + 1) * parties;
        pthread_cond_broadcast(&r->changed);
        while (r->barriers[i].arrived < round_end && !r->stop && mono_ms() < until) {
            struct timespec t;
            clock_gettime(CLOCK_MONOTONIC, &t);
            t.tv_nsec += 50000000;
            if (t.tv_nsec >= 1000000000)
                t.tv_sec++, t.tv_nsec -= 1000000000;
            pthread_cond_timedwait(&r->changed, &r->lock, &t);
        }
        together = r->barriers[i].arrived >= round_end;
    }
    run_unlock(r);
    if (!together && !run_stopped(r))
        run_error(r, step->at, "not all parties came to the barrier %s", step->name);
    return together;
}

static bool repeat(struct actor *a, const struct step *step)
{
    for (int64_t i = 1; i <= step->count; i++) {
        if (step->var) {
            char number[24];
            snprintf(number, sizeof number, "%lld", (long long)i);
            run_lock(a->run);
            env_rebind(&a->run->env, slice_str(step->var), slice_str(number));
            run_unlock(a->run);
        }
        if (!run_steps(a, step->body, step->body_count))
            return false;
    }
    return true;
}

static void close_actor(struct actor *a, const struct step *step)
{
    run_note(a->run, a->name, step->kind == STEP_RESET ? "resets the connection" : "closes");
    if (step->kind == STEP_RESET)
        stream_abort(a->stream);
    else
        stream_close(a->stream);
    a->stream = NULL;
    if (a->connection) {
        run_lock(a->run);
        a->connection->stream = NULL;
        run_unlock(a->run);
    }
}

static bool one(struct actor *a, const struct step *step)
{
    switch (step->kind) {
    case STEP_SEND:
        return actor_send(a, step);
    case STEP_EXPECT:
        return actor_expect(a, step, step->expect, step->source);
    case STEP_FLUSH:
        if (a->stream)
            stream_flush(a->stream);
        return true;
    case STEP_PAUSE:
        if (a->stream)
            stream_flush(a->stream);
        sleep_ms(run_patience(a->run, step->ms));
        return true;
    case STEP_CLOSE:
    case STEP_RESET:
        if (a->stream)
            close_actor(a, step);
        return true;
    case STEP_HALF_CLOSE:
        if (a->stream) {
            stream_flush(a->stream);
            stream_shutdown_write(a->stream);
            run_note(a->run, a->name, "half-closes");
        }
        return true;
    case STEP_RECONNECT:
        return client_connect(a, step->at);
    case STEP_HANDSHAKE:
    case STEP_STARTTLS:
        return actor_handshake(a, step);
    case STEP_DEFLATE:
        run_note(a->run, a->name, "deflates from here on");
        return !a->stream || stream_start_deflate(a->stream) == IO_OK;
    case STEP_LOGIN:
        return actor_login(a, step);
    case STEP_AUTH:
        return actor_auth(a, step);
    case STEP_MESSAGE:
        return step->message->append ? actor_append(a, step) : actor_message(a, step);
    case STEP_REPEAT:
        return repeat(a, step);
    case STEP_BARRIER:
        return barrier(a, step);
    }
    return false;
}

bool run_steps(struct actor *a, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (run_stopped(a->run) || mono_ms() >= a->run->deadline_ms)
            return false;
        if (!one(a, &steps[i]))        /* a handshake that may fail ends the steps rightly */
            return steps[i].kind == STEP_HANDSHAKE && steps[i].tls.noted && !run_stopped(a->run);
    }
    if (a->stream)
        stream_flush(a->stream);
    return true;
}
