#include "conformance/runner/lex.h"

#include "base/timing.h"

#include <stdlib.h>

struct cursor cursor_of(struct arena *a, struct diags *d, const struct line *line)
{
    return (struct cursor){.start = line->text, .p = line->text, .at = line->at, .arena = a,
                           .diags = d};
}

bool lex_error(struct cursor *c, const char *fmt, ...)
{
    if (!c->failed) {
        struct place at = c->at;
        at.col += (int)(c->p - c->start);
        struct buf message = {0};
        va_list ap;
        va_start(ap, fmt);
        buf_vprintf(&message, fmt, ap);
        va_end(ap);
        diag_error(c->diags, at, "%s", buf_str(&message));
        buf_free(&message);
    }
    c->failed = true;
    return false;
}

void lex_blanks(struct cursor *c)
{
    while (*c->p == ' ' || *c->p == '\t')
        c->p++;
}

bool lex_at_end(struct cursor *c)
{
    lex_blanks(c);
    return *c->p == 0;
}

bool lex_end(struct cursor *c)
{
    return c->failed || lex_at_end(c) || lex_error(c, "\"%s\" is not expected here", c->p);
}

bool lex_accept(struct cursor *c, const char *words)
{
    lex_blanks(c);
    const char *p = c->p;
    for (const char *w = words; *w; w++) {
        if (*w == ' ') {
            if (*p != ' ')
                return false;
            while (*p == ' ')
                p++;
        } else if (*p++ != *w) {
            return false;
        }
    }
    if (*p && *p != ' ' && *p != '\t')
        return false;
    c->p = p;
    return true;
}

const char *lex_peek(struct cursor *c)
{
    lex_blanks(c);
    size_t n = strcspn(c->p, " \t");
    return arena_slice(c->arena, slice_of(c->p, n)).p;
}

const char *lex_word(struct cursor *c, const char *what)
{
    const char *word = lex_peek(c);
    if (!*word) {
        lex_error(c, "expected %s", what);
        return NULL;
    }
    c->p += strlen(word);
    return word;
}

const char *lex_rest(struct cursor *c)
{
    lex_blanks(c);
    struct slice rest = slice_trim(slice_str(c->p));
    c->p += strlen(c->p);
    return arena_slice(c->arena, rest).p;
}

bool lex_number(struct cursor *c, int64_t max, int64_t *out)
{
    uint64_t n;
    const char *word = lex_peek(c);
    if (!slice_number(slice_str(word), (uint64_t)max, &n))
        return lex_error(c, "expected a number of at most %lld, not \"%s\"", (long long)max, word);
    c->p += strlen(word);
    *out = (int64_t)n;
    return true;
}

bool lex_duration(struct cursor *c, int64_t *ms)
{
    const char *word = lex_peek(c);
    size_t n = strlen(word);
    if (!n || (word[n - 1] >= '0' && word[n - 1] <= '9') ||
        !parse_duration_ms(slice_str(word), ms) || *ms <= 0)
        return lex_error(c, "expected a time such as 200ms, 10s or 2m, not \"%s\"", word);
    c->p += n;
    return true;
}

bool lex_count(struct cursor *c, struct count *out)
{
    const char *begin = c->p;
    enum count_kind kind = COUNT_EXACTLY;
    uint64_t n = 0;
    if (lex_accept(c, "at least"))
        kind = COUNT_AT_LEAST;
    else if (lex_accept(c, "at most"))
        kind = COUNT_AT_MOST;
    else if (!lex_accept(c, "exactly") && (lex_accept(c, "no") || lex_accept(c, "never"))) {
        *out = (struct count){COUNT_EXACTLY, 0};
        return true;
    }
    if (lex_accept(c, "once"))
        n = 1;
    else if (lex_accept(c, "twice"))
        n = 2;
    else {
        const char *word = lex_peek(c);
        if (!slice_number(slice_str(word), 1000000, &n)) {
            c->p = begin;
            return false;
        }
        c->p += strlen(word);
    }
    *out = (struct count){kind, (int64_t)n};
    return true;
}

