/* utf8.h - UTF-8 by the octet (RFC 3629). */
#ifndef REFERENCE_UTF8_H
#define REFERENCE_UTF8_H

#include "base/buf.h"

enum { UTF8_CUT = 5, UTF8_REPLACEMENT = 0xfffd };

/* Octets (1..4) of the character at p; 0 when there is none, UTF8_CUT when n octets are good so far
 * but too few. */
size_t utf8_length(const char *p, size_t n);
/* Is it UTF-8, shortest forms only, without surrogates (RFC 3629 3)? */
bool utf8_valid(struct slice s);
/* Takes the next character off *s, which is valid UTF-8 and not empty. */
uint32_t utf8_next(struct slice *s);
/* Appends the character U+c. */
void buf_add_utf8(struct buf *out, uint32_t c);
/* How many octets at the front of s are below 128. */
size_t ascii_run(struct slice s);
/* Appends the character that Windows-1252 has for the octet. */
void windows_1252_add(struct buf *out, unsigned char c);

/* Appends s as valid UTF-8: octets that are no part of it are read as Windows-1252, by far the most
 * frequent charset of mail that does not name one. */
void utf8_repair(struct buf *out, struct slice s);
/* The same of a portion; unless it is the last, a character cut at the end is not taken. How many
 * octets were taken. */
size_t utf8_repair_portion(struct buf *out, struct slice s, bool last);

#endif
