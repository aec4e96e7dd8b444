/* decode.h - from what is in a message to text in UTF-8, and to octets.
 *
 * Everything here takes any octets and gives valid UTF-8: what cannot be read becomes U+FFFD. */
#ifndef REFERENCE_DECODE_H
#define REFERENCE_DECODE_H

#include "reference/message/mime.h"
#include "reference/message/utf8.h"

/* ---- header text ---- */

/* Appends an unstructured value (Subject, a display name, ...) in UTF-8: unfolded, encoded words
 * decoded (RFC 2047; blanks between two of them dropped, 6.2), raw octets taken as UTF-8 when
 * they are that and as Windows-1252 when they are not. */
void decode_header(struct buf *out, struct slice value);

/* ---- charsets ---- */

struct charset;                      /* a converter to UTF-8, with the state between portions */
/* `name` in any case, "" is US-ASCII (read as UTF-8 or Windows-1252, as decode_header does). NULL
 * when the charset is not known. */
struct charset *charset_open(struct slice name);
bool charset_known(struct slice name);
void charset_push(struct charset *c, struct slice in, struct buf *out);
void charset_close(struct charset *c, struct buf *out);  /* out: for a last U+FFFD; or NULL */
/* Appends s, of charset `name`, in UTF-8. An unknown charset is read as US-ASCII is. */
void charset_decode(struct buf *out, struct slice s, struct slice name);
/* ---- content transfer encodings ---- */

struct transfer {                    /* zero it and set the encoding */
    enum mime_encoding encoding;
    uint32_t bits;                   /* base64: octets not given yet */
    int digits;                      /* base64: how many characters of a group of four were read */
    char held[8];                    /* quoted-printable: "=", "=4", "=" CR */
    size_t held_len;
    struct buf blanks;               /* quoted-printable: blanks that may be at the end of a line */
    bool damaged;                    /* something was not of the encoding; it was skipped or kept */
};
/* Appends the octets that `in` stands for. */
void transfer_push(struct transfer *t, struct slice in, struct buf *out);
/* The end; frees what t holds. */
void transfer_end(struct transfer *t, struct buf *out);

/* ---- the text of a part ---- */

/* Transfer decoding, then the part's charset, to UTF-8; for searching. */
struct part_text;
struct part_text *part_text_new(const struct mime_part *part);
void part_text_push(struct part_text *t, struct slice raw, struct buf *out);
void part_text_end(struct part_text *t, struct buf *out);   /* frees t; out may be NULL */

#endif
