/* queue.h - the spool: messages that were answered 250 and are not yet delivered.
 *
 * A message is ONE file that a person can read: the envelope as lines, an empty line, the message
 * as it came (CRLF). Its folder is its state:
 *
 *   <spool>/incoming/<id>   being written (its writer holds a lock on it), not yet answered 250
 *   <spool>/active/<id>     accepted; to be delivered now
 *   <spool>/deferred/<id>   accepted; next try at the file's mtime
 *   <spool>/hold/<id>       accepted; waits for the operator
 *   <spool>/corrupt/<id>    could not be read; waits for the operator
 *   <spool>/log/<id>        what was tried so far, a line a recipient and attempt; a hint only
 *   <spool>/spare/<id>      an empty file, left of a message and there for the next (spool_spare.c)
 *
 * Accepting: write incoming/<id>, fsync it, rename to active/<id>, fsync active/, answer 250, wake
 * the queue (a hint: it also scans). The file's head:
 *
 *   postroad 1
 *   id 01k9xq3v5wz0003n0001
 *   arrived 1764000000.123456
 *   size 00000000000000004096       octets after the empty line; zeros until complete
 *   dots 0                          1: some line begins with a dot (RFC 5321 4.5.2)
 *   octets 7                        8: some octet is over 127
 *   body 7BIT|8BITMIME|BINARYMIME   what the client declared (RFC 6152, RFC 3030)
 *   utf8 1                          where SMTPUTF8 was asked for (RFC 6531)
 *   filter todo                     the content filter has not seen it; the line is missing elsewhere
 *   protocol ESMTP
 *   client 198.51.100.7
 *   helo client.magedu.test
 *   from <jerry@magedu.test>        the reverse-path, <> when null
 *   envid QQ314159                  ENVID as it came, where it did (RFC 3461 4.4)
 *   ret FULL|HDRS                   RET likewise
 *   todo <tom@hehuan.test>          a recipient a line; the word is overwritten in place
 *   done <ann@hehuan.test>          delivered;  "fail" refused for good (bounce made)
 *   todo <eve@magedu.test>          came out of an alias: this address is final, it is not looked
 *   via <staff@hehuan.test>         up as an alias again, and this is what the client named
 *   notify SUCCESS,DELAY            NOTIFY of this recipient, where it came (RFC 3461 4.1)
 *   orcpt rfc822;Eve@magedu.test    ORCPT likewise, in its xtext
 *
 * Two more marks are for notices: "late" is todo, and the sender has been told of the delay; "sent"
 * is done, but the notice of success that the sender asked for is not yet in the queue.
 *
 * The four letters of a mark are the only bytes of a complete file that ever change. An
 * alias with several targets is expanded by writing the file anew in incoming/ and renaming it over
 * the old one, with the alias marked done and its targets added. */
#ifndef REFERENCE_QUEUE_H
#define REFERENCE_QUEUE_H

#include "base/buf.h"
#include "reference/config.h"
#include "reference/message/dsn.h"

#include <sys/types.h>

#define QUEUE_ID_MAX 32                      /* with the NUL */
#define QUEUE_HEAD_MAX (16u << 20)           /* octets of a file's head */

enum recipient_state { RCPT_TODO, RCPT_DONE, RCPT_FAIL, RCPT_SENT, RCPT_LATE };

/* Still to be delivered? */
static inline bool state_is_open(enum recipient_state s) { return s == RCPT_TODO || s == RCPT_LATE; }

struct recipient {
    char *address;               /* forward-path without <>, as given at RCPT */
    char *via;                   /* the alias that it came out of; NULL: given by the client */
    char *orcpt;                 /* ORCPT as it came; NULL: none */
    unsigned notify;             /* enum notify; 0: nothing was said */
    enum recipient_state state;
    int64_t mark_offset;         /* of the four letters in the file */
};

struct envelope {
    char id[QUEUE_ID_MAX];
    int64_t arrived_us;
    int64_t size;                /* of the message */
    int64_t message_offset;      /* in the file */
    bool dots;                   /* some line begins with a dot */
    bool high_octets;            /* some octet is over 127 */
    bool eight_bit;              /* BODY=8BITMIME */
    bool utf8;                   /* SMTPUTF8 (RFC 6531) */
    bool unfiltered;             /* goes to the content filter first */
    bool binary;                 /* BODY=BINARYMIME: no lines at all (RFC 3030) */
    char *protocol;              /* SMTP, ESMTP, LMTP, local (RFC 3848 keywords) */
    char *client;                /* address text */
    char *helo;
    char *reverse_path;          /* without <>; "" is the null reverse-path */
    char *envid;                 /* ENVID as it came; NULL: none */
    enum dsn_return ret;
    struct recipient *rcpt;
    size_t rcpt_count;
};

const char *recipient_mark(enum recipient_state state);   /* its four letters */
void envelope_free(struct envelope *e);      /* the members, not e */
void envelope_add_recipient(struct envelope *e, struct slice address);
void envelope_drop_recipients(struct envelope *e, size_t keep);  /* all but the first `keep` */

/* --- writing (smtpd, bounces, `postroad send`) ---------------------------------------- */

struct queue_writer;

