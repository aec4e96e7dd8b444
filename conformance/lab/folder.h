/* folder.h - a lab's folder: control sockets, logs, its files for /etc. */
#ifndef LAB_FOLDER_H
#define LAB_FOLDER_H

#include "base/buf.h"

/* Makes the folder `dir` (NULL: a new one under $TMPDIR or /tmp). Its absolute path, malloc'ed;
 * NULL with the reason in *error. */
char *folder_make(const char *dir, struct buf *error);
/* Removes it with all that is in it; never leaves its file system. */
void folder_remove(const char *dir);
/* The folder of this program's executable file, malloc'ed. */
char *folder_of_program(void);

/* "LAB_DIR=...", "LAB_DNS_CONTROL=...", "LAB_DNS_LOG=...", malloc'ed: what a process in the lab
 * finds in its environment. */
#define FOLDER_VARIABLES 3
void folder_environment(const char *dir, char *out[FOLDER_VARIABLES]);

#endif
