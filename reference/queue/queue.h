/* queue.h - the spool: messages that were answered 250 and are not yet delivered.
 *
 * A message is ONE file that a person can read: the envelope as lines, an empty line, the message
 * as it came (CRLF). Its folder is its state:
 *
 *   <spool>/incoming/<id>   being written, not yet answered 250
 *   <spool>/active/<id>     accepted; to be delivered now
 *   <spool>/deferred/<id>   accepted; next try at the file's mtime
 *   <spool>/hold/<id>       accepted; waits for the operator
 *   <spool>/corrupt/<id>    could not be read; waits for the operator
 *   <spool>/log/<id>        what was tried so far, a line a recipient and attempt; a hint only
 *
 * Accepting: write incoming/<id>, fsync it, rename to active/<id>, fsync active/, answer 250, wake
 * the queue (a hint: it also scans). The file's head:
 *
 *   postroad 1
 *   id 6a1f...
 *   arrived 1764000000.123456
 *   size 00000000000000004096       octets after the empty line; zeros until complete
 *   body 7BIT|8BITMIME
 *   protocol ESMTP
 *   client 198.51.100.7
 *   helo client.magedu.test
 *   from <jerry@magedu.test>        the reverse-path, <> when null
 *   todo <tom@hehuan.test>          a recipient a line; the word is overwritten in place
 *   done <ann@hehuan.test>          delivered;  "fail" refused for good (bounce made)
 *
 * The four letters of todo/done/fail are the only bytes that ever change. */
#ifndef REFERENCE_QUEUE_H
#define REFERENCE_QUEUE_H

#include "base/buf.h"
#include "reference/config.h"

#define QUEUE_ID_MAX 32

enum recipient_state { RCPT_TODO, RCPT_DONE, RCPT_FAIL };

struct recipient {
    char *address;               /* forward-path without <>, as given at RCPT */
    enum recipient_state state;
    int64_t mark_offset;         /* of the four letters in the file */
};

struct envelope {
    char id[QUEUE_ID_MAX];
    int64_t arrived_us;
    int64_t size;                /* of the message */
    int64_t message_offset;      /* in the file */
    bool eight_bit;              /* BODY=8BITMIME */
    char *protocol;              /* SMTP, ESMTP, LMTP, local (RFC 3848 keywords) */
    char *client;                /* address text */
    char *helo;
    char *reverse_path;          /* without <>; "" is the null reverse-path */
    struct recipient *rcpt;
    size_t rcpt_count;
};

void envelope_free(struct envelope *e);      /* the members, not e */
void envelope_add_recipient(struct envelope *e, struct slice address);

/* --- writing (smtpd, bounces, `postroad send`) ------------------------------------------- */

struct queue_writer;

/* Makes the folders that are missing. 0, or -1 with errno. */
int queue_prepare(const struct config *c);
/* A new id, unique on this host: time, pid, counter. */
void queue_new_id(char id[QUEUE_ID_MAX]);
/* Begins incoming/<e->id> (id made and arrived_us set when empty). NULL with errno (ENOSPC: say
 * 452 4.3.1). The envelope is copied. */
struct queue_writer *queue_create(const struct config *c, struct envelope *e);
/* Message octets, CRLF line ends; buffered. 0, or -1 with errno (sticky). */
int queue_write(struct queue_writer *w, const void *p, size_t n);
/* Octets written so far (all of them, Received included). */
int64_t queue_written(const struct queue_writer *w);
/* Durable and in active/, and the queue is woken, when it returns 0. On -1 (errno) nothing is left.
 * Frees w either way. */
int queue_commit(struct queue_writer *w);
/* Removes what was written, frees w. NULL is fine. */
void queue_abandon(struct queue_writer *w);

/* --- reading and changing (queue role, operator) ------------------------------------------ */

/* Reads the head of folder/id. The descriptor (read-write, positioned anywhere), or -1 with errno
 * (EBADMSG: not a complete message file, with the reason in *why when not NULL, a static text). */
int queue_open(const struct config *c, const char *folder, const char *id, struct envelope *e,
               const char **why);
/* Overwrites the recipient's mark in place and makes it durable. 0 or -1 with errno. */
int queue_mark(int fd, struct recipient *r, enum recipient_state state, bool sync);
/* Renames between state folders (not synced: every state folder is safe to find it in). */
int queue_move(const struct config *c, const char *id, const char *from, const char *to);
/* Every recipient is done or failed: removes file and log. */
int queue_remove(const struct config *c, const char *folder, const char *id);
/* Asks the queue role to look now: one id, or NULL for all folders. Never blocks, may be lost. */
void queue_wake(const struct config *c, const char *id);

/* The retry rule: wait as long again as the message has waited, but at least min and at most max.
 * All in ms; returns the wait from now. */
int64_t queue_retry_wait(int64_t age_ms, int64_t min_ms, int64_t max_ms);

#endif
