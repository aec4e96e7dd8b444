#include "conformance/runner/imap.h"

#include "conformance/runner/lex.h"

/* One reader for responses and for patterns of them. */
struct reader {
    struct arena *arena;
    const char *p, *end;
    bool pattern;
    const char *why;
    int depth;
};

static bool fail(struct reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static bool at(struct reader *r, char c) { return r->p < r->end && *r->p == c; }

static struct imap_node *add(struct reader *r, struct imap_node *list, enum imap_kind kind,
                             struct slice bytes)
{
    struct imap_node *n = arena_push(r->arena, list->items, list->count);
    *n = (struct imap_node){.kind = kind, .bytes = bytes};
    return n;
}

static bool read_items(struct reader *r, struct imap_node *list, char close);

static bool read_quoted(struct reader *r, struct imap_node *list)
{
    struct buf b = {0};
    r->p++;
    while (r->p < r->end && *r->p != '"') {
        if (*r->p == '\\' && ++r->p == r->end)
            break;
        if (r->pattern && r->p[-1] == '\\' && (*r->p == 'r' || *r->p == 'n')) {
            buf_add_byte(&b, *r->p++ == 'r' ? '\r' : '\n');     /* a literal may hold line ends */
            continue;
        }
        if (!r->pattern && (*r->p == '\r' || *r->p == '\n')) {
            buf_free(&b);
            return fail(r, "a line end inside a quoted string");
        }
        buf_add_byte(&b, *r->p++);
    }
    bool ok = r->p < r->end || fail(r, "a quoted string is not closed");
    add(r, list, IMAP_STRING, arena_slice(r->arena, buf_slice(&b)));
    buf_free(&b);
    r->p++;
    return ok;
}

/* {n} CRLF and n octets; "~{n}" is a literal8 (RFC 9051 4.3) */
static bool read_literal(struct reader *r, struct imap_node *list)
{
    bool binary = *r->p == '~';
    r->p += binary ? 2 : 1;
    const char *digits = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    uint64_t n;
    if (!slice_number(slice_of(digits, (size_t)(r->p - digits)), 0x7fffffff, &n) ||
        r->end - r->p < 3 || memcmp(r->p, "}\r\n", 3) != 0)
        return fail(r, "a literal that is not {n} and CRLF");
    r->p += 3;
    if ((uint64_t)(r->end - r->p) < n)
        return fail(r, "a literal shorter than it says");
    add(r, list, IMAP_STRING, arena_slice(r->arena, slice_of(r->p, n)))->binary = binary;
    r->p += n;
    return true;
}

/* An atom; "BODY[HEADER.FIELDS (A B)]<0>" is one. */
static bool read_atom(struct reader *r, struct imap_node *list, char close)
{
    const char *from = r->p;
    while (r->p < r->end && !strchr(" ()\"\r\n", *r->p) && *r->p != close &&
           !(close == '}' && *r->p == ',')) {
        if (*r->p == '[') {
            const char *bracket = memchr(r->p, ']', (size_t)(r->end - r->p));
            if (!bracket)
                return fail(r, "a [ that is not closed");
            r->p = bracket;
        }
        r->p++;
    }
    if (r->p == from)
        return fail(r, "something that is neither atom, string nor list");
    struct slice word = slice_of(from, (size_t)(r->p - from));
    add(r, list, slice_ieq_str(word, "NIL") ? IMAP_NIL : IMAP_ATOM, arena_slice(r->arena, word));
    return true;
}

/* What only a pattern has: * ... $name /expression/ {A, B}. 1: read, 0: none of it, -1: error. */
static int read_special(struct reader *r, struct imap_node *list)
{
    char next = r->p + 1 < r->end ? r->p[1] : ' ';
    if (*r->p == '*' && strchr(" )]},", next)) {
        r->p++;
        add(r, list, IMAP_ANY, (struct slice){0});
        return 1;
    }
    if (r->end - r->p >= 3 && memcmp(r->p, "...", 3) == 0) {
        r->p += 3;
        add(r, list, IMAP_REST, (struct slice){0});
        return 1;
    }
    if (*r->p == '$' && ((next >= 'a' && next <= 'z'))) {
        const char *name = ++r->p;
        while (r->p < r->end && ((*r->p >= 'a' && *r->p <= 'z') || (*r->p >= '0' && *r->p <= '9') ||
                                 *r->p == '_'))
            r->p++;
        struct imap_node *n =
            add(r, list, IMAP_VAR, arena_slice(r->arena, slice_of(name, (size_t)(r->p - name))));
        if (r->end - r->p >= 7 && memcmp(r->p, ":number", 7) == 0) {
            n->type = VAR_NUMBER;
            r->p += 7;
        }
        return 1;
    }
    if (*r->p == '/' && next != ' ') {
        const char *from = ++r->p;
        while (r->p < r->end && *r->p != '/')
            r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
        if (r->p >= r->end)
            return fail(r, "this /expression is not closed") - 1;
        add(r, list, IMAP_REGEX, arena_slice(r->arena, slice_of(from, (size_t)(r->p - from))));
        r->p++;
        return 1;
    }
    if (*r->p == '{') {
        struct imap_node *set = add(r, list, IMAP_SET, (struct slice){0});
        r->p++;
        do {
            struct imap_node *one = add(r, set, IMAP_LIST, (struct slice){0});
            while (at(r, ' '))
                r->p++;
            if (!read_items(r, one, '}'))
                return -1;
        } while (at(r, ',') && r->p++);
        if (!at(r, '}'))
            return fail(r, "this { is not closed") - 1;
        r->p++;
        return 1;
    }
    return 0;
}

static bool read_group(struct reader *r, struct imap_node *list, enum imap_kind kind, char close)
{
    if (++r->depth > IMAP_DEPTH_MAX)
        return fail(r, "lists nested too deep");
    r->p++;
    /* Built aside: pushing to the list may move what it holds. */
    struct imap_node group = {.kind = kind};
    if (!read_items(r, &group, close))
        return false;
    if (!at(r, close))
        return fail(r, "a list that is not closed");
    r->p++;
    r->depth--;
    *add(r, list, kind, (struct slice){0}) = group;
    return true;
}

static bool read_item(struct reader *r, struct imap_node *list, char close)
{
    if (r->pattern && *r->p == '~' && r->p + 1 < r->end && (r->p[1] == '/' || r->p[1] == '"')) {
        r->p++;
        bool ok = read_item(r, list, close);
        list->items[list->count - 1].binary = ok;
        return ok;
    }
    if (r->pattern) {
        int special = read_special(r, list);
        if (special)
            return special > 0;
    }
    if (*r->p == '(')
        return read_group(r, list, IMAP_LIST, ')');
    if (*r->p == '[')
        return read_group(r, list, IMAP_CODE, ']');
    if (*r->p == '"')
        return read_quoted(r, list);
    if (*r->p == '{' || (*r->p == '~' && r->p + 1 < r->end && r->p[1] == '{'))
        return read_literal(r, list);
    return read_atom(r, list, close);
}

/* Items up to `close` (not taken) or the end; in a set's element a comma ends it as well. */
static bool read_items(struct reader *r, struct imap_node *list, char close)
{
    while (r->p < r->end && *r->p != close && !(close == '}' && *r->p == ',')) {
        if (!read_item(r, list, close))
            return false;
        bool group = list->items[list->count - 1].kind == IMAP_LIST;
        if (at(r, ' ')) {
            r->p++;
            while (r->pattern && at(r, ' '))
                r->p++;
        } else if (r->p < r->end && *r->p != close && !(close == '}' && *r->p == ',') &&
                   !(group && *r->p == '(')) {        /* "(..)(..)" in BODY structures */
            return fail(r, "something that is not set apart by a blank");
        }
    }
    return true;
}

static bool is_status(const struct imap_node *list)
{
    static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    if (list->count != 2 || list->items[1].kind != IMAP_ATOM)
        return false;
    for (size_t i = 0; i < 5; i++)
        if (slice_ieq_str(list->items[1].bytes, words[i]))
            return true;
    return false;
}

/* tag or "*" or "+", then for OK NO BAD BYE PREAUTH [code] and free text (RFC 9051 7.1) */
static bool read_response(struct reader *r, struct imap_node *out)
{
    *out = (struct imap_node){.kind = IMAP_LIST};
    if (!read_atom(r, out, 0))
        return false;
    if (slice_eq_str(out->items[0].bytes, "+")) {
        r->p += at(r, ' ');
        if (r->p < r->end || !r->pattern)
            add(r, out, IMAP_TEXT, arena_slice(r->arena, slice_of(r->p, (size_t)(r->end - r->p))));
        return true;
    }
    if (!at(r, ' '))
        return fail(r, "nothing after the tag");
    r->p++;
    if (r->p >= r->end || !read_item(r, out, 0))
        return fail(r, "nothing after the tag");
    if (!is_status(out)) {
        if (r->p < r->end && !at(r, ' '))
            return fail(r, "something that is not set apart by a blank");
        r->p += at(r, ' ');
        return read_items(r, out, 0);
    }
    r->p += at(r, ' ');
    if (at(r, '[') && !read_group(r, out, IMAP_CODE, ']'))
        return false;
    r->p += at(r, ' ');
    if (r->p < r->end && r->pattern)
        return read_items(r, out, 0);
    if (r->p < r->end)
        add(r, out, IMAP_TEXT, arena_slice(r->arena, slice_of(r->p, (size_t)(r->end - r->p))));
    return true;
}

bool imap_parse(struct arena *a, struct slice response, struct imap_node *out, const char **why)
{
    struct reader r = {.arena = a, .p = response.p, .end = response.p + response.n};
    bool ok = response.n > 0 && read_response(&r, out);
    *why = ok ? NULL : r.why ? r.why : "an empty line";
    return ok;
}

struct pattern *imap_pattern(struct cursor *c, const char *from, const char *to)
{
    while (to > from && to[-1] == ' ')
        to--;
    struct pattern *p = arena_alloc(c->arena, sizeof *p);
    p->source = arena_slice(c->arena, slice_of(from, (size_t)(to - from))).p;
    p->imap = arena_alloc(c->arena, sizeof *p->imap);
    struct reader r = {.arena = c->arena, .p = from, .end = to, .pattern = true};
    bool ok;
    if (from < to && *from == '[') {           /* the code of "a1 OK [READ-ONLY]" */
        *p->imap = (struct imap_node){.kind = IMAP_LIST};
        ok = read_items(&r, p->imap, 0);
    } else {
        ok = from < to && read_response(&r, p->imap);
    }
    if (!ok) {
        c->p = r.p > to ? to : r.p;
        lex_error(c, "this is no response of IMAP: %s", r.why ? r.why : "it is empty");
        return NULL;
    }
    return p;
}
