/* session.h - what the files of pop3d/ share: the state of one session and its replies. */
#ifndef REFERENCE_POP3D_SESSION_H
#define REFERENCE_POP3D_SESSION_H

#include "reference/pop3d/pop3d.h"
#include "reference/store/store.h"

/* RFC 1939 3. UPDATE is no state in which commands are read: QUIT does it. */
enum state { AUTHORIZATION = 1, TRANSACTION = 2 };

struct session {
    struct stream *io;
    const struct pop3_ctx *ctx;
    const struct config *config;
    const struct login_accounts *accounts;
    const char *client;
    int64_t number;

    struct sasl_channel channel;
    struct buf channel_store;      /* what channel's slices lie in */

    enum state state;
    bool utf8;                     /* the client said UTF8 */
    char *name;                    /* of USER; NULL: PASS may not come now */
    struct account account;        /* who is logged in */

    struct mailbox_place place;
    struct mailbox *mailbox;       /* in TRANSACTION, locked for us */
    bool numbered;                 /* its messages have unique-ids */
    bool *deleted;                 /* of each message */

    int errors;                    /* bad commands */
    bool closing;
    bool broken;                   /* a multi-line response could not be finished */
    const char *end;               /* why the session ended, for the event */
};

/* One row a command: session.c. */
struct command {
    const char *name;
    unsigned states;               /* in which it is legal */
    int arguments_min, arguments_max;   /* ONE_TEXT: the rest of the line is one, spaces and all */
    void (*run)(struct session *s, struct slice argument);   /* NULL: known, not implemented */
    const char *section;
};

#define ONE_TEXT (-1)

/* "+OK text" or "-ERR text"; the caller writes the sign, and a response code where it has one. */
void pop3_reply(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "-ERR text" for a command that was wrong: counted. */
void pop3_bad_command(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* May USER and PASS be sent over this connection? */
bool pop3_user_allowed(const struct session *s);
/* The stream speaks TLS from now on, or did so from the beginning: fills s->channel. */
void pop3_tls_began(struct session *s);

/* USER's and PASS's arguments as SASLprep (RFC 4013) leaves them, malloc'ed; NULL: what is beyond
 * ASCII is no UTF-8 or is prohibited. */
char *pop3_prepared(struct slice text);
/* Does message i, counted from 0, need UTF8 to be shown (RFC 6856 2.1)? */
bool pop3_header_is_utf8(struct session *s, size_t i);

void pop3_capa(struct session *s, struct slice argument);
void pop3_user(struct session *s, struct slice argument);
void pop3_pass(struct session *s, struct slice argument);
void pop3_auth(struct session *s, struct slice argument);
void pop3_utf8(struct session *s, struct slice argument);
void pop3_lang(struct session *s, struct slice argument);
void pop3_stls(struct session *s, struct slice argument);
void pop3_stat(struct session *s, struct slice argument);
void pop3_list(struct session *s, struct slice argument);
void pop3_uidl(struct session *s, struct slice argument);
void pop3_retr(struct session *s, struct slice argument);
void pop3_top(struct session *s, struct slice argument);
void pop3_dele(struct session *s, struct slice argument);
void pop3_noop(struct session *s, struct slice argument);
void pop3_rset(struct session *s, struct slice argument);
void pop3_quit(struct session *s, struct slice argument);

#endif
