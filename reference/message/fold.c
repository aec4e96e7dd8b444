/* fold.c - text in the form in which it is compared: i;unicode-casemap (RFC 5051 2).
 *
 * Each character is made titlecase and then decomposed (compatibility decomposition), one at a
 * time: the collation asks for no more. Results for the first 64 K characters are kept. */
#include "reference/message/subject.h"

#include "base/mem.h"
#include "reference/message/utf8.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

enum { PAGE = 256, PAGES = 256, DEPTH_MAX = 8 };

struct page {
    uint32_t start[PAGE + 1];      /* in text, of each character's folded form */
    char text[];
};

static _Atomic(struct page *) pages[PAGES];

static void decompose(struct buf *out, ucs4_t c, int depth)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int tag;
    int n = depth < DEPTH_MAX ? uc_decomposition(c, &tag, parts) : -1;
    if (n < 0) {
        buf_add_utf8(out, c);
        return;
    }
    for (int i = 0; i < n; i++)
        decompose(out, parts[i], depth + 1);
}

static void fold_point(struct buf *out, uint32_t c) { decompose(out, uc_totitle(c), 0); }

/* The page of characters from first on; made at its first use, perhaps by two threads at once. */
static struct page *page_of(uint32_t number)
{
    struct page *page = atomic_load_explicit(&pages[number], memory_order_acquire), *none = NULL;
    if (page)
        return page;
    struct buf text = {0};
    uint32_t start[PAGE + 1];
    for (uint32_t i = 0; i < PAGE; i++) {
        start[i] = (uint32_t)text.len;
        fold_point(&text, number * PAGE + i);
    }
    start[PAGE] = (uint32_t)text.len;
    page = xmalloc(sizeof *page + text.len);
    memcpy(page->start, start, sizeof start);
    memcpy(page->text, text.data, text.len);
    buf_free(&text);
    if (!atomic_compare_exchange_strong(&pages[number], &none, page)) {
        free(page);
        return none;
    }
    return page;
}

/* n octets below 128 with their letters in upper case, eight at a time. */
static void fold_ascii(char *to, const char *from, size_t n)
{
    const uint64_t ones = 0x0101010101010101u;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, from + i, 8);
        uint64_t from_a = word + (0x80 - 'a') * ones, over_z = word + (0x7f - 'z') * ones;
        word -= (from_a & ~over_z & 0x80 * ones) >> 2;
        memcpy(to + i, &word, 8);
    }
    for (; i < n; i++)
        to[i] = (char)(from[i] - ((unsigned char)(from[i] - 'a') < 26 ? 32 : 0));
}

void text_fold(struct buf *out, struct slice s)
{
    buf_reserve(out, s.n);
    while (s.n > 0) {
        size_t run = ascii_run(s);
        buf_reserve(out, run);
        fold_ascii(out->data + out->len, s.p, run);
        out->len += run;
        out->data[out->len] = 0;
        s = slice_of(s.p + run, s.n - run);
        if (s.n == 0)
            break;
        size_t n = utf8_length(s.p, s.n);
        if (n == 0 || n == UTF8_CUT) {               /* not UTF-8: as it is */
            buf_add_byte(out, s.p[0]);
            s = slice_of(s.p + 1, s.n - 1);
            continue;
        }
        uint32_t c = utf8_next(&s);
        if (c < PAGE * PAGES) {
            const struct page *page = page_of(c / PAGE);
            uint32_t from = page->start[c % PAGE], end = page->start[c % PAGE + 1];
            buf_add(out, page->text + from, end - from);
        } else {
            fold_point(out, c);
        }
    }
}
