/* parameters.c - "; name=value" lists (RFC 2045 5.1), continuations and charsets (RFC 2231). */
#include "reference/message/decode.h"

#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

enum { SECTIONS_MAX = 1000 };

/* One "name=value" as written; several make a parameter when RFC 2231 3 was used. */
struct piece {
    struct slice name;       /* without "*0", "*0*", "*" */
    uint32_t section;        /* 0 when there was none */
    bool encoded;            /* "*" at the end: %XX, and in section 0 charset'language' */
    bool plain;              /* there is no "*" in its name */
    struct buf text;         /* unquoted */
};

struct pieces { struct piece all[MIME_PARAMETERS_MAX]; size_t count; };

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static void skip_blank(struct slice *s)
{
    size_t depth = 0;
    while (s->n > 0) {
        size_t n = 1;
        if (s->p[0] == '(')
            depth++;
        else if (depth > 0 && s->p[0] == ')')
            depth--;
        else if (depth > 0 && s->p[0] == '\\' && s->n > 1)
            n = 2;
        else if (depth == 0 && !is_blank(s->p[0]))
            break;
        *s = slice_of(s->p + n, s->n - n);
    }
}

/* quoted-string; one that never ends goes to the end of the field. Folds are taken out. */
static void take_quoted(struct slice *s, struct buf *out)
{
    size_t i = 1;
    for (; i < s->n && s->p[i] != '"'; i++) {
        if (s->p[i] == '\\' && i + 1 < s->n)
            i++;
        if (s->p[i] != '\r' && s->p[i] != '\n' && s->p[i] != 0)
            buf_add_byte(out, s->p[i]);
    }
    i += i < s->n;
    *s = slice_of(s->p + i, s->n - i);
}

/* A token, or whatever stands there up to the ";": file names with blanks are often not quoted. */
static void take_value(struct slice *s, struct buf *out)
{
    skip_blank(s);
    if (s->n > 0 && s->p[0] == '"') {
        take_quoted(s, out);
        return;
    }
    size_t n = 0;
    while (n < s->n && s->p[n] != ';' && !(s->p[n] == '(' && n > 0 && is_blank(s->p[n - 1])))
        n++;
    header_unfold(out, slice_of(s->p, n));
    *s = slice_of(s->p + n, s->n - n);
}

/* name, name*, name*0, name*0* (RFC 2231 3, 4). */
static void read_name(struct piece *piece, struct slice name)
{
    piece->name = name;
    piece->plain = true;
    if (name.n > 1 && name.p[name.n - 1] == '*') {
        piece->encoded = true;
        piece->plain = false;
        name.n--;
        piece->name = name;
    }
    ptrdiff_t star = slice_rindex(name, '*');
    struct slice digits = slice_sub(name, (size_t)(star + 1), name.n);
    uint64_t section;
    if (star > 0 && slice_number(digits, SECTIONS_MAX, &section)) {
        piece->section = (uint32_t)section;
        piece->name = slice_sub(name, 0, (size_t)star);
        piece->plain = false;
    }
}

static void take_pieces(struct pieces *list, struct slice s)
{
    list->count = 0;
    while (list->count < MIME_PARAMETERS_MAX) {
        skip_blank(&s);
        while (s.n > 0 && s.p[0] == ';') {
            s = slice_of(s.p + 1, s.n - 1);
            skip_blank(&s);
        }
        if (s.n == 0)
            break;
        size_t n = 0;
        while (n < s.n && s.p[n] != '=' && s.p[n] != ';')
            n++;
        struct slice name = slice_trim(slice_of(s.p, n));
        bool valued = n < s.n && s.p[n] == '=';
        s = slice_of(s.p + n, s.n - n);
        if (!valued)
            continue;                        /* a word without value says nothing */
        s = slice_of(s.p + 1, s.n - 1);
        struct piece *piece = &list->all[list->count];
        *piece = (struct piece){0};
        read_name(piece, name);
        take_value(&s, &piece->text);
        if (piece->name.n > 0)
            list->count++;
        else
            buf_free(&piece->text);
        ptrdiff_t next = slice_index(s, ';');
        s = next < 0 ? slice_of(NULL, 0) : slice_sub(s, (size_t)next, s.n);
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent_decode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
        if (s.p[i] == '%' && high >= 0 && low >= 0) {
            buf_add_byte(out, (char)(high * 16 + low));
            i += 2;
        } else {
            buf_add_byte(out, s.p[i]);
        }
    }
}

