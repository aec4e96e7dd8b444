/* mem.h - allocation that never returns NULL, and the end of a process that cannot go on. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* As malloc, calloc, realloc, strdup, but on failure the process stops with a message. A service
 * is restarted by its master and what it had accepted is on disk, so stopping loses nothing. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
/* Room for count elements of size, with the multiplication checked. */
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Gives the memory below the caller's frame back to the system: for a thread that will wait for long after it
 * was busy, whose stack would keep what its deepest call used. */
void stack_give_back(void);
/* Overwrites what functions that have returned left on the stack below the caller's frame, 16 KiB of it, and in
 * vector registers: the dynamic linker saves these, with pieces of what memcpy moved last. */
void stack_wipe(void);

/* Prints "program: message" to standard error and exits with code. `message` should name the
 * file and line concerned and the remedy. */
void die(int code, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

#endif
