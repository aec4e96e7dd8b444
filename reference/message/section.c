/* section.c - which octets of a message a section names (RFC 9051 6.4.5.1). */
#include "reference/message/section.h"

static const struct { const char *name; enum section_kind kind; } KINDS[] = {
    {"HEADER", SECTION_HEADER},
    {"HEADER.FIELDS", SECTION_FIELDS},
    {"HEADER.FIELDS.NOT", SECTION_FIELDS_NOT},
    {"TEXT", SECTION_TEXT},
    {"MIME", SECTION_MIME},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

bool section_parse(struct slice text, struct section *out)
{
    *out = (struct section){0};
    struct slice rest = text;
    while (rest.n > 0 && rest.p[0] >= '0' && rest.p[0] <= '9') {
        struct slice number;
        uint64_t n;
        slice_next(&rest, '.', &number);
        if (out->depth == SECTION_NUMBERS_MAX || number.p[0] == '0' ||
            !slice_number(number, UINT32_MAX, &n))
            return false;
        out->numbers[out->depth++] = (uint32_t)n;
        if (rest.p && rest.n == 0)
            return false;                            /* "1." */
    }
    if (rest.n == 0)
        return true;
    for (int i = 0; i < KIND_COUNT; i++)
        if (slice_ieq_str(rest, KINDS[i].name)) {
            out->kind = KINDS[i].kind;
            return out->kind != SECTION_MIME || out->depth > 0;
        }
    return false;
}

/* A field name as an astring: an atom where it can be, else quoted. */
static void write_name(struct buf *out, struct slice name)
{
    bool atom = name.n > 0;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= 32 || (unsigned char)name.p[i] >= 127 ||
            strchr("(){%*\"\\", name.p[i]))
            atom = false;
    if (atom) {
        buf_add_slice(out, name);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\')
            buf_add_byte(out, '\\');
        if (name.p[i] != '\r' && name.p[i] != '\n' && name.p[i] != 0)
            buf_add_byte(out, name.p[i]);
    }
    buf_add_byte(out, '"');
}

void section_write(struct buf *out, const struct section *s)
{
    for (int i = 0; i < s->depth; i++)
        buf_printf(out, i ? ".%u" : "%u", s->numbers[i]);
    for (int i = 0; i < KIND_COUNT; i++)
        if (KINDS[i].kind == s->kind)
            buf_printf(out, s->depth > 0 ? ".%s" : "%s", KINDS[i].name);
    if (s->kind != SECTION_FIELDS && s->kind != SECTION_FIELDS_NOT)
        return;
    buf_add_str(out, " (");
    for (size_t i = 0; i < s->names_count; i++) {
        if (i > 0)
            buf_add_byte(out, ' ');
        write_name(out, s->names[i]);
    }
    buf_add_byte(out, ')');
}

const struct mime_part *section_part(const struct mime_message *m, const struct section *s)
{
    const struct mime_part *part = m->root;
    for (int i = 0; i < s->depth; i++) {
        /* A number counts parts of a multipart: the message, a part, or a part's message. */
        bool is_message = i == 0 || part->kind == MIME_MESSAGE;
        if (i > 0 && is_message)
            part = part->child;
        if (part->kind == MIME_MULTIPART) {
            uint32_t n = s->numbers[i];
            for (part = part->child; part && --n > 0;)
                part = part->next;
        } else if (!is_message || s->numbers[i] != 1) {
            part = NULL;
        }
        if (!part)
            return NULL;
    }
    return part;
}

/* The message that HEADER and TEXT are of: all of it, or the one in a message/rfc822 part. */
static const struct mime_part *section_message(const struct mime_message *m,
                                               const struct section *s)
{
    const struct mime_part *part = section_part(m, s);
    if (s->depth == 0)
        return part;
    return part && part->kind == MIME_MESSAGE ? part->child : NULL;
}

bool section_extent(const struct mime_message *m, const struct section *s,
                    struct mime_extent *extent)
{
    const struct mime_part *part;
    *extent = (struct mime_extent){0};
    switch (s->kind) {
    case SECTION_ALL:
        part = section_part(m, s);
        if (!part)
            return false;
        *extent = part->body;
        if (s->depth == 0) {
            extent->offset = extent->raw_offset = 0;
            extent->size = m->size;
            extent->raw_size = m->raw_size;
            extent->lines += part->header.lines;
        }
        return true;
    case SECTION_MIME:
        part = section_part(m, s);
        if (part)
            *extent = part->header;
        return part != NULL;
    case SECTION_HEADER:
    case SECTION_TEXT:
        part = section_message(m, s);
        if (part)
            *extent = s->kind == SECTION_HEADER ? part->header : part->body;
        return part != NULL;
    default:
        return false;
    }
}

/* With CRLF line ends, whatever the text on disk has. */
static void add_lines(struct buf *out, struct slice text)
{
    while (text.n > 0) {
        const char *lf = memchr(text.p, '\n', text.n);
        size_t n = lf ? (size_t)(lf - text.p) : text.n;
        size_t line = n > 0 && text.p[n - 1] == '\r' ? n - 1 : n;
        buf_add(out, text.p, line);
        buf_add_str(out, "\r\n");
        text = slice_sub(text, n + 1, text.n);
    }
}

void header_choose(struct slice header, const struct slice *names, size_t count, bool not_these,
                   struct buf *out)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        bool named = false;
        for (size_t i = 0; i < count && !named; i++)
            named = slice_ieq(field.name, names[i]);
        if (named != not_these)
            add_lines(out, field.text);
    }
}

bool section_fields(const struct mime_message *m, const struct section *s, struct buf *out)
{
    const struct mime_part *part = section_message(m, s);
    if (!part)
        return false;
    header_choose(part->header_text, s->names, s->names_count, s->kind == SECTION_FIELDS_NOT, out);
    /* RFC 9051 6.4.5.1: the empty line is there, unless the message has neither it nor a body. */
    if (part->header.raw_size > part->header_text.n || part->body.size > 0)
        buf_add_str(out, "\r\n");
    return true;
}
