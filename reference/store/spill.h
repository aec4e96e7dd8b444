/* spill.h - a message kept for a moment: in memory while it is small, then in a file without a
 * name, so that a session's memory does not grow with the message. */
#ifndef REFERENCE_STORE_SPILL_H
#define REFERENCE_STORE_SPILL_H

#include "base/buf.h"
#include "reference/store/lines.h"

/* Octets kept in memory. */
#define SPILL_MEMORY (256 * 1024)

struct spill {
    const char *dir;      /* where the file is made; borrowed */
    struct buf mem;       /* all of it, or what is not yet in the file */
    int fd;               /* -1: no file */
    int64_t in_file;
    int64_t size;
    int error;            /* errno of the first failed write; later ones fail too */
};

void spill_init(struct spill *s, const char *dir);
void spill_free(struct spill *s);
/* 0, or -1 with errno. */
int spill_add(struct spill *s, const void *p, size_t n);
/* The same from [offset, offset + length) of a file. EIO: the file is shorter. */
int spill_add_file(struct spill *s, int fd, int64_t offset, int64_t length);
/* Gives all of it in chunks until give() says -1. 0, or -1 with errno. */
int spill_copy(struct spill *s, int (*give)(void *arg, const void *p, size_t n), void *arg);
/* Begins reading the lines; nothing may be added from then on. */
int spill_lines(struct spill *s, struct lines *l);

#endif
