/* imap_match.c - comparing parsed responses with patterns. */
#include "conformance/runner/imap.h"

static bool match_items(const struct imap_node *pattern, const struct imap_node *data, size_t from,
                        bool whole, struct env *env);

static bool match_var(const struct imap_node *p, const struct imap_node *d, struct env *env)
{
    struct slice value;
    if (d->kind != IMAP_ATOM && d->kind != IMAP_STRING && d->kind != IMAP_TEXT)
        return false;
    if (env_get(env, p->bytes, &value))
        return slice_eq(value, d->bytes);
    if (p->type == VAR_NUMBER && !slice_number(d->bytes, UINT64_MAX, &(uint64_t){0}))
        return false;
    env_set(env, p->bytes, d->bytes);
    return true;
}

static bool match_regex(const struct imap_node *p, const struct imap_node *d, struct env *env)
{
    struct piece piece = {.kind = PIECE_REGEX, .bytes = p->bytes};
    struct pattern pattern = {.text = {&piece, 1}};
    return (d->kind == IMAP_ATOM || d->kind == IMAP_STRING || d->kind == IMAP_TEXT) &&
           pattern_match(&pattern, d->bytes, env);
}

/* Each element of the set, itself a run of items, must be found somewhere in the list. */
static bool match_set(const struct imap_node *set, const struct imap_node *list, struct env *env)
{
    if (list->kind != IMAP_LIST && list->kind != IMAP_CODE)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        bool found = false;
        for (size_t at = 0; !found && at + set->items[i].count <= list->count; at++) {
            size_t mark = env_mark(env);
            found = match_items(&set->items[i], list, at, false, env);
            if (!found)
                env_forget(env, mark);
        }
        if (!found)
            return false;
    }
    return true;
}

static bool match_one(const struct imap_node *p, const struct imap_node *d, struct env *env)
{
    if (p->binary && !d->binary)
        return false;
    switch (p->kind) {
    case IMAP_ANY:
        return true;
    case IMAP_VAR:
        return match_var(p, d, env);
    case IMAP_REGEX:
        return match_regex(p, d, env);
    case IMAP_SET:
        return match_set(p, d, env);
    case IMAP_NIL:
        return d->kind == IMAP_NIL;
    case IMAP_LIST:
    case IMAP_CODE:
        return d->kind == p->kind && match_items(p, d, 0, true, env);
    case IMAP_STRING:
        return (d->kind == IMAP_STRING || d->kind == IMAP_ATOM) && slice_eq(p->bytes, d->bytes);
    case IMAP_ATOM:
    case IMAP_TEXT:
        return (d->kind == IMAP_ATOM || d->kind == IMAP_STRING || d->kind == IMAP_TEXT) &&
               slice_ieq(p->bytes, d->bytes);
    case IMAP_REST:
        break;
    }
    return false;
}

/* Text for people, and a code before it, may follow what the pattern says of a status. */
static bool only_text_left(const struct imap_node *data, size_t from)
{
    while (from < data->count && data->items[from].kind == IMAP_CODE)
        from++;
    return from == data->count || data->items[from].kind == IMAP_TEXT;
}

/* What follows "..." in the pattern may begin anywhere further on. */
static bool match_after_rest(const struct imap_node *pattern, size_t i,
                             const struct imap_node *data, size_t from, bool whole,
                             struct env *env)
{
    struct imap_node rest = {.kind = IMAP_LIST, .items = pattern->items + i,
                             .count = pattern->count - i};
    if (rest.count == 0)
        return true;
    for (size_t mark = env_mark(env); from < data->count; from++) {
        if (match_items(&rest, data, from, whole, env))
            return true;
        env_forget(env, mark);
    }
    return false;
}

static bool match_items(const struct imap_node *pattern, const struct imap_node *data, size_t from,
                        bool whole, struct env *env)
{
    for (size_t i = 0; i < pattern->count; i++, from++) {
        if (pattern->items[i].kind == IMAP_REST)
            return match_after_rest(pattern, i + 1, data, from, whole, env);
        if (from >= data->count || !match_one(&pattern->items[i], &data->items[from], env))
            return false;
    }
    return !whole || from == data->count || only_text_left(data, from);
}

bool imap_match(const struct imap_node *pattern, const struct imap_node *response, struct env *env)
{
    size_t mark = env_mark(env);
    bool ok = match_items(pattern, response, 0, true, env);
    if (!ok)
        env_forget(env, mark);
    return ok;
}
