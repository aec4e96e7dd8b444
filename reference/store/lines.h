/* lines.h - reading a range of a file, or memory, line by line with bounded memory. */
#ifndef REFERENCE_STORE_LINES_H
#define REFERENCE_STORE_LINES_H

#include "base/slice.h"

#include <sys/types.h>

/* A longer line is given in several pieces. */
#define LINES_PIECE_MAX (64 * 1024)

struct lines {
    int fd;               /* -1: memory */
    int64_t offset;       /* of the next octet to read from the file */
    int64_t left;         /* octets of the range not yet read from the file */
    char *buf;            /* of LINES_PIECE_MAX, owned; NULL for memory */
    const char *p;        /* what was read and not yet given */
    size_t n;
    bool in_line;
};

struct line_piece {
    struct slice text;    /* without the LF; valid until the next call */
    bool begins;          /* the first piece of its line: the whole line or LINES_PIECE_MAX of it */
    bool ends;            /* the last piece; the range's end ends a line as well */
    size_t raw;           /* octets in the file, the LF included */
};

/* fd is borrowed and never moved (pread). */
void lines_init_file(struct lines *l, int fd, int64_t offset, int64_t length);
void lines_init_memory(struct lines *l, struct slice text);
void lines_free(struct lines *l);
/* 1: a piece; 0: the end; -1 with errno (EIO: the file is shorter than the range). */
int lines_next(struct lines *l, struct line_piece *out);

#endif
