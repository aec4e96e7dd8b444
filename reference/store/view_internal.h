/* view_internal.h - an account and its loaded views from inside; for the files of this folder only.
 *
 * One lock an account guards all of it: the index, the views, their sessions' pictures. Reading and
 * writing of messages goes on outside. Functions here are called with the lock held unless they say
 * otherwise.
 *
 *   account.c       accounts of the process, kept warm; their index
 *   view.c          opening and closing, the sessions' pictures
 *   view_rows.c     the array of messages and finding them by name
 *   view_index.c    the same in the index
 *   view_sync.c     what the disk has and the view has not, and what a session has to be told
 *   view_store.c, view_copy.c, view_append.c, view_text.c, view_cache.c    what their names say
 *   view_unfinished.c  what is left of a killed COPY or APPEND
 *   view_measure.c  sizes and dates, when they are wanted
 *   view_keywords.c the names of keywords
 *   view_maildir.c, view_maildir_put.c, maildir_name.c    a Maildir as a view's source
 *   view_mbox.c, view_mbox_put.c, view_mbox_status.c, mbox_status.c   an mbox
 *   watch.c         waking */
#ifndef REFERENCE_STORE_VIEW_INTERNAL_H
#define REFERENCE_STORE_VIEW_INTERNAL_H

#include "reference/store/index.h"
#include "reference/store/names.h"
#include "reference/store/view.h"

#include <pthread.h>

struct mailbox_view;

struct store_account {
    const struct config *config;
    struct mailbox_place place;    /* of the inbox */
    char *home;
    pthread_mutex_t lock;
    struct index index;
    uint64_t own_limit;            /* octets; 0: the configuration's */
    struct mailbox_view *views;    /* loaded */
    int64_t uidvalidity;           /* the largest seen, also in an index that was lost since */
    int64_t used;                  /* mono_ms of the last sync */
    int refs;                      /* guarded by the list's lock (account.c), as the next two */
    int64_t unused_since;          /* mono_ms, when refs is 0 */
    struct store_account *next;
};

void account_lock(struct store_account *a);
void account_unlock(struct store_account *a);          /* keeps errno */
/* Makes the index anew when it is damaged or was replaced: all views are gone then. Called at the
 * beginning of what opens something. 0, or -1 with errno. */
int account_check_index(struct store_account *a);

/* Is there a limit that sizes are needed for? */
bool account_counts_octets(const struct store_account *a);
/* EDQUOT when there is no room for so many more. */
int account_check_quota(struct store_account *a, uint64_t octets, uint64_t messages);

/* --- rows --------------------------------------------------------------------------------- */

/* Beside enum message_flag in row.flags: */
enum {
    ROW_PASSED = 32,               /* Maildir's "P"; kept, never shown */
    ROW_FLAGS = FLAGS_ALL | ROW_PASSED,
    ROW_NEW = 64,                  /* Maildir: the file is in new/ */
    ROW_ODD = 128,                 /* Maildir: what follows the colon is not as we would write it; the
                                      name is kept whole */
    ROW_TOUCHED = 1 << 14,         /* Maildir: its file was seen in the scan under way; never kept */
    ROW_UNMEASURED = 1 << 15,      /* size and date are 0, not yet known (view_measure.c) */
    ROW_SEEN_SHIFT = 8,            /* mbox: message_flags as they stand in the file, so shifted */
    ROW_SEEN = FLAGS_ALL << ROW_SEEN_SHIFT,
    ROW_KEYWORDS_LATE = 1 << 13,   /* mbox: the keywords are not yet in the file */
};

/* 48 octets. */
struct row {
    uint64_t keywords, modseq, size;
    int64_t date;
    uint32_t uid, flags, saved;
    uint32_t name;                 /* where its name begins in view.names */
};

/* A message that is gone, kept until all sessions have been told. */
struct ghost {
    struct row row;
    uint64_t generation;           /* of the view, when it went */
};

/* UIDs by sequence number, shared by all that see the same. */
struct snapshot {
    int refs;
    uint32_t n;
    uint32_t uid[];
};

struct name_slot { uint32_t hash, uid; };

