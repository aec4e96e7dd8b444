/* parse_reply.c - what may stand behind "S:": the answers that are right, and their verdicts. */
#include "conformance/runner/imap.h"
#include "conformance/runner/lex.h"
#include "conformance/runner/parse.h"

static bool is_code(const char *w, size_t n)
{
    if (n != 3 || !((w[0] >= '1' && w[0] <= '5') || w[0] == 'x'))
        return false;
    for (size_t i = 1; i < 3; i++)
        if (!((w[i] >= '0' && w[i] <= '9') || w[i] == 'x'))
            return false;
    return true;
}

/* "5.1.1", "5.x.x" */
static bool is_enhanced(const char *w)
{
    if (!strchr("245x", w[0]) || !w[0] || w[1] != '.')
        return false;
    int dots = 0;
    for (const char *p = w; *p; p++) {
        if (*p == '.')
            dots++;
        else if (!((*p >= '0' && *p <= '9') || *p == 'x'))
            return false;
    }
    return dots == 2;
}

/* The next run of bytes that are neither blank nor '|'. */
static const char *token(struct cursor *c)
{
    lex_blanks(c);
    size_t n = strcspn(c->p, " |");
    const char *w = arena_slice(c->arena, slice_of(c->p, n)).p;
    c->p += n;
    return w;
}

static void optional_text(struct cursor *c, struct alt *alt)
{
    lex_blanks(c);
    if (*c->p == '"' || *c->p == '/')
        alt->text = lex_pattern(c, "|");
}

static void smtp_alt(struct cursor *c, struct alt *alt)
{
    static const struct { const char *word, *code; } classes[] = {
        {"ok", "2xx"}, {"intermediate", "3xx"}, {"tempfail", "4xx"}, {"permfail", "5xx"},
        {"refusal", ""}};
    const char *w = token(c);
    alt->kind = ALT_CODE;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(w, classes[i].word) == 0)
            w = classes[i].code;
    if (!is_code(w, strlen(w))) {
        lex_error(c, "\"%s\" is no reply; write a code (250, 25x), ok, tempfail, permfail, "
                  "intermediate, closed, refused or nothing within T", w);
        return;
    }
    memcpy(alt->code, w, 4);
    const char *before = c->p, *enhanced = token(c);
    if (is_enhanced(enhanced))
        alt->enhanced = enhanced;
    else
        c->p = before;
    optional_text(c, alt);
}

static void pop3_alt(struct cursor *c, struct alt *alt)
{
    const char *w = token(c);
    alt->kind = ALT_STATUS;
    if (strcmp(w, "ok") == 0)
        w = "+OK";
    else if (strcmp(w, "permfail") == 0)
        w = "-ERR";
    if (strcmp(w, "+OK") != 0 && strcmp(w, "-ERR") != 0 && strcmp(w, "+") != 0) {
        lex_error(c, "\"%s\" is no reply of POP3; write +OK, -ERR, +, closed, refused or nothing "
                  "within T", w);
        return;
    }
    alt->word = w;
    lex_blanks(c);
    if (*c->p == '[') {
        size_t n = strcspn(c->p, "]");
        if (!c->p[n]) {
            lex_error(c, "this [ is not closed");
            return;
        }
        alt->respcode = arena_slice(c->arena, slice_of(c->p + 1, n - 1)).p;
        c->p += n + 1;
    }
    optional_text(c, alt);
}

/* The end of a free pattern: the clauses that may follow it begin with a word of their own. */
static const char *line_end(const char *p)
{
    const char *end = p + strlen(p);
    for (const char *q = p; (q = strstr(q, " or ")) != NULL; q++)
        if (strncmp(q + 4, "WARN ", 5) == 0 || strncmp(q + 4, "INFO ", 5) == 0)
            return q;
    const char *within = NULL;
    for (const char *q = p; (q = strstr(q, " within ")) != NULL; q++)
        within = q;
    if (within && strcspn(within + 8, " ") == strlen(within + 8) && within[8] >= '0' &&
        within[8] <= '9')
        return within;
    return end;
}

