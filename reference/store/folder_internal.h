/* folder_internal.h - the mailboxes of an account on disk; for the files of this folder only.
 * All is called with the account's lock held, and with clean names. */
#ifndef REFERENCE_STORE_FOLDER_INTERNAL_H
#define REFERENCE_STORE_FOLDER_INTERNAL_H

#include "reference/store/view_internal.h"

/* What a format does for folder.c. */
struct folder_disk {
    bool leaves;                   /* what has messages has nothing below it, but INBOX */
    /* Gives the name of every mailbox but INBOX (selectable) and of levels on disk that are
     * none. */
    int (*each)(struct store_account *a, void (*give)(void *arg, const char *name, bool selectable),
                void *arg);
    /* Appends where the mailbox would be. -1: its name does not fit the disk. */
    int (*path)(struct store_account *a, const char *name, struct buf *out);
    /* 0: it is there and has messages or could have; -1: ENOENT. */
    int (*check)(const char *path);
    /* Makes one whose levels above are there, durably. */
    int (*make)(struct store_account *a, const char *name);
    /* Makes a level above others; EEXIST is none of its errors. */
    int (*make_level)(struct store_account *a, const char *name);
    int (*remove)(struct store_account *a, const char *name);
    /* With all that is below. */
    int (*rename)(struct store_account *a, const char *from, const char *to);
};
extern const struct folder_disk maildir_disk, mbox_disk;

const struct folder_disk *folder_disk_of(const struct store_account *a);

/* What is known of a name beside the mailbox itself: folder_marks.c. */
struct folder_mark {
    char *name;
    bool subscribed;
    unsigned use;
};
struct folder_marks { struct folder_mark *v; size_t n, cap; };
int folder_marks_read(struct store_account *a, struct folder_marks *out);
int folder_marks_write(struct store_account *a, const struct folder_marks *marks);
/* The name's mark, made when missing. */
struct folder_mark *folder_mark(struct folder_marks *marks, const char *name);
void folder_marks_free(struct folder_marks *marks);

#endif
