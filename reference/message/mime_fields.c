/* mime_fields.c - what the header of a part says of its body (RFC 2045, 2183, 3282, 2557, 1864). */
#include "reference/message/mime_internal.h"

#include <stddef.h>

static const struct { const char *name; size_t at; } CONTENT_FIELDS[] = {
    {"Content-Type", offsetof(struct mime_part, content_type)},
    {"Content-Transfer-Encoding", offsetof(struct mime_part, encoding)},
    {"Content-Disposition", offsetof(struct mime_part, disposition)},
    {"Content-ID", offsetof(struct mime_part, content_id)},
    {"Content-Description", offsetof(struct mime_part, description)},
    {"Content-MD5", offsetof(struct mime_part, md5)},
    {"Content-Language", offsetof(struct mime_part, language)},
    {"Content-Location", offsetof(struct mime_part, location)},
};

static void note_field(struct mime_part *part, const struct header_field *field)
{
    for (size_t i = 0; i < sizeof CONTENT_FIELDS / sizeof CONTENT_FIELDS[0]; i++) {
        struct slice *at = (struct slice *)((char *)part + CONTENT_FIELDS[i].at);
        if (!at->p && slice_ieq_str(field->name, CONTENT_FIELDS[i].name)) {
            *at = field->value;           /* the first one counts */
            return;
        }
    }
}

static bool is_token(char c)
{
    return (unsigned char)c > 32 && c != 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* CFWS: blanks, folds, comments (RFC 2045 5.1 has RFC 822's comments everywhere). */
static struct slice skip_blank(struct slice s)
{
    size_t i = 0, depth = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth > 0 && c == '\\' && i + 1 < s.n)
            i++;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    return slice_sub(s, i, s.n);
}

static struct slice take_token(struct slice *s)
{
    size_t n = 0;
    while (n < s->n && is_token(s->p[n]))
        n++;
    struct slice token = slice_of(s->p, n);
    *s = skip_blank(slice_sub(*s, n, s->n));
    return token;
}

struct slice mime_value_token(struct slice value, struct slice *parameters)
{
    value = skip_blank(value);
    struct slice token = take_token(&value);
    ptrdiff_t at = slice_index(value, ';');
    *parameters = at < 0 ? slice_of(NULL, 0) : slice_sub(value, (size_t)at, value.n);
    return token;
}

/* type "/" subtype. False when the value is not that. */
static bool read_type(struct mime_part *part, struct slice *parameters)
{
    struct slice rest = skip_blank(part->content_type);
    struct slice type = take_token(&rest);
    if (type.n == 0 || rest.n == 0 || rest.p[0] != '/')
        return false;
    rest = skip_blank(slice_sub(rest, 1, rest.n));
    struct slice subtype = take_token(&rest);
    if (subtype.n == 0)
        return false;
    part->type = type;
    part->subtype = subtype;
    ptrdiff_t at = slice_index(rest, ';');
    *parameters = at < 0 ? slice_of(NULL, 0) : slice_sub(rest, (size_t)at, rest.n);
    return true;
}

static void read_boundary(struct slice parameters, struct arena *arena, struct slice *boundary)
{
    struct mime_parameters list;
    mime_parameters_parse(&list, parameters);
    struct slice text = slice_str(mime_parameter(&list, "boundary"));
    while (text.n > 0 && text.p[text.n - 1] == ' ')    /* RFC 2046 5.1.1: it cannot end so */
        text.n--;
    if (text.n > 0)
        *boundary = arena_slice(arena, text);
    mime_parameters_free(&list);
}

void mime_read_fields(struct mime_part *part, struct arena *arena, struct slice *boundary)
{
    struct slice rest = part->header_text, parameters = {0};
    struct header_field field;
    while (header_next(&rest, &field))
        if (field.name.n > 8 && (field.name.p[0] | 0x20) == 'c' && field.name.p[7] == '-')
            note_field(part, &field);
    part->type_given = part->content_type.p && read_type(part, &parameters);
    if (!part->type_given) {
        /* RFC 2046 5.1.5: in a digest the parts are messages unless they say otherwise. */
        bool digest = part->parent && part->parent->kind == MIME_MULTIPART &&
                      mime_is_type(part->parent, "multipart", "digest") && !part->content_type.p;
        part->type = digest ? SLICE("message") : SLICE("text");
        part->subtype = digest ? SLICE("rfc822") : SLICE("plain");
    }
    if (mime_is_type(part, "multipart", NULL))
        read_boundary(parameters, arena, boundary);
}

bool mime_is_type(const struct mime_part *part, const char *type, const char *subtype)
{
    return slice_ieq_str(part->type, type) && (!subtype || slice_ieq_str(part->subtype, subtype));
}

enum mime_encoding mime_part_encoding(const struct mime_part *part)
{
    struct slice rest, name = mime_value_token(part->encoding, &rest);
    if (name.n == 0 || slice_ieq_str(name, "7bit") || slice_ieq_str(name, "8bit") ||
        slice_ieq_str(name, "binary"))
        return MIME_IDENTITY;
    if (slice_ieq_str(name, "quoted-printable"))
        return MIME_QUOTED_PRINTABLE;
    if (slice_ieq_str(name, "base64"))
        return MIME_BASE64;
    return MIME_UNKNOWN_ENCODING;
}
