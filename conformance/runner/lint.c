#include "conformance/runner/lint.h"

#include "conformance/runner/files.h"
#include "conformance/runner/imap.h"

struct lint {
    const struct scenario *s;
    const struct catalogue *catalogue;
    const char *root;
    struct diags *d;
    struct arena arena;
    struct ids bound;              /* variables that have a value by now */
};

static void check_ids(struct lint *l)
{
    const struct scenario *s = l->s;
    for (size_t i = 0; i < s->covers.n; i++) {
        const char *id = s->covers.v[i];
        const struct requirement *r = catalogue_find(l->catalogue, id);
        if (!r) {
            const char *near = catalogue_nearest(l->catalogue, id);
            diag_error(l->d, s->at, "no requirement has the id %s%s%s", id,
                       near ? "; the nearest is " : "", near ? near : "");
        } else if (!r->observable) {
            diag_error(l->d, s->at, "%s says that it cannot be observed (%s)", id, r->seen);
        }
    }
    if (!s->tagged.n)
        return;
    for (size_t i = 0; i < s->header_covers.n; i++) {
        const char *id = s->header_covers.v[i];
        if (strncmp(id, "rfc", 3) == 0 && !ids_have(&s->tagged, id))
            diag_error(l->d, s->at, "%s is covered by the head but stands on no expectation; write "
                       "[%s] at the end of the line that proves it", id, id);
    }
}

static bool is_bound(const struct lint *l, struct slice name)
{
    for (size_t i = 0; i < l->bound.n; i++)
        if (slice_eq_str(name, l->bound.v[i]))
            return true;
    return false;
}

static void use_text(struct lint *l, struct place at, const struct text *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].kind == PIECE_VAR && !is_bound(l, t->v[i].bytes))
            diag_error(l->d, at, "$%s has no value here: it is neither a column of the table nor "
                       "bound by an expectation above (write \\$ for a dollar sign)",
                       t->v[i].bytes.p);
}

static void bind_imap(struct lint *l, const struct imap_node *n);

/* Names that a pattern gives a value: $name, and (?<name>...) in expressions. */
static void bind_expression(struct lint *l, struct slice e)
{
    for (size_t i = 0; i + 3 < e.n; i++) {
        if (memcmp(e.p + i, "(?<", 3) != 0 || e.p[i + 3] == '=' || e.p[i + 3] == '!')
            continue;
        struct slice rest = slice_sub(e, i + 3, e.n);
        ptrdiff_t end = slice_index(rest, '>');
        if (end > 0)
            ids_add(&l->arena, &l->bound,
                    arena_slice(&l->arena, slice_sub(rest, 0, (size_t)end)).p);
    }
}

static void bind_pattern(struct lint *l, const struct pattern *p)
{
    for (size_t i = 0; p && i < p->text.n; i++) {
        const struct piece *piece = &p->text.v[i];
        if (piece->kind == PIECE_VAR)
            ids_add(&l->arena, &l->bound, piece->bytes.p);
        else if (piece->kind == PIECE_REGEX)
            bind_expression(l, piece->bytes);
    }
    if (p && p->imap)
        bind_imap(l, p->imap);
}

static void bind_imap(struct lint *l, const struct imap_node *n)
{
    if (n->kind == IMAP_VAR)
        ids_add(&l->arena, &l->bound, n->bytes.p);
    for (size_t i = 0; i < n->count; i++)
        bind_imap(l, &n->items[i]);
}

static void check_fixture(struct lint *l, struct place at, const char *name)
{
    struct buf content = {0}, error = {0};
    if (name && !fixture_load(&content, name, l->s->file, l->root, &error))
        diag_error(l->d, at, "%s", buf_str(&error));
    buf_free(&content);
    buf_free(&error);
}

static void lint_expect(struct lint *l, const struct step *step)
{
    const struct expect *e = step->expect;
    bool any = false;
    for (size_t i = 0; i < e->alt_count; i++) {
        bind_pattern(l, e->alts[i].text);
        any |= strcmp(e->alts[i].code, "xxx") == 0;
        for (size_t j = 0; j < i; j++)
            if (e->alts[i].source && e->alts[j].source &&
                strcmp(e->alts[i].source, e->alts[j].source) == 0)
                diag_error(l->d, step->at, "\"%s\" is there twice", e->alts[i].source);
    }
    if (any && step->ids.n && !e->item_count)
        diag_error(l->d, step->at, "this expectation proves nothing: every reply would do");
    for (size_t i = 0; i < e->item_count; i++)
        bind_pattern(l, &e->items[i].pattern);
    check_fixture(l, step->at, e->equals_fixture);
    if (e->octets)
        ids_add(&l->arena, &l->bound, e->octets);
}

