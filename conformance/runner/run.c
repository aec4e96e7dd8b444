/* run.c - the findings of a run. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

void run_lock(struct run *r) { pthread_mutex_lock(&r->lock); }
void run_unlock(struct run *r) { pthread_mutex_unlock(&r->lock); }

enum verdict run_severity(const struct run *r, const struct ids *ids)
{
    enum level level = LEVEL_NONE;
    for (size_t i = 0; ids && i < ids->n; i++) {
        const struct requirement *q = catalogue_find(r->catalogue, ids->v[i]);
        if (q && q->level > level)
            level = q->level;
    }
    if (level == LEVEL_NONE)
        level = r->scenario->level;
    return level == LEVEL_SHOULD ? V_WARN : level == LEVEL_MAY ? V_INFO : V_FAIL;
}

void run_finding(struct run *r, struct place at, const char *source, const struct ids *ids,
                 enum verdict v, char *expected, char *came, char *nearest)
{
    run_lock(r);
    r->findings = xreallocarray(r->findings, r->finding_count + 1, sizeof *r->findings);
    r->findings[r->finding_count++] = (struct finding){
        .at = at, .source = source, .ids = ids ? *ids : (struct ids){0}, .verdict = v, .us = mono_us() - r->start_us,
        .expected = expected, .came = came, .nearest = nearest};
    if (v == V_FAIL || v == V_ERROR)
        r->stop = true;
    pthread_cond_broadcast(&r->changed);
    run_unlock(r);
}

void run_error(struct run *r, struct place at, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    run_lock(r);
    if (!r->error)
        r->error = xstrdup(buf_str(&b));
    run_unlock(r);
    run_finding(r, at, NULL, NULL, V_ERROR, NULL, buf_take(&b), NULL);
}

bool run_stopped(struct run *r)
{
    run_lock(r);
    bool stop = r->stop;
    run_unlock(r);
    return stop;
}

int64_t run_limit(struct run *r, int64_t ms)
{
    int64_t left = r->deadline_ms - mono_ms();
    if (left < 1)
        left = 1;
    return ms < left ? ms : left;
}

int64_t run_patience(struct run *r, int64_t ms)
{
    return run_limit(r, r->most_ms && ms > r->most_ms ? r->most_ms : ms);
}
