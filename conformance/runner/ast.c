#include "conformance/runner/ast.h"

static const struct { const char *name, *meaning; } verdicts[V_COUNT] = {
    [V_PASS] = {"PASS", "everything that the scenario asks for was seen"},
    [V_INFO] = {"INFO", "a MAY: which way the target goes; neither way is wrong"},
    [V_WARN] = {"WARN", "a SHOULD or SHOULD NOT is not followed"},
    [V_FAIL] = {"FAIL", "a MUST or MUST NOT is broken"},
    [V_UNSUPPORTED] = {"UNSUPPORTED", "declared as not supported in the target's folder, and a "
                                      "probe confirmed it"},
    [V_SKIP] = {"SKIP", "a precondition is not met; the reason is given"},
    [V_ERROR] = {"ERROR", "the harness, the scenario or the lab failed: no statement about the "
                          "target"},
};

const char *verdict_name(enum verdict v) { return verdicts[v].name; }
const char *verdict_meaning(enum verdict v) { return verdicts[v].meaning; }

const char *level_name(enum level l)
{
    static const char *const names[] = {"", "MAY", "SHOULD", "MUST"};
    return names[l];
}

const char *proto_name(enum proto p)
{
    static const char *const names[] = {"smtp", "lmtp", "pop3", "imap", "raw", "milter",
                                        "spamd", "clamd"};
    return names[p];
}

bool proto_is_filter(enum proto p) { return p >= PROTO_MILTER; }

bool ids_have(const struct ids *ids, const char *s)
{
    for (size_t i = 0; i < ids->n; i++)
        if (strcmp(ids->v[i], s) == 0)
            return true;
    return false;
}

void ids_add(struct arena *a, struct ids *ids, const char *s)
{
    if (!ids_have(ids, s))
        *arena_push(a, ids->v, ids->n) = s;
}

void scenario_free(struct scenario *s)
{
    if (s) {
        struct arena a = s->arena;     /* the scenario itself lives in its arena */
        arena_free(&a);
    }
}
