#include "conformance/runner/env.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

/* An expression meets bytes of an unknown server: its work is bounded. */
enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 1000 };

void env_forget(struct env *e, size_t mark)
{
    while (e->n > mark) {
        struct env_var *v = &e->v[--e->n];
        free(v->name);
        free(v->value);
    }
}

void env_free(struct env *e)
{
    env_forget(e, 0);
    free(e->v);
    *e = (struct env){0};
}

bool env_get(const struct env *e, struct slice name, struct slice *value)
{
    for (size_t i = e->n; i-- > 0;)
        if (slice_eq_str(name, e->v[i].name)) {
            *value = slice_of(e->v[i].value, e->v[i].n);
            return true;
        }
    return false;
}

void env_set(struct env *e, struct slice name, struct slice value)
{
    e->v = xreallocarray(e->v, e->n + 1, sizeof *e->v);
    e->v[e->n++] = (struct env_var){slice_dup(name), slice_dup(value), value.n};
}

void env_rebind(struct env *e, struct slice name, struct slice value)
{
    for (size_t i = e->n; i-- > 0;)
        if (slice_eq_str(name, e->v[i].name)) {
            free(e->v[i].value);
            e->v[i].value = slice_dup(value);
            e->v[i].n = value.n;
            return;
        }
    env_set(e, name, value);
}

bool text_bytes(const struct text *t, const struct env *e, struct buf *out, const char **missing)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct piece *p = &t->v[i];
        struct slice bytes = p->bytes;
        if (p->kind == PIECE_VAR && !env_get(e, p->bytes, &bytes)) {
            *missing = p->bytes.p;
            return false;
        }
        for (size_t k = p->repeat ? p->repeat : 1; k > 0; k--)
            buf_add_slice(out, bytes);
    }
    return true;
}

void text_show(const struct text *t, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < t->n && out->len - start < 300; i++) {
        const struct piece *p = &t->v[i];
        if (p->kind == PIECE_VAR)
            buf_printf(out, "$%s", p->bytes.p);
        else if (p->repeat > 1) {
            buf_printf(out, "\\{%zu ", p->repeat);
            buf_add_escaped(out, slice_sub(p->bytes, 0, 40));
            buf_add_byte(out, '}');
        } else
            buf_add_escaped(out, slice_sub(p->bytes, 0, 300));
    }
    if (out->len - start > 300)
        buf_truncate(out, start + 300);
}

static void add_quoted(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
}

/* The pattern as one expression of PCRE2; unbound variables become named groups. */
static void compose(const struct pattern *pattern, const struct env *e, struct buf *out)
{
    const struct text *t = &pattern->text;
    static const char *const types[] = {"[^\\s()\\[\\]<>\"]+", "\\d+", ".*"};
    bool only = t->n == 1 && t->v[0].kind == PIECE_REGEX;
    if (!only)
        buf_add_str(out, pattern->anywhere ? "(?:" : "\\A(?:");
    for (size_t i = 0; i < t->n; i++) {
        const struct piece *p = &t->v[i];
        struct slice value;
        switch (p->kind) {
        case PIECE_REGEX:
            buf_printf(out, only ? "%.*s" : "(?:%.*s)", SLICE_ARG(p->bytes));
            break;
        case PIECE_EXACT:
            buf_add_str(out, "(?-i:");
            add_quoted(out, p->bytes);
            buf_add_byte(out, ')');
            break;
        case PIECE_VAR:
            if (env_get(e, p->bytes, &value)) {
                buf_add_str(out, "(?-i:");
                add_quoted(out, value);
                buf_add_byte(out, ')');
            } else {
                buf_printf(out, "(?<%s>%s)", p->bytes.p, types[p->type]);
            }
            break;
        case PIECE_TEXT:
            for (size_t k = p->repeat ? p->repeat : 1; k > 0; k--)
                add_quoted(out, p->bytes);
        }
    }
    if (!only)
        buf_add_str(out, pattern->anywhere ? ")" : ")\\z");
}

static pcre2_code *compile(struct slice expression, uint32_t options, char reason[128],
                           size_t *offset)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)(expression.p ? expression.p : ""), expression.n,
                                   options, &code, &at, NULL);
    if (!re) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, 128);
        *offset = at;
    }
    return re;
}

bool regex_check(struct slice expression, char reason[128], size_t *offset)
{
    pcre2_code *re = compile(expression, 0, reason, offset);
    pcre2_code_free(re);
    return re != NULL;
}

/* Puts the named groups of a match into the environment. False, with nothing changed, when one of
 * them has a value already and matched something else. */
static bool bind_groups(const pcre2_code *re, pcre2_match_data *match, struct slice line,
                        struct env *e)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(re, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(re, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(re, PCRE2_INFO_NAMETABLE, &table);
    const PCRE2_SIZE *groups = pcre2_get_ovector_pointer(match);
    size_t before = env_mark(e);
    for (uint32_t i = 0; i < count; i++) {
        PCRE2_SPTR entry = table + (size_t)i * size;
        int group = entry[0] * 256 + entry[1];
        if (groups[2 * group] == PCRE2_UNSET)
            continue;
        struct slice name = slice_str((const char *)entry + 2), bound;
        struct slice came = slice_sub(line, groups[2 * group], groups[2 * group + 1]);
        if (!env_get(e, name, &bound)) {
            env_set(e, name, came);
        } else if (!slice_eq(bound, came)) {
            env_forget(e, before);
            return false;
        }
    }
    return true;
}

bool pattern_match(const struct pattern *p, struct slice line, struct env *e)
{
    struct buf expression = {0};
    compose(p, e, &expression);
    char reason[128];
    size_t offset;
    pcre2_code *re = compile(buf_slice(&expression), PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_DUPNAMES,
                             reason, &offset);
    buf_free(&expression);
    if (!re)
        return false;
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(context, MATCH_LIMIT);
    pcre2_set_depth_limit(context, DEPTH_LIMIT);
    int result = pcre2_match(re, (PCRE2_SPTR)(line.p ? line.p : ""), line.n, 0, 0, match, context);
    bool matched = result > 0 && bind_groups(re, match, line, e);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
    pcre2_code_free(re);
    return matched;
}
