/* bodystructure.c - BODY and BODYSTRUCTURE (RFC 9051 7.5.2, grammar `body` in 9). */
#include "reference/message/envelope.h"

struct writer {
    struct buf *out;
    bool extended;
    struct buf scratch;
};

static void space(struct writer *w) { buf_add_byte(w->out, ' '); }

static void write_value(struct writer *w, struct slice value)
{
    buf_clear(&w->scratch);
    if (value.p)
        header_unfold(&w->scratch, value);
    imap_nstring(w->out, value.p ? slice_of(buf_str(&w->scratch), w->scratch.len) : value);
}

/* An extended value as RFC 2231 writes it, in UTF-8. RFC 9051 7.5.2 wants the pieces joined and
 * converted, under the name with "*", by which clients know that they find this form. */
static void write_extended(struct writer *w, const char *text)
{
    static const char HEX[] = "0123456789ABCDEF";
    buf_clear(&w->scratch);
    buf_add_str(&w->scratch, "utf-8''");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= 'a' && *c <= 'z') || strchr("!#$&+-.^_`|~", *c);
        if (plain)
            buf_add_byte(&w->scratch, (char)*c);
        else
            buf_add(&w->scratch, (char[]){'%', HEX[*c >> 4], HEX[*c & 15]}, 3);
    }
    imap_nstring(w->out, buf_slice(&w->scratch));
}

static void write_parameters(struct writer *w, struct slice text)
{
    struct mime_parameters list;
    mime_parameters_parse(&list, text);
    for (size_t i = 0; i < list.count; i++) {
        const struct mime_parameter *p = &list.all[i];
        buf_add_byte(w->out, i == 0 ? '(' : ' ');
        if (p->extended) {
            struct buf name = {0};
            buf_printf(&name, "%s*", p->name);
            imap_nstring(w->out, buf_slice(&name));
            buf_free(&name);
        } else {
            imap_nstring(w->out, slice_str(p->name));
        }
        space(w);
        if (p->extended)
            write_extended(w, p->text);
        else
            imap_nstring(w->out, slice_str(p->text));
    }
    buf_add_str(w->out, list.count > 0 ? ")" : "NIL");
    mime_parameters_free(&list);
}

static struct slice type_parameters(const struct mime_part *part)
{
    ptrdiff_t at = part->type_given ? slice_index(part->content_type, ';') : -1;
    if (at < 0)
        return slice_of(NULL, 0);
    return slice_sub(part->content_type, (size_t)at, part->content_type.n);
}

/* body-fld-dsp: ("attachment" ("filename" "x")) or NIL. */
static void write_disposition(struct writer *w, const struct mime_part *part)
{
    struct slice parameters, kind = mime_value_token(part->disposition, &parameters);
    if (kind.n == 0) {
        buf_add_str(w->out, "NIL");
        return;
    }
    buf_add_byte(w->out, '(');
    imap_nstring(w->out, kind);
    space(w);
    write_parameters(w, parameters);
    buf_add_byte(w->out, ')');
}

/* body-fld-lang: one tag is a string, several are a list (RFC 3282). */
static void write_language(struct writer *w, const struct mime_part *part)
{
    struct buf plain = {0};
    if (part->language.p)
        header_strip_comments(&plain, part->language);
    struct slice rest = buf_slice(&plain), tag, first = {0};
    int count = 0;
    while (slice_next(&rest, ',', &tag)) {
        tag = slice_trim(tag);
        if (tag.n == 0)
            continue;
        if (++count == 1) {
            first = tag;
            continue;
        }
        buf_add_byte(w->out, count == 2 ? '(' : ' ');
        if (count == 2) {
            imap_nstring(w->out, first);
            space(w);
        }
        imap_nstring(w->out, tag);
    }
    if (count > 1)
        buf_add_byte(w->out, ')');
    else
        imap_nstring(w->out, first);
    buf_free(&plain);
}

static void write_extension(struct writer *w, const struct mime_part *part)
{
    space(w);
    write_disposition(w, part);
    space(w);
    write_language(w, part);
    space(w);
    write_value(w, part->location);
}

static void write_part(struct writer *w, const struct mime_part *part);

/* A multipart must show a part: one without any (no boundary found) shows an empty text. */
static void write_multipart(struct writer *w, const struct mime_part *part)
{
    if (!part->child)
        buf_printf(w->out, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0%s)",
                   w->extended ? " NIL NIL NIL NIL" : "");
    for (const struct mime_part *child = part->child; child; child = child->next)
        write_part(w, child);
    space(w);
    imap_nstring(w->out, part->subtype);
    if (w->extended) {
        space(w);
        write_parameters(w, type_parameters(part));
        write_extension(w, part);
    }
}

static void write_single(struct writer *w, const struct mime_part *part)
{
    bool text = mime_is_type(part, "text", NULL);
    bool message = part->kind == MIME_MESSAGE;
    /* A message too deep to be looked into has no envelope to show. */
    bool hidden = !message && (mime_is_type(part, "message", "rfc822") ||
                               mime_is_type(part, "message", "global"));
    struct slice rest, encoding = mime_value_token(part->encoding, &rest);
    imap_nstring(w->out, hidden ? SLICE("application") : part->type);
    space(w);
    imap_nstring(w->out, hidden ? SLICE("octet-stream") : part->subtype);
    space(w);
    if (!part->type_given && text && !part->content_type.p)
        buf_add_str(w->out, "(\"charset\" \"us-ascii\")");   /* RFC 2045 5.2 */
    else
        write_parameters(w, type_parameters(part));
    space(w);
    write_value(w, part->content_id);
    space(w);
    write_value(w, part->description);
    space(w);
    imap_nstring(w->out, encoding.n > 0 ? encoding : SLICE("7BIT"));
    buf_printf(w->out, " %llu", (unsigned long long)part->body.size);
    if (message) {
        struct envelope e;
        envelope_read(&e, part->child->header_text);
        space(w);
        envelope_write(w->out, &e);
        space(w);
        write_part(w, part->child);
    }
    if (message || text)
        buf_printf(w->out, " %llu", (unsigned long long)part->body.lines);
    if (w->extended) {
        space(w);
        write_value(w, part->md5);
        write_extension(w, part);
    }
}

/* The depth is that of the tree: MIME_DEPTH_MAX. */
static void write_part(struct writer *w, const struct mime_part *part)
{
    buf_add_byte(w->out, '(');
    if (part->kind == MIME_MULTIPART || mime_is_type(part, "multipart", NULL))
        write_multipart(w, part);
    else
        write_single(w, part);
    buf_add_byte(w->out, ')');
}

void bodystructure_write(struct buf *out, const struct mime_part *part, bool extended)
{
    struct writer w = {.out = out, .extended = extended};
    write_part(&w, part);
    buf_free(&w.scratch);
}
