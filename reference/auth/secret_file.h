/* secret_file.h - a password of our own, for a database or directory, in a file of one line. */
#ifndef REFERENCE_AUTH_SECRET_FILE_H
#define REFERENCE_AUTH_SECRET_FILE_H

#include "base/buf.h"

/* The first line, for secret_file_wipe; NULL with the reason in *why. Read each time it is needed, so
 * that a new password counts at once and none stays in memory. */
char *secret_file_read(const char *path, struct buf *why);
void secret_file_wipe(char *secret);   /* overwrites and frees; NULL is fine */

#endif
