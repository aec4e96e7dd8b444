/* view.h - a selected mailbox: what IMAP's selected state, and POP3's UIDL, are made of.
 *
 * One view of a mailbox is loaded in a process and shared by its sessions. Each session has its
 * own picture of it: the messages that its client has been told of, by sequence number. The
 * picture changes in view_sync only, never in between (RFC 9051 5.5, 7.5.1), so that a session
 * may read flags and sizes of a message by its number although another has expunged it (RFC 2180
 * 4.1); only its text may be gone (ENOENT then).
 *
 * Errors: account.h. Sequence numbers begin at 1. Dates are seconds since 1970. Sizes are octets
 * on the wire: lines end in CRLF. */
#ifndef REFERENCE_STORE_VIEW_H
#define REFERENCE_STORE_VIEW_H

#include "base/stream.h"
#include "reference/store/folder.h"

/* System flags; \Recent is the session's (view_message.recent). */
enum message_flag {
    FLAG_SEEN = 1, FLAG_ANSWERED = 2, FLAG_FLAGGED = 4, FLAG_DELETED = 8, FLAG_DRAFT = 16,
};
#define FLAGS_ALL 31u
/* Keywords of a mailbox, each a bit of a 64-bit word. */
#define KEYWORDS_MAX 64
#define KEYWORD_NAME_MAX 100       /* octets */

struct view_session;

/* What SELECT and EXAMINE want to say. */
struct view_state {
    uint32_t exists, recent;
    uint32_t uidnext, uidvalidity;
    uint32_t first_unseen;         /* sequence number; 0: none */
    uint64_t highestmodseq;        /* at least 1 */
    char mailboxid[32];            /* RFC 8474 5.1 */
};

/* Opens the mailbox and syncs it: the session knows all that is there. A session that is not
 * readonly takes \Recent (RFC 3501 2.3.2). ENOENT: no such mailbox, or one without messages. */
struct view_session *view_open(struct store_account *a, const char *name, bool readonly);
void view_close(struct view_session *s);                   /* NULL is fine */
/* As of the last sync of this session; no system call. */
void view_state(struct view_session *s, struct view_state *out);
bool view_readonly(const struct view_session *s);

/* --- messages ----------------------------------------------------------------------------- */

struct view_message {
    uint32_t uid;
    uint32_t flags;                /* enum message_flag */
    uint64_t keywords;             /* bits; view_keyword says which */
    uint64_t modseq;               /* RFC 7162 */
    bool measured;                 /* size and dates are known (view_get_many) */
    uint64_t size;                 /* RFC822.SIZE, exact */
    uint64_t emailid;              /* RFC 8474 5.2: the same for copies; "M%016x" will do */
    int64_t internal_date;
    int64_t save_date;             /* RFC 8514; 0: not known */
    bool recent;
    bool expunged;                 /* by now; this is how it was */
};

uint32_t view_count(const struct view_session *s);
/* False: no such number. As it is known: not measured, perhaps. */
bool view_get(struct view_session *s, uint32_t seq, struct view_message *out);
/* count messages from first on, as far as there are so many; how many were got. Faster for many.
 * `measured`: size and dates are wanted, and found out where they are not known yet; those of a
 * message that is gone may remain unknown. */
uint32_t view_get_many(struct view_session *s, uint32_t first, uint32_t count, bool measured,
                       struct view_message *out);
uint32_t view_uid(const struct view_session *s, uint32_t seq);      /* 0: no such number */
uint32_t view_seq(const struct view_session *s, uint32_t uid);      /* 0: the session has it not */
/* The first sequence number whose UID is >= uid; view_count + 1 when there is none. */
uint32_t view_seq_from(const struct view_session *s, uint32_t uid);

/* Name of a keyword's bit (0..63), as it was first written; NULL: not in use. Stays valid until
 * view_close. */
const char *view_keyword(struct view_session *s, unsigned bit);
/* The bit, ASCII case folded; -1: unknown, or, when it was to be made, E2BIG (no bit is left) or
 * EINVAL (no IMAP atom, begins with "\"). */
