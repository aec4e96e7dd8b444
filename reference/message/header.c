/* header.c - the fields of a header, one after the other. */
#include "reference/message/header.h"

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The line at the front of s, its line end included. */
static size_t line_length(struct slice s)
{
    const char *lf = memchr(s.p, '\n', s.n);
    return lf ? (size_t)(lf - s.p) + 1 : s.n;
}

static bool is_empty_line(struct slice line)
{
    return line.n == 0 || line.p[0] == '\n' || slice_eq_str(line, "\r\n");
}

/* field-name ":" with the blanks of RFC 5322 4.5 before the colon; 0 when the line has no name. */
static size_t name_length(struct slice line, size_t *colon)
{
    const char *at = memchr(line.p, ':', line.n);
    if (!at)
        return 0;
    *colon = (size_t)(at - line.p);
    size_t n = *colon;
    while (n > 0 && is_blank(line.p[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line.p[i] < 33 || line.p[i] == 127)
            return 0;
    return n;
}

bool header_next(struct slice *rest, struct header_field *field)
{
    while (rest->n > 0) {
        size_t n = line_length(*rest);
        if (is_empty_line(slice_of(rest->p, n)))
            break;
        struct slice first = slice_of(rest->p, n);
        while (n < rest->n && is_blank(rest->p[n]))   /* a fold: RFC 5322 2.2.3 */
            n += line_length(slice_of(rest->p + n, rest->n - n));
        struct slice text = slice_of(rest->p, n);
        *rest = slice_of(rest->p + n, rest->n - n);
        size_t colon = 0, name = name_length(first, &colon);
        if (name == 0)
            continue;
        size_t end = n;
        if (end > 0 && text.p[end - 1] == '\n')
            end--;
        if (end > 0 && text.p[end - 1] == '\r')
            end--;
        field->name = slice_of(text.p, name);
        field->value = slice_sub(text, colon + 1, end < colon + 1 ? colon + 1 : end);
        field->text = text;
        return true;
    }
    return false;
}

bool header_next_named(struct slice *rest, const char *name, struct header_field *field)
{
    struct slice wanted = slice_str(name);
    while (header_next(rest, field))
        if (slice_ieq(field->name, wanted))
            return true;
    return false;
}

bool header_find(struct slice header, const char *name, struct header_field *field)
{
    return header_next_named(&header, name, field);
}

void header_unfold(struct buf *out, struct slice value)
{
    value = slice_trim(value);
    while (value.n > 0) {
        size_t n = 0;
        while (n < value.n && value.p[n] != '\r' && value.p[n] != '\n' && value.p[n] != 0)
            n++;
        buf_add(out, value.p, n);
        if (n < value.n)
            n++;                                      /* the CR, LF or NUL itself */
        value = slice_of(value.p + n, value.n - n);
    }
}

/* The length of the quoted string or comment at the front of s, to its end or the end of s. */
static size_t skip_quoted(struct slice s)
{
    size_t i = 1;
    for (; i < s.n && s.p[i] != '"'; i++)
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
    return i < s.n ? i + 1 : s.n;
}

static size_t skip_comment(struct slice s)
{
    size_t i = 0, depth = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return s.n;
}

void header_strip_comments(struct buf *out, struct slice value)
{
    while (value.n > 0) {
        size_t n = 1;
        if (value.p[0] == '(') {
            n = skip_comment(value);
            buf_add_byte(out, ' ');
        } else {
            if (value.p[0] == '"')
                n = skip_quoted(value);
            else
                while (n < value.n && value.p[n] != '(' && value.p[n] != '"')
                    n++;
            buf_add(out, value.p, n);
        }
        value = slice_of(value.p + n, value.n - n);
    }
}
