/* A message pushed in one piece and in portions gives the same tree, every extent lies inside its
 * parent's, sections come out of it, and the IMAP texts are well-formed: parentheses, quotes and
 * literals match. */
#include "reference/message/decode.h"
#include "reference/message/envelope.h"
#include "reference/message/section.h"

#include <stdlib.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_extent(const struct mime_extent *e, uint64_t raw_end)
{
    check(e->raw_offset + e->raw_size <= raw_end);
    check(e->size >= e->raw_size && e->offset >= e->raw_offset && e->size - e->raw_size <= e->lines);
}

static void check_part(const struct mime_part *part, uint64_t raw_end)
{
    check_extent(&part->header, raw_end);
    check_extent(&part->body, raw_end);
    check(part->header.offset + part->header.size <= part->body.offset);
    uint32_t n = 0;
    for (const struct mime_part *child = part->child; child; child = child->next, n++) {
        check(child->parent == part && part->kind != MIME_LEAF);
        check(child->header.raw_offset >= part->body.raw_offset);
        check_part(child, part->body.raw_offset + part->body.raw_size);
    }
    check(n == part->children && (part->kind != MIME_MESSAGE || n == 1));
}

static void check_same(const struct mime_part *a, const struct mime_part *b)
{
    check(memcmp(&a->header, &b->header, sizeof a->header) == 0);
    check(memcmp(&a->body, &b->body, sizeof a->body) == 0);
    check(slice_eq(a->header_text, b->header_text));
    check(a->kind == b->kind && a->children == b->children);
    const struct mime_part *y = b->child;
    for (const struct mime_part *x = a->child; x; x = x->next, y = y->next)
        check_same(x, y);
}

/* One parenthesized list and nothing after it. */
static void check_list(struct slice s)
{
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"') {
            for (i++; i < s.n && s.p[i] != '"'; i++) {
                check((unsigned char)s.p[i] < 0x80 && s.p[i] != '\r' && s.p[i] != '\n' && s.p[i]);
                i += s.p[i] == '\\';
            }
            check(i < s.n);
        } else if (c == '{') {
            struct slice rest = slice_sub(s, i + 1, s.n), digits;
            uint64_t n = 0;
            check(slice_next(&rest, '}', &digits) && slice_number(digits, s.n, &n));
            check(slice_starts(rest, SLICE("\r\n")) && rest.n >= n + 2);
            i = (size_t)(rest.p - s.p) + 1 + n;
        } else {
            depth += (c == '(') - (c == ')');
            check(depth > 0 || (depth == 0 && i + 1 == s.n && c == ')'));
        }
    }
    check(depth == 0);
}

static void check_texts(const struct mime_message *m)
{
    struct buf out = {0};
    struct envelope e;
    envelope_read(&e, m->root->header_text);
    envelope_write(&out, &e);
    check_list(buf_slice(&out));
    for (int extended = 0; extended < 2; extended++) {
        buf_clear(&out);
        bodystructure_write(&out, m->root, extended);
        check_list(buf_slice(&out));
    }
    buf_free(&out);
}

static void check_sections(const struct mime_message *m, struct slice text)
{
    static const char *const SECTIONS[] = {"", "1", "2", "1.1", "2.1", "1.1.1", "HEADER", "1.HEADER",
                                           "TEXT", "1.TEXT", "1.MIME", "HEADER.FIELDS.NOT"};
    for (size_t i = 0; i < sizeof SECTIONS / sizeof SECTIONS[0]; i++) {
        struct section s;
        struct mime_extent e;
        struct buf out = {0};
        check(section_parse(slice_str(SECTIONS[i]), &s));
        if (section_extent(m, &s, &e))
            check_extent(&e, text.n);
        section_fields(m, &s, &out);
        const struct mime_part *part = section_part(m, &s);
        if (part) {
            struct part_text *t = part_text_new(part);
            buf_clear(&out);
            uint64_t from = part->body.raw_offset;
            part_text_push(t, slice_sub(text, from, from + part->body.raw_size), &out);
            part_text_end(t, &out);
            check(utf8_valid(buf_slice(&out)));
        }
        buf_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = 1 + data[0] % 37;
    struct slice text = slice_of(data + 1, size - 1);
    struct mime_message *whole = mime_parse(text);
    struct mime_parser *p = mime_parser_new();
    for (size_t at = 0; at < text.n; at += step)
        mime_parser_push(p, slice_sub(text, at, at + step));
    struct mime_message *portions = mime_parser_end(p);

    check(whole->raw_size == text.n && whole->size >= text.n);
    check_part(whole->root, text.n);
    check_same(whole->root, portions->root);
    check_texts(whole);
    check_sections(whole, text);
    mime_message_free(whole);
    mime_message_free(portions);
    return 0;
}
