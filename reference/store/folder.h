/* folder.h - the mailboxes of an account by name: list, make, delete, rename, subscribe, status.
 *
 * Names here are UTF-8 with "/" between the levels; the wire's modified UTF-7 (RFC 3501 5.1.3)
 * is imapd's affair. "INBOX" in any case is the inbox, also as the first level of a name, and is
 * always there.
 *
 * On disk:
 *   Maildir   Maildir++ as Courier and Dovecot have it: <mail_dir>/<user>/.Level.Level, each level in
 *             modified UTF-7, in which a "." of a name is written "&AC4-"
 *   mbox      INBOX is the spool file; the others are files, and levels folders, below
 *             `mailboxes { folders }` of the configuration
 * What was subscribed and the special uses are lines of <mail_dir>/.<user>.folders. */
#ifndef REFERENCE_STORE_FOLDER_H
#define REFERENCE_STORE_FOLDER_H

#include "reference/store/account.h"
#include "reference/store/uidset.h"

#define FOLDER_SEPARATOR '/'
#define FOLDER_NAME_MAX 1000       /* octets of a whole name */
#define FOLDER_DEPTH_MAX 32        /* levels */
#define FOLDERS_MAX 10000          /* mailboxes of a user */

/* RFC 6154 2: one bit a special use. */
enum folder_use {
    USE_ALL = 1, USE_ARCHIVE = 2, USE_DRAFTS = 4, USE_FLAGGED = 8, USE_JUNK = 16, USE_SENT = 32,
    USE_TRASH = 64, USE_IMPORTANT = 128,          /* RFC 8457 */
};
/* "\Sent" and so on by bit; 0 for another word. ASCII case is folded. */
unsigned folder_use_of(struct slice word);
const char *folder_use_name(unsigned one_bit);    /* "\\Sent"; NULL for what is no single use */

/* The name as it is kept, malloc'ed: INBOX in capitals, no separator at the end, in Unicode's
 * normalisation form C. NULL with errno when it is none: empty, a level that is empty, "." or "..",
 * not UTF-8, control characters, U+2028, U+2029 (EINVAL); too long or too deep (ENAMETOOLONG). */
char *folder_name_clean(struct slice name);

struct folder {
    char *name;
    bool exists;               /* false: a level above others, or only subscribed to */
    bool selectable;           /* false: \NoSelect; then it has no messages and view_open fails */
    bool has_children;
    bool no_inferiors;         /* mbox: a file can have nothing below it */
    bool subscribed;
    bool child_subscribed;     /* something below is (RFC 5258 3.5) */
    unsigned use;              /* bits of enum folder_use */
};
struct folder_list { struct folder *v; size_t n, cap; };

/* All of them, INBOX first, then by level in byte order, parents before children: what exists, the
 * levels above, and what is subscribed to whether it exists or not (RFC 9051 6.3.9). */
int folder_list(struct store_account *a, struct folder_list *out);
void folder_list_free(struct folder_list *l);
/* 0: there is such a mailbox, *out (may be NULL; its name is NULL) says the rest; -1: ENOENT. */
int folder_find(struct store_account *a, const char *name, struct folder *out);

/* Makes it, and the levels above it (RFC 9051 6.3.4). `use`: special uses (RFC 6154 5.2); each
 * can be that of one mailbox only (EBUSY when it is another's: code USEATTR). EEXIST: there is
 * one. `id` (may be NULL) gets its MAILBOXID (RFC 8474 4.1). */
int folder_create(struct store_account *a, const char *name, unsigned use, struct buf *id);
/* EPERM: INBOX, or a level above others that is no mailbox. With children it stays as a level
 * without messages (RFC 9051 6.3.5). Sessions that have it selected get ESTALE. */
int folder_delete(struct store_account *a, const char *name);
/* Renames it and all below it; INBOX is emptied into the new mailbox and stays, with what is below
 * it (RFC 9051 6.3.6). Levels above the new name are made. EPERM: below itself. */
int folder_rename(struct store_account *a, const char *from, const char *to);
/* A name need not exist (RFC 9051 6.3.7). 0 also when it was so before. */
int folder_subscribe(struct store_account *a, const char *name, bool on);

struct folder_status {
    uint32_t messages, recent, unseen, deleted, uidnext, uidvalidity;
    uint64_t highestmodseq;
    uint64_t size;                 /* octets of all messages on the wire (RFC 8438) */
    uint64_t deleted_size;         /* of those with \Deleted (RFC 9208 4.1.4) */
    char mailboxid[32];            /* RFC 8474 */
};
/* Finds what was delivered meanwhile too. Does not take \Recent from anybody. `sizes`: also size and
 * deleted_size are wanted, which may take longer. */
int folder_status(struct store_account *a, const char *name, bool sizes, struct folder_status *out);

#endif
