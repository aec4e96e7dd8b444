/* event_count.h - how often each event happened, in a file that all processes of a server map: for
 * `postroad stats`. Counting costs no lock and no system call. */
#ifndef BASE_EVENT_COUNT_H
#define BASE_EVENT_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the file anew and maps it, for this process and those that it forks. False with errno. */
bool event_count_begin(const char *path);
/* One more; nothing without event_count_begin, or when there are too many names. */
void event_count(const char *name);
/* Calls each(arg, name, count) for what a file has, in no order. False with errno; EBADMSG: it is no
 * such file. */
bool event_count_read(const char *path,
                      void (*each)(void *arg, const char *name, uint64_t count), void *arg);

#endif
