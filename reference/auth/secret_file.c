/* secret_file.c - one line, not kept. */
#include "reference/auth/secret_file.h"

#include <errno.h>
#include <stdlib.h>

enum { FILE_MAX = 4096 };

char *secret_file_read(const char *path, struct buf *why)
{
    struct buf text = {0};
    struct slice rest, line = {0};
    char *secret = NULL;
    buf_reserve(&text, FILE_MAX + 1);
    if (buf_read_file(&text, path, FILE_MAX) != 0) {
        buf_printf(why, "%s: %s", path, strerror(errno));
    } else {
        rest = buf_slice(&text);
        slice_next(&rest, '\n', &line);
        secret = slice_dup(line);
    }
    explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return secret;
}

void secret_file_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}
