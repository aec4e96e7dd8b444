/* thread_subject.c - ORDEREDSUBJECT (RFC 5256 3): a thread is what has one base subject. */
#include "reference/imapd/thread_internal.h"

#include "base/mem.h"

#include <stdlib.h>

static int by_subject(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
    size_t n = a->subject.n < b->subject.n ? a->subject.n : b->subject.n;
    int order = n > 0 ? memcmp(a->subject.p, b->subject.p, n) : 0;
    if (order == 0)
        order = (a->subject.n > b->subject.n) - (a->subject.n < b->subject.n);
    if (order == 0)
        order = (a->date > b->date) - (a->date < b->date);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

void thread_ordered_subject(struct thread_tree *t, struct buf *out)
{
    struct node **all = xreallocarray(NULL, t->count + 1, sizeof *all), *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i]->number != 0) {
            t->nodes[i]->child = t->nodes[i]->last_child = NULL;
            all[count++] = t->nodes[i];
        }
    if (count > 0)
        qsort(all, count, sizeof *all, by_subject);
    for (size_t i = 0; i < count; i++) {
        if (first && slice_eq(first->subject, all[i]->subject)) {
            thread_append_child(first, all[i]);
        } else {
            first = all[i];
            thread_add_root(t, first);
        }
    }
    free(all);
    thread_sort_roots(t);
    thread_write(t, out);
}
