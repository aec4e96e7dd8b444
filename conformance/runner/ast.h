/* ast.h - a scenario, parsed. The language: docs/scenario-language.md.
 *
 * Everything hangs on the scenario's arena and is constant after parsing. */
#ifndef RUNNER_AST_H
#define RUNNER_AST_H

#include "base/arena.h"
#include "conformance/runner/diag.h"

enum verdict { V_PASS, V_INFO, V_WARN, V_FAIL, V_UNSUPPORTED, V_SKIP, V_ERROR, V_COUNT };
enum level { LEVEL_NONE, LEVEL_MAY, LEVEL_SHOULD, LEVEL_MUST };

enum proto { PROTO_SMTP, PROTO_LMTP, PROTO_POP3, PROTO_IMAP, PROTO_RAW,
             PROTO_MILTER, PROTO_SPAMD, PROTO_CLAMD };     /* of scripted servers only: filter.h */

/* Bytes with holes: "RCPT TO:<$user@magedu.test>". */
enum piece_kind { PIECE_TEXT, PIECE_VAR, PIECE_REGEX, PIECE_EXACT };
enum var_type { VAR_WORD, VAR_NUMBER, VAR_TEXT };

struct piece {
    enum piece_kind kind;
    struct slice bytes;        /* the bytes, the variable's name, or the expression */
    enum var_type type;
    size_t repeat;             /* PIECE_TEXT: how often (0 counts as 1) */
};

struct text { struct piece *v; size_t n; };

/* A pattern for a line. A lone /expression/ is searched for anywhere, anything else must be the
 * whole line; words fold ASCII case, "quoted text" does not. */
struct pattern {
    struct text text;
    const char *source;            /* as written, for messages */
    bool anywhere;                 /* need not be the whole line */
    struct imap_node *imap;        /* parsed data instead, when the connection speaks IMAP */
};

struct ids { const char **v; size_t n; };

/* What must and must not be among the lines of a response. */
struct item {
    struct place at;
    bool negative;
    struct pattern pattern;
    struct ids ids;
};

enum alt_kind {
    ALT_CODE,        /* SMTP, LMTP: code, enhanced code, text */
    ALT_STATUS,      /* POP3: +OK -ERR + ; IMAP tagged: TAG OK ; any with text */
    ALT_LINE,        /* IMAP untagged or continuation, raw: a line */
    ALT_CLOSED,      /* the other side closes */
    ALT_REFUSED,     /* the connection is refused */
    ALT_NOTHING,     /* silence for the given time */
    ALT_MESSAGE,     /* in a server's script: content up to CRLF.CRLF */
};

struct alt {
    enum alt_kind kind;
    enum verdict verdict;          /* V_PASS unless after "or WARN" and the like */
    char code[4];                  /* "250", "25x", "4xx"; "" for POP3 */
    const char *enhanced;          /* "5.1.1", "5.x.x" or NULL */
    const char *word;              /* "+OK", "OK", "NO", ... */
    const char *tag;               /* IMAP: the tag; NULL for untagged */
    const char *respcode;          /* POP3: [AUTH], without brackets */
    struct pattern *text;          /* or NULL */
    const char *source;
};

struct expect {
    struct alt *alts;
    size_t alt_count;
    struct item *items;
    size_t item_count;
    bool in_order, nothing_else;
    bool lines;                    /* POP3: a multi-line response follows */
    const char *equals_fixture;    /* POP3 lines: equal to that message */
    struct ids except;             /* header names left out of the comparison */
    const char *octets;            /* POP3 lines: the variable of their size; NULL: none */
    int64_t within_ms;             /* 0: the scenario's patience */
    const char *source;
};

enum step_kind {
    STEP_SEND,       /* C: or C> (in a server's script S: or S>) */
    STEP_EXPECT,
    STEP_FLUSH, STEP_PAUSE, STEP_CLOSE, STEP_RESET, STEP_HALF_CLOSE, STEP_RECONNECT,
    STEP_HANDSHAKE, STEP_STARTTLS,
    STEP_LOGIN, STEP_AUTH,
    STEP_MESSAGE, STEP_DEFLATE,
    STEP_REPEAT,
    STEP_BARRIER,
};

