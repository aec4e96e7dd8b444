/* thread_internal.h - shared by thread_tree.c (messages, links, order, text), thread_references.c
 * and thread_subject.c. */
#ifndef REFERENCE_IMAPD_THREAD_INTERNAL_H
#define REFERENCE_IMAPD_THREAD_INTERNAL_H

#include "reference/imapd/thread.h"
#include "base/arena.h"

struct node {
    uint32_t number;             /* 0: a dummy, known from references only */
    uint32_t place;              /* in the mailbox, from 1; for equal dates */
    int64_t date;
    bool reply;                  /* its subject is that of a reply or forward */
    struct slice subject;        /* base subject, folded */
    struct slice id;             /* p NULL: none, or another message has it */
    struct node *parent;
    struct node *child, *last_child, *next;   /* only after thread_gather_children */
    uint32_t children;           /* how many have this as parent */
    uint32_t slot;               /* among the roots, in step 5 */
};

/* Nodes by a text; each key once. */
struct node_table {
    struct node **slots;
    size_t size, count;          /* size is 0 or a power of 2 */
    bool by_subject;             /* else by id */
    uint64_t seed;               /* so that nobody can choose keys that collide */
};
/* The place of the key: *place is NULL when it is not in the table, and may then be set, after
 * which node_table_added must be called. */
struct node **node_table_find(struct node_table *t, struct slice key);
void node_table_added(struct node_table *t);

struct thread_tree {
    struct arena arena;
    struct node **nodes;         /* all, in order of creation */
    size_t count, room;
    uint32_t messages;
    struct node_table ids;
    struct node **roots;         /* NULL: merged into another */
    size_t roots_count, roots_room;
};

struct node *thread_new_node(struct thread_tree *t);
void thread_add_root(struct thread_tree *t, struct node *n);
/* Lists of children out of the parent pointers. */
void thread_gather_children(struct thread_tree *t);
void thread_append_child(struct node *parent, struct node *child);
/* By date, a dummy by its first child's, then by place in the mailbox. */
void thread_sort_children(struct node *n);
void thread_sort_roots(struct thread_tree *t);
void thread_write(struct thread_tree *t, struct buf *out);

#endif
