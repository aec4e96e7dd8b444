/* mbox_status.c - flags and keywords as fields in the header of a message of an mbox, as
 * mail(1), mutt, pine and Dovecot write them:
 *
 *   Status: RO         R read, O no longer new
 *   X-Status: AFDT     A answered, F flagged, D to be deleted, T a draft
 *   X-Keywords: words
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
#define KEYWORDS_LINE_MAX 4096

static const struct { const char *field; char letter; uint32_t flag; } letters[] = {
    {"Status:", 'R', FLAG_SEEN}, {"X-Status:", 'A', FLAG_ANSWERED}, {"X-Status:", 'F',
                                                                     FLAG_FLAGGED},
    {"X-Status:", 'D', FLAG_DELETED}, {"X-Status:", 'T', FLAG_DRAFT},
};

void mbox_status_read(struct message *m, struct slice line)
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
}

void mbox_status_add(struct buf *out, uint32_t flags, struct slice keywords, size_t octets)
{
    size_t start = out->len;
    if (octets == 0)
        octets = STATUS_ROOM;
    buf_printf(out, "Status: %sO\nX-Status: ", flags & FLAG_SEEN ? "R" : "");
    for (size_t i = 1; i < sizeof letters / sizeof *letters; i++) {
        if (flags & letters[i].flag)
            buf_add_byte(out, letters[i].letter);
    }
    buf_add_str(out, "\nX-Keywords: ");
    buf_add_slice(out, keywords);
    while (out->len - start + 1 < octets)
        buf_add_byte(out, ' ');
    buf_add_byte(out, '\n');
}
