/* event_count.c - a hash table in a shared mapping. */
#include "base/event_count.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 512, NAME_MAX_OCTETS = 48 };

enum slot_state { SLOT_FREE, SLOT_BEING_NAMED, SLOT_NAMED };

struct slot {
    _Atomic uint64_t count;
    _Atomic int state;
    char name[NAME_MAX_OCTETS];
};

struct page {
    char magic[16];
    struct slot slot[SLOTS];
};

static const char magic[16] = "postroad counts";
static struct page *page;

bool event_count_begin(const char *path)
{
    unlink(path);                /* who still maps the old one counts for nobody */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    struct page *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *p) == 0)
        p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    if (p == MAP_FAILED)
        return false;
    memcpy(p->magic, magic, sizeof magic);
    page = p;
    return true;
}

/* FNV-1a */
static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* Takes a free slot for the name; another process may be doing the same, with the same name, so two
 * slots may have it: the reader adds them up. */
static bool claim(struct slot *s, const char *name)
{
    int free_ = SLOT_FREE;
    if (!atomic_compare_exchange_strong(&s->state, &free_, SLOT_BEING_NAMED))
        return false;
    memcpy(s->name, name, strlen(name) + 1);
    atomic_store(&s->state, SLOT_NAMED);
    return true;
}

void event_count(const char *name)
{
    if (!page || strlen(name) >= NAME_MAX_OCTETS)
        return;
    for (uint32_t i = 0, at = hash(name); i < SLOTS; i++, at++) {
        struct slot *s = &page->slot[at % SLOTS];
        bool mine = atomic_load(&s->state) == SLOT_NAMED && strcmp(s->name, name) == 0;
        if (mine || claim(s, name)) {
            atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
            return;
        }
    }
}

bool event_count_read(const char *path,
                      void (*each)(void *arg, const char *name, uint64_t count), void *arg)
{
    struct buf file = {0};
    if (buf_read_file(&file, path, sizeof(struct page)) != 0)
        return false;
    const struct page *p = (const void *)file.data;
    bool good = file.len == sizeof *p && memcmp(p->magic, magic, sizeof magic) == 0;
    for (size_t i = 0; good && i < SLOTS; i++)
        if (p->slot[i].state == SLOT_NAMED && memchr(p->slot[i].name, 0, NAME_MAX_OCTETS))
            each(arg, p->slot[i].name, p->slot[i].count);
    buf_free(&file);
    errno = EBADMSG;
    return good;
}
