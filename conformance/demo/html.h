/* html.h - text for HTML and SVG. */
#ifndef DEMO_HTML_H
#define DEMO_HTML_H

#include "conformance/demo/story.h"

/* Appends text with & < > " escaped, control characters shown as \xHH and bytes that are not UTF-8
 * replaced; at most `columns` characters (0: all), the last an ellipsis when something was cut. */
void html_add(struct buf *b, struct slice text, size_t columns);
/* The sequence diagram: one row a conversation, each opening to its transcript. */
void diagram_add(struct buf *b, const struct story *s);

#endif
