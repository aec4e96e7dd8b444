#include "conformance/runner/parse.h"

#include "base/mem.h"
#include "base/net.h"
#include "base/timing.h"
#include "conformance/runner/lex.h"

#include <stdlib.h>

static const struct line *peek(struct parser *p)
{
    if (p->next >= p->source->line_count)
        return NULL;
    const struct line *raw = &p->source->lines[p->next];
    struct line *line = arena_alloc(&p->scenario->arena, sizeof *line);
    *line = *raw;
    line->text = source_expand(p->source, p->row, raw->text, &p->scenario->arena);
    return line;
}

const struct line *parser_line(struct parser *p, int indent)
{
    if (p->next >= p->source->line_count || p->source->lines[p->next].indent <= indent)
        return NULL;
    return peek(p);
}

struct cursor parser_take(struct parser *p, const struct line *line)
{
    p->next++;
    return cursor_of(&p->scenario->arena, p->diags, line);
}

void parser_tags(struct parser *p, struct cursor *c, struct ids *ids)
{
    struct scenario *s = p->scenario;
    lex_tags(c, ids);
    for (size_t i = 0; i < ids->n; i++) {
        ids_add(&s->arena, &s->covers, ids->v[i]);
        ids_add(&s->arena, &s->tagged, ids->v[i]);
    }
}

struct server *parser_server(struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->scenario->part_count; i++) {
        struct server *server = p->scenario->parts[i].server;
        if (p->scenario->parts[i].kind == PART_SERVER && strcmp(server->name, name) == 0)
            return server;
    }
    return NULL;
}

struct client *parser_client(struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->scenario->part_count; i++) {
        struct client *client = p->scenario->parts[i].client;
        if (p->scenario->parts[i].kind == PART_CLIENT && !client->again &&
            strcmp(client->name, name) == 0)
            return client;
    }
    return NULL;
}

struct part *parser_part(struct parser *p, enum part_kind kind, const struct cursor *c)
{
    struct scenario *s = p->scenario;
    struct part *part = arena_push(&s->arena, s->parts, s->part_count);
    part->kind = kind;
    part->at = c->at;
    part->source = c->start;
    return part;
}

bool parse_endpoint(struct cursor *c, const char **address, int *port)
{
    const char *word = lex_word(c, "an address and port such as 192.0.2.25:25");
    if (!word)
        return false;
    struct slice text = slice_str(word), host = text;
    ptrdiff_t colon = slice_rindex(text, ':');
    uint64_t n = 0;
    bool has_port = false;
    if (text.n && text.p[0] == '[' && slice_index(text, ']') > 0) {
        ptrdiff_t close = slice_index(text, ']');
        host = slice_sub(text, 1, (size_t)close);
        has_port = colon == close + 1;
    } else if (colon >= 0 && slice_index(text, ':') == colon) {
        host = slice_sub(text, 0, (size_t)colon);
        has_port = true;
    }
    struct netaddr a;
    if (slice_starts(host, SLICE("unix:")) || !netaddr_parse(&a, host, 0) ||
        (has_port && !slice_number(slice_sub(text, (size_t)colon + 1, text.n), PARSE_PORT_MAX, &n)))
        return lex_error(c, "\"%s\" is no address; write 192.0.2.25:25 or [2001:db8::25]:25", word);
    *address = arena_slice(c->arena, host).p;
    if (has_port)
        *port = (int)n;
    return true;
}

static void words_into(struct cursor *c, struct ids *out)
{
    while (!lex_at_end(c)) {
        char *word = (char *)lex_word(c, "a word");
        size_t n = strlen(word);
        if (n > 1 && word[n - 1] == ',')
            word[n - 1] = 0;
        ids_add(c->arena, out, word);
    }
}

static void header_covers(struct parser *p, struct cursor *c)
{
    struct scenario *s = p->scenario;
    words_into(c, &s->header_covers);
    for (size_t i = 0; i < s->header_covers.n; i++)
        ids_add(&s->arena, &s->covers, s->header_covers.v[i]);
}

static void header_level(struct scenario *s, struct cursor *c)
{
    if (lex_accept(c, "MUST NOT") || lex_accept(c, "MUST"))
        s->level = LEVEL_MUST;
    else if (lex_accept(c, "SHOULD NOT") || lex_accept(c, "SHOULD"))
        s->level = LEVEL_SHOULD;
    else if (lex_accept(c, "MAY"))
        s->level = LEVEL_MAY;
    else
        lex_error(c, "expected MUST, MUST NOT, SHOULD, SHOULD NOT or MAY");
    s->level_given = true;
}

/* "exempt MUTATION: reason": a change that the self-test need not see noticed. */
static void header_exempt(struct scenario *s, struct cursor *c)
{
    const char *rest = lex_rest(c), *colon = strchr(rest, ':');
    if (!colon || colon == rest || !colon[1]) {
        lex_error(c, "expected exempt MUTATION: reason");
        return;
    }
    *arena_push(&s->arena, s->exempts, s->exempt_count) = (struct exempt){
        arena_slice(&s->arena, slice_of(rest, (size_t)(colon - rest))).p,
        arena_slice(&s->arena, slice_trim(slice_str(colon + 1))).p};
}

