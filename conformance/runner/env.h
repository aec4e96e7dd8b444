/* env.h - the variables of a running scenario: bound at the first match, compared later. */
#ifndef RUNNER_ENV_H
#define RUNNER_ENV_H

#include "conformance/runner/ast.h"

struct env {
    struct env_var { char *name; char *value; size_t n; } *v;
    size_t n;
};

void env_free(struct env *e);
/* False when it is unbound. */
bool env_get(const struct env *e, struct slice name, struct slice *value);
void env_set(struct env *e, struct slice name, struct slice value);
/* Gives the newest binding of the name another value, or makes one: the counter of a repeat. */
void env_rebind(struct env *e, struct slice name, struct slice value);
/* As it was when env_mark gave this number. */
static inline size_t env_mark(const struct env *e) { return e->n; }
void env_forget(struct env *e, size_t mark);

/* The bytes of a text. False when a variable is unbound: its name is in *missing. */
bool text_bytes(const struct text *t, const struct env *e, struct buf *out, const char **missing);
/* The same, as one line for people: variables by name where unbound, never longer than 300. */
void text_show(const struct text *t, struct buf *out);

/* Does the line match? Named groups and unbound variables are bound on success. */
bool pattern_match(const struct pattern *p, struct slice line, struct env *e);
/* Compiles an expression to see whether it can be; the reason and offset if not. */
bool regex_check(struct slice expression, char reason[128], size_t *offset);

#endif
