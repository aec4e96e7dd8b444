/* files.h - text into a file of its own for a test. */
#ifndef TESTS_UNIT_AUTH_FILES_H
#define TESTS_UNIT_AUTH_FILES_H

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A new file with this text; the name is malloc'ed. Remove it with drop_file. */
static inline char *make_file(const char *text)
{
    char *name = xstrdup("/tmp/postroad-unit-XXXXXX");
    int fd = mkstemp(name);
    cr_assert(fd >= 0 && dprintf(fd, "%s", text) >= 0);
    close(fd);
    return name;
}

static inline void drop_file(char *name)
{
    unlink(name);
    free(name);
}

#endif
