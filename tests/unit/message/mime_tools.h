/* mime_tools.h - what the tests of message parsing share. */
#ifndef TESTS_MIME_TOOLS_H
#define TESTS_MIME_TOOLS_H

#include "reference/message/mime.h"

/* text with every LF made CRLF. */
static inline void add_wire(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_add_byte(out, '\r');
        buf_add_byte(out, *text);
    }
}

/* The tree in one line: "multipart/mixed(text/plain image/gif)". */
static inline void add_tree(struct buf *out, const struct mime_part *part)
{
    buf_printf(out, "%.*s/%.*s", SLICE_ARG(part->type), SLICE_ARG(part->subtype));
    if (part->kind == MIME_LEAF)
        return;
    buf_add_byte(out, '(');
    for (const struct mime_part *child = part->child; child; child = child->next) {
        if (child != part->child)
            buf_add_byte(out, ' ');
        add_tree(out, child);
    }
    buf_add_byte(out, ')');
}

#endif
