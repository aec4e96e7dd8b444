/* part_text.c - a part's body as text in UTF-8. */
#include "reference/message/decode.h"

#include "base/mem.h"

#include <stdlib.h>

struct part_text {
    struct transfer transfer;
    struct charset *charset;
    struct buf octets;
};

struct part_text *part_text_new(const struct mime_part *part)
{
    struct part_text *t = xcalloc(1, sizeof *t);
    t->transfer.encoding = mime_part_encoding(part);
    struct mime_parameters list = {0};
    struct slice type = part->content_type;
    ptrdiff_t at = slice_index(type, ';');
    if (at >= 0)
        mime_parameters_parse(&list, slice_sub(type, (size_t)at, type.n));
    t->charset = charset_open(slice_str(mime_parameter(&list, "charset")));
    if (!t->charset)
        t->charset = charset_open(slice_of(NULL, 0));
    mime_parameters_free(&list);
    return t;
}

void part_text_push(struct part_text *t, struct slice raw, struct buf *out)
{
    if (t->transfer.encoding == MIME_IDENTITY || t->transfer.encoding == MIME_UNKNOWN_ENCODING) {
        charset_push(t->charset, raw, out);
        return;
    }
    transfer_push(&t->transfer, raw, &t->octets);
    charset_push(t->charset, buf_slice(&t->octets), out);
    buf_clear(&t->octets);
}

void part_text_end(struct part_text *t, struct buf *out)
{
    transfer_end(&t->transfer, &t->octets);
    if (out)
        charset_push(t->charset, buf_slice(&t->octets), out);
    charset_close(t->charset, out);
    buf_free(&t->octets);
    free(t);
}