bool lex_path(struct cursor *c, struct text *out)
{
    lex_blanks(c);
    if (*c->p != '<')
        return lex_error(c, "expected an address in angle brackets, such as <tom@hehuan.test>");
    const char *from = c->p + 1, *to = from;
    bool quoted = false;
    for (; *to && (quoted || *to != '>'); to++) {
        if (*to == '\\' && to[1])
            to++;
        else if (*to == '"')
            quoted = !quoted;
    }
    if (!*to)
        return lex_error(c, "this \"<\" is not closed");
    bool ok = text_parse(c, from, to, out);
    c->p = to + 1;
    return ok;
}

/* The end of a quoted or slashed part that begins at p; NULL when it is not closed. */
static const char *closing(const char *p)
{
    char mark = *p++;
    while (*p && *p != mark)
        p += *p == '\\' && p[1] ? 2 : 1;
    return *p ? p : NULL;
}

struct pattern *lex_pattern(struct cursor *c, const char *stop)
{
    lex_blanks(c);
    const char *p = c->p;
    if (!*p) {
        lex_error(c, "expected a pattern: words, \"exact text\" or /expression/");
        return NULL;
    }
    const char *to = NULL;
    if (*p == '"' || *p == '/') {
        const char *end = closing(p);
        if (!end) {
            lex_error(c, "this %c is not closed", *p);
            return NULL;
        }
        to = end + 1;
        if (*to && *to != ' ' && !(stop && strchr(stop, *to)))
            to = NULL;             /* part of a longer pattern: "SIZE"/\d+/x */
    }
    if (!to) {
        to = p;
        while (*to && !(stop && strchr(stop, *to))) {
            const char *end = (*to == '"' || *to == '/') && (to == p || to[-1] == ' ')
                ? closing(to) : NULL;
            to = end ? end + 1 : *to == '\\' && to[1] ? to + 2 : to + 1;
        }
    }
    struct pattern *pattern = pattern_parse(c, p, to);
    c->p = to;
    return pattern;
}

static bool is_id(struct slice s)
{
    if (s.n >= 3 && s.p[0] == 'D' && s.p[1] >= '0' && s.p[1] <= '9' && s.n <= 4)
        return slice_number(slice_sub(s, 1, s.n), 999, &(uint64_t){0});
    if (!slice_starts(s, SLICE("rfc")) && !slice_starts(s, SLICE("errata")))
        return false;
    if (s.n < 5 || s.p[s.n - 1] == '/' || slice_index(s, '/') < 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-", s.p[i]))
            return false;
    return true;
}

void lex_tags(struct cursor *c, struct ids *out)
{
    size_t n = strlen(c->start);
    if (n < 5 || c->start[n - 1] != ']')
        return;
    const char *open = strrchr(c->start, '[');
    if (!open || open == c->start || open[-1] != ' ')
        return;
    struct slice inside = slice_of(open + 1, (size_t)(c->start + n - 1 - (open + 1))), rest = inside,
                 field;
    while (slice_next(&rest, ',', &field)) {
        struct slice words = field, word;
        while (slice_word(&words, &word))
            if (!is_id(word))
                return;            /* "[UIDVALIDITY 3]": text, not ids */
    }
    rest = inside;
    while (slice_next(&rest, ',', &field)) {
        struct slice words = field, word;
        while (slice_word(&words, &word))
            ids_add(c->arena, out, arena_slice(c->arena, word).p);
    }
    struct slice line = slice_trim(slice_of(c->start, (size_t)(open - c->start)));
    size_t offset = (size_t)(c->p - c->start);
    char *copy = (char *)arena_slice(c->arena, line).p;
    c->start = copy;
    c->p = copy + (offset < line.n ? offset : line.n);
}
