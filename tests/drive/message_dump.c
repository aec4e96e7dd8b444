/* message_dump FILE... - one line of JSON a file: how reference/message/ takes the message apart. For
 * test_message.py, which compares it with Python's email package. */
#include "reference/message/date.h"
#include "reference/message/decode.h"
#include "reference/message/envelope.h"
#include "reference/message/subject.h"

#include "base/base64.h"
#include "base/mem.h"

#include <stdio.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

static void add_key(struct buf *out, const char *key) { buf_printf(out, ",\"%s\":", key); }

static void add_decoded(struct buf *out, const char *key, struct slice value)
{
    struct buf text = {0};
    add_key(out, key);
    if (value.p) {
        decode_header(&text, value);
        buf_add_json(out, slice_of(buf_str(&text), text.len));
    } else {
        buf_add_str(out, "null");
    }
    buf_free(&text);
}

static void add_addresses(struct buf *out, const char *key, struct slice value)
{
    struct mailbox_list list = {0};
    bool first = true;
    add_key(out, key);
    buf_add_byte(out, '[');
    mailbox_list_parse(&list, value);
    for (size_t i = 0; i < list.count; i++) {
        const struct mailbox_address *a = &list.all[i];
        struct buf name = {0}, address = {0};
        if (!a->host.p)
            continue;                    /* a group's beginning or end */
        if (a->name.p)
            decode_header(&name, a->name);
        buf_add_slice(&address, a->mailbox);
        buf_add_byte(&address, '@');
        buf_add_slice(&address, a->host);
        buf_add_str(out, first ? "[" : ",[");
        first = false;
        buf_add_json(out, slice_of(buf_str(&name), name.len));
        buf_add_byte(out, ',');
        buf_add_json(out, buf_slice(&address));
        buf_add_byte(out, ']');
        buf_free(&name);
        buf_free(&address);
    }
    buf_add_byte(out, ']');
    mailbox_list_free(&list);
}

static void add_parameters(struct buf *out, struct slice value)
{
    struct mime_parameters list;
    ptrdiff_t at = slice_index(value, ';');
    mime_parameters_parse(&list, at < 0 ? slice_of(NULL, 0) : slice_sub(value, (size_t)at, value.n));
    add_key(out, "parameters");
    for (size_t i = 0; i < list.count; i++) {
        buf_add_byte(out, i == 0 ? '{' : ',');
        buf_add_json(out, slice_str(list.all[i].name));
        buf_add_byte(out, ':');
        buf_add_json(out, slice_str(list.all[i].text));
    }
    buf_add_str(out, list.count > 0 ? "}" : "{}");
    mime_parameters_free(&list);
}

static void add_part(struct buf *out, const struct mime_part *part, struct slice text)
{
    struct slice body = slice_sub(text, part->body.raw_offset,
                                  part->body.raw_offset + part->body.raw_size);
    struct buf type = {0}, octets = {0};
    buf_printf(&type, "%.*s/%.*s", SLICE_ARG(part->type), SLICE_ARG(part->subtype));
    buf_add_str(out, "{\"type\":");
    buf_add_json(out, buf_slice(&type));
    add_parameters(out, part->content_type);
    if (part->kind == MIME_LEAF) {
        struct transfer t = {.encoding = mime_part_encoding(part)};
        transfer_push(&t, body, &octets);
        transfer_end(&t, &octets);
        add_key(out, "body");
        buf_add_byte(out, '"');
        buf_add_base64(out, slice_of(buf_str(&octets), octets.len));
        buf_add_byte(out, '"');
    }
    add_key(out, "parts");
    buf_add_byte(out, '[');
    for (const struct mime_part *child = part->child; child; child = child->next) {
        if (child != part->child)
            buf_add_byte(out, ',');
        add_part(out, child, text);
    }
    buf_add_str(out, "]}");
    buf_free(&type);
    buf_free(&octets);
}

static void dump(struct buf *out, struct slice text)
{
    struct mime_message *m = mime_parse(text);
    struct envelope e;
    struct sent_date date;
    struct buf scratch = {0};
    envelope_read(&e, m->root->header_text);
    buf_printf(out, "{\"size\":%llu", (unsigned long long)m->size);
    add_decoded(out, "subject", e.subject);
    add_addresses(out, "from", e.from);
    add_addresses(out, "to", e.to);
    add_addresses(out, "cc", e.cc);
    add_key(out, "date");
    if (e.date.p && date_parse(e.date, &date))
        buf_printf(out, "%lld", (long long)date.utc);
    else
        buf_add_str(out, "null");
    add_key(out, "root");
    add_part(out, m->root, text);
    buf_add_str(out, "}\n");
    mime_message_free(m);
    buf_free(&scratch);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct buf text = {0}, out = {0};
        if (buf_read_file(&text, argv[i], FILE_MAX) != 0)
            die(66, "%s cannot be read: %m; name message files", argv[i]);
        dump(&out, buf_slice(&text));
        fwrite(out.data, 1, out.len, stdout);
        buf_free(&text);
        buf_free(&out);
    }
    return 0;
}
