/* thread_tree.c - the messages of a THREAD command, their links, their order, and their text.
 *
 * Threads may be as deep as the mailbox is large, so nothing here calls itself. */
#include "reference/imapd/thread_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/random.h>

/* ---- table --------------------------------------------------------------------------------- */

static uint64_t hash(const struct node_table *t, struct slice key)
{
    uint64_t h = t->seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct slice key_of(const struct node_table *t, const struct node *n)
{
    return t->by_subject ? n->subject : n->id;
}

static struct node **probe(struct node_table *t, struct slice key)
{
    size_t i = hash(t, key) & (t->size - 1);
    while (t->slots[i] && !slice_eq(key_of(t, t->slots[i]), key))
        i = (i + 1) & (t->size - 1);
    return &t->slots[i];
}

struct node **node_table_find(struct node_table *t, struct slice key)
{
    if (t->size == 0) {
        if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) != sizeof t->seed)
            t->seed = (uintptr_t)t;
        t->size = 1024;
        t->slots = xcalloc(t->size, sizeof *t->slots);
    }
    if (t->count * 2 > t->size) {
        struct node **old = t->slots;
        size_t size = t->size;
        t->size *= 2;
        t->slots = xcalloc(t->size, sizeof *t->slots);
        for (size_t i = 0; i < size; i++)
            if (old[i])
                *probe(t, key_of(t, old[i])) = old[i];
        free(old);
    }
    return probe(t, key);
}

void node_table_added(struct node_table *t) { t->count++; }

/* ---- the tree ------------------------------------------------------------------------------ */

struct thread_tree *thread_new(void)
{
    struct thread_tree *t = xcalloc(1, sizeof *t);
    t->arena = (struct arena){0};
    return t;
}

void thread_free(struct thread_tree *t)
{
    arena_free(&t->arena);
    free(t->nodes);
    free(t->roots);
    free(t->ids.slots);
    free(t);
}

struct node *thread_new_node(struct thread_tree *t)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->nodes = xreallocarray(t->nodes, t->room, sizeof *t->nodes);
    }
    struct node *n = arena_alloc(&t->arena, sizeof *n);
    t->nodes[t->count++] = n;
    return n;
}

void thread_add_root(struct thread_tree *t, struct node *n)
{
    if (t->roots_count == t->roots_room) {
        t->roots_room = t->roots_room ? 2 * t->roots_room : 256;
        t->roots = xreallocarray(t->roots, t->roots_room, sizeof *t->roots);
    }
    n->slot = (uint32_t)t->roots_count;
    n->next = NULL;
    t->roots[t->roots_count++] = n;
}

void thread_append_child(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->child)
        parent->last_child->next = child;
    else
        parent->child = child;
    parent->last_child = child;
}

void thread_gather_children(struct thread_tree *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i]->parent)
            thread_append_child(t->nodes[i]->parent, t->nodes[i]);
}

/* ---- order --------------------------------------------------------------------------------- */

/* A dummy stands for its first child (RFC 5256 3, steps 4 and 6). */
static const struct node *face(const struct node *n)
{
    return n->number == 0 && n->child ? n->child : n;
}

static int by_date(const void *left, const void *right)
{
    const struct node *a = face(*(struct node *const *)left);
    const struct node *b = face(*(struct node *const *)right);
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

void thread_sort_children(struct node *n)
{
    size_t count = 0;
    if (!n->child || !n->child->next)
        return;
    for (struct node *c = n->child; c; c = c->next)
        count++;
    struct node **all = xreallocarray(NULL, count, sizeof *all), *c = n->child;
    for (size_t i = 0; i < count; i++, c = c->next)
        all[i] = c;
    qsort(all, count, sizeof *all, by_date);
    n->child = n->last_child = NULL;
    for (size_t i = 0; i < count; i++)
        thread_append_child(n, all[i]);
    free(all);
}

void thread_sort_roots(struct thread_tree *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->roots_count; i++)
        if (t->roots[i])
            t->roots[count++] = t->roots[i];
    t->roots_count = count;
    if (count > 0)
        qsort(t->roots, count, sizeof *t->roots, by_date);
    for (size_t i = 0; i < count; i++)
        t->roots[i]->slot = (uint32_t)i;
}

/* ---- text ---------------------------------------------------------------------------------- */

struct pending { struct node **lists; size_t count, room; };

static void push(struct pending *p, struct node *list)
{
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        p->lists = xreallocarray(p->lists, p->room, sizeof *p->lists);
    }
    p->lists[p->count++] = list;
}

/* "(", a message and its only children; where there are several, they are lists of their own, which
 * then wait in p, and else ")". */
static void open_list(struct pending *p, struct node *n, struct buf *out)
{
    buf_add_byte(out, '(');
    if (n->number == 0) {
        push(p, n->child);
        return;
    }
    buf_printf(out, "%u", n->number);
    while (n->child && !n->child->next) {
        n = n->child;
        buf_printf(out, " %u", n->number);
    }
    if (n->child) {
        buf_add_byte(out, ' ');
        push(p, n->child);
    } else {
        buf_add_byte(out, ')');
    }
}

void thread_write(struct thread_tree *t, struct buf *out)
{
    struct pending p = {0};
    if (t->roots_count > 0)
        buf_add_byte(out, ' ');
    for (size_t i = 0; i < t->roots_count; i++) {
        open_list(&p, t->roots[i], out);
        while (p.count > 0) {
            struct node *n = p.lists[p.count - 1];
            if (n) {
                p.lists[p.count - 1] = n->next;
                open_list(&p, n, out);
            } else {
                buf_add_byte(out, ')');
                p.count--;
            }
        }
    }
    free(p.lists);
}
