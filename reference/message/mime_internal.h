/* mime_internal.h - shared by mime.c (lines, parts) and mime_fields.c (what the header says). */
#ifndef REFERENCE_MIME_INTERNAL_H
#define REFERENCE_MIME_INTERNAL_H

#include "base/arena.h"
#include "reference/message/mime.h"

/* Reads the Content- fields of part->header_text into the part; *boundary, in the arena, is that of
 * a multipart, p NULL when there is none. part->parent is set. */
void mime_read_fields(struct mime_part *part, struct arena *arena, struct slice *boundary);

#endif
