#include "conformance/runner/deviations.h"

#include "base/buf.h"
#include "base/mem.h"
#include "conformance/runner/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 4 };            /* files that include files */

static void load(struct deviations *x, const char *path, int depth, struct diags *d);

/* The target is made of others as well: their deviations are its own. */
static void include(struct deviations *x, struct slice name, struct place at, int depth,
                    struct diags *d)
{
    const char *slash = strrchr(at.file, '/');
    char *path = xasprintf("%.*s%.*s", slash ? (int)(slash + 1 - at.file) : 0, at.file, (int)name.n, name.p);
    if (depth >= DEPTH_MAX)
        diag_error(d, at, "%s: files of deviations include one another more than %d deep", path, DEPTH_MAX);
    else if (access(path, R_OK) < 0)
        diag_error(d, at, "%s cannot be read: %s", path, strerror(errno));
    else
        load(x, arena_strdup(&x->arena, path), depth + 1, d);
    free(path);
}

static void load(struct deviations *x, const char *path, int depth, struct diags *d)
{
    struct buf file = {0};
    struct place at = {.file = path};
    struct slice rest, line;
    if (buf_read_file(&file, path, 1 << 20) < 0 && errno != ENOENT)
        diag_error(d, at, "cannot be read: %s", strerror(errno));
    rest = buf_slice(&file);
    while (slice_next(&rest, '\n', &line)) {
        at.line++;
        line = slice_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        if (slice_starts(line, SLICE("include "))) {
            include(x, slice_trim(slice_sub(line, 8, line.n)), at, depth, d);
            continue;
        }
        ptrdiff_t colon = slice_find(line, SLICE(": "));
        struct slice id = slice_sub(line, 0, colon < 0 ? line.n : (size_t)colon);
        struct slice reason = colon < 0 ? (struct slice){0}
                                        : slice_trim(slice_sub(line, (size_t)colon + 1, line.n));
        if (!reason.n) {
            diag_error(d, at, "a deviation needs a reason: SCENARIO: why it is so");
            continue;
        }
        *arena_push(&x->arena, x->v, x->n) = (struct deviation){
            arena_slice(&x->arena, id).p, arena_slice(&x->arena, reason).p};
    }
    buf_free(&file);
}

void deviations_load(struct deviations *x, const char *path, struct diags *d)
{
    load(x, path, 0, d);
}

const char *deviation_reason(const struct deviations *x, const char *scenario_id)
{
    for (size_t i = 0; i < x->n; i++)
        if (id_under(scenario_id, x->v[i].id))
            return x->v[i].reason;
    return NULL;
}

void deviations_mark(const struct deviations *x, json_t *results)
{
    size_t i;
    json_t *one;
    json_array_foreach(results, i, one) {
        const char *reason = deviation_reason(x, json_text(one, "id"));
        enum verdict v = result_verdict(one);
        bool bad = v == V_FAIL || v == V_WARN;
        if (reason && (bad || v == V_PASS || v == V_INFO)) {
            json_object_set_new(one, "deviation", json_string(bad ? "still" : "fixed"));
            json_object_set_new(one, "deviation_reason", json_string(reason));
        } else if (bad) {
            json_object_set_new(one, "deviation", json_string("new"));
        }
    }
}

void deviations_free(struct deviations *x)
{
    arena_free(&x->arena);
    *x = (struct deviations){0};
}
