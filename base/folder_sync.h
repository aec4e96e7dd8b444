/* folder_sync.h - the names of a folder made durable, one fsync for all threads that wait for it. */
#ifndef BASE_FOLDER_SYNC_H
#define BASE_FOLDER_SYNC_H

/* As fsync(fd) of a folder: what was renamed, made or removed in it before the call is durable when it
 * returns 0. Threads that call it meanwhile for the same folder share the next fsync. -1 with errno. */
int folder_sync(int fd);

#endif
