/* fetch_text.c - the text of a message: opening it, taking it apart, writing sections of it (RFC 9051 7.5.2). */
#include "reference/imapd/fetch.h"

#include <errno.h>

enum { PORTION = 32 * 1024, DIRECT_MIN = 16 * 1024 };

bool fetch_open(struct fetch_message *m)
{
    if (!m->text && !m->failed)
        m->text = view_text(m->s->view, m->seq);
    m->failed = m->text == NULL;
    return m->text != NULL;
}

void fetch_message_free(struct fetch_message *m)
{
    mime_message_free(m->header);
    mime_message_free(m->whole);
    message_text_free(m->text);
}

/* Pushes the message to its end, or to the end of its header. */
static struct mime_message *parse(struct fetch_message *m, bool header_only)
{
    struct mime_parser *parser = mime_parser_new();
    char portion[PORTION];
    uint64_t at = 0;
    /* Headers are short: a smaller first portion saves reading the body. */
    size_t want = header_only ? 4096 : sizeof portion;
    int64_t n = 0;
    while (!(header_only && mime_parser_header_done(parser)) &&
           (n = message_text_read(m->text, at, portion, want)) > 0) {
        mime_parser_push(parser, slice_of(portion, (size_t)n));
        at += (uint64_t)n;
    }
    struct mime_message *message = mime_parser_end(parser);
    if (n < 0) {
        m->failed = true;
        mime_message_free(message);
        return NULL;
    }
    return message;
}

const struct mime_message *fetch_whole(struct fetch_message *m)
{
    if (!m->whole && fetch_open(m))
        m->whole = parse(m, false);
    return m->whole;
}

const struct mime_message *fetch_header(struct fetch_message *m)
{
    if (m->whole)
        return m->whole;
    if (!m->header && fetch_open(m))
        m->header = parse(m, true);
    return m->header;
}

/* ---- sections ---------------------------------------------------------------------------------- */

static void write_name(const struct fetch_section *f, struct buf *out)
{
    if (f->name) {
        buf_add_str(out, f->name);
        return;
    }
    buf_add_str(out, f->kind == FETCH_BODY ? "BODY[" : f->kind == FETCH_BINARY ? "BINARY["
                                                                             : "BINARY.SIZE[");
    section_write(out, &f->section);
    buf_add_byte(out, ']');
    if (f->partial)
        buf_printf(out, "<%llu>", (unsigned long long)f->offset);
}

/* RFC 9051 6.4.5: what lies behind the end is not there, and is no error. */
static void cut(const struct fetch_section *f, uint64_t *offset, uint64_t *size)
{
    if (!f->partial)
        return;
    uint64_t skip = f->offset < *size ? f->offset : *size;
    *offset += skip;
    *size -= skip;
    *size = f->count < *size ? f->count : *size;
}

/* Text from the file. */
static bool write_extent(struct fetch_message *m, uint64_t offset, uint64_t size, struct buf *out)
{
    buf_printf(out, "{%llu}\r\n", (unsigned long long)size);
    if (size >= DIRECT_MIN) {
        imap_send(m->s, out);
        return message_text_send(m->text, offset, size, m->s->io) == 0;
    }
    buf_reserve(out, size);
    while (size > 0) {
        int64_t n = message_text_read(m->text, offset, out->data + out->len, size);
        if (n <= 0)
            return false;
        out->len += (size_t)n;
        out->data[out->len] = 0;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return true;
}

static bool write_fields(struct fetch_message *m, const struct fetch_section *f, struct buf *out)
{
    struct buf fields = {0};
    const struct mime_message *message = f->section.depth ? fetch_whole(m) : fetch_header(m);
    if (!message)
        return true;
    write_name(f, out);
    if (section_fields(message, &f->section, &fields)) {
        uint64_t offset = 0, size = fields.len;
        cut(f, &offset, &size);
        buf_printf(out, " {%llu}\r\n", (unsigned long long)size);
        buf_add(out, buf_str(&fields) + offset, size);
    } else {
        buf_add_str(out, " NIL");
    }
    buf_free(&fields);
    return true;
}

/* Where the section lies. For the message's own header and text its structure need not be known. */
static bool find_extent(struct fetch_message *m, const struct section *s, uint64_t *offset,
                        uint64_t *size)
{
    struct mime_extent e;
    uint64_t whole = message_text_size(m->text);
    if (s->depth == 0 && s->kind == SECTION_ALL) {
        *offset = 0;
        *size = whole;
        return true;
    }
    if (s->depth == 0 && (s->kind == SECTION_HEADER || s->kind == SECTION_TEXT)) {
        const struct mime_message *message = fetch_header(m);
        uint64_t header = message ? message->root->header.size : 0;
        *offset = s->kind == SECTION_HEADER ? 0 : header;
        *size = s->kind == SECTION_HEADER ? header : whole - header;
        return message != NULL;
    }
    const struct mime_message *message = fetch_whole(m);
    if (!message || !section_extent(message, s, &e))
        return false;
    *offset = e.offset;
    *size = e.size;
    return true;
}

bool fetch_write_section(struct fetch_message *m, const struct fetch_section *f, struct buf *out)
{
    uint64_t offset, size;
    if (!fetch_open(m))
        return true;
    if (f->kind != FETCH_BODY) {
        write_name(f, out);
        return fetch_write_binary(m, f, out);
    }
    if (f->section.kind == SECTION_FIELDS || f->section.kind == SECTION_FIELDS_NOT)
        return write_fields(m, f, out);
    bool there = find_extent(m, &f->section, &offset, &size);
    if (m->failed)
        return true;
    write_name(f, out);
    buf_add_byte(out, ' ');
    if (!there) {
        buf_add_str(out, "NIL");
        return true;
    }
    cut(f, &offset, &size);
    return write_extent(m, offset, size, out);
}