/* In IMAP a bar outside strings and expressions begins the next alternative. */
static const char *imap_end(const char *p, const char *end)
{
    char quote = 0;
    for (; p < end; p++) {
        if (quote && *p == '\\' && p + 1 < end)
            p++;
        else if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '"' || (*p == '/' && p[-1] == ' '))
            quote = *p;
        else if (*p == '|')
            return p;
    }
    return end;
}

static void line_alt(struct cursor *c, struct alt *alt, bool imap)
{
    alt->kind = ALT_LINE;
    lex_blanks(c);
    const char *end = line_end(c->p);
    if (imap) {
        end = imap_end(c->p, end);
        alt->text = imap_pattern(c, c->p, end);
    } else {
        if (end == c->p)
            lex_error(c, "expected a line: words, \"exact text\" or /expression/");
        alt->text = pattern_parse(c, c->p, end);
    }
    c->p = end;
}

/* The ] that closes a response code: not one in a string or an expression. */
static size_t code_end(const char *p)
{
    char quote = 0;
    size_t i = 0;
    for (; p[i] && (quote || p[i] != ']'); i++) {
        if (quote && p[i] == '\\' && p[i + 1])
            i++;
        else if (quote)
            quote = p[i] == quote ? 0 : quote;
        else if (p[i] == '"' || (p[i] == '/' && strchr(" (", p[i - 1])))
            quote = p[i];
    }
    return i;
}

/* "* 3 EXISTS", "+", "a1 OK", "a1 NO|BAD" */
static void imap_alt(struct cursor *c, struct alt *alt)
{
    lex_blanks(c);
    if (*c->p == '*' || *c->p == '+') {
        line_alt(c, alt, true);
        return;
    }
    alt->kind = ALT_STATUS;
    alt->tag = token(c);
    alt->word = token(c);
    if (strcmp(alt->word, "OK") != 0 && strcmp(alt->word, "NO") != 0 &&
        strcmp(alt->word, "BAD") != 0) {
        lex_error(c, "expected * DATA, + or TAG OK, TAG NO, TAG BAD");
        return;
    }
    lex_blanks(c);
    if (*c->p == '[') {
        size_t n = code_end(c->p);
        if (!c->p[n]) {
            lex_error(c, "this [ is not closed");
            return;
        }
        alt->text = imap_pattern(c, c->p, c->p + n + 1);
        c->p += n + 1;
    } else {
        optional_text(c, alt);
    }
}

static void parse_alt(struct cursor *c, struct expect *e, enum proto proto, char sender,
                      enum verdict verdict)
{
    const char *from = (lex_blanks(c), c->p), *tag = NULL;
    if (e->alt_count)
        tag = e->alts[e->alt_count - 1].tag;
    struct alt *alt = arena_push(c->arena, e->alts, e->alt_count);
    alt->verdict = verdict;
    size_t n = strcspn(c->p, " |");
    if (n == 6 && strncmp(c->p, "closed", 6) == 0) {
        alt->kind = ALT_CLOSED;
        c->p += n;
    } else if (n == 7 && strncmp(c->p, "refused", 7) == 0) {
        alt->kind = ALT_REFUSED;
        c->p += n;
    } else if (lex_accept(c, "nothing within")) {
        alt->kind = ALT_NOTHING;
        lex_duration(c, &e->within_ms);
    } else if (sender == 'S' && lex_accept(c, "message")) {
        alt->kind = ALT_MESSAGE;
    } else if (sender == 'S' || proto == PROTO_RAW) {
        line_alt(c, alt, false);
    } else if (proto == PROTO_POP3) {
        pop3_alt(c, alt);
    } else if (proto == PROTO_IMAP) {
        if (tag && (strncmp(c->p, "OK", 2) == 0 || strncmp(c->p, "NO", 2) == 0 ||
                    strncmp(c->p, "BAD", 3) == 0)) {
            alt->kind = ALT_STATUS;        /* "a1 NO|BAD" */
            alt->tag = tag;
            alt->word = token(c);
            optional_text(c, alt);
        } else {
            imap_alt(c, alt);
        }
    } else {
        smtp_alt(c, alt);
    }
    alt->source = arena_slice(c->arena, slice_trim(slice_of(from, (size_t)(c->p - from)))).p;
}

static struct item *add_item(struct arena *a, struct expect *e, struct place at, bool negative,
                             struct pattern *pattern)
{
    struct item *item = arena_push(a, e->items, e->item_count);
    *item = (struct item){.at = at, .negative = negative};
    if (pattern)
        item->pattern = *pattern;
    return item;
}

