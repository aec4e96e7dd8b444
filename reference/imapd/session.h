/* session.h - what the files of imapd/ share: the state of one session, its commands and replies. */
#ifndef REFERENCE_IMAPD_SESSION_H
#define REFERENCE_IMAPD_SESSION_H

#include "reference/imapd/args.h"
#include "reference/imapd/imapd.h"
#include "reference/store/view.h"

/* RFC 9051 3. No command is read in the logout state. */
enum state { STRANGER = 1, AUTHENTICATED = 2, SELECTED = 4 };

struct session {
    struct stream *io;
    const struct imap_ctx *ctx;
    const struct config *config;
    const struct login_accounts *accounts;
    const char *client;
    int64_t number;

    struct sasl_channel channel;
    struct buf channel_store;        /* what channel's slices lie in */

    enum state state;
    struct account account;          /* who is logged in */
    struct store_account *mail;      /* his mailboxes */
    struct view_session *view;       /* the selected one; NULL: none */
    struct uid_set saved;            /* "$": UIDs that SEARCH saved (RFC 9051 6.4.4.1) */

    /* ENABLE (RFC 9051 6.3.1) */
    bool utf8;                       /* UTF8=ACCEPT or IMAP4rev2: names and quoted strings are UTF-8 */
    bool rev2;                       /* IMAP4rev2: its answers where they differ from IMAP4rev1 */
    bool condstore;                  /* RFC 7162 3.1: MODSEQ in every FETCH that tells flags */
    bool qresync;                    /* RFC 7162 3.2: VANISHED for EXPUNGE */

    bool compressed;                 /* COMPRESS (RFC 4978) */

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
    NUMBERS_STAY = 4,   /* RFC 9051 7.5.1: no EXPUNGE while it is answered */
    SECRET = 8,         /* its arguments are not for the log */
    QUIET = 16,         /* changes of the mailbox are not told with its answer */
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
/* In IMAP4rev2: LIST with these attributes and the name as it is kept, and with OLDNAME where the client
 * used another form of it; without `always` only then (RFC 9051 6.3.9.7). mailboxes.c */
void imap_tell_name(struct session *s, const char *attributes, struct slice asked, bool always);
/* Appends what is in `out` to the session's output, and empties it. */
void imap_send(struct session *s, struct buf *out);

/* NO with the response code (RFC 5530 3) of what the store said; `what` is what could not be done. ESTALE ends
 * the session, because the mailbox is gone. */
void imap_no_errno(struct session *s, int error, const char *what);

/* ---- the selected mailbox: changes.c ----------------------------------------------------------- */

/* Tells what happened to the selected mailbox; messages go only with allow_expunge (RFC 9051 7.5.1). */
void imap_tell_changes(struct session *s, bool allow_expunge);
/* Appends "FLAGS (\Seen ...)" of a message. */
void imap_write_flags(struct session *s, struct buf *out, const struct view_message *m);
/* Appends "* FLAGS (...)" with the keywords of the mailbox, as a whole line. */
void imap_write_flags_line(struct session *s, struct buf *out);
/* Appends it when there are keywords that the client does not know: before a FETCH that has FLAGS. */
void imap_write_new_keywords(struct session *s, struct buf *out);
/* The sequence numbers that a set names, of UIDs when the command came with UID. False: one is not there
 * (RFC 9051 6.4.9: with UID it does not matter), and it was answered. */
bool imap_messages(struct session *s, const struct number_set *set, struct uid_set *seqs);
void imap_uids(struct session *s, const struct uid_set *seqs, struct uid_set *uids);
/* The view is closed; without `silently` the client is told where the next one begins. */
void imap_deselect(struct session *s);
/* Flags of a list or without parentheses, for STORE and APPEND. Keywords become bits when there is
 * a view to make them in, else names. */
struct flag_list {
    uint32_t flags;
    struct slice *names;             /* keywords, in the command's memory */
    size_t n, room;
};
bool imap_read_flags(struct args *a, struct flag_list *out);
void imap_flags_free(struct flag_list *f);

/* ---- capabilities: capability.c ---------------------------------------------------------------- */

/* Appends "CAPABILITY IMAP4rev1 ..." as it is now. */
void imap_capabilities(const struct session *s, struct buf *out);
/* The client wants MODSEQ from now on (RFC 7162 3.1); of a selected mailbox HIGHESTMODSEQ is told. */
void imap_enable_condstore(struct session *s);
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
void imap_unauthenticate(struct session *s, struct args *a);
void imap_login(struct session *s, struct args *a);
/* The stream speaks TLS from now on, or did so from the beginning: fills s->channel. */
void imap_tls_began(struct session *s);

/* select.c */
void imap_select(struct session *s, struct args *a);
void imap_examine(struct session *s, struct args *a);
void imap_close(struct session *s, struct args *a);
void imap_unselect(struct session *s, struct args *a);
void imap_check(struct session *s, struct args *a);
void imap_expunge(struct session *s, struct args *a);
/* mailboxes.c */
void imap_create(struct session *s, struct args *a);
void imap_delete(struct session *s, struct args *a);
void imap_rename(struct session *s, struct args *a);
void imap_subscribe(struct session *s, struct args *a);
void imap_unsubscribe(struct session *s, struct args *a);
void imap_namespace(struct session *s, struct args *a);
/* list.c */
void imap_list(struct session *s, struct args *a);
void imap_lsub(struct session *s, struct args *a);
/* status.c */
void imap_status(struct session *s, struct args *a);
/* The items of STATUS, as a list in parentheses. */
bool imap_status_items(struct args *a, unsigned *items);
/* The untagged STATUS of a mailbox. False with errno when there is none. */
bool imap_status_line(struct session *s, const char *name, unsigned items);
/* append.c */
void imap_append(struct session *s, struct args *a);
/* fetch.c */
void imap_fetch(struct session *s, struct args *a);
/* flags.c */
void imap_store(struct session *s, struct args *a);
/* copy.c */
void imap_copy(struct session *s, struct args *a);
void imap_move(struct session *s, struct args *a);
/* quota.c, compress.c */
/* RFC 3501 7.1.2: an untagged NO is a warning. */
void imap_warn_of_quota(struct session *s);
void imap_getquota(struct session *s, struct args *a);
void imap_getquotaroot(struct session *s, struct args *a);
void imap_compress(struct session *s, struct args *a);
/* idle.c */
void imap_idle(struct session *s, struct args *a);

#endif
