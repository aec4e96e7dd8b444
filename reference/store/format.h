/* format.h - what a mailbox format gives to store.c; for the files of this folder only. */
#ifndef REFERENCE_STORE_FORMAT_H
#define REFERENCE_STORE_FORMAT_H

#include "reference/store/spill.h"
#include "reference/store/store.h"

#include <sys/stat.h>

struct message {
    int64_t size;
    char *uid;
    uint32_t number;               /* its UID in IMAP (numbers.c); 0: not known */
    /* mbox: the From_ line is at start, the text is [text, text_end), the next message at next. */
    int64_t start, text, text_end, next;
    int64_t date;                  /* of the From_ line; -1: none that can be read */
    /* mbox: the fields that mail programs write (mbox_status.c). */
    int64_t status_octets;         /* of them in the file */
    int64_t status_wire;           /* of `size` */
    bool scattered;                /* there are others before or between them */
    uint32_t flags;                /* enum message_flag */
    char *keywords;                /* X-Keywords; NULL: none */
    uint32_t written_uid;          /* X-UID; 0: none */
    /* Maildir: the file's name when last seen, and in which of the two folders. */
    char *file;
    int folder;
};

/* mbox: what a field X-IMAPbase of the first message says; validity 0: nothing. `lazy`: it is in the form
 * in which we write it, now and then only, so that more UIDs may have been given than it says. */
struct mbox_base { uint32_t validity, last; bool lazy; };

struct mailbox {
    const struct mailbox_format_ops *ops;
    const struct mailbox_place *place;
    int session_fd;                /* holds the session lock; -1: none */
    struct message *v;
    size_t n, cap;
    uint32_t numbered;             /* the UIDVALIDITY of the messages' numbers; 0: they have none */
    struct stat seen;              /* mbox: the file when it was listed */
    struct mbox_base base;         /* mbox: of the first message */
    int folders[2];                /* Maildir: new/ and cur/; -1: not there */
};

struct message_reader {
    struct lines lines;
    struct spill spill;            /* mbox: a copy of the message */
    int fd;                        /* Maildir: the file; else -1 */
    bool quoted;                   /* mbox: a ">" was put before ">*From " lines */
};

struct append {
    const struct mailbox_format_ops *ops;
    const struct mailbox_place *place;
    int fd;
    struct buf out;                /* not yet written */
    int64_t offset;                /* where `out` goes in the file */
    int error;                     /* errno of the first failure */
    int64_t date;                  /* INT64_MIN: now */
    struct slice from_line;        /* mbox: this one (with its LF), p == NULL: a new one */
    void *state;                   /* the format's own */
};

struct mailbox_format_ops {
    const char *name;
    int (*list)(struct mailbox *m);                     /* fills v; a missing mailbox is empty */
    int (*read)(struct mailbox *m, size_t i, struct message_reader *r);
    int (*expunge)(struct mailbox *m, const bool *doomed);
    void (*close)(struct mailbox *m);
    int (*append_begin)(struct append *a, const char *sender);
    void (*append_text)(struct append *a, struct slice text);   /* to append_out */
    int (*append_commit)(struct append *a, struct buf *path);   /* after append_flush */
    void (*append_abandon)(struct append *a);           /* also after a failed commit */
};

extern const struct mailbox_format_ops mbox_format, maildir_format;

struct message *mailbox_new_message(struct mailbox *m); /* zeroed, at the end of v */
void message_clear(struct message *m);                  /* frees what it owns */
void mailbox_clear(struct mailbox *m);                  /* frees v */
/* Octets that a piece has on the wire, its CRLF included. */
int64_t piece_wire_size(const struct line_piece *p);
/* The octets as hexadecimal digits, malloc'ed. */
char *hex_text(const unsigned char *octets, size_t n);

/* --- Maildir (maildir.c) --- */

/* A file's name up to the colon. */
struct slice maildir_base(const char *file);
/* The value of the field (",S=" or ",W=") of a base name, or -1. */
int64_t maildir_size_field(struct slice base, struct slice key);
/* Order of base names: oldest first. */
int maildir_compare(struct slice a, struct slice b);
/* The descriptor of a folder; links are never followed: the folder may be writable for its user
 * while we are root. */
int maildir_open_folder(int at, const char *name);
/* Calls give(arg, name) for each name in the folder that is not hidden. */
int maildir_each_name(int folder, void (*give)(void *arg, const char *name), void *arg);
/* Makes place->path a Maildir, durably. */
int maildir_make(const struct mailbox_place *place);
/* A base name that no other message has, without sizes; malloc'ed. */
char *maildir_unique_name(const struct mailbox_place *place);

/* --- mbox --- */

/* Appends the messages of [from, to) of the file. The identifiers have no ordinals. */
int mbox_scan(struct mailbox *into, int fd, int64_t from, int64_t to);
/* Begins a message with this date (seconds since 1970; INT64_MIN: now), or with this From_ line
 * (p == NULL: with the date). */
struct append *append_begin_dated(const struct mailbox_place *place, const char *sender,
                                  int64_t date,
                                  struct slice from_line);
/* The lock that a message being added to an mbox holds, and how large the file was before. */
struct mbox_lock;
struct mbox_lock *mbox_append_lock(struct append *a, int64_t *before);
/* Writes all of it, so that only the commit is left. */
int mbox_append_finish(struct append *a);
/* Takes what a volatile field says (mbox_status.c); base: of the first message, else NULL. */
void mbox_status_read(struct message *m, struct slice line, struct mbox_base *base);
/* What the fields say: keywords are words with a space between, a uid of 0 and a validity of 0 are not
 * written. */
struct mbox_status {
    uint32_t flags, uid;
    struct slice keywords;
    struct mbox_base base;
};
/* Appends them, `octets` long at least; 0: as long as they are at first. */
void mbox_status_add(struct buf *out, const struct mbox_status *s, size_t octets);

/* --- both --- */

/* Collects output in `out` and writes it when it is much. The error sticks in a->error. */
void append_out(struct append *a, const void *p, size_t n);
int append_flush(struct append *a);
/* Gives a file or folder that was just made to the mailbox's user and to the group mail, with mode
 * `shared`; when it is ours already, or we may not give it away, it stays ours, with mode `own`. */
int give_to_owner(const struct mailbox_place *place, int fd, mode_t own, mode_t shared);
/* fsync of an open file, or of a folder by name, when the place asks for it. */
int sync_fd(const struct mailbox_place *place, int fd);
int sync_dir(const struct mailbox_place *place, const char *dir);

#endif
