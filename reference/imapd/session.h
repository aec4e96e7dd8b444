/* session.h - what the files of imapd/ share: the state of one session, its commands and replies. */
#ifndef REFERENCE_IMAPD_SESSION_H
#define REFERENCE_IMAPD_SESSION_H

#include "reference/imapd/args.h"
#include "reference/imapd/imapd.h"

/* RFC 9051 3. No command is read in the logout state. */
enum state { STRANGER = 1, AUTHENTICATED = 2, SELECTED = 4 };

struct session {
    struct stream *io;
    const struct imap_ctx *ctx;
    const struct config *config;
    const struct imap_accounts *accounts;
    const char *client;
    int64_t number;

    struct sasl_channel channel;
    struct buf channel_store;        /* what channel's slices lie in */

    enum state state;
    struct account account;          /* who is logged in */

    /* ENABLE (RFC 9051 6.3.1) */
    bool utf8;                       /* UTF8=ACCEPT or IMAP4rev2: names and quoted strings are UTF-8 */
    bool rev2;                       /* IMAP4rev2: its answers where they differ from IMAP4rev1 */
    bool condstore;                  /* RFC 7162 3.1: MODSEQ in every FETCH that tells flags */
    bool qresync;                    /* RFC 7162 3.2: VANISHED for EXPUNGE */

    /* The command that is being answered. */
    struct slice tag;
    const struct command *command;
    bool uid;                        /* it came as UID ... */
    bool answered;

    int errors;                      /* bad commands in sequence */
    bool closing;
    bool broken;                     /* a literal could not be finished */
    const char *end;                 /* why the session ended, for the event */
};

/* One row a command: commands.c. */
struct command {
    const char *name;
    unsigned states;                 /* in which it is legal */
    unsigned traits;
    void (*run)(struct session *s, struct args *a);   /* NULL: known, not implemented */
    const char *capability;          /* that offers it; NULL: the base protocol */
    const char *section;
};

enum command_trait {
    ALSO_UID = 1,       /* "UID command" is legal (RFC 9051 6.4.9) */
    ONLY_UID = 2,       /* and nothing else is */
    NUMBERS_STAY = 4,   /* RFC 9051 7.5.1: no EXPUNGE while it is answered, unless it came with UID */
    SECRET = 8,         /* its arguments are not for the log */
};

const struct command *imap_command_find(struct slice name);

/* ---- replies: response.c ---------------------------------------------------------------------- */

/* The tagged answer, after the untagged ones that are due (imap_tell_changes). The text begins with the
 * response code where there is one: "[READ-WRITE] SELECT completed". */
void imap_ok(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void imap_no(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The command was wrong: counted. */
void imap_bad(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What args says is wrong; nothing when the connection is lost. */
void imap_bad_args(struct session *s, struct args *a);
/* "* ..." */
void imap_untagged(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "* BYE ...", and the session ends; `end` is for the event. */
void imap_bye(struct session *s, const char *end, const char *text);

/* Appends a string as quoted, or as a literal where quotes cannot hold it. */
void imap_string(struct buf *out, struct slice text, bool utf8);
/* Appends a mailbox name (UTF-8) as this session writes names: quoted, in modified UTF-7 or UTF-8. */
void imap_mailbox_name(const struct session *s, struct buf *out, struct slice name);
/* Appends what is in `out` to the session's output, and empties it. */
void imap_send(struct session *s, struct buf *out);

/* ---- capabilities: capability.c ---------------------------------------------------------------- */

/* Appends "CAPABILITY IMAP4rev1 ..." as it is now. */
void imap_capabilities(const struct session *s, struct buf *out);
/* May LOGIN be sent over this connection? */
bool imap_login_allowed(const struct session *s);

/* ---- commands, by file ------------------------------------------------------------------------- */

/* any_state.c */
void imap_capability(struct session *s, struct args *a);
void imap_noop(struct session *s, struct args *a);
void imap_logout(struct session *s, struct args *a);
void imap_id(struct session *s, struct args *a);
void imap_enable(struct session *s, struct args *a);
/* authentication.c */
void imap_starttls(struct session *s, struct args *a);
void imap_authenticate(struct session *s, struct args *a);
void imap_login(struct session *s, struct args *a);
/* The stream speaks TLS from now on, or did so from the beginning: fills s->channel. */
void imap_tls_began(struct session *s);

#endif
