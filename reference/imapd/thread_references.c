/* thread_references.c - the REFERENCES algorithm of RFC 5256 3, by its steps. */
#include "reference/imapd/thread_internal.h"

#include "base/mem.h"
#include "reference/message/subject.h"

#include <stdlib.h>

enum {
    NODES_MAX = 2000000,         /* with the dummies that references make */
    ANCESTORS_MAX = 10000,       /* looked at for a loop; a deeper thread is cut there */
};

/* ---- step 1: links ------------------------------------------------------------------------- */

static bool is_ancestor(const struct node *n, const struct node *of)
{
    if (n->children == 0)
        return false;
    for (int i = 0; of; of = of->parent, i++)
        if (of == n || i == ANCESTORS_MAX)
            return true;
    return false;
}

static void unlink_parent(struct node *n)
{
    if (n->parent)
        n->parent->children--;
    n->parent = NULL;
}

static void link_parent(struct node *n, struct node *parent)
{
    if (n == parent || is_ancestor(n, parent))
        return;                                       /* it would be a loop */
    n->parent = parent;
    parent->children++;
}

/* The node with that Message-ID, a dummy if there was none; NULL when there are too many. */
static struct node *node_of(struct thread_tree *t, struct slice id)
{
    struct node **place = node_table_find(&t->ids, id);
    if (*place || t->count >= NODES_MAX)
        return *place;
    *place = thread_new_node(t);
    (*place)->id = arena_slice(&t->arena, id);
    struct node *n = *place;
    node_table_added(&t->ids);
    return n;
}

/* The node of a message: that of its Message-ID, unless it has none or an earlier one has it. */
static struct node *own_node(struct thread_tree *t, struct slice message_id, struct buf *scratch)
{
    struct slice id;
    if (message_id_next(&message_id, scratch, &id)) {
        struct node *n = node_of(t, id);
        if (n && n->number == 0)
            return n;
    }
    return thread_new_node(t);
}

/* Step 1.A over the references; the last one of them, NULL when there is none. */
static struct node *link_references(struct thread_tree *t, struct slice references, bool first_only,
                                    struct buf *scratch)
{
    struct node *last = NULL;
    struct slice id;
    while (message_id_next(&references, scratch, &id)) {
        struct node *n = node_of(t, id);
        if (!n)
            continue;
        if (last && !n->parent)
            link_parent(n, last);
        last = n;
        if (first_only)
            break;
    }
    return last;
}

void thread_add(struct thread_tree *t, uint32_t number, int64_t date, const struct summary *summary)
{
    struct buf scratch = {0};
    struct node *n = own_node(t, summary->field[SUMMARY_MESSAGE_ID], &scratch);
    n->number = number;
    n->place = ++t->messages;
    n->date = date;
    n->reply = summary->reply;
    n->subject = arena_slice(&t->arena, summary->field[SUMMARY_BASE_SUBJECT]);

    struct node *last = link_references(t, summary->field[SUMMARY_REFERENCES], false, &scratch);
    if (!last)
        last = link_references(t, summary->field[SUMMARY_IN_REPLY_TO], true, &scratch);
    unlink_parent(n);                                 /* step 1.B */
    if (last)
        link_parent(n, last);
    buf_free(&scratch);
}

/* ---- steps 2 and 3: roots, without dummies ------------------------------------------------- */

/* Nodes so that parents come before their children. */
static struct node **top_down(struct thread_tree *t, size_t *count)
{
    struct node **order = xreallocarray(NULL, t->count + 1, sizeof *order);
    *count = 0;
    for (size_t i = 0; i < t->count; i++)
        if (!t->nodes[i]->parent)
            order[(*count)++] = t->nodes[i];
    for (size_t i = 0; i < *count; i++)
        for (struct node *c = order[i]->child; c; c = c->next)
            order[(*count)++] = c;
    return order;
}

/* Children of n that are dummies give their place to their own children, which are pruned
 * already; a dummy that is left out keeps none, or it would order a list that is no longer its
 * own. */
static void prune_children(struct node *n)
{
    struct node *c = n->child, *next;
    n->child = n->last_child = NULL;
    for (; c; c = next) {
        next = c->next;
        if (c->number != 0) {
            thread_append_child(n, c);
        } else if (c->child) {
            if (n->child)
                n->last_child->next = c->child;
            else
                n->child = c->child;
            n->last_child = c->last_child;
            c->child = c->last_child = NULL;
        }
    }
}

static void gather_roots(struct thread_tree *t)
{
    size_t count;
    thread_gather_children(t);
    struct node **order = top_down(t, &count);
    for (size_t i = count; i-- > 0;)
        prune_children(order[i]);
    for (size_t i = 0; i < count && !order[i]->parent; i++) {
        struct node *n = order[i];
        if (n->number == 0 && n->child && !n->child->next) {
            n = n->child;                             /* a dummy with one child is not needed */
            order[i]->child = order[i]->last_child = NULL;
        }
        if (n->number != 0 || n->child)
            thread_add_root(t, n);
    }
    free(order);
}

/* ---- step 5: threads of one subject -------------------------------------------------------- */

static struct slice thread_subject(const struct node *n)
{
    return n->number == 0 && n->child ? n->child->subject : n->subject;
}

static void fill_subjects(struct thread_tree *t, struct node_table *subjects)
{
    for (size_t i = 0; i < t->roots_count; i++) {
        struct node *n = t->roots[i];
        n->subject = thread_subject(n);
        if (n->subject.n == 0)
            continue;
        struct node **place = node_table_find(subjects, n->subject);
        if (!*place) {
            *place = n;
            node_table_added(subjects);
        } else if ((*place)->number != 0 &&
                   (n->number == 0 || ((*place)->reply && !n->reply))) {
            *place = n;
        }
    }
}

static void move_below(struct thread_tree *t, struct node *n, struct node *parent)
{
    t->roots[n->slot] = NULL;
    thread_append_child(parent, n);
}

/* Step 5.C of one root. */
static void merge(struct thread_tree *t, struct node *n, struct node **place)
{
    struct node *other = *place;
    if (other == n)
        return;
    if (n->number == 0 && other->number == 0) {
        t->roots[n->slot] = NULL;
        for (struct node *c = n->child, *next; c; c = next) {
            next = c->next;
            thread_append_child(other, c);
        }
        n->child = n->last_child = NULL;
    } else if (other->number == 0 || (n->reply && !other->reply)) {
        move_below(t, n, other);
    } else {
        struct node *dummy = thread_new_node(t);
        uint32_t slot = other->slot;
        dummy->subject = other->subject;
        move_below(t, other, dummy);
        move_below(t, n, dummy);
        dummy->slot = slot;
        t->roots[slot] = dummy;
        *place = dummy;
    }
}

static void merge_subjects(struct thread_tree *t)
{
    struct node_table subjects = {.by_subject = true};
    fill_subjects(t, &subjects);
    for (size_t i = 0; i < t->roots_count; i++) {
        struct node *n = t->roots[i];
        if (n && n->subject.n > 0)
            merge(t, n, node_table_find(&subjects, n->subject));
    }
    free(subjects.slots);
}

void thread_references(struct thread_tree *t, struct buf *out)
{
    gather_roots(t);
    for (size_t i = 0; i < t->count; i++)
        thread_sort_children(t->nodes[i]);
    thread_sort_roots(t);                             /* step 4 */
    merge_subjects(t);
    for (size_t i = 0; i < t->count; i++)             /* step 6 */
        thread_sort_children(t->nodes[i]);
    thread_sort_roots(t);
    thread_write(t, out);
}
