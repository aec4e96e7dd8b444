/* stamp.h - has a file become another than the one that was read? */
#ifndef REFERENCE_AUTH_STAMP_H
#define REFERENCE_AUTH_STAMP_H

#include "base/buf.h"

#include <sys/stat.h>

struct stamp { struct timespec changed; off_t size; ino_t inode; dev_t device; };

/* Take it before reading: a change in between is then seen the next time. Zero: no such file. */
struct stamp stamp_of(const char *file);
bool stamp_same(const struct stamp *a, const struct stamp *b);

/* An event auth.file-wrong for each line of *errors, which is freed. */
void file_wrong_events(struct buf *errors);

#endif
