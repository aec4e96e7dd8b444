/* rewrite.h - removing messages from an mbox, or changing their status fields, in place, so that
 * a kill at any instant loses nothing.
 *
 * In place, because the file keeps its owner and mode then, whoever we are, and because a
 * program that waits for the lock of this very file finds what it waited for. What is to be
 * moved down is written to a file of its own first:
 *
 *   <mail_dir>/.<user>.rewrite   being written; means nothing
 *   <mail_dir>/.<user>.redo      complete and durable: from now on the messages count as removed
 *
 * Then the mbox is overwritten from it, made durable, cut to its new length, made durable, and
 * the redo file goes. Whoever locks an mbox and finds a redo file does these steps once more
 * (lock.c); the roles look for them when they start. The redo file is a line
 *
 *   postroad-redo 1 <from> <new size> <old size> <SHA-256 of the old octets from new to old size>
 *
 * and the octets [from, new size). By the digest a reader knows whether the mbox has been cut.
 * When the mbox becomes longer it is filled up with line ends before the redo file counts, and
 * the digest is that of nothing. */
#ifndef REFERENCE_STORE_REWRITE_H
#define REFERENCE_STORE_REWRITE_H

#include "reference/store/format.h"
#include "reference/store/lock.h"

/* Removes the messages of `now` (the file as it is) with goes[i]. The mbox is locked. 0, or -1
 * with errno: ENOSPC, nothing was changed. */
int mbox_remove(const struct mailbox_place *place, struct mbox_lock *lock,
                const struct mailbox *now, const bool *goes);
/* The same, and the messages with status[i].n > 0 get these fields in the place of their status
 * fields (mbox_status.c). goes or status may be NULL. */
int mbox_rewrite(const struct mailbox_place *place, struct mbox_lock *lock,
                 const struct mailbox *now,
                 const bool *goes, const struct slice *status);
/* Finishes what a killed process had begun. The mbox is locked. 1: done, the file has changed;
 * 0: there was nothing; -1 with errno. */
int mbox_recover(const struct mailbox_place *place, int fd);
/* Locks each mbox that has a redo file, which recovers it. */
void mbox_recover_all(const struct config *c);

#endif