/* The mailbox's line in the index. */
struct mailbox_row {
    int64_t id;
    uint32_t uidvalidity, uidnext;
    uint32_t reserved;             /* UIDs below it have been promised durably */
    uint32_t recent;               /* messages from this UID on are \Recent to who comes next */
    uint64_t modseq;               /* HIGHESTMODSEQ */
    uint64_t floor;                /* the log of the expunged knows what went after this modseq */
    uint64_t messages, unseen, deleted, octets, deleted_octets;
    int64_t stamp[2];              /* of the source, when it was last read through; 0: not known */
    char mailboxid[32];
};

struct watch;
struct view_source;

struct mailbox_view {
    struct store_account *account;
    struct mailbox_view *next;
    const struct view_source *source;
    char *name, *path;
    struct mailbox_row box;
    bool gone;                     /* out of the account's list; freed with its last session */
    bool stale;                    /* another process has changed the index since */
    bool rescan;                   /* what is known of the source is not to be relied on */

    struct row *v;
    size_t n, cap;
    size_t in_new;                 /* rows with ROW_NEW */
    size_t unmeasured;             /* rows with ROW_UNMEASURED */
    struct buf names;              /* NUL-terminated, one after the other */
    size_t names_dead;             /* octets of names that are no longer used */
    struct name_slot *slots;       /* by hash of the name; NULL: not made */
    size_t slot_count, slots_used;
    char *keywords[KEYWORDS_MAX];  /* freed with the view */

    struct ghost *ghosts;          /* by uid */
    size_t ghost_count, ghost_cap;
    uint64_t generation;           /* rises when rows come or go */
    struct snapshot *snapshot;     /* of v; NULL: not made since */
    uint64_t flags_modseq;         /* no row that sessions may know has a larger one for its flags */

    struct view_session *sessions;
    int pins;                      /* operations that use it without a session */
    int64_t unused_since;
    struct watch *watch;
    int relocations;               /* since the last sync */
    struct mbox_state *mbox;       /* of view_mbox.c */
    uint32_t mark;                 /* view_unfinished.c: of what is being added; 0: none */
    int folders[2];                /* Maildir: new/ and cur/, while open; -1 */
};

/* What this session did itself and has told. */
struct own_change { uint64_t modseq; struct uid_set uids; };

/* What was found out about a message that the index has not yet. */
struct measured { uint32_t uid; uint64_t size; int64_t date; };

struct view_session {
    struct mailbox_view *view;
    struct view_session *next;
    bool readonly;
    struct snapshot *told;
    uint64_t told_modseq, generation;
    unsigned keywords_told;
    uint32_t uidnext_told;
    struct uid_set recent;
    uint32_t recent_count;
    struct own_change *own;
    size_t own_count, own_cap;
    struct cache_line *puts;       /* view_cache.c */
    size_t put_count, put_octets;
    struct measured *measured;     /* view_measure.c */
    size_t measured_count;
    int wake_fd;                   /* -1: none */
};

/* view_rows.c */
struct row *row_by_uid(const struct mailbox_view *v, uint32_t uid);       /* NULL: none */
size_t row_from(const struct mailbox_view *v, uint32_t uid);              /* first >= uid, or n */
const char *row_name(const struct mailbox_view *v, const struct row *r);
/* Finds by the name up to a colon. */
struct row *row_by_name(struct mailbox_view *v, struct slice base);
/* Adds at the end; its uid is the largest. */
struct row *row_add(struct mailbox_view *v, const struct row *r, struct slice name);
void row_rename(struct mailbox_view *v, struct row *r, struct slice name);
/* Moves the rows with doomed[i] (indices, ascending) among the ghosts. */
void rows_remove(struct mailbox_view *v, const uint32_t *doomed, size_t n);
void rows_free(struct mailbox_view *v);
/* Drops the ghosts that no session needs. */
void ghosts_drop(struct mailbox_view *v);
const struct row *ghost_by_uid(const struct mailbox_view *v, uint32_t uid);

/* view_index.c */
#define MESSAGE_KEY(box, uid) ((box)->id << 32 | (int64_t)(uid))
/* Reads the mailbox's line, making one with a new UIDVALIDITY when there is none. */
int mailbox_row_get(struct store_account *a, const char *name, struct mailbox_row *box,
                    struct buf *keywords);
/* 1: there is one; 0: none; -1. */
int mailbox_row_find(struct store_account *a, const char *name, struct mailbox_row *box,
                     struct buf *keywords);
