#include "conformance/runner/match.h"

#include "base/mem.h"
#include "conformance/runner/imap.h"

#include <stdlib.h>

void judgement_free(struct judgement *j)
{
    buf_free(&j->why);
    buf_free(&j->nearest);
}

static bool digits_match(const char *pattern, const char *got)
{
    for (; *pattern; pattern++, got++)
        if (*got == 0 || (*pattern != 'x' && *pattern != *got))
            return false;
    return *got == 0;
}

/* "5.x.x" against "5.1.1": part by part. */
static bool enhanced_match(const char *pattern, struct slice got)
{
    struct slice want = slice_str(pattern), a, b;
    while (slice_next(&want, '.', &a)) {
        if (!slice_next(&got, '.', &b) || (!slice_eq_str(a, "x") && !slice_eq(a, b)))
            return false;
    }
    return got.p == NULL;
}

/* The text of an SMTP reply: what follows code and separator, lines joined by LF. */
static void smtp_text(const struct reply *r, struct buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        if (i)
            buf_add_byte(out, '\n');
        buf_add_slice(out, slice_sub(buf_slice(&r->lines[i]), 4, r->lines[i].len));
    }
}

static bool code_matches(const struct alt *alt, const struct reply *r, struct env *env)
{
    if (!digits_match(alt->code, r->code))
        return false;
    for (size_t i = 0; alt->enhanced && i < r->count; i++) {
        struct slice rest = slice_sub(buf_slice(&r->lines[i]), 4, r->lines[i].len), word;
        if (!slice_word(&rest, &word) || !enhanced_match(alt->enhanced, word))
            return false;
    }
    if (!alt->text)
        return true;
    struct buf text = {0};
    smtp_text(r, &text);
    bool ok = pattern_match(alt->text, buf_slice(&text), env);
    buf_free(&text);
    return ok;
}

static bool status_matches(const struct alt *alt, const struct reply *r, struct env *env)
{
    struct slice rest = buf_slice(&r->lines[0]), word;
    size_t n = strcspn(buf_str(&r->lines[0]), " ");
    word = slice_sub(rest, 0, n);
    rest = slice_sub(rest, n + (n < rest.n), rest.n);
    /* RFC 1939 3: the status indicators are in upper case. */
    if (!slice_eq_str(word, alt->word))
        return false;
    if (alt->respcode) {
        ptrdiff_t close = slice_index(rest, ']');
        if (rest.n < 2 || rest.p[0] != '[' || close < 0 ||
            !slice_ieq_str(slice_sub(rest, 1, (size_t)close), alt->respcode))
            return false;
    }
    return !alt->text || pattern_match(alt->text, rest, env);
}

static bool alt_matches(const struct alt *alt, const struct reply *r, struct env *env)
{
    switch (alt->kind) {
    case ALT_CLOSED:
        return r->kind == REPLY_CLOSED;
    case ALT_REFUSED:
        return r->kind == REPLY_REFUSED;
    case ALT_NOTHING:
        return r->kind == REPLY_NOTHING;
    case ALT_CODE:
        return r->kind == REPLY_LINES && !r->fault && code_matches(alt, r, env);
    case ALT_STATUS:
        return r->kind == REPLY_LINES && !r->fault && status_matches(alt, r, env);
    case ALT_LINE:
        return r->kind == REPLY_LINES && !r->fault &&
               pattern_match(alt->text, buf_slice(&r->lines[0]), env);
    case ALT_MESSAGE:
        return false;
    }
    return false;
}

static bool item_matches(const struct item *item, struct slice line, bool imap, struct env *env)
{
    if (!imap)
        return pattern_match(&item->pattern, line, env);
    struct arena arena = {0};
    struct imap_node node;
    const char *why;
    /* What cannot be read cannot be said not to be what must not come. */
    bool ok = imap_parse(&arena, line, &node, &why) ? imap_match(item->pattern.imap, &node, env)
                                                    : item->negative;
    arena_free(&arena);
    return ok;
}