/* Where an item of a list ends: at a comma, or at the word that begins the next clause. */
static const char *item_end(const char *p)
{
    static const char *const clauses[] = {" has ", " lacks ", " within ", " or ", " lines"};
    char quote = 0;
    for (; *p; p++) {
        if (quote) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == quote)
                quote = 0;
            continue;
        }
        if ((*p == '"' || *p == '/') && p[-1] == ' ')
            quote = *p;
        if (*p == ',')
            return p;
        for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
            if (strncmp(p, clauses[i], strlen(clauses[i])) == 0)
                return p;
    }
    return p;
}

/* "has A, B" and "lacks A, B": the short form of lines below. */
static void item_list(struct cursor *c, struct expect *e, bool negative)
{
    do {
        lex_blanks(c);
        const char *end = item_end(c->p);
        if (end == c->p) {
            lex_error(c, "expected a pattern");
            return;
        }
        add_item(c->arena, e, c->at, negative, pattern_parse(c, c->p, end));
        c->p = end;
    } while (!c->failed && *c->p == ',' && c->p++);
}

static void item_line(struct parser *p, struct expect *e, enum proto proto,
                      const struct line *line)
{
    struct cursor c = parser_take(p, line);
    struct ids ids = {0};
    parser_tags(p, &c, &ids);
    if (lex_accept(&c, "in order"))
        e->in_order = true;
    else if (lex_accept(&c, "nothing else"))
        e->nothing_else = true;
    else {
        bool negative = lex_accept(&c, "not");
        lex_blanks(&c);
        struct pattern *pattern = proto == PROTO_IMAP
            ? imap_pattern(&c, c.p, c.p + strlen(c.p)) : pattern_parse(&c, c.p, c.p + strlen(c.p));
        struct item *item = add_item(c.arena, e, line->at, negative, pattern);
        item->ids = ids;
        c.p += strlen(c.p);
    }
    lex_end(&c);
}

static bool clause(struct parser *p, struct cursor *c, struct expect *e, enum proto proto,
                   char sender, enum verdict *verdict)
{
    (void)p;
    lex_blanks(c);
    if (*c->p == '|') {
        c->p++;
        parse_alt(c, e, proto, sender, *verdict);
    } else if (lex_accept(c, "or WARN")) {
        parse_alt(c, e, proto, sender, *verdict = V_WARN);
    } else if (lex_accept(c, "or INFO")) {
        parse_alt(c, e, proto, sender, *verdict = V_INFO);
    } else if (lex_accept(c, "or")) {
        parse_alt(c, e, proto, sender, *verdict);
    } else if (lex_accept(c, "within")) {
        lex_duration(c, &e->within_ms);
    } else if (lex_accept(c, "has")) {
        item_list(c, e, false);
    } else if (lex_accept(c, "lacks")) {
        item_list(c, e, true);
    } else if (proto == PROTO_POP3 && lex_accept(c, "lines")) {
        e->lines = true;
    } else if (proto == PROTO_POP3 && lex_accept(c, "equals fixture")) {
        e->lines = true;
        e->equals_fixture = lex_word(c, "the name of a message");
        parse_except(c, &e->except);
    } else if (proto == PROTO_POP3 && lex_accept(c, "octets")) {
        e->lines = true;
        const char *w = lex_word(c, "a variable: $size");
        if (!c->failed && (w[0] != '$' || !w[1]))
            lex_error(c, "expected a variable: $size");
        else
            e->octets = w + 1;
    } else {
        return false;
    }
    return !c->failed;
}

struct expect *parse_expect(struct parser *p, struct cursor *c, enum proto proto, char sender,
                            int indent)
{
    struct expect *e = arena_alloc(c->arena, sizeof *e);
    e->source = c->start;
    enum verdict verdict = V_PASS;
    parse_alt(c, e, proto, sender, verdict);
    while (!c->failed && !lex_at_end(c) && clause(p, c, e, proto, sender, &verdict))
        ;
    lex_end(c);
    const struct line *line;
    while ((line = parser_line(p, indent)))
        item_line(p, e, proto, line);
    return e;
}