struct tls_options {
    const char *version;           /* "1.2", "1.3" or NULL: any */
    const char *sni;
    bool verify;                   /* the certificate must be right for the name */
    const char *certificate;       /* the client's own, in this name; NULL: none */
    bool by_stranger;              /* signed by itself, not by the world's authority */
    bool fails;                    /* the handshake must not succeed */
    bool perhaps;                  /* the client of a scripted server may leave right after it */
    bool noted;                    /* its outcome is noted, not judged: "perhaps"; an automaton's */
};

struct path { struct text text; };     /* an address as it stands between < and > */

struct message {
    const char *fixture;           /* or NULL: body */
    struct text *body;             /* lines; CRLF is added to each */
    size_t body_lines;
    struct text from;
    struct text *to;
    size_t to_count;
    struct text with;              /* MAIL parameters; flags and date of APPEND */
    struct text mailbox;           /* APPEND: where to */
    bool append;
    const char *refused_at;        /* "MAIL", "RCPT", "DATA", "message"; NULL: accepted */
    struct expect *refusal;
};

struct step {
    enum step_kind kind;
    struct place at;
    const char *source;
    struct ids ids;
    struct text text;              /* SEND */
    bool crlf;                     /* SEND: a CRLF is added */
    struct expect *expect;
    int64_t ms;                    /* PAUSE */
    struct tls_options tls;
    const char *name;              /* BARRIER, AUTH mechanism */
    const char *user;              /* LOGIN, AUTH */
    const char *password;          /* NULL: the account's own */
    struct message *message;
    int64_t count;                 /* REPEAT */
    const char *var;               /* REPEAT: counts from 1 in $var; NULL: none */
    struct step *body;
    size_t body_count;
};

/* What a scripted server does at an event. */
enum outcome { OUTCOME_ACCEPT, OUTCOME_REPLY, OUTCOME_RAW, OUTCOME_DROP, OUTCOME_RESET,
               OUTCOME_SILENCE };

struct reaction {
    struct place at;
    int64_t times;                 /* 0: for ever */
    int64_t after_ms;
    enum outcome outcome;
    struct text text;              /* REPLY: "450 4.2.1 busy"; RAW: bytes */
    bool then_close, then_reset;
};

struct rule {
    struct place at;
    const char *event;             /* "connect", "message", a verb in capitals, "any" */
    struct pattern *argument;      /* NULL: any; else searched for in the command's argument */
    bool optional;                 /* may stay unused */
    struct reaction *reactions;
    size_t reaction_count;
    const char *source;
};

struct script {                    /* an exact dialogue */
    int connection;                /* which one, from 1; 0: every one */
    struct step *steps;
    size_t step_count;
};

struct server {
    struct place at;
    const char *name;
    const char *address;
    int port;
    enum proto proto;
    bool tls;                      /* from the first byte */
    bool stopped;                  /* does not listen until "start NAME" */
    struct tls_options tls_options;    /* its certificate */
    bool offers_given;
    const char **offers;
    size_t offer_count;
    struct rule *rules;
    size_t rule_count;
    struct script *scripts;
    size_t script_count;
};

struct client {
    struct place at;
    const char *name;
    const char *service;           /* "smtp", "pop3", ...; NULL: address */
    const char *address;
    int port;
    const char *from;              /* source address or NULL */
    const char *user;              /* "as jerry": logged in where the service asks for it */
    enum proto proto;
    bool tls;
    struct tls_options tls_options;
    bool again;                    /* goes on with a connection made before */
    bool background;
    int64_t copies;                /* >= 1 */
    struct step *steps;
    size_t step_count;
};

/* no, N, at least N, at most N */
enum count_kind { COUNT_EXACTLY, COUNT_AT_LEAST, COUNT_AT_MOST };
struct count { enum count_kind kind; int64_t n; };

enum check_kind {
    CHECK_MESSAGES,        /* server has COUNT messages [from <>] [for <>] */
    CHECK_CONNECTIONS,     /* server has seen COUNT connections */
    CHECK_COMMANDS,        /* server has seen PATTERN COUNT times */
    CHECK_BARE,            /* server has seen no bare CR|LF, no line over N octets, no NUL, ... */
    CHECK_BEFORE,          /* server was tried before other */
    CHECK_APART,           /* connections to server are at least T apart */
    CHECK_MAILBOX,         /* mailbox of USER has COUNT messages */
    CHECK_MESSAGE_EQUALS, CHECK_MESSAGE_HEADER, CHECK_MESSAGE_CONTAINS, CHECK_MESSAGE_FIRST,
    CHECK_DNS,             /* dns was asked NAME TYPE COUNT times */
    CHECK_DNS_ONLY,        /* dns was asked nothing else */
    CHECK_DNS_BEFORE,
    CHECK_TARGET_RUNNING,
    CHECK_VALUES,          /* $a = $b, != < <= > >= */
    CHECK_FILE,            /* file PATH has mode M / owner U / group G / exists */
};

