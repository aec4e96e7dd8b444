/* memory.c - RFC 5321 4.2.3: 452 while memory is short. The kernel lets a process have more than there is
 * and ends one later, so what is left is asked for before a message is taken. */
#include "reference/smtpd/memory.h"

#include "base/slice.h"
#include "base/timing.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

enum { BELIEVED_MS = 1000 };

/* Octets; UINT64_MAX: it does not say. */
static uint64_t read_available(void)
{
    static const struct slice word = {"MemAvailable:", 13};
    char text[2048];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0), line, number;
    uint64_t kib;
    while (slice_next(&rest, '\n', &line)) {
        if (!slice_starts(line, word))
            continue;
        line = slice_sub(line, word.n, line.n);
        if (slice_word(&line, &number) && slice_number(number, UINT64_MAX / 1024, &kib))
            return kib * 1024;
    }
    return UINT64_MAX;
}

bool memory_left(uint64_t octets)
{
    static atomic_llong read_at = -BELIEVED_MS;
    static atomic_ullong available;
    int64_t now = mono_ms();
    if (octets == 0)
        return true;
    if (now - atomic_load(&read_at) >= BELIEVED_MS) {
        atomic_store(&available, read_available());
        atomic_store(&read_at, now);
    }
    return atomic_load(&available) >= octets;
}
