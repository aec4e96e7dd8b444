/* mime_entity.c - the outline of a MIME entity. */
#include "reference/message/mime_entity.h"

/* A line of text up to its LF, and with it. */
static bool take_line(struct slice *rest, struct slice *line)
{
    if (rest->n == 0)
        return false;
    ptrdiff_t lf = slice_index(*rest, '\n');
    size_t n = lf < 0 ? rest->n : (size_t)lf + 1;
    *line = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n, rest->n);
    return true;
}

static bool is_empty_line(struct slice line) { return slice_trim(line).n == 0 && line.n <= 2; }

/* A field with its continuation lines. */
static bool take_field(struct slice *rest, struct slice *field)
{
    struct slice line;
    if (!take_line(rest, field))
        return false;
    while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t') && take_line(rest, &line))
        field->n += line.n;
    return true;
}

static bool is_token_octet(char c)
{
    return c > 32 && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct slice take_token(struct slice *s)
{
    size_t n = 0;
    *s = slice_trim(*s);
    while (n < s->n && is_token_octet(s->p[n]))
        n++;
    struct slice token = slice_sub(*s, 0, n);
    *s = slice_sub(*s, n, s->n);
    return token;
}

/* Comments in parentheses are white space (RFC 2045 5.1). */
static void skip_space(struct slice *s)
{
    int depth = 0;
    size_t i = 0;
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *s = slice_sub(*s, i, s->n);
}

static bool take_octet(struct slice *s, char c)
{
    skip_space(s);
    bool there = s->n > 0 && s->p[0] == c;
    if (there)
        *s = slice_sub(*s, 1, s->n);
    return there;
}

/* A parameter's value: a token or a quoted string; cut at `most`. */
static void take_value(struct slice *s, char *out, size_t most)
{
    size_t n = 0;
    skip_space(s);
    if (s->n > 0 && s->p[0] == '"') {
        size_t i = 1;
        for (; i < s->n && s->p[i] != '"'; i++) {
            i += s->p[i] == '\\' && i + 1 < s->n;
            if (n < most)
                out[n++] = s->p[i];
        }
        *s = slice_sub(*s, i + 1, s->n);
    } else {
        struct slice token = take_token(s);
        n = token.n < most ? token.n : most;
        memcpy(out, token.p, n);
    }
    out[n] = 0;
}

static void parse_type(struct slice s, struct mime_entity *e)
{
    char other[1 + 1];
    skip_space(&s);
    e->type = take_token(&s);
    if (!take_octet(&s, '/'))
        return;
    skip_space(&s);
    e->subtype = take_token(&s);
    while (take_octet(&s, ';')) {
        skip_space(&s);
        struct slice name = take_token(&s);
        if (!take_octet(&s, '='))
            return;
        if (slice_ieq_str(name, "boundary"))
            take_value(&s, e->boundary, BOUNDARY_MAX);
        else
            take_value(&s, other, 1);
    }
}

static void look_at_field(struct slice field, struct mime_entity *e)
{
    ptrdiff_t colon = slice_index(field, ':');
    struct slice name = slice_trim(slice_sub(field, 0, colon < 0 ? 0 : (size_t)colon));
    struct slice value = slice_sub(field, (size_t)colon + 1, field.n);
    if (slice_ieq_str(name, "MIME-Version")) {
        e->mime_version = true;
    } else if (slice_ieq_str(name, "Content-Type")) {
        parse_type(value, e);
    } else if (slice_ieq_str(name, "Content-Transfer-Encoding")) {
        e->encoding_field = field;
        skip_space(&value);
        e->encoding = take_token(&value);
    }
}

void mime_entity_parse(struct slice text, struct mime_entity *e)
{
    struct slice rest = text, field;
    *e = (struct mime_entity){0};
    while (take_field(&rest, &field) && !is_empty_line(field))
        look_at_field(field, e);
    e->body = rest;
    e->header = slice_sub(text, 0, text.n - rest.n);
}

/* "--boundary" at the beginning of a line, "--" behind it for the last one, then only blanks. */
static bool is_delimiter(const struct mime_entity *e, struct slice line, bool *closing)
{
    struct slice boundary = slice_str(e->boundary);
    if (!slice_starts(line, SLICE("--")) ||
        !slice_starts(slice_sub(line, 2, line.n), boundary))
        return false;
    struct slice after = slice_trim(slice_sub(line, 2 + boundary.n, line.n));
    *closing = slice_starts(after, SLICE("--"));
    return after.n == 0 || (*closing && after.n == 2);
}

bool mime_next_delimiter(const struct mime_entity *e, struct slice *rest, struct slice *before,
                         struct slice *line, bool *closing)
{
    struct slice left = *rest;
    while (take_line(&left, line)) {
        if (!is_delimiter(e, *line, closing))
            continue;
        size_t at = (size_t)(line->p - rest->p), crlf = at;
        if (crlf > 0 && rest->p[crlf - 1] == '\n')
            crlf -= crlf > 1 && rest->p[crlf - 2] == '\r' ? 2 : 1;
        *before = slice_sub(*rest, 0, crlf);
        *line = slice_of(rest->p + crlf, line->n + at - crlf);
        *rest = left;
        return true;
    }
    *before = *rest;
    *rest = slice_of(NULL, 0);
    return false;
}