int mailbox_row_save(struct mailbox_view *v);
/* Forgets a mailbox and all its messages, in a transaction of the caller's. */
int mailbox_row_delete(struct store_account *a, const struct mailbox_row *box);
/* All rows of an empty view; or what another process changed since the view's modseq. */
int view_load(struct mailbox_view *v);
int view_reload(struct mailbox_view *v);
/* Writes one row. */
int view_index_add(struct mailbox_view *v, const struct row *r, struct slice name);
int view_index_flags(struct mailbox_view *v, const struct row *r);
/* Notes that the rows (indices) are expunged, with modseq. */
int view_index_remove(struct mailbox_view *v, const uint32_t *doomed, size_t n, uint64_t modseq);
/* Begins a transaction in which `uids` new UIDs will be given; the view is up to the index in it.
 * ESTALE: the mailbox was deleted. */
int view_begin(struct mailbox_view *v, uint32_t uids);
/* Ends it, the mailbox's line saved. -1: as view_abort. */
int view_commit(struct mailbox_view *v, const struct mailbox_row *before);
/* Undoes it in the index and in v->box, which was *before after view_begin; what was done to
 * files is found by the next sync. Keeps errno. */
void view_abort(struct mailbox_view *v, const struct mailbox_row *before);
/* Brings the view up to what other processes wrote, when they did. */
int view_check_index(struct mailbox_view *v);
/* Counts for the mailbox's line. */
void view_count_in(struct mailbox_row *box, const struct row *r);
void view_count_out(struct mailbox_row *box, const struct row *r);

/* view.c */
/* The loaded view, loading it when needed. No sync. */
struct mailbox_view *view_find(struct store_account *a, const char *name);
void view_free(struct mailbox_view *v);
void views_drop_cold(struct store_account *a);
/* Takes it out of the account: its sessions get ESTALE. */
void view_detach(struct mailbox_view *v);
/* Keeps it from being freed, loaded and brought up to date; NULL with errno. */
struct mailbox_view *view_pin(struct store_account *a, const char *name);
void view_unpin(struct mailbox_view *v);               /* keeps errno; NULL is fine */
struct snapshot *view_snapshot(struct mailbox_view *v);    /* a new reference */
void snapshot_release(struct snapshot *s);
/* The row or ghost that the session knows by this number. */
const struct row *session_row(struct view_session *s, uint32_t seq, bool *expunged);
/* Wakes all idle sessions but one (NULL: none). */
void view_wake(struct mailbox_view *v, const struct view_session *but);
void session_own(struct view_session *s, uint64_t modseq, const struct uid_set *uids);

/* From so many messages on source->many is called. */
#define MANY 2000
void view_many(struct mailbox_view *v, size_t messages, bool begin);

/* view_store.c */
/* The rows (indices, ascending) of the messages in a set of UIDs (NULL: all) that the session
 * knows. */
struct picked { uint32_t *rows; size_t n, cap; struct uid_set missing; };
void session_pick(struct view_session *s, const struct uid_set *uids, struct picked *out);
void picked_free(struct picked *p);
/* Syncs the view and begins a transaction; EROFS. */
int session_begin(struct view_session *s, uint32_t uids);
/* Has the client been told of the row's last change? */
bool session_knows_change(const struct view_session *s, const struct row *r);
/* Takes the rows out of the index and the counts. */
int view_remove_rows(struct mailbox_view *v, const uint32_t *rows, size_t n, uint64_t modseq);

/* view_sync.c */
/* Brings the view up to the disk. `writer`: messages may be moved from new/ to cur/. */
int view_refresh(struct mailbox_view *v, bool writer);
/* Brings the session's picture up to the view, and says what is new. */
void session_update(struct view_session *s, bool allow_expunge, struct view_changes *out);

/* view_keywords.c */
uint64_t keywords_named(const struct mailbox_view *v);     /* bits that have a name */
/* Takes what the file dovecot-keywords says that we did not know. */
void maildir_keywords_read(struct mailbox_view *v);
unsigned keywords_in_use(const struct mailbox_view *v);
int view_keyword_make(struct mailbox_view *v, struct slice name);     /* as view_keyword_bit */

/* folder.c */
/* Appends where the mailbox is. ENOENT: there is none. The inbox is made when it is missing. */
int folder_path(struct store_account *a, const char *name, struct buf *path);

