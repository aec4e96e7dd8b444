/* due.h - the waiting messages by the time of their next try: a binary heap. */
#ifndef REFERENCE_DUE_H
#define REFERENCE_DUE_H

#include "reference/queue/queue.h"

struct due_item {
    int64_t due_us;
    char id[QUEUE_ID_MAX];
};

struct due {                     /* zeroed: empty; v[0] is the earliest */
    struct due_item *v;
    size_t n, room;
};

void due_add(struct due *d, int64_t due_us, const char *id);
/* Removes the earliest; false when there is none. */
bool due_pop(struct due *d, struct due_item *out);
void due_free(struct due *d);

#endif
