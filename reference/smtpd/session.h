/* session.h - what the files of smtpd/ share: the state of one session and its replies. */
#ifndef REFERENCE_SMTPD_SESSION_H
#define REFERENCE_SMTPD_SESSION_H

#include "reference/filter/filter.h"
#include "reference/policy/verdict.h"
#include "reference/smtpd/smtpd.h"

/* Where the session stands. Commands say in which of these they are legal (RFC 5321 4.1.4). */
enum phase {
    PHASE_GREETED = 1,     /* before HELO or EHLO */
    PHASE_READY = 2,       /* no transaction open */
    PHASE_MAIL = 4,        /* MAIL was accepted, no recipient yet */
    PHASE_RCPT = 8,        /* at least one recipient */
    PHASE_CHUNKS = 16,     /* BDAT has brought a part of the content (RFC 3030) */
    PHASE_ANY = 31,
};

struct session {
    struct stream *io;
    const struct smtpd_peer *peer;
    const struct smtpd_ctx *ctx;
    const struct config *config;
    char client[64];            /* the client's address as text */
    bool trusted;               /* may send anywhere */
    char *user;                 /* who has logged in (RFC 4954); NULL: nobody */
    bool anonymous;             /* logged in as nobody in particular: user is NULL */
    struct sasl_channel channel;
    struct buf channel_store;   /* what channel's slices lie in */

    enum phase phase;
    bool extended;              /* EHLO, not HELO: parameters of MAIL and RCPT are understood */
    char *helo;                 /* how the client named itself */

    struct filter_facts facts;  /* what the filters are told */
    struct filters *filters;    /* NULL: none */

    struct envelope envelope;   /* the open transaction */
    uint64_t declared_size;     /* SIZE= of MAIL, 0 when none */
    struct chunked *chunked;    /* of PHASE_CHUNKS: bdat.c */

    struct policy_session policy; /* the operator's rules about this client and transaction */
    bool refused_at_connect;    /* RFC 5321 3.1: only QUIT is answered otherwise than 503 */
    unsigned notify;            /* NOTIFY of the RCPT at hand; 0: none */
    char *orcpt;                /* its ORCPT; NULL: none */

    struct buf line;            /* the command being executed */
    int errors;                 /* bad commands since the last accepted message */
    int messages;               /* accepted in this session */
    bool closing;               /* the last reply was given */
    const char *end;            /* why the session ended, for the event */
};

/* One row a command: commands.c. */
struct command {
    const char *name;
    unsigned phases;            /* in which it is legal; otherwise 503 */
    bool argument;              /* takes one; otherwise 501 when there is one */
    bool utf8;                  /* its argument may be UTF-8 (RFC 6531 3.3) */
    bool answer_now;            /* RFC 2920 3.2 (5): its reply may not wait for later ones */
    void (*run)(struct session *s, struct slice argument);
    const char *usage;          /* for HELP; NULL: known but not implemented */
    const char *section;
};

extern const struct command smtpd_commands[];
const struct command *smtpd_command_find(struct slice verb);

void smtpd_helo(struct session *s, struct slice argument);
void smtpd_ehlo(struct session *s, struct slice argument);
void smtpd_mail(struct session *s, struct slice argument);
void smtpd_rcpt(struct session *s, struct slice argument);
void smtpd_data(struct session *s, struct slice argument);
void smtpd_bdat(struct session *s, struct slice argument);
void smtpd_rset(struct session *s, struct slice argument);
void smtpd_noop(struct session *s, struct slice argument);
void smtpd_quit(struct session *s, struct slice argument);
void smtpd_expn(struct session *s, struct slice argument);
void smtpd_etrn(struct session *s, struct slice argument);
void smtpd_vrfy(struct session *s, struct slice argument);
void smtpd_help(struct session *s, struct slice argument);
void smtpd_starttls(struct session *s, struct slice argument);
void smtpd_auth(struct session *s, struct slice argument);
void smtpd_not_implemented(struct session *s, struct slice argument);

/* The stream speaks TLS from now on, or did so from the beginning: fills s->channel. */
void smtpd_tls_began(struct session *s);
/* Is AUTH known here at all? Whether a mechanism is on offer depends on TLS as well. */
bool smtpd_auth_enabled(const struct session *s);
/* The command line for events: AUTH without its initial response. */
struct slice smtpd_without_secret(struct slice line);

/* May this client see the members of an alias (EXPN)? Start a queue (ETRN)? */
bool smtpd_may_expand(const struct session *s);
bool smtpd_may_etrn(const struct session *s);

/* Drops what BDAT has brought so far, if anything. */
void smtpd_chunks_abandon(struct session *s);
/* The connection failed inside a message (IO_OK: it does not end): says so where that is possible,
 * and ends the session. */
void smtpd_lost_in_content(struct session *s, enum io how);

/* The octets of a command line with its CRLF: 512 (RFC 5321 4.5.3.1.4) and what the offered
 * extensions add. */
size_t smtpd_command_line_max(void);
/* Writes the reply to EHLO: capability.c. */
void smtpd_capabilities_reply(struct session *s);

/* Asks the operator's rules: policy_at.c. False: refused and answered. `recipient` as the envelope
 * will have it; NULL at other stages. */
bool smtpd_policy(struct session *s, enum policy_stage at, const char *recipient);
/* The two halves of it, for a stage that is answered later. */
bool smtpd_policy_ask(struct session *s, enum policy_stage at, const char *recipient,
                      struct verdict *v);
void smtpd_policy_refuse(struct session *s, const struct verdict *v);
/* Waits before the greeting where the configuration wants it: who speaks meanwhile is early. */
void smtpd_greet_delay(struct session *s);

/* Forgets the open transaction, if any: RSET, EHLO, the end of DATA (RFC 5321 4.1.1.4, 4.1.1.5). */
void smtpd_transaction_reset(struct session *s);

/* "code enhanced text": one reply line. `enhanced` NULL: none (354, greeting, HELO: RFC 2034 4). */
void smtpd_reply(struct session *s, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Several lines that are complete but for the code: "text\n" each. */
void smtpd_reply_lines(struct session *s, int code, const char *enhanced, struct slice lines);
/* Answers with the verdict; a refusal becomes the event smtpd.refused, and a bad command is
 * counted. */
void smtpd_answer(struct session *s, const struct verdict *v);
/* The same for a refusal made here. */
void smtpd_refuse(struct session *s, int code, const char *enhanced, const char *rule,
            const char *clause, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* "421 enhanced hostname text", and the session is over (RFC 5321 3.8). */
void smtpd_close_421(struct session *s, const char *enhanced, const char *rule, const char *text);

#endif
