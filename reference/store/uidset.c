/* uidset.c - sets of numbers as ascending ranges. */
#include "reference/store/uidset.h"

#include "base/mem.h"

#include <stdlib.h>

void uid_set_free(struct uid_set *s)
{
    free(s->v);
    *s = (struct uid_set){0};
}

static void make_room(struct uid_set *s)
{
    if (s->n < s->cap)
        return;
    s->cap = s->cap ? s->cap * 2 : 8;
    s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
}

/* The first range that ends at `uid` or later. */
static size_t find_range(const struct uid_set *s, uint32_t uid)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->v[mid].last < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void uid_set_add(struct uid_set *s, uint32_t from, uint32_t to)
{
    uint32_t first = from < to ? from : to, last = from < to ? to : from;
    if (first == 0)
        first = 1;
    if (last == 0)
        return;
    /* The ranges that the new one touches, its neighbours included, become one with it. */
    size_t at = find_range(s, first - 1), end = at;
    while (end < s->n && (last == UINT32_MAX || s->v[end].first <= last + 1)) {
        if (s->v[end].first < first)
            first = s->v[end].first;
        if (s->v[end].last > last)
            last = s->v[end].last;
        end++;
    }
    if (end == at) {
        make_room(s);
        memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
        s->n++;
    } else {
        memmove(s->v + at + 1, s->v + end, (s->n - end) * sizeof *s->v);
        s->n -= end - at - 1;
    }
    s->v[at] = (struct uid_range){first, last};
}

void uid_set_push(struct uid_set *s, uint32_t uid)
{
    if (s->n > 0 && s->v[s->n - 1].last < UINT32_MAX && s->v[s->n - 1].last + 1 == uid) {
        s->v[s->n - 1].last = uid;
        return;
    }
    make_room(s);
    s->v[s->n++] = (struct uid_range){uid, uid};
}

bool uid_set_has(const struct uid_set *s, uint32_t uid)
{
    size_t at = find_range(s, uid);
    return at < s->n && s->v[at].first <= uid;
}

uint64_t uid_set_count(const struct uid_set *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->n; i++)
        count += (uint64_t)s->v[i].last - s->v[i].first + 1;
    return count;
}

uint32_t uid_set_at(const struct uid_set *s, uint64_t i)
{
    for (size_t k = 0; k < s->n; k++) {
        uint64_t here = (uint64_t)s->v[k].last - s->v[k].first + 1;
        if (i < here)
            return s->v[k].first + (uint32_t)i;
        i -= here;
    }
    return 0;
}

void uid_set_text(const struct uid_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        if (s->v[i].first == s->v[i].last)
            buf_printf(out, "%u", s->v[i].first);
        else
            buf_printf(out, "%u:%u", s->v[i].first, s->v[i].last);
    }
}
