/* view_mbox.h - shared by view_mbox.c (finding out), view_mbox_put.c and view_mbox_status.c (changing).
 * Not for others. */
#ifndef REFERENCE_STORE_VIEW_MBOX_H
#define REFERENCE_STORE_VIEW_MBOX_H

#include "reference/store/format.h"
#include "reference/store/lock.h"
#include "reference/store/view_internal.h"

/* How long a sync waits for another program to be done with the file. */
#define MBOX_SCAN_WAIT_MS 3000

/* When the index was lost, what X-IMAPbase says may be older than the index was: so many UIDs behind it
 * are never given. */
#define MBOX_UIDS_LEFT_OUT 10000

struct mbox_state {
    struct mailbox_place place;    /* of this mbox, owned */
    bool valid;                    /* list and uids are those of the file as `seen` */
    bool trusted;                  /* and every later change shows in its times */
    struct stat seen;
    struct mailbox list;           /* the messages in the order of the file */
    uint32_t *uids;                /* of the rows that they are; 0: of none */
    bool ascending;                /* uids are */
    int64_t placed_from, placed_to;/* what was added last, for undoing it */
};

struct mbox_state *mbox_state(struct mailbox_view *v);
bool mbox_unchanged(const struct mbox_state *m, const struct stat *now);
/* Is it so old that a change would show in its times? */
bool mbox_is_old(const struct stat *st);
/* The message of a row; NULL: not in the file as we know it. */
struct message *mbox_message(struct mailbox_view *v, uint32_t uid);
/* Brings the list up to the locked file. */
int mbox_look(struct mailbox_view *v, struct mbox_lock *lock);

/* Appends the fields of a message, its keywords by their names. */
void mbox_add_status(const struct mailbox_view *v, struct mbox_status status, uint64_t keywords,
                     size_t octets, struct buf *out);
int mbox_remove_rows(struct mailbox_view *v, uint32_t *rows, size_t *n);
int mbox_drop(struct mailbox_view *v, const uint32_t *rows, size_t n);
int mbox_copy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
              struct found *made);
void mbox_uncopy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                 const struct found *made);
int mbox_stage(struct mailbox_view *v, char **tmp);
void mbox_unstage(struct mailbox_view *v, const char *tmp);
int mbox_place(struct mailbox_view *v, int fd, const char *tmp, uint64_t file_octets,
               bool ends_in_lf,
               struct found *made);
void mbox_unplace(struct mailbox_view *v, const struct found *made);
int mbox_sync(struct mailbox_view *v);
int mbox_open(struct mailbox_view *v, struct row *r);
void mbox_settle(struct mailbox_view *v);

#endif