/* Joins the pieces of one parameter, which are consecutive and in order, into UTF-8. */
static char *join(const struct piece *first, size_t count)
{
    struct buf octets = {0}, text = {0};
    struct slice charset = {0};
    for (size_t i = 0; i < count; i++) {
        struct slice s = buf_slice(&first[i].text), language;
        if (i == 0 && first->encoded) {
            struct slice rest = s;
            if (slice_next(&rest, '\'', &charset) && rest.p &&
                slice_next(&rest, '\'', &language) && rest.p)
                s = rest;
            else
                charset = slice_of(NULL, 0);
        }
        if (first[i].encoded)
            percent_decode(&octets, s);
        else
            buf_add_slice(&octets, s);
    }
    if (first->encoded)
        charset_decode(&text, buf_slice(&octets), charset);
    else
        decode_header(&text, buf_slice(&octets));   /* RFC 2047 5 forbids it here; many write it */
    buf_free(&octets);
    return buf_take(&text);
}

/* By name and section; the order of first appearance is kept for the names. */
static size_t gather(struct pieces *list, size_t first)
{
    size_t end = first + 1;
    for (size_t i = first + 1; i < list->count; i++) {
        if (list->all[i].plain != list->all[first].plain ||
            !slice_ieq(list->all[i].name, list->all[first].name))
            continue;
        struct piece piece = list->all[i];
        memmove(&list->all[end + 1], &list->all[end], (i - end) * sizeof piece);
        size_t at = end++;
        for (; at > first && list->all[at - 1].section > piece.section; at--)
            list->all[at] = list->all[at - 1];
        list->all[at] = piece;
    }
    return end;
}

/* Of pieces with the same section the first counts (a name twice), and a gap ends the value. How many
 * pieces it has, which come first then. */
static size_t choose(struct pieces *list, size_t first, size_t end)
{
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        struct piece piece = list->all[i];
        if (n > 0 && piece.section != list->all[first + n - 1].section + 1)
            continue;
        list->all[i] = list->all[first + n];
        list->all[first + n++] = piece;
    }
    return n;
}

void mime_parameters_parse(struct mime_parameters *list, struct slice value)
{
    *list = (struct mime_parameters){0};
    if (value.n == 0)
        return;
    struct pieces *pieces = xmalloc(sizeof *pieces);
    take_pieces(pieces, value);
    list->all = xcalloc(pieces->count + 1, sizeof *list->all);
    for (size_t first = 0, end; first < pieces->count; first = end) {
        end = gather(pieces, first);
        size_t n = choose(pieces, first, end);
        list->all[list->count++] = (struct mime_parameter){
            .name = slice_dup(pieces->all[first].name),
            .text = join(&pieces->all[first], n),
            .extended = pieces->all[first].encoded,
            .plain = pieces->all[first].plain,
        };
    }
    for (size_t i = 0; i < pieces->count; i++)
        buf_free(&pieces->all[i].text);
    free(pieces);
}

void mime_parameters_free(struct mime_parameters *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->all[i].name);
        free(list->all[i].text);
    }
    free(list->all);
    *list = (struct mime_parameters){0};
}

const char *mime_parameter(const struct mime_parameters *list, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < list->count; i++)
        if (strcasecmp(list->all[i].name, name) == 0) {
            if (!list->all[i].plain)
                return list->all[i].text;
            if (!found)
                found = list->all[i].text;
        }
    return found;
}
