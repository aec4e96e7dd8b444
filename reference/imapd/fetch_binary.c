/* fetch_binary.c - BINARY and BINARY.SIZE: a part without its transfer encoding (RFC 3516 4). */
#include "reference/imapd/fetch.h"

#include "reference/message/decode.h"

enum { PORTION = 32 * 1024 };

/* The part, and where its octets lie. False: there is none. */
static bool find_part(struct fetch_message *m, const struct fetch_section *f,
                      enum mime_encoding *encoding, struct mime_extent *extent)
{
    const struct mime_message *message = fetch_whole(m);
    if (!message || !section_extent(message, &f->section, extent))
        return false;
    const struct mime_part *part = section_part(message, &f->section);
    /* RFC 2045 6.4: what is composed of parts has no encoding of its own. */
    bool leaf = part && part->kind == MIME_LEAF && f->section.depth > 0;
    *encoding = leaf ? mime_part_encoding(part) : MIME_IDENTITY;
    return true;
}

const char *fetch_binary_refusal(struct fetch_message *m, const struct fetch_section *f)
{
    enum mime_encoding encoding;
    struct mime_extent extent;
    if (!find_part(m, f, &encoding, &extent))
        return NULL;
    if (encoding == MIME_UNKNOWN_ENCODING)
        return "[UNKNOWN-CTE] the encoding of some part is not known";
    /* RFC 9051 6.4.5; the whole message, BINARY[], is RFC 3516's. */
    const struct mime_part *part = section_part(fetch_whole(m), &f->section);
    if (f->section.depth > 0 && part && part->kind != MIME_LEAF)
        return "[CANNOT] BINARY is for parts that have no parts themselves";
    return NULL;
}

/* Decodes the part, and hands octets [from, to) of the result to `out`, which is sent on as it fills;
 * out NULL: they are only counted. -1: it cannot be read. */
static int64_t decode(struct fetch_message *m, enum mime_encoding encoding, struct mime_extent extent,
                      uint64_t from, uint64_t to, struct buf *out, bool *has_nul)
{
    struct transfer t = {.encoding = encoding};
    struct buf decoded = {0};
    char portion[PORTION];
    uint64_t done = 0, at = extent.offset, end = extent.offset + extent.size;
    bool over = false;
    while (!over) {
        int64_t n = message_text_read(m->text, at, portion,
                                      end - at < PORTION ? (size_t)(end - at) : PORTION);
        over = n <= 0 || done >= to;
        if (over)
            transfer_end(&t, &decoded);
        else
            transfer_push(&t, slice_of(portion, (size_t)n), &decoded);
        if (n > 0)
            at += (uint64_t)n;
        uint64_t next = done + decoded.len;
        uint64_t first = from > done ? from : done, last = to < next ? to : next;
        if (out && first < last)
            buf_add(out, decoded.data + (first - done), (size_t)(last - first));
        if (has_nul && decoded.len && memchr(decoded.data, 0, decoded.len))
            *has_nul = true;
        if (out && out->len > PORTION)
            imap_send(m->s, out);
        done = next;
        buf_clear(&decoded);
    }
    buf_free(&decoded);
    return (int64_t)done;
}

bool fetch_write_binary(struct fetch_message *m, const struct fetch_section *f, struct buf *out)
{
    enum mime_encoding encoding;
    struct mime_extent extent;
    bool has_nul = false;
    if (!find_part(m, f, &encoding, &extent)) {
        buf_add_str(out, f->kind == FETCH_BINARY ? " NIL" : " 0");
        return !m->failed;
    }
    uint64_t size = (uint64_t)decode(m, encoding, extent, 0, UINT64_MAX, NULL, &has_nul);
    if (f->kind == FETCH_BINARY_SIZE) {
        buf_printf(out, " %llu", (unsigned long long)size);
        return true;
    }
    uint64_t from = f->partial && f->offset < size ? f->offset : f->partial ? size : 0;
    uint64_t to = f->partial && f->count < size - from ? from + f->count : size;
    /* RFC 3516 4.3: literal8 only where there are NULs. */
    buf_printf(out, " %s{%llu}\r\n", has_nul ? "~" : "", (unsigned long long)(to - from));
    decode(m, encoding, extent, from, to, out, NULL);
    return true;
}