/* Makes the folders that are missing. 0, or -1 with errno. */
int queue_prepare(const struct config *c);
/* A new id, unique on this host: time, pid, counter. Ids sort by time. */
void queue_new_id(char id[QUEUE_ID_MAX]);
/* Begins incoming/<e->id> (id made and arrived_us set when empty). NULL with errno (ENOSPC: say
 * 452 4.3.1). The envelope is copied; of it id, arrived_us, eight_bit, protocol, client, helo,
 * reverse_path and the recipients are written, the rest is found out from what queue_write gets. */
struct queue_writer *queue_create(const struct config *c, struct envelope *e);
/* Message octets, CRLF line ends; buffered. 0, or -1 with errno (sticky). */
int queue_write(struct queue_writer *w, const void *p, size_t n);
/* Octets written so far (all of them, Received included). */
int64_t queue_written(const struct queue_writer *w);
/* Durable and in active/, and the queue is woken, when it returns 0. On -1 (errno) nothing is left.
 * Frees w either way. */
int queue_commit(struct queue_writer *w);
/* Up to n of the octets written so far, from offset `at` of the message: the number, or -1 with
 * errno. */
ssize_t queue_read_back(struct queue_writer *w, void *p, size_t n, int64_t at);
/* Begins the message of w anew, under the same id, with the envelope e. w can still be read; after
 * this it is only to be abandoned, which leaves the new one alone. NULL with errno. */
struct queue_writer *queue_create_again(struct queue_writer *w, struct envelope *e);
/* As queue_commit, but into `folder`: "hold" for what the operator shall see first. */
int queue_commit_to(struct queue_writer *w, const char *folder);
/* Removes what was written, frees w. NULL is fine. */
void queue_abandon(struct queue_writer *w);

/* --- reading and changing (queue role, operator) --------------------------------------- */

/* Reads the head of folder/id. The descriptor (read-write, positioned anywhere), or -1 with errno
 * (EBADMSG: not a complete message file, with the reason in *why when not NULL, a static text). */
int queue_open(const struct config *c, const char *folder, const char *id, struct envelope *e,
               const char **why);
/* The pure part of queue_open: a head, up to and including its empty line. False with *why. */
bool envelope_parse(struct slice head, struct envelope *e, const char **why);
/* Overwrites the recipient's mark in place and makes it durable. 0 or -1 with errno. */
int queue_mark(int fd, struct recipient *r, enum recipient_state state, bool sync);
/* Writes active/<e->id> anew with e's recipients and the message of fd, durably and in one step:
 * whatever happens, the old file or the new one is there. 0 or -1 with errno. */
int queue_rewrite(const struct config *c, int fd, struct envelope *e);
/* Renames between state folders (not synced: every state folder is safe to find it in). */
int queue_move(const struct config *c, const char *id, const char *from, const char *to);
/* From active/ to deferred/ with the next try at next_us, wall-clock. 0 or -1 with errno. */
int queue_defer(const struct config *c, const char *id, int64_t next_us);
/* Every recipient is done or failed: removes file and log. */
int queue_remove(const struct config *c, const char *folder, const char *id);
/* Is there room for a message of so many octets, with limits { free-space } left? True also when
 * nobody can tell. */
bool queue_has_room(const struct config *c, uint64_t octets);
/* Asks the queue role to look now: one id, "@domain" (what waits for it; "@.domain": for those below
 * it as well), or NULL for all folders. Never blocks, may be lost. */
void queue_wake(const struct config *c, const char *id);
/* For the operator's flush: a deferred message becomes due now, and the queue is woken. 0 or -1. */
int queue_retry_now(const struct config *c, const char *id);

/* Calls each(arg, id) for every message in a folder ("active", "deferred", "hold", "corrupt"), in
 * no order, until it returns false; a message that moves meanwhile may be missed or come twice.
 * Names that are no ids are passed over. 0, or -1 with errno. */
int queue_list(const struct config *c, const char *folder,
               bool (*each)(void *arg, const char *id), void *arg);
bool queue_id_valid(const char *id);
/* The folder that id is in now, out of the four of queue_list: static text, or NULL. */
const char *queue_find(const struct config *c, const char *id);
/* <spool>/<folder>/<id>; id NULL: the folder. The caller frees. */
char *queue_path(const struct config *c, const char *folder, const char *id);
/* When a deferred message is tried next, wall-clock us; -1 when it is not deferred. */
int64_t queue_next_try(const struct config *c, const char *id);

/* Appends a line (without its LF) to log/<id>:
 *   "<RFC 3339 time> <recipient> delivered|deferred|failed <host>[<address>] <reply>" */
void queue_log(const struct config *c, const char *id, const char *recipient, const char *verdict,
               const char *host, const char *address, const char *reply);

/* A message of active/ is over, fd is its file, open for writing: its log is removed, the file
 * removed or emptied and kept in spare/. 0 or -1 with errno. */
int queue_retire(const struct config *c, const char *id, int fd);
/* Takes a file out of spare/ to `path` in incoming/, empty and locked: the descriptor, read-write,
 * or -1: there is none. */
int queue_spare_take(const struct config *c, const char *path);
/* Looks how many files queue_retire may still keep: none before the first call. */
void queue_spare_count(const struct config *c);

/* Removes what crashed writers left in incoming/. The number removed. */
int queue_sweep(const struct config *c);

/* The retry rule: wait as long again as the message has waited, but at least min and at most max.
 * All in ms; returns the wait from now. */
int64_t queue_retry_wait(int64_t age_ms, int64_t min_ms, int64_t max_ms);

#endif
