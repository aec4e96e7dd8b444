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

/* Puts a choice of fields in place. */
static void write_text(const struct fetch_section *f, struct slice fields, struct buf *out)
{
    uint64_t offset = 0, size = fields.n;
    cut(f, &offset, &size);
    buf_printf(out, " {%llu}\r\n", (unsigned long long)size);
    buf_add_slice(out, slice_sub(fields, (size_t)offset, (size_t)(offset + size)));
}

static bool write_fields(struct fetch_message *m, const struct fetch_section *f, struct buf *out)
{
    struct buf fields = {0};
    const struct mime_message *message = f->section.depth ? fetch_whole(m) : fetch_header(m);
    if (!message)
        return true;
    write_name(f, out);
    if (section_fields(message, &f->section, &fields))
        write_text(f, buf_slice(&fields), out);
    else
        buf_add_str(out, " NIL");
    buf_free(&fields);
    return true;
}

/* ---- fields that clients show in lists --------------------------------------------------------- */

static const struct slice common[] = {
    {"Date", 4}, {"From", 4}, {"Sender", 6}, {"Reply-To", 8}, {"To", 2}, {"Cc", 2}, {"Bcc", 3},
    {"Subject", 7}, {"Message-ID", 10}, {"In-Reply-To", 11}, {"References", 10}, {"Newsgroups", 10},
    {"Priority", 8}, {"X-Priority", 10}, {"Importance", 10}, {"Content-Type", 12},
    {"Content-Description", 19}, {"Lines", 5}, {"List-Id", 7}, {"List-Post", 9}, {"X-Label", 7},
    {"X-Spam-Flag", 11}, {"X-TUID", 6}, {"Resent-From", 11}, {"Resent-To", 9}, {"Delivered-To", 12},
};
enum { COMMON = sizeof common / sizeof *common };

bool fetch_is_common(const struct fetch_section *f)
{
    const struct section *s = &f->section;
    if (f->kind != FETCH_BODY || s->kind != SECTION_FIELDS || s->depth > 0)
        return false;
    for (size_t i = 0; i < s->names_count; i++) {
        size_t k = 0;
        while (k < COMMON && !slice_ieq(s->names[i], common[k]))
            k++;
        if (k == COMMON)
            return false;
    }
    return true;
}

void fetch_common_fields(struct slice header, struct buf *out)
{
    header_choose(header, common, COMMON, false, out);
}

void fetch_write_common(const struct fetch_section *f, struct slice header, struct buf *out)
{
    struct buf fields = {0};
    write_name(f, out);
    header_choose(header, f->section.names, f->section.names_count, false, &fields);
    buf_add_str(&fields, "\r\n");
    write_text(f, buf_slice(&fields), out);
    buf_free(&fields);
}

/* ---- stretches of the message ------------------------------------------------------------------ */

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
