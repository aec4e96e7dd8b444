/* search_text.c - looks for texts in whole messages: headers and text parts, decoded and folded.
 *
 * All texts of a search are looked for in one pass. Small messages are read at once; of large
 * ones the text parts are read in portions, and nothing of the others. */
#include "reference/imapd/search.h"

#include "base/mem.h"
#include "reference/message/decode.h"
#include "reference/message/subject.h"

#include <stdlib.h>

enum {
    PORTION = 64 * 1024,
    WHOLE_MAX = 1024 * 1024,     /* messages up to this size are kept for the second look */
    HEADER_FIRST = 4096,         /* most headers are shorter */
};

struct text_scan {
    const struct search_program *program;
    bool found[SEARCH_TEXTS_MAX];
    int left;                    /* texts not found yet */
    struct buf raw;              /* the message, or a portion of it */
    bool whole;                  /* raw is all of it */
    struct buf utf8, folded;     /* of the header field or part that is looked at */
};

struct text_scan *text_scan_new(const struct search_program *p)
{
    struct text_scan *t = xcalloc(1, sizeof *t);
    t->program = p;
    return t;
}

void text_scan_free(struct text_scan *t)
{
    if (!t)
        return;
    buf_free(&t->raw);
    buf_free(&t->utf8);
    buf_free(&t->folded);
    free(t);
}

/* Looks for the texts in t->folded. `body`: BODY keys count too. */
static void look(struct text_scan *t, bool body)
{
    struct slice hay = buf_slice(&t->folded);
    for (int i = 0; i < t->program->texts_count && t->left > 0; i++) {
        const struct search_key *key = t->program->texts[i];
        if (t->found[i] || (key->kind == KEY_BODY && !body))
            continue;
        if (key->text.n == 0 ||
            (hay.n >= key->text.n && memmem(hay.p, hay.n, key->text.p, key->text.n))) {
            t->found[i] = true;
            t->left--;
        }
    }
}

/* Folds what is in t->utf8 and looks at it together with the end of what came before. */
static void look_on(struct text_scan *t, bool body)
{
    size_t keep = t->program->longest_text > 0 ? t->program->longest_text - 1 : 0;
    if (t->folded.len > keep)
        buf_drop(&t->folded, t->folded.len - keep);
    text_fold(&t->folded, buf_slice(&t->utf8));
    buf_clear(&t->utf8);
    look(t, body);
}

/* Each field by itself, as "Name: value". */
static void scan_header(struct text_scan *t, struct slice header, bool body)
{
    struct header_field field;
    while (t->left > 0 && header_next(&header, &field)) {
        buf_clear(&t->folded);
        buf_clear(&t->utf8);
        buf_add_slice(&t->utf8, field.name);
        buf_add_str(&t->utf8, ": ");
        decode_header(&t->utf8, field.value);
        look_on(t, body);
    }
}

/* Octets of the message from offset on: up to n of them, fewer at a time for large messages. */
static struct slice octets(struct text_scan *t, struct message_text *text, uint64_t offset,
                           uint64_t n)
{
    if (t->whole)
        return slice_sub(buf_slice(&t->raw), offset, offset + n);
    buf_clear(&t->raw);
    buf_reserve(&t->raw, PORTION);
    int64_t got = message_text_read(text, offset, t->raw.data, n < PORTION ? n : PORTION);
    t->raw.len = got > 0 ? (size_t)got : 0;
    return buf_slice(&t->raw);
}

static void scan_body(struct text_scan *t, struct message_text *text, const struct mime_part *part)
{
    struct part_text *decoder = part_text_new(part);
    uint64_t at = part->body.offset, end = at + part->body.size;
    buf_clear(&t->folded);
    buf_clear(&t->utf8);
    while (at < end && t->left > 0) {
        struct slice portion = octets(t, text, at, end - at);
        if (portion.n == 0)
            break;                                   /* the file was cut */
        at += portion.n;
        part_text_push(decoder, portion, &t->utf8);
        look_on(t, true);
    }
    part_text_end(decoder, &t->utf8);
    look_on(t, true);
}

/* RFC 9051 6.4.4: parts that are neither text nor message may be left out. */
static void scan_part(struct text_scan *t, struct message_text *text, const struct mime_part *part)
{
    /* A header inside the body is text of the body when it is that of a message. */
    bool inner = part->parent && part->parent->kind == MIME_MESSAGE;
    if (inner || t->program->whole_texts)
        scan_header(t, part->header_text, inner);
    if (t->left == 0)
        return;
    if (part->kind == MIME_LEAF &&
        (mime_is_type(part, "text", NULL) || mime_is_type(part, "message", NULL)))
        scan_body(t, text, part);
    for (const struct mime_part *child = part->child; child; child = child->next)
        scan_part(t, text, child);
}

/* The tree of the message; it stays in t->raw when it is small enough. Lines end in CRLF here, so
 * raw offsets are wire offsets. */
static struct mime_message *parse(struct text_scan *t, struct message_text *text)
{
    uint64_t size = message_text_size(text);
    t->whole = false;
    if (size > WHOLE_MAX) {
        struct mime_parser *p = mime_parser_new();
        for (uint64_t at = 0; at < size; at += t->raw.len) {
            mime_parser_push(p, octets(t, text, at, size - at));
            if (t->raw.len == 0)
                break;
        }
        return mime_parser_end(p);
    }
    buf_clear(&t->raw);
    buf_reserve(&t->raw, size);
    while (t->raw.len < size) {
        int64_t got = message_text_read(text, t->raw.len, t->raw.data + t->raw.len,
                                        size - t->raw.len);
        if (got <= 0)
            break;
        t->raw.len += (size_t)got;
    }
    t->whole = true;
    return mime_parse(buf_slice(&t->raw));
}

const bool *text_scan_message(struct text_scan *t, struct message_text *text)
{
    struct mime_message *m = parse(t, text);
    memset(t->found, 0, sizeof t->found);
    t->left = t->program->texts_count;
    scan_part(t, text, m->root);
    buf_clear(&t->folded);
    look(t, true);                                   /* the empty text is in every message */
    mime_message_free(m);
    return t->found;
}

struct slice text_scan_header(struct text_scan *t, struct message_text *text)
{
    size_t want = HEADER_FIRST;
    buf_clear(&t->raw);
    while (t->raw.len < MIME_HEADER_MAX) {
        buf_reserve(&t->raw, want);
        int64_t got = message_text_read(text, t->raw.len, t->raw.data + t->raw.len, want);
        if (got <= 0)
            break;
        size_t from = t->raw.len > 3 ? t->raw.len - 3 : 0;
        t->raw.len += (size_t)got;
        struct slice news = slice_sub(buf_slice(&t->raw), from, t->raw.len);
        if (slice_starts(buf_slice(&t->raw), SLICE("\r\n")) ||
            slice_find(news, SLICE("\r\n\r\n")) >= 0)
            break;
        want = PORTION;
    }
    return buf_slice(&t->raw);
}