/* One of the lines that say what the scenario is. */
static bool parse_header(struct parser *p, struct cursor *c)
{
    struct scenario *s = p->scenario;
    if (lex_accept(c, "title"))
        s->title = lex_rest(c);
    else if (lex_accept(c, "why")) {
        const char *more = lex_rest(c);
        s->why = s->why ? arena_printf(&s->arena, "%s %s", s->why, more) : more;
    } else if (lex_accept(c, "covers"))
        header_covers(p, c);
    else if (lex_accept(c, "level"))
        header_level(s, c);
    else if (lex_accept(c, "needs"))
        words_into(c, &s->needs);
    else if (lex_accept(c, "tags"))
        words_into(c, &s->tags);
    else if (lex_accept(c, "attack"))
        words_into(c, &s->attacks);
    else if (lex_accept(c, "profile"))
        s->profile = lex_word(c, "the name of a profile");
    else if (lex_accept(c, "patience"))
        lex_duration(c, &s->patience_ms);
    else if (lex_accept(c, "timeout"))
        lex_duration(c, &s->timeout_ms);
    else if (lex_accept(c, "asks"))
        words_into(c, &s->allowed_dns);
    else if (lex_accept(c, "exempt"))
        header_exempt(s, c);
    else
        return false;
    lex_end(c);
    return true;
}

/* "start mail", "stop mail", "mail now on RCPT: accept", "join c1" */
static bool parse_action(struct parser *p, struct cursor *c)
{
    bool start = lex_accept(c, "start"), stop = !start && lex_accept(c, "stop");
    if (start || stop) {
        const char *name = lex_word(c, "the name of a server");
        struct part *part = parser_part(p, start ? PART_START : PART_STOP, c);
        part->server = name ? parser_server(p, name) : NULL;
        if (name && !part->server)
            lex_error(c, "no server is called \"%s\"", name);
        return true;
    }
    if (lex_accept(c, "join")) {
        const char *name = lex_word(c, "the name of a client");
        struct part *part = parser_part(p, PART_JOIN, c);
        part->client = name ? parser_client(p, name) : NULL;
        if (name && (!part->client || !part->client->background))
            lex_error(c, "no client called \"%s\" works in the background", name);
        return true;
    }
    const char *first = lex_peek(c);
    struct server *server = parser_server(p, first);
    const char *from = c->p;
    if (server && lex_accept(c, first) && lex_accept(c, "now")) {
        if (!lex_accept(c, "on"))
            return lex_error(c, "expected: %s now on EVENT: REACTION", first);
        struct part *part = parser_part(p, PART_RULE, c);
        part->server = server;
        part->rule = parse_rule(c, server->proto);
        return true;
    }
    c->p = from;
    return false;
}

static void parse_top(struct parser *p, const struct line *line)
{
    static const char *const known[] = {
        "title", "why", "covers", "level", "needs", "tags", "attack", "profile", "patience",
        "timeout", "asks", "exempt", "zone", "server", "client", "within", "then", "and", "for",
        "dns", "host", "target", "deliver", "start", "stop", "join", "table", "include", "optional"};
    struct cursor c = parser_take(p, line);
    if (line->indent > 0) {
        lex_error(&c, "this line is indented but belongs to nothing above it");
        return;
    }
    if (lex_accept(&c, "server"))
        parse_server(p, &c, line->indent);
    else if (lex_accept(&c, "client"))
        parse_client(p, &c, line->indent);
    else if (parse_world(p, &c, line->indent) || parse_deliver(p, &c, line->indent) ||
             parse_action(p, &c) ||
             parse_check(p, &c, line->indent) || parse_header(p, &c))
        lex_end(&c);
    else if (!c.failed) {
        const char *word = lex_peek(&c);
        const char *near = diag_nearest(word, known, sizeof known / sizeof *known);
        lex_error(&c, "\"%s\" is nothing that a line can begin with%s%s%s", word,
                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    if (c.failed)                  /* what is below it would only give further complaints */
        while (parser_line(p, line->indent))
            p->next++;
}

static struct scenario *parse_one(const struct source *source, const struct table_row *row,
                                  const char *id, struct diags *d)
{
    struct arena arena = {0};
    struct scenario *s = arena_alloc(&arena, sizeof *s);
    s->arena = arena;
    s->id = row ? arena_printf(&s->arena, "%s#%s", id, row->name) : arena_strdup(&s->arena, id);
    s->file = arena_strdup(&s->arena, source->file);
    s->at = row ? row->at : (struct place){.file = s->file, .line = 1};
    s->at.file = s->file;
    s->profile = "default";
    s->patience_ms = 5000;
    s->timeout_ms = 30000;
    struct parser p = {.source = source, .row = row, .scenario = s, .diags = d};
    const struct line *line;
    while ((line = peek(&p)))
        parse_top(&p, line);
    return s;
}

void parse_source(const struct source *source, const char *id, struct scenarios *out,
                  struct diags *d)
{
    size_t n = source->row_count ? source->row_count : 1;
    for (size_t i = 0; i < n; i++) {
        int before = d->errors;
        out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
        out->v[out->n++] = parse_one(source, source->row_count ? &source->rows[i] : NULL, id, d);
        out->v[out->n - 1]->broken = d->errors > before;
        if (d->errors > before)
            break;                 /* the same complaint for each row helps nobody */
    }
}

void scenarios_free(struct scenarios *s)
{
    for (size_t i = 0; i < s->n; i++)
        scenario_free(s->v[i]);
    free(s->v);
    *s = (struct scenarios){0};
}