int view_keyword_bit(struct view_session *s, struct slice name, bool make);
unsigned view_keyword_count(struct view_session *s);
/* True once for each time that there are keywords that the session has not been told of: FLAGS goes
 * before the FETCH that mentions one (RFC 9051 7.3.5). view_sync says it too. */
bool view_keywords_are_new(struct view_session *s);

/* --- syncing ------------------------------------------------------------------------------ */

/* What this session's client has to be told, in this order. */
struct view_changes {
    bool gone;                     /* mailbox deleted or index lost: nothing else counts; say BYE */
    uint32_t *expunged;            /* sequence numbers, descending: "* n EXPUNGE" one after the other
                                      are right as they stand */
    size_t expunged_count;
    struct uid_set vanished;       /* the same by UID, for VANISHED (RFC 7162 3.2.10) */
    bool exists_changed;           /* messages came: EXISTS, and RECENT for IMAP4rev1 */
    uint32_t exists, recent;
    bool keywords_changed;         /* there are new keywords: FLAGS again (RFC 9051 7.3.5) */
    uint32_t *changed;             /* sequence numbers, ascending, with flags that the client has not
                                      been told: FETCH FLAGS */
    size_t changed_count;
};

/* Looks for what others did to the mailbox and brings the session's picture up to it. Without
 * allow_expunge nothing is removed from the picture (during FETCH, STORE, SEARCH: RFC 9051 7.5.1):
 * that stays for the next sync. Cheap when nothing happened. *out is for view_changes_free, also on
 * -1. */
int view_sync(struct view_session *s, bool allow_expunge, struct view_changes *out);
void view_changes_free(struct view_changes *c);

/* Waking an idle session (RFC 2177). The descriptor becomes readable (poll) when there may be
 * something to sync; view_sync makes it unreadable again. It is made by the first call, and
 * closed by view_idle_end or view_close. -1 with errno: none to be had. */
int view_idle_begin(struct view_session *s);
void view_idle_end(struct view_session *s);

/* --- flags -------------------------------------------------------------------------------- */

enum flags_how { FLAGS_REPLACE, FLAGS_ADD, FLAGS_REMOVE };

struct flags_change {
    enum flags_how how;
    uint32_t flags;
    uint64_t keywords;
    uint64_t unchanged_since;      /* only messages with a modseq up to this; UINT64_MAX: all */
};

/* Changes flags of the messages (by UID) that the session knows. *done (may be NULL) gets the UIDs
 * that were found, for the untagged FETCHes; *modified (may be NULL) those left alone for their
 * modseq (RFC 7162 3.1.3), and *missing (may be NULL) those that were expunged meanwhile (RFC 2180
 * 4.2). What this changed does not come up in view_sync again; with `silent` only what the client
 * could not know (a flag that another session had changed before) does. EROFS. */
int view_store(struct view_session *s, const struct uid_set *uids, const struct flags_change *c,
               bool silent, struct uid_set *done, struct uid_set *modified,
                   struct uid_set *missing);

/* The client was told the flags of this message (FETCH FLAGS): the next sync need not. */
void view_told(struct view_session *s, uint32_t seq, uint64_t modseq);

/* --- removing and copying ----------------------------------------------------------------- */

/* Removes for good what has \Deleted, of `uids` only (UID EXPUNGE) or of all that the session knows
 * (NULL). The session's picture changes at the next view_sync. EROFS. */
int view_expunge(struct view_session *s, const struct uid_set *uids);

/* For COPYUID (RFC 4315 3): in pushed order, the k-th of one belongs to the k-th of the other. */
struct view_copied {
    uint32_t uidvalidity;          /* of the destination */
    struct uid_set from, to;
};
void view_copied_free(struct view_copied *c);
/* Copies the messages to the end of the mailbox dest, with flags, keywords and internal date,
 * all or none (RFC 9051 6.4.7); with `move` they are then gone from here (RFC 6851; EROFS).
 * Messages that were expunged meanwhile are left out. ENOENT: no such destination (TRYCREATE).
 * *out in any case for view_copied_free. */
int view_copy(struct view_session *s, const struct uid_set *uids, const char *dest, bool move,
              struct view_copied *out);

