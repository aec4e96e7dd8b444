#include "reference/imapd/set.h"

#include "base/mem.h"

#include <stdlib.h>

enum { STAR = 0 };           /* no number is 0 */

void number_set_free(struct number_set *s)
{
    free(s->v);
    *s = (struct number_set){0};
}

static bool parse_number(struct slice text, uint32_t *out)
{
    uint64_t number = STAR;
    if (!slice_eq_str(text, "*") && (!slice_number(text, UINT32_MAX, &number) || number == 0))
        return false;
    *out = (uint32_t)number;
    return true;
}

bool number_set_parse(struct number_set *s, struct slice text)
{
    struct slice part;
    *s = (struct number_set){.saved = slice_eq_str(text, "$")};
    if (s->saved)
        return true;
    if (text.n == 0)
        return false;
    while (slice_next(&text, ',', &part)) {
        ptrdiff_t colon = slice_index(part, ':');
        struct slice left = slice_sub(part, 0, colon < 0 ? part.n : (size_t)colon);
        struct slice right = colon < 0 ? left : slice_sub(part, (size_t)colon + 1, part.n);
        struct uid_range r;
        if (!parse_number(left, &r.first) || !parse_number(right, &r.last)) {
            number_set_free(s);
            return false;
        }
        if (s->n == s->room) {
            s->room = s->room ? s->room * 2 : 4;
            s->v = xreallocarray(s->v, s->room, sizeof *s->v);
        }
        s->v[s->n++] = r;
    }
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct uid_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

void number_set_resolve(const struct number_set *s, uint32_t largest, struct uid_set *out)
{
    if (s->n == 0)
        return;
    /* In order, because adding behind the others is cheap and a client may write 10,000 ranges. */
    struct uid_range *sorted = xreallocarray(NULL, s->n, sizeof *sorted);
    for (size_t i = 0; i < s->n; i++) {
        uint32_t first = s->v[i].first == STAR ? largest : s->v[i].first;
        uint32_t last = s->v[i].last == STAR ? largest : s->v[i].last;
        sorted[i] = (struct uid_range){first < last ? first : last, first < last ? last : first};
    }
    qsort(sorted, s->n, sizeof *sorted, by_first);
    for (size_t i = 0; i < s->n; i++)
        if (sorted[i].last > 0)              /* "*" in an empty mailbox is nothing */
            uid_set_add(out, sorted[i].first, sorted[i].last);
    free(sorted);
}
