/* stamp.c - what tells one file from the next. */
#include "reference/auth/stamp.h"

#include "base/event.h"

struct stamp stamp_of(const char *file)
{
    struct stat st;
    if (!file || stat(file, &st) != 0)
        return (struct stamp){0};
    return (struct stamp){st.st_ctim, st.st_size, st.st_ino, st.st_dev};
}

bool stamp_same(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode && a->device == b->device;
}

void file_wrong_events(struct buf *errors)
{
    struct slice rest = buf_slice(errors), line;
    while (slice_next(&rest, '\n', &line))
        if (line.n)
            event("auth.file-wrong", EV_SLICE("problem", line));
    buf_free(errors);
}