/* The line nearest to what an item asks for, for the reader of a failure. */
static void nearest_line(const struct item *item, const struct buf *lines, size_t n,
                         struct judgement *j)
{
    const char **texts = xreallocarray(NULL, n + 1, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = lines[i].data ? lines[i].data : "";
    const char *near = diag_nearest(item->pattern.source, texts, n);
    size_t most = 3;               /* a long line: what begins as the item does */
    for (size_t i = 0; !near && i < n; i++) {
        size_t same = 0;
        while (texts[i][same] && texts[i][same] == item->pattern.source[same])
            same++;
        if (same > most) {
            most = same;
            near = texts[i];
        }
    }
    if (near)
        buf_add_escaped(&j->nearest, slice_str(near));
    free(texts);
}

static bool fail_item(struct judgement *j, const struct item *item, const char *what)
{
    j->matched = false;
    j->item = item;
    buf_printf(&j->why, "%s: %s", what, item->pattern.source);
    return false;
}

static bool find_item(const struct item *item, const struct buf *lines, size_t n, bool imap,
                      struct env *env, bool *taken, size_t *from)
{
    for (size_t i = *from; i < n; i++)      /* several items may speak of one response of IMAP */
        if ((imap || !taken[i]) && item_matches(item, buf_slice(&lines[i]), imap, env)) {
            taken[i] = true;
            *from = i + 1;
            return true;
        }
    return false;
}

void match_items(const struct expect *e, const struct buf *lines, size_t n, bool imap,
                 struct env *env, struct judgement *j)
{
    bool *taken = xcalloc(n + 1, sizeof *taken), ok = true;
    size_t position = 0;
    for (size_t i = 0; ok && i < e->item_count; i++) {
        const struct item *item = &e->items[i];
        if (item->negative) {
            size_t mark = env_mark(env);
            for (size_t k = 0; ok && k < n; k++)
                if (item_matches(item, buf_slice(&lines[k]), imap, env)) {
                    env_forget(env, mark);
                    ok = fail_item(j, item, "there must not be");
                    buf_clear(&j->nearest);
                    buf_add_escaped(&j->nearest, buf_slice(&lines[k]));
                }
            continue;
        }
        size_t from = e->in_order ? position : 0;
        if (!find_item(item, lines, n, imap, env, taken, &from)) {
            ok = fail_item(j, item, e->in_order ? "missing, or not in this order" : "missing");
            nearest_line(item, lines, n, j);
        }
        position = from;
    }
    for (size_t i = 0; ok && e->nothing_else && i < n; i++)
        if (!taken[i]) {
            ok = j->matched = false;
            buf_add_str(&j->why, "nothing else was to come, but there is: ");
            buf_add_escaped(&j->why, slice_sub(buf_slice(&lines[i]), 0, 300));
        }
    free(taken);
}

/* The lines that items are looked for in: of an EHLO reply the keywords without the codes. */
static void reply_items(const struct expect *e, enum proto proto, const struct reply *r,
                        struct env *env, struct judgement *j)
{
    size_t skip = proto == PROTO_RAW ? 0 : 1, n = r->count > skip ? r->count - skip : 0;
    struct buf *lines = xcalloc(n + 1, sizeof *lines);
    bool smtp = proto == PROTO_SMTP || proto == PROTO_LMTP;
    for (size_t i = 0; i < n; i++) {
        struct slice line = buf_slice(&r->lines[i + skip]);
        buf_add_slice(&lines[i], smtp ? slice_sub(line, 4, line.n) : line);
    }
    match_items(e, lines, n, false, env, j);
    for (size_t i = 0; i < n; i++)
        buf_free(&lines[i]);
    free(lines);
}

void match_reply(const struct expect *e, enum proto proto, const struct reply *r, struct env *env,
                 struct judgement *j)
{
    for (size_t i = 0; i < e->alt_count; i++) {
        if (!alt_matches(&e->alts[i], r, env))
            continue;
        j->matched = true;
        j->verdict = e->alts[i].verdict;
        if (r->kind == REPLY_LINES && (e->item_count || e->nothing_else))
            reply_items(e, proto, r, env, j);
        return;
    }
    if (r->fault)
        buf_printf(&j->why, "this is no valid reply: %s", r->fault);
}

bool match_imap(const struct alt *alt, struct slice response, struct env *env, const char **why)
{
    struct arena arena = {0};
    struct imap_node node;
    bool ok = imap_parse(&arena, response, &node, why);
    if (ok && alt->kind == ALT_LINE) {
        ok = imap_match(alt->text->imap, &node, env);
    } else if (ok) {
        ok = node.count >= 2 && slice_eq_str(node.items[0].bytes, alt->tag) &&
             slice_ieq_str(node.items[1].bytes, alt->word);
        const struct imap_node *code = node.count > 2 ? &node.items[2] : NULL;
        if (ok && alt->text && alt->text->imap) {
            struct imap_node rest = {.kind = IMAP_LIST, .items = (struct imap_node *)code,
                                     .count = node.count - 2};
            ok = code && imap_match(alt->text->imap, &rest, env);
        } else if (ok && alt->text) {
            const struct imap_node *text = &node.items[node.count - 1];
            ok = text->kind == IMAP_TEXT && pattern_match(alt->text, text->bytes, env);
        }
    }
    arena_free(&arena);
    return ok;
}
