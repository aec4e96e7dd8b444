#include "conformance/runner/files.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIXTURE_MAX = 64 * 1024 * 1024, FOLDER_DEPTH = 20 };

static void collect(struct file_list *out, const char *folder, const char *ending, int depth)
{
    DIR *d = depth < FOLDER_DEPTH ? opendir(folder) : NULL;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        char *path = xasprintf("%s/%s", folder, e->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            collect(out, path, ending, depth + 1);
        } else if (slice_ends(slice_str(e->d_name), slice_str(ending))) {
            out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
            out->v[out->n++] = path;
            continue;
        }
        free(path);
    }
    if (d)
        closedir(d);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void list_files(struct file_list *out, const char *folder, const char *ending)
{
    collect(out, folder, ending, 0);
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
}

void file_list_free(struct file_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct file_list){0};
}

static void add_with_crlf(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
            buf_add_byte(out, '\r');
        buf_add_byte(out, s.p[i]);
    }
}

bool fixture_load(struct buf *out, const char *name, const char *scenario_file, const char *root,
                  struct buf *error)
{
    if (name[0] == '/' || strstr(name, "..")) {
        buf_printf(error, "\"%s\" is no name of a message", name);
        return false;
    }
    const char *slash = strrchr(scenario_file, '/');
    char *tries[] = {
        xasprintf("%.*s%s", slash ? (int)(slash - scenario_file + 1) : 0, scenario_file, name),
        xasprintf("%s/scenarios/messages/%s", root, name),
        xasprintf("%s/../fixtures/messages/%s", root, name),
    };
    bool found = false;
    for (size_t i = 0; i < 3; i++) {
        struct buf raw = {0};
        if (!found && buf_read_file(&raw, tries[i], FIXTURE_MAX) == 0) {
            found = true;
            if (slice_ends(slice_str(name), SLICE(".eml")))
                add_with_crlf(out, buf_slice(&raw));
            else
                buf_add_slice(out, buf_slice(&raw));
        }
        buf_free(&raw);
    }
    if (!found)
        buf_printf(error, "no message \"%s\": looked for %s, %s and %s", name, tries[0], tries[1],
                   tries[2]);
    for (size_t i = 0; i < 3; i++)
        free(tries[i]);
    return found;
}

int make_folders(const char *path)
{
    char *copy = xstrdup(path);
    int result = 0;
    for (char *p = copy + 1; result == 0; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = 0;
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            result = -1;
        *p = c;
        if (!c)
            break;
    }
    free(copy);
    return result;
}

bool write_file(const char *path, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    while (content.n) {
        ssize_t n = write(fd, content.p, content.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        content = slice_sub(content, (size_t)n, content.n);
    }
    return close(fd) == 0 && content.n == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    remove(path);
    return 0;
}

void remove_tree(const char *path)
{
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
