/* names.h - mailbox names and what they are on disk; for the files of this folder only. */
#ifndef REFERENCE_STORE_NAMES_H
#define REFERENCE_STORE_NAMES_H

#include "base/buf.h"

/* Octets of a file name. */
#define DISK_NAME_MAX 255

/* Appends the name of a Maildir++ folder, ".Level.Level", of a clean name that is not INBOX. False:
 * it does not fit a file name. */
bool maildir_name_encode(struct slice name, struct buf *out);
/* Appends the mailbox name of a folder's file name. False: it is none of ours (".", "..", broken
 * modified UTF-7, ".Trash..x"). */
bool maildir_name_decode(struct slice file, struct buf *out);

/* The level above: the part before the last separator; n == 0 at the top. */
struct slice folder_parent(struct slice name);
/* Is `name` below `above`? */
bool folder_is_below(struct slice name, struct slice above);

#endif
