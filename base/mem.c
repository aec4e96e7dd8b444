#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void die(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(code);
}

static void *checked(void *p)
{
    if (!p) {
        static const char text[] = "out of memory; raise the memory limit or lower limits.sessions\n";
        fputs(text, stderr);
        abort();
    }
    return p;
}

/* A request for 0 bytes may give NULL, which would read as failure: ask for 1. */
void *xmalloc(size_t n) { return checked(malloc(n ? n : 1)); }
void *xcalloc(size_t n, size_t size) { return checked(calloc(n ? n : 1, size ? size : 1)); }
void *xrealloc(void *p, size_t n) { return checked(realloc(p, n ? n : 1)); }
char *xstrdup(const char *s) { return checked(strdup(s)); }

void *xreallocarray(void *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        checked(NULL);
    return xrealloc(p, count * size);
}

char *xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return checked(s);
}

__attribute__((noinline)) void stack_wipe(void)
{
    char below[16 * 1024];
    explicit_bzero(below, sizeof below);
}

void stack_give_back(void)
{
    enum { KEPT = 8 * 1024 };        /* below here: this call, and signal handlers */
    pthread_attr_t attr;
    void *low;
    size_t size;
    char here;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_destroy(&attr);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)low + page - 1) & ~(page - 1);
    uintptr_t last = ((uintptr_t)&here - KEPT) & ~(page - 1);
    if (last > first && (uintptr_t)&here - (uintptr_t)low < size)
        madvise((void *)first, last - first, MADV_DONTNEED);
}
