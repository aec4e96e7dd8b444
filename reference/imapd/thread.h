/* thread.h - messages put into threads (RFC 5256 3): ORDEREDSUBJECT and REFERENCES. */
#ifndef REFERENCE_IMAPD_THREAD_H
#define REFERENCE_IMAPD_THREAD_H

#include "base/buf.h"
#include "reference/message/summary.h"

struct thread_tree;

struct thread_tree *thread_new(void);
void thread_free(struct thread_tree *t);
/* The next message, in the order of the mailbox; `number` is how it is told; its date is that of
 * RFC 5256 2.2. Nothing of the summary is kept. */
void thread_add(struct thread_tree *t, uint32_t number, int64_t date,
                const struct summary *summary);
/* Appends " (1 2)(3)": what follows THREAD in the response. Each message stands in it once. */
void thread_ordered_subject(struct thread_tree *t, struct buf *out);
void thread_references(struct thread_tree *t, struct buf *out);

#endif
