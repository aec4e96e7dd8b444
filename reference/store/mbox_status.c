/* mbox_status.c - flags and keywords as fields in the header of a message of an mbox, as
 * mail(1), mutt, pine and Dovecot write them:
 *
 *   Status: RO         R read, O no longer new
 *   X-Status: AFDT     A answered, F flagged, D to be deleted, T a draft
 *   X-Keywords: words
 *   X-UID: its UID
 *   X-IMAPbase: UIDVALIDITY and the last UID; in the first message
 *
 * We write them as the first fields, with spaces behind the keywords, so that most later changes
 * need no more than overwriting them. They are no part of the message: a view hides them, and
 * its size counts without them, so that a message does not change when its flags do (RFC 9051
 * 2.3.1.1). */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/view.h"

#include <stdlib.h>

/* Octets of the three fields when they are first written. */
#define STATUS_ROOM 80
#define BASE_ROOM 36               /* more for X-IMAPbase */
/* Dovecot's last UID has ten digits, alpine's as many as it needs. */
#define LAZY_DIGITS 11
#define KEYWORDS_LINE_MAX 4096

static const struct { const char *field; char letter; uint32_t flag; } letters[] = {
    {"Status:", 'R', FLAG_SEEN}, {"X-Status:", 'A', FLAG_ANSWERED}, {"X-Status:", 'F',
                                                                     FLAG_FLAGGED},
    {"X-Status:", 'D', FLAG_DELETED}, {"X-Status:", 'T', FLAG_DRAFT},
};

static uint32_t next_number(struct slice *words)
{
    struct slice word;
    uint64_t n = 0;
    return slice_word(words, &word) && slice_number(word, UINT32_MAX, &n) ? (uint32_t)n : 0;
}

void mbox_status_read(struct message *m, struct slice line, struct mbox_base *base)
{
    ptrdiff_t colon = slice_index(line, ':');
    struct slice name = slice_sub(line, 0, (size_t)colon + 1);
    struct slice value = slice_trim(slice_sub(line, (size_t)colon + 1, line.n));
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (slice_ieq_str(name, letters[i].field) && slice_index(value, letters[i].letter) >= 0)
            m->flags |= letters[i].flag;
    }
    if (slice_ieq_str(name, "X-Keywords:") && value.n > 0 && value.n <= KEYWORDS_LINE_MAX) {
        free(m->keywords);
        m->keywords = slice_dup(value);
    }
    if (slice_ieq_str(name, "X-UID:"))
        m->written_uid = next_number(&value);
    if (base && (slice_ieq_str(name, "X-IMAPbase:") || slice_ieq_str(name, "X-IMAP:"))) {
        base->validity = next_number(&value);
        base->lazy = slice_trim(value).n == LAZY_DIGITS;
        base->last = next_number(&value);
    }
}

void mbox_status_add(struct buf *out, const struct mbox_status *s, size_t octets)
{
    size_t start = out->len;
    if (octets == 0)
        octets = STATUS_ROOM + (s->base.validity ? BASE_ROOM : 0);
    if (s->base.validity)          /* of a fixed length: it is overwritten in its place */
        buf_printf(out, "X-IMAPbase: %010u %0*u\n", s->base.validity,
                   s->base.lazy ? LAZY_DIGITS : LAZY_DIGITS - 1, s->base.last);
    if (s->uid)
        buf_printf(out, "X-UID: %u\n", s->uid);
    buf_printf(out, "Status: %sO\nX-Status: ", s->flags & FLAG_SEEN ? "R" : "");
    for (size_t i = 1; i < sizeof letters / sizeof *letters; i++) {
        if (s->flags & letters[i].flag)
            buf_add_byte(out, letters[i].letter);
    }
    buf_add_str(out, "\nX-Keywords: ");
    buf_add_slice(out, s->keywords);
    while (out->len - start + 1 < octets)
        buf_add_byte(out, ' ');
    buf_add_byte(out, '\n');
}
