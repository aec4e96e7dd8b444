/* account.h - all the mailboxes of one user, and their index.
 *
 * The index is an SQLite file, <mail_dir>/.<user>.index. It holds what the mailboxes themselves
 * do not: UIDs, UIDVALIDITY, mod-sequences, the log of what was expunged, cached envelopes. All
 * of it can be made anew: an index that is lost or damaged is replaced by an empty one, the
 * mailboxes are adopted as they are found, and get a larger UIDVALIDITY (RFC 9051 2.3.1.1).
 *
 * Several processes may have the same account open, and other programs may change the mailboxes
 * without knowing of the index: what they did is found when a view is synced (view.h).
 *
 * Everything in account.h, folder.h and view.h may be called from any thread, but one view
 * session from one thread at a time. Functions that fail return -1 or NULL with errno, as
 * store.h says:
 *
 *   ENOENT   no such mailbox or message           EEXIST        there is one already
 *   EINVAL   not a legal name                     ENAMETOOLONG  too long for the disk
 *   EDQUOT   over the user's quota                ENOSPC, EFBIG no room
 *   EROFS    the session is read-only             ENOTEMPTY     has what forbids it
 *   EAGAIN   busy; try again later                ESTALE        the mailbox was deleted, or its index
 *   E2BIG    more keywords than can be kept                     lost: the session must end
 *   EBADMSG  not a mailbox of this format          EMSGSIZE      larger than all may be */
#ifndef REFERENCE_STORE_ACCOUNT_H
#define REFERENCE_STORE_ACCOUNT_H

#include "reference/store/store.h"

/* (auth.h's struct account is what the auth process knows of a user.) */
struct store_account;

/* The account in this process: shared by all that ask for the same user. `home` is the home
 * folder, "" or NULL when none; uid and gid own what is made (-1: the process's own). c is
 * borrowed and must outlive the account. NULL with errno: the user's name is no file name
 * (EINVAL), or the index can neither be opened nor made. */
struct store_account *store_account_get(const struct config *c, const char *user, const char *home,
                                        int64_t uid, int64_t gid);
/* Gives it back; all its view sessions must be closed. It stays warm for a while. NULL is fine. */
void store_account_put(struct store_account *a);

/* Lets go of what was not used for a while; the watcher (watch.c) does it every few seconds. */
void store_account_tidy(void);
/* Frees what is only kept warm: when memory is short, and at the end of a process or test. */
void store_account_forget_all(void);

/* The user's own limit in octets, in the place of the configuration's; 0: that one. */
void store_account_limit(struct store_account *a, uint64_t octets);
/* For the delivery agent: is there room in the user's mailboxes for a message of so many octets
 * (as on the wire)? own_limit: as above. 0; EDQUOT: not now; EMSGSIZE: never. What was delivered
 * since anybody looked is counted. Without any limit nothing is opened. */
int store_quota_room(const struct config *c, const char *user, const char *home, int64_t uid,
                     int64_t gid, uint64_t own_limit, uint64_t octets);

/* What the user has and may have (RFC 9208). 0 in a limit: none. */
struct store_quota {
    uint64_t octets, octets_limit;         /* of messages, as on the wire */
    uint64_t messages, messages_limit;
};
bool store_account_limited(const struct store_account *a);
int store_account_quota(struct store_account *a, struct store_quota *out);

#endif
