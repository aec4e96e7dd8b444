/* store.h - mailboxes: one interface, the formats mbox (mbox.c) and Maildir (maildir.c) behind it.
 *
 * Messages are stored with LF line ends, as every Unix mail program expects, and given with their
 * lines as on the wire: sizes count CRLF. A stored CRLF (another program's) counts as one line end.
 *
 * Every message has a name that stays the same in every later session, and with an account
 * (mailbox_number) the number that IMAP knows it by. A mailbox that does not exist is an empty one; it is made at the
 * first delivery.
 *
 * Functions that fail return -1 or NULL with errno. To be told apart: EAGAIN, somebody else holds
 * the mailbox; ENOSPC, EDQUOT, EFBIG, no room; ENOENT, the message is gone; EBADMSG, the file is
 * not a mailbox of this format. */
#ifndef REFERENCE_STORE_H
#define REFERENCE_STORE_H

#include "base/buf.h"
#include "reference/config.h"
#include "reference/store/lines.h"

/* Octets of a user name, so that the file name "<user>.lock" fits every file system. */
#define STORE_USER_MAX 128
/* RFC 1939 7, UIDL: 1 to 70 octets 0x21-0x7e. */
#define STORE_UID_MAX 70

/* Where a mailbox is and how it is kept. */
struct mailbox_place {
    char *path;                    /* <mail_dir>/<user>: a file, or a Maildir */
    char *dir;                     /* <mail_dir> */
    char *user;
    enum mailbox_format format;
    int64_t uid, gid;              /* owner of what is made; -1: the process's own */
    bool sync;                     /* fsync before a change counts as made */
    const char *hostname;          /* in Maildir names; borrowed from the configuration */
};

/* May `user` be a file name in mail_dir? No '/', no control octet, no leading dot (temporary files
 * and session locks are there), no ".lock" at the end (the dot-locks of others). */
bool store_user_valid(struct slice user);
/* When a role starts: makes mail_dir when it is missing, and finishes the removals of a process
 * that was killed. */
int store_prepare(const struct config *c);
/* The inbox of a user; false when the name is not valid. */
bool mailbox_place_init(struct mailbox_place *p, const struct config *c, const char *user,
                        int64_t uid, int64_t gid);
void mailbox_place_free(struct mailbox_place *p);
/* "mbox" or "maildir", for events. */
const char *mailbox_format_name(enum mailbox_format format);

/* --- reading and removing: one session, one thread ----------------------------------------- */

struct mailbox;

struct message_info {
    int64_t size;                  /* octets as sent, CRLF line ends */
    const char *uid;               /* its name: 1..STORE_UID_MAX octets 0x21-0x7e; owned by the mailbox */
    char unique_id[17];            /* UID and UIDVALIDITY of IMAP, 8 hexadecimal digits each, as Dovecot
                                      writes them in POP3; "" before mailbox_number */
};

/* Opens the mailbox and lists its messages, oldest first. The list does not change afterwards:
 * later deliveries are for the next session. `exclusive`: no other exclusive session until
 * mailbox_close or the end of the process (EAGAIN); it does not keep deliveries or mail programs
 * out. `place` is borrowed and must outlive the mailbox. */
struct mailbox *mailbox_open(const struct mailbox_place *place, bool exclusive);
void mailbox_close(struct mailbox *m);                  /* NULL is fine */
/* Gives each message the UID that it has in IMAP (RFC 9051 2.3.1.1), new ones a new one: they keep it
 * as long as the user's index lives. A message that was removed since mailbox_open leaves the list. -1
 * with errno (account.h): the index cannot be used; the list stays as it is, without unique-ids. */
struct store_account;
int mailbox_number(struct mailbox *m, struct store_account *a);
size_t mailbox_count(const struct mailbox *m);
struct message_info mailbox_message(const struct mailbox *m, size_t i);   /* i < count */

/* A message's text, as it was when reading began, whatever happens to the mailbox meanwhile. */
struct message_reader;
struct message_reader *mailbox_read(struct mailbox *m, size_t i);
/* The next line or piece of one, without its line end. 1, 0 at the end, -1 with errno. */
int message_line(struct message_reader *r, struct line_piece *out);
void message_reader_free(struct message_reader *r);

/* Removes the messages with doomed[i] set (count elements) for good. What others added or removed
 * since the mailbox was opened stays so. 0: all are gone from the disk. -1: some may be there
 * still; none that was not doomed is lost. The list is not changed: close the mailbox after. */
int mailbox_expunge(struct mailbox *m, const bool *doomed);

/* --- adding --------------------------------------------------------------------------------- */

struct append;

/* Begins a message at the end of the mailbox, which is made when missing. `sender` is the
 * reverse-path, "" for none (the From_ line of mbox). With mbox the mailbox is locked until commit
 * or abandon: have the whole message at hand. */
struct append *append_begin(const struct mailbox_place *place, const char *sender);
/* Octets of the message with LF line ends, in any portions. 0, or -1 with errno (it sticks). */
int append_write(struct append *a, const void *p, size_t n);
/* The message is there for readers, and durable, when it returns 0; *path (may be NULL) gets the
 * file's name. On -1 nothing of it is left, except that a failed fsync of an mbox leaves it there.
 * Frees a either way. */
int append_commit(struct append *a, struct buf *path);
void append_abandon(struct append *a);                  /* removes and frees; NULL is fine */

#endif
