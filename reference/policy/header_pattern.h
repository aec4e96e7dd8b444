/* header_pattern.h - a condition about what the header of a message says, as an operator writes it:
 *
 *   Subject: cheap pills      a field of this name has these words, whatever their case
 *   X-Mailer: /^bulk \d/      the expression (PCRE2, case folded) is found in it
 *   List-Id                   there is such a field
 *   *: /pills/                any field
 *
 * Fields are looked at unfolded and with their encoded words decoded (RFC 2047), as a reader sees
 * them. An expression that takes too long is given up: pcre2's limits bound it in a field, a time in all. */
#ifndef REFERENCE_POLICY_HEADER_PATTERN_H
#define REFERENCE_POLICY_HEADER_PATTERN_H

#include "base/buf.h"

struct header_pattern;

/* NULL with *why (what is wrong and what to write; the caller frees it) when the text is no pattern. */
struct header_pattern *header_pattern_new(const char *text, struct buf *why);
void header_pattern_free(struct header_pattern *p);   /* NULL is fine */

enum header_found { HEADER_ABSENT, HEADER_FOUND, HEADER_GIVEN_UP };
/* `header`: lines with CRLF. *why gets the field that was found, or what went wrong. */
enum header_found header_pattern_find(const struct header_pattern *p, struct slice header,
                                      struct buf *why);

#endif