/* view_unfinished.c */
struct scan;
/* Notes that files whose name has ",T=<mark>" are not messages yet; a durable transaction. */
int unfinished_note(struct mailbox_view *to, uint32_t *mark);
/* They are: in the transaction that makes them so. */
int unfinished_over(struct mailbox_view *to, uint32_t mark);
/* Removes such files of a killed process, and takes them out of the scan. In a transaction. */
int unfinished_remove(struct mailbox_view *v, struct scan *scan);

/* view_measure.c */
/* Measures all rows, in a transaction of its own. Those whose file is gone stay as they are. */
int view_measure_all(struct mailbox_view *v);
/* The same before messages go away, when other sessions may still ask for their size and date. */
int view_measure_for_others(struct view_session *s);
/* Fills in what view_get_many wants of an unmeasured row. */
void session_measure(struct view_session *s, struct row *r, struct view_message *out);
/* Notes what is now known; the index gets it with many others (view_cache_flush). */
void session_note_measured(struct view_session *s, uint32_t uid, uint64_t size, int64_t date);
/* Writes what the session noted, in a transaction; what was written is taken back by measured_undo. */
int measured_write(struct view_session *s);
void measured_undo(struct view_session *s);
/* As many as a session notes before they are written. */
#define MEASURED_MAX 1024

/* view_cache.c */
/* Writes what the session has collected. */
void view_cache_flush(struct view_session *s);
/* Forgets the cached texts of UIDs first..last. */
int cache_forget(struct index *ix, const struct mailbox_row *box, uint32_t first, uint32_t last);
/* Copies have the same texts: those of first..last become those of as many UIDs from to_first on. */
int cache_copy(struct index *ix, const struct mailbox_row *from, uint32_t first, uint32_t last,
               const struct mailbox_row *to, uint32_t to_first);

/* --- sources ------------------------------------------------------------------------------ */

struct found {                     /* a message that the view has not */
    uint32_t uid;                  /* the one it is to have if it can; 0: the next */
    char *name;                    /* as on disk; owned */
    uint32_t flags;
    uint64_t keywords, size;
    int64_t date, saved;
};
struct found_change { uint32_t row, flags; uint64_t keywords; char *odd; };
struct scan {
    struct found *added;
    size_t added_count, added_cap;
    struct found_change *changed;
    size_t changed_count, changed_cap;
    uint32_t *removed;             /* row indices, ascending */
    size_t removed_count, removed_cap;
    int64_t stamp[2];              /* to be kept when the result is; 0: not known */
    uint32_t uidvalidity;          /* of a mailbox that we did not know: what the source says; 0: nothing */
    uint32_t uidnext;              /* and no message that has no UID there gets one below this */
};
void scan_free(struct scan *s);
struct found *scan_note_added(struct scan *s, const char *name);      /* the rest is the caller's */
struct found_change *scan_note_changed(struct scan *s, uint32_t row, uint32_t flags,
                                       uint64_t keywords);
void scan_note_removed(struct scan *s, uint32_t row);                 /* in ascending order */

