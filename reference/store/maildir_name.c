/* maildir_name.c - what the name of a message's file says, and what only the file does. */
#include "base/mem.h"
#include "reference/store/format.h"
#include "reference/store/view_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const struct { char letter; uint32_t flag; } letters[] = {
    {'D', FLAG_DRAFT}, {'F', FLAG_FLAGGED}, {'P', ROW_PASSED}, {'R', FLAG_ANSWERED},
    {'S', FLAG_SEEN}, {'T', FLAG_DELETED},
};
#define LETTERS (sizeof letters / sizeof *letters)

void maildir_flags_add(struct buf *name, uint32_t flags, uint64_t keywords)
{
    buf_add_str(name, ":2,");
    for (size_t i = 0; i < LETTERS; i++) {
        if (flags & letters[i].flag)
            buf_add_byte(name, letters[i].letter);
    }
    for (int i = 0; i < 26; i++) {
        if (keywords & 1ull << i)
            buf_add_byte(name, (char)('a' + i));
    }
}

void maildir_flags_parse(struct slice file, uint32_t *flags, uint64_t *keywords, bool *odd)
{
    ptrdiff_t colon = slice_index(file, ':');
    struct slice info = slice_sub(file, colon < 0 ? file.n : (size_t)colon, file.n);
    bool foreign = false;
    char before = 0;
    *flags = 0;
    *keywords = 0;
    *odd = !slice_starts(info, SLICE(":2,"));
    for (size_t i = 3; !*odd && i < info.n; i++) {
        bool known = false;
        for (size_t k = 0; k < LETTERS; k++) {
            if (info.p[i] == letters[k].letter) {
                *flags |= letters[k].flag;
                known = true;
            }
        }
        if (info.p[i] >= 'a' && info.p[i] <= 'z') {
            *keywords |= 1ull << (info.p[i] - 'a');
            known = true;
        }
        foreign = foreign || !known || info.p[i] <= before;    /* ours rise, each once */
        before = info.p[i];
    }
    *odd = *odd || foreign;
}

uint64_t maildir_emailid(struct slice base)
{
    uint64_t h = 14695981039346656037u;
    ptrdiff_t at = slice_find(base, SLICE(",I="));
    if (at >= 0 && base.n >= (size_t)at + 3 + 16) {
        char hex[17] = "";
        char *end;
        memcpy(hex, base.p + at + 3, 16);
        uint64_t id = strtoull(hex, &end, 16);
        if (*end == 0)
            return id;
    }
    for (size_t i = 0; i < base.n; i++)
        h = (h ^ (unsigned char)base.p[i]) * 1099511628211u;
    /* The last characters of names differ most: let them reach all bits. */
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* --- what is new -------------------------------------------------------------------------- */

/* Octets on the wire: a LF that stands alone is a CRLF there. */
int maildir_wire_size(int fd, uint64_t *size)
{
    char chunk[64 * 1024];
    char last = 0;
    ssize_t n;
    *size = 0;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        *size += (uint64_t)n;
        for (const char *p = chunk, *end = chunk + n;
             (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
            *size += (p > chunk ? p[-1] : last) != '\r';
        last = chunk[n - 1];
    }
    return (int)n;
}

int maildir_measure_file(int folder, const char *name, uint64_t *size, int64_t *date)
{
    struct stat st;
    struct slice base = maildir_base(name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *date = st.st_mtime;
    int64_t told = maildir_size_field(base, SLICE(",W="));
    if (maildir_size_field(base, SLICE(",S=")) == st.st_size && told >= st.st_size &&
        told <= 2 * st.st_size) {
        *size = (uint64_t)told;
        return 0;
    }
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int result = fd < 0 ? -1 : maildir_wire_size(fd, size);
    if (fd >= 0)
        close(fd);
    return result;
}

static int by_base(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return maildir_compare(maildir_base(x->name), maildir_base(y->name));
}

/* False: it is gone again. */
static bool complete(struct mailbox_view *v, struct found *f, bool measured)
{
    struct slice rest = maildir_base(f->name), date;
    uint64_t seconds;
    if (!measured)
        f->flags |= ROW_UNMEASURED;
    else if (maildir_measure_file(v->folders[f->flags & ROW_NEW ? 0 : 1], f->name, &f->size,
                                  &f->date) < 0)
        return false;
    /* A name begins with the second in which the file came here. */
    slice_next(&rest, '.', &date);
    f->saved = slice_number(date, UINT32_MAX, &seconds) ? (int64_t)seconds : f->date;
    return true;
}

void maildir_complete_added(struct mailbox_view *v, struct scan *out)
{
    size_t kept = 0;
    bool measured = out->added_count < MANY;
    qsort(out->added, out->added_count, sizeof *out->added, by_base);
    for (size_t i = 0; i < out->added_count; i++) {
        struct found *f = &out->added[i];
        bool twice = kept > 0 && by_base(&out->added[kept - 1], f) == 0;
        if (!twice && complete(v, f, measured))
            out->added[kept++] = *f;
        else
            free(f->name);
    }
    out->added_count = kept;
}