static void lint_steps(struct lint *l, const struct step *steps, size_t n, bool server)
{
    for (size_t i = 0; i < n; i++) {
        const struct step *step = &steps[i];
        if (step->kind == STEP_SEND) {
            use_text(l, step->at, &step->text);
        } else if (step->kind == STEP_EXPECT) {
            lint_expect(l, step);
        } else if (step->kind == STEP_MESSAGE) {
            const struct message *m = step->message;
            check_fixture(l, step->at, m->fixture);
            use_text(l, step->at, &m->from);
            use_text(l, step->at, &m->with);
            use_text(l, step->at, &m->mailbox);
            for (size_t k = 0; k < m->to_count; k++)
                use_text(l, step->at, &m->to[k]);
            for (size_t k = 0; k < m->body_lines; k++)
                use_text(l, step->at, &m->body[k]);
        } else if (step->kind == STEP_REPEAT) {
            if (step->var)
                ids_add(&l->arena, &l->bound, step->var);
            lint_steps(l, step->body, step->body_count, server);
        }
    }
}

static void lint_server(struct lint *l, const struct server *server)
{
    for (size_t i = 0; i < server->script_count; i++)
        lint_steps(l, server->scripts[i].steps, server->scripts[i].step_count, true);
    for (size_t i = 0; i < server->rule_count; i++) {
        const struct rule *r = &server->rules[i];
        for (size_t k = 0; k < r->reaction_count; k++)
            use_text(l, r->reactions[k].at, &r->reactions[k].text);
        for (size_t k = 0; k < i; k++) {
            const struct rule *earlier = &server->rules[k];
            if (earlier->event == r->event && !earlier->argument)
                diag_error(l->d, r->at, "this rule has no effect: the one in line %d takes every "
                           "%s", earlier->at.line, r->event);
        }
        if (r->argument && (strcmp(r->event, "connect") == 0 || strcmp(r->event, "any") == 0))
            diag_error(l->d, r->at, "%s has no argument to look at", r->event);
    }
}

static void lint_check(struct lint *l, const struct part *part)
{
    const struct check *k = part->check;
    bool vacuous = k->count.kind == COUNT_AT_LEAST && k->count.n == 0 &&
                   (k->kind == CHECK_MESSAGES || k->kind == CHECK_CONNECTIONS ||
                    k->kind == CHECK_MAILBOX || k->kind == CHECK_DNS || k->kind == CHECK_COMMANDS);
    if (vacuous)
        diag_error(l->d, part->at, "\"at least 0\" cannot fail");
    if (part->within_ms && k->count.kind == COUNT_AT_MOST)
        diag_error(l->d, part->at, "\"within\" waits for something to happen; for \"at most\" write "
                   "\"for T ...\"");
    if (part->within_ms && k->count.kind == COUNT_EXACTLY && k->count.n == 0 &&
        (k->kind == CHECK_MESSAGES || k->kind == CHECK_CONNECTIONS || k->kind == CHECK_COMMANDS ||
         k->kind == CHECK_DNS))
        diag_error(l->d, part->at, "\"within\" waits for something to happen; for \"no\" write "
                   "\"for T ...\" or \"then ...\"");
    check_fixture(l, part->at, k->fixture);
    use_text(l, part->at, &k->left);
    use_text(l, part->at, &k->right);
    if (k->from)
        use_text(l, part->at, k->from);
    if (k->for_)
        use_text(l, part->at, k->for_);
    bind_pattern(l, k->pattern);
}

void lint_scenario(const struct scenario *s, const struct catalogue *c, const char *root,
                   struct diags *d)
{
    struct lint l = {.s = s, .catalogue = c, .root = root, .d = d};
    if (!s->title || !*s->title)
        diag_error(d, s->at, "the title is missing");
    if (!s->covers.n)
        diag_error(d, s->at, "covers nothing: name the clause or behaviour that it proves");
    if (!s->level_given)
        diag_error(d, s->at, "the level is missing: MUST, SHOULD or MAY");
    if (!s->check_count)
        diag_error(d, s->at, "nothing in this scenario can fail");
    check_ids(&l);
    for (size_t i = 0; i < s->part_count; i++) {
        const struct part *part = &s->parts[i];
        if (part->kind == PART_SERVER)
            lint_server(&l, part->server);
        else if (part->kind == PART_CLIENT)
            lint_steps(&l, part->client->steps, part->client->step_count, false);
        else if (part->kind == PART_DELIVER)
            lint_steps(&l, part->deliver, 1, false);
        else if (part->kind == PART_CHECK)
            lint_check(&l, part);
        else if (part->kind == PART_RULE)
            for (size_t k = 0; k < part->rule->reaction_count; k++)
                use_text(&l, part->at, &part->rule->reactions[k].text);
    }
    arena_free(&l.arena);
}