enum bare { BARE_CR, BARE_LF, BARE_NUL, BARE_8BIT, BARE_LONG };

struct check {
    enum check_kind kind;
    struct count count;
    const char *name;              /* server or user */
    const char *other;
    struct text *from, *for_;      /* of messages; NULL: any */
    struct pattern *pattern;
    enum bare bare;
    int64_t limit;                 /* octets, ms */
    bool in_mailbox;               /* CHECK_MESSAGE_*: else of a server */
    int64_t number;                /* which message; 0: the only one */
    const char *fixture;
    struct text *body;             /* instead of a fixture */
    size_t body_lines;
    struct ids except;
    const char *header;
    bool negative;
    const char *dns_name, *dns_type, *dns_name2, *dns_type2;
    struct text left, right;
    const char *op;
    const char *attribute;         /* CHECK_FILE */
};

struct zone {
    struct place at;
    const char *name;
    bool optional;                 /* may stay unasked */
    struct zone_row { struct place at; const char *owner, *rest; } *rows;
    size_t row_count;
};

enum dns_action { DNS_ADD, DNS_REMOVE, DNS_FAULT, DNS_CLEAR };
struct dns_change {
    enum dns_action action;
    const char *name, *type, *rest;    /* rest: record data, or the fault with its arguments */
    int64_t times;                     /* FAULT: 0 for ever */
};

enum host_state { HOST_UP, HOST_DOWN, HOST_SILENT, HOST_UNREACHABLE, HOST_SLOW };
enum target_action { TARGET_RESTART, TARGET_STOP, TARGET_START, TARGET_KILL, TARGET_RELOAD,
                     TARGET_FLUSH, TARGET_RUNS };

enum part_kind { PART_ZONE, PART_SERVER, PART_CLIENT, PART_CHECK, PART_DNS, PART_HOST,
                 PART_TARGET, PART_JOIN, PART_START, PART_STOP, PART_RULE, PART_DELIVER };

struct part {
    enum part_kind kind;
    struct place at;
    const char *source;
    struct ids ids;
    struct zone *zone;
    struct server *server;         /* SERVER, START, STOP, RULE */
    struct client *client;         /* CLIENT, JOIN */
    struct check *check;
    struct rule *rule;
    struct step *deliver;          /* DELIVER: a message step */
    int64_t times;                 /* DELIVER: how often */
    struct dns_change *dns;
    const char *host;
    enum host_state host_state;
    int64_t host_ms;
    enum target_action target_action;
    const char *script;            /* TARGET_RUNS: of the target's folder */
    int64_t within_ms;             /* CHECK: polled until then; 0: once */
    int64_t for_ms;                /* CHECK: must hold so long; 0: once */
};

struct exempt { const char *mutation; const char *reason; };

struct scenario {
    struct arena arena;
    const char *id;                /* "smtp/dot-transparency" or "smtp/smuggling#lf-dot-lf" */
    const char *file;
    struct place at;
    const char *title;
    const char *why;
    struct ids covers;             /* header and tags, each once */
    struct ids tagged;             /* those that stand on an expectation */
    struct ids header_covers;
    enum level level;
    bool level_given;
    struct ids needs, tags, attacks;
    struct exempt *exempts;
    size_t exempt_count;
    const char *profile;           /* "default" */
    int64_t patience_ms;           /* a single expectation */
    int64_t timeout_ms;            /* the whole scenario */
    struct ids allowed_dns;        /* names that the target may ask beside the zones */
    struct part *parts;
    size_t part_count;
    bool broken;                   /* complaints were made about it: not to be run */
    const char *complaints;        /* these; NULL: none, or another row of the file has them */
    int complaint_count;
    size_t check_count;            /* expectations and checks: things that can fail */
};

const char *verdict_name(enum verdict v);
const char *verdict_meaning(enum verdict v);
const char *level_name(enum level l);
const char *proto_name(enum proto p);
bool proto_is_filter(enum proto p);
/* Adds s (kept, not copied) unless it is there. */
void ids_add(struct arena *a, struct ids *ids, const char *s);
bool ids_have(const struct ids *ids, const char *s);
void scenario_free(struct scenario *s);

#endif
