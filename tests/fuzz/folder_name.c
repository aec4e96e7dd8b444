/* Names of mailboxes and of files: no name leads out of the user's folder, what is made for a
 * name leads back to it, and what a file's name says is written again as it was. */
#include "base/mem.h"
#include "reference/store/folder_internal.h"
#include "tests/fuzz/mail_folder.h"

/* Below the root, and not a level of it that is "." or "..". */
static void check_path(const char *path, const char *root)
{
    struct slice rest = slice_str(path), level;
    if (!slice_starts(rest, slice_str(root)))
        abort();
    rest = slice_sub(rest, strlen(root), rest.n);
    if (rest.n > 0 && rest.p[0] != '/')
        abort();
    rest = slice_sub(rest, 1, rest.n);
    while (slice_next(&rest, '/', &level)) {
        if (level.n == 0 || slice_eq_str(level, ".") || slice_eq_str(level, "..") ||
            level.n > DISK_NAME_MAX)
            abort();
        for (size_t i = 0; i < level.n; i++) {
            if (level.p[i] < 0x20 || level.p[i] > 0x7e)
                abort();
        }
    }
}

static void check_name(struct store_account *a, const char *name)
{
    const struct folder_disk *const disks[] = {&maildir_disk, &mbox_disk};
    for (size_t i = 0; i < 2; i++) {
        struct buf path = {0};
        if (disks[i]->path(a, name, &path) == 0)
            check_path(buf_str(&path), folder);
        buf_free(&path);
    }
    struct buf file = {0}, back = {0};
    if (strcmp(name, "INBOX") != 0 && maildir_name_encode(slice_str(name), &file) &&
        (!maildir_name_decode(buf_slice(&file), &back) || !slice_eq_str(buf_slice(&back), name)))
        abort();
    buf_free(&file);
    buf_free(&back);
}

static void check_file(struct slice file)
{
    struct buf name = {0}, again = {0};
    uint32_t flags;
    uint64_t keywords;
    bool odd;
    if (maildir_name_decode(file, &name) && strcmp(buf_str(&name), "INBOX") != 0) {
        char *clean = folder_name_clean(buf_slice(&name));
        if (!clean || strcmp(clean, buf_str(&name)) != 0)
            abort();
        free(clean);
    }
    maildir_flags_parse(file, &flags, &keywords, &odd);
    ptrdiff_t colon = slice_index(file, ':');
    buf_add_slice(&again, slice_sub(file, 0, colon < 0 ? file.n : (size_t)colon));
    maildir_flags_add(&again, flags, keywords);
    if (!odd && !slice_eq(buf_slice(&again), file))
        abort();
    buf_free(&name);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store_account *a;
    if (!a && !(a = store_account_get(folder_open(), "tom", "", -1, -1)))
        abort();
    char *name = folder_name_clean(slice_of(data, size));
    if (name) {
        char *again = folder_name_clean(slice_str(name));
        if (strlen(name) > 3 * FOLDER_NAME_MAX || !again || strcmp(again, name) != 0)
            abort();
        check_name(a, name);
        free(again);
    }
    free(name);
    if (size > 0 && size < 256 && !memchr(data, 0, size))
        check_file(slice_of(data, size));
    return 0;
}