struct view_source {
    struct watch *(*watch)(const struct mailbox_view *v);
    /* 0: nothing changed on disk, 1: *out says what, -1. */
    int (*scan)(struct mailbox_view *v, struct scan *out);
    /* Moves a message that was found in new/ to where it will stay. */
    int (*take)(struct mailbox_view *v, struct found *f);
    /* Writes the flags that the row is to have into the message, where they show for others, and
     * takes it out of new/; ROW_NEW, ROW_ODD and the name of the row are right then, the flags
     * are left to the caller. ENOENT: gone. */
    int (*set_flags)(struct mailbox_view *v, struct row *r, uint32_t flags, uint64_t keywords);
    /* Removes messages for good. *n and rows become those that are gone now; -1: not all. */
    int (*remove)(struct mailbox_view *v, uint32_t *rows, size_t *n);
    /* Makes a copy with these flags, or moves it there; *made says what is there (flags,
     * keywords and name set before for what is to be; the name is the caller's to free). */
    int (*copy)(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                struct found *made);
    /* Removes what was moved, when copy() has only copied it. NULL: it has moved it. */
    int (*drop)(struct mailbox_view *v, const uint32_t *rows, size_t n);
    /* Undoes copy(), as far as it can be. */
    void (*uncopy)(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                   const struct found *made);
    /* A file to write a message to, with LF line ends, before it has its place. *tmp is the
     * source's name for it, the caller's to free. */
    int (*stage)(struct mailbox_view *v, char **tmp);
    void (*unstage)(struct mailbox_view *v, const char *tmp);
    /* Its place in the mailbox; made->name is set. */
    int (*place)(struct mailbox_view *v, int fd, const char *tmp, uint64_t file_octets,
                 bool ends_in_lf, struct found *made);
    void (*unplace)(struct mailbox_view *v, const struct found *made);
    int (*sync)(struct mailbox_view *v);                   /* makes what was added durable */
    /* Size and date of a message whose row has them not; NULL: all have. */
    int (*measure)(struct mailbox_view *v, struct row *r, struct measured *out);
    /* The file open for reading. */
    int (*open)(struct mailbox_view *v, struct row *r);
    void (*rest)(struct mailbox_view *v);                  /* closes what is kept open */
    /* Writes what may be late, without sessions; NULL: nothing. */
    void (*settle)(struct mailbox_view *v);
    /* Before and after an operation on very many messages. NULL: does not matter. */
    void (*many)(struct mailbox_view *v, bool begin);
    void (*free)(struct mailbox_view *v);                  /* its own state; NULL: none */
};
extern const struct view_source maildir_source, mbox_source;

/* maildir_name.c */
/* Sorts what was found by age, leaves out what was found twice, and fills in sizes and dates, unless
 * there are very many: they are ROW_UNMEASURED then. */
void maildir_complete_added(struct mailbox_view *v, struct scan *out);
/* Size on the wire and date of a file. */
int maildir_measure_file(int folder, const char *name, uint64_t *size, int64_t *date);
/* The size on the wire of what is read from here on. */
int maildir_wire_size(int fd, uint64_t *size);
/* RFC 8474 5.2, from the base name: its field ",I=", or else a digest of it. */
uint64_t maildir_emailid(struct slice base);
/* A file's flags and keywords by its name; *odd: we would write it otherwise. */
void maildir_flags_parse(struct slice file, uint32_t *flags, uint64_t *keywords, bool *odd);
/* Appends ":2,FS..." */
void maildir_flags_add(struct buf *name, uint32_t flags, uint64_t keywords);

/* view_maildir.c */
int maildir_open(struct mailbox_view *v);              /* opens the folders */
void maildir_file_name(struct buf *out, const struct mailbox_view *v, const struct row *r);
/* Finds out where the files are now; ENOENT: that was done just before. */
int maildir_relocate(struct mailbox_view *v);
/* view_maildir_put.c: members of maildir_source. */
int maildir_copy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                 struct found *made);
void maildir_uncopy(struct mailbox_view *v, struct row *r, struct mailbox_view *to, bool move,
                    const struct found *made);
int maildir_stage(struct mailbox_view *v, char **tmp);
void maildir_unstage(struct mailbox_view *v, const char *tmp);
int maildir_place(struct mailbox_view *v, int fd, const char *tmp, uint64_t file_octets,
                  bool ends_in_lf, struct found *made);
void maildir_unplace(struct mailbox_view *v, const struct found *made);
int maildir_sync(struct mailbox_view *v);

/* watch.c: called with or without an account's lock. */
/* Watches the files or folders (NULL: only one). Never NULL; what cannot be watched is polled. */
struct watch *watch_new(const char *path1, const char *path2);
void watch_free(struct watch *w);
/* Is there nothing that watch_take would say? */
bool watch_is_quiet(struct watch *w);
/* Does not watch until watch_retry. */
void watch_pause(struct watch *w);
/* Tries again to watch what had to be polled. */
void watch_retry(struct watch *w, const char *path1, const char *path2);
enum watch_news { WATCH_QUIET, WATCH_NAMES, WATCH_UNKNOWN };
/* What happened since the last call, up to this moment. WATCH_NAMES: the names of files, each
 * with '1' or '2' for the folder before it and NUL after it, are appended to *names.
 * WATCH_UNKNOWN: look at all. */
enum watch_news watch_take(struct watch *w, struct buf *names);
void watch_add_fd(struct watch *w, int fd);            /* an eventfd to be written to */
void watch_remove_fd(struct watch *w, int fd);
void watch_wake(struct watch *w, int but_fd);

#endif