/* --- adding ------------------------------------------------------------------------------- */

struct view_append;

/* Begins one or more messages (RFC 3502) at the end of a mailbox: all come in or none. ENOENT
 * (TRYCREATE), EDQUOT (OVERQUOTA) and so on may come at each step, and stick. */
struct view_append *view_append_begin(struct store_account *a, const char *mailbox);
/* The next message. Keywords by name (n of them; more than can be kept are left out). `date` is the
 * internal date; INT64_MIN: now. `octets` is the size that was announced, for the quota. */
int view_append_message(struct view_append *b, uint32_t flags, const struct slice *keywords,
                        size_t n,
                        int64_t date, uint64_t octets);
/* Octets of it as on the wire, in any portions. */
int view_append_write(struct view_append *b, const void *p, size_t n);
/* Durable and visible when it returns 0; *uids gets their UIDs. Frees b in any case. */
int view_append_commit(struct view_append *b, uint32_t *uidvalidity, struct uid_set *uids);
void view_append_abandon(struct view_append *b);            /* NULL is fine */

/* --- text --------------------------------------------------------------------------------- */

struct message_text;

/* The message by its sequence number. ENOENT: another has removed it. What was opened can be
 * read to its end whatever happens to the mailbox. Independent of the session from then on. */
struct message_text *view_text(struct view_session *s, uint32_t seq);
void message_text_free(struct message_text *t);             /* NULL is fine */
uint64_t message_text_size(const struct message_text *t);   /* as view_message.size */
/* Up to n octets from `offset` on, as on the wire: how many (0 at the end), or -1 with errno.
 * Reading on where the last one ended is cheap, and so is jumping: no more than 64 KiB are read to
 * find a place a second time. */
int64_t message_text_read(struct message_text *t, uint64_t offset, void *p, size_t n);
/* The whole message when it is small or [offset, offset + n) of it, sent to a stream; n octets in
 * any case (with zero octets should the file be cut short meanwhile: then -1, and the stream must
 * be closed). */
int message_text_send(struct message_text *t, uint64_t offset, uint64_t n, struct stream *to);

/* --- CONDSTORE and QRESYNC (RFC 7162) ----------------------------------------------------- */

/* UIDs of `known` (NULL: all) that were expunged after mod-sequence `since`. When the log does not
 * reach back so far: all UIDs of `known` that are not there (RFC 7162 3.2.5.2 allows more). */
int view_vanished(struct view_session *s, uint64_t since, const struct uid_set *known,
                  struct uid_set *out);

/* --- cache -------------------------------------------------------------------------------- */

/* Texts made from a message once and kept in the index: opaque here. */
enum cache_kind {
    CACHE_ENVELOPE,                /* RFC 9051 7.5.2, as sent */
    CACHE_BODY,                    /* BODY without extensions */
    CACHE_BODYSTRUCTURE,
    CACHE_HEADER,                  /* fields that clients ask for in lists of messages, as they are */
    CACHE_FIELDS,                  /* what SEARCH, SORT and THREAD want of the header */
    CACHE_KINDS
};
#define CACHE_BATCH 256            /* messages asked for at once */

struct cached {
    uint32_t uid;
    struct slice text[CACHE_KINDS];    /* p == NULL: not in the cache, or not asked for */
};
struct cache_batch {
    struct cached v[CACHE_BATCH];
    struct buf store;              /* what the slices point into */
};

/* Reads kinds (bits 1u << enum cache_kind) of count (<= CACHE_BATCH) messages of the session
 * from seq on, in v[0..count). A zeroed batch may be used again and again; cache_batch_free at
 * the end. One ordered read of the index: a loop over a mailbox in batches is one sequential
 * scan. -1: then nothing is known, and the caller reads the messages. */
int view_cache_read(struct view_session *s, uint32_t seq, uint32_t count, unsigned kinds,
                    struct cache_batch *out);
void cache_batch_free(struct cache_batch *b);
/* Keeps a text. It is written with many others, at the latest when the session closes. */
void view_cache_put(struct view_session *s, uint32_t uid, enum cache_kind kind, struct slice text);

#endif
