#include "conformance/lab/folder.h"

#include "base/mem.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char *folder_make(const char *dir, struct buf *error)
{
    if (!dir) {
        const char *tmp = getenv("TMPDIR");
        char *path = xasprintf("%s/lab.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
        if (mkdtemp(path) && chmod(path, 0755) == 0) /* servers of other uids have to get in */
            return path;
        buf_printf(error, "%s: %s; set TMPDIR to a folder that can be written to", path,
                   strerror(errno));
        free(path);
        return NULL;
    }
    char *absolute = NULL;
    if (mkdir(dir, 0755) == 0 || errno == EEXIST)
        absolute = realpath(dir, NULL);
    if (!absolute)
        buf_printf(error, "%s: %s; name a folder that can be made", dir, strerror(errno));
    return absolute;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    (void)!remove(path);
    return 0;
}

void folder_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

char *folder_of_program(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n > 1 ? xasprintf("%.*s", (int)n - 1, path) : xstrdup(".");
}

void folder_environment(const char *dir, char *out[FOLDER_VARIABLES])
{
    out[0] = xasprintf("LAB_DIR=%s", dir);
    out[1] = xasprintf("LAB_DNS_CONTROL=%s/dns.control", dir);
    out[2] = xasprintf("LAB_DNS_LOG=%s/dns.log", dir);
}
