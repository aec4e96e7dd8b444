/* policy_conf.h - the rules of the configuration file: sections rule, dnsbl and policy. */
#ifndef REFERENCE_POLICY_CONF_H
#define REFERENCE_POLICY_CONF_H

#include "reference/policy/access_remote.h"
#include "reference/policy/action.h"
#include "reference/policy/header_pattern.h"

#include <confuse.h>

/* When rules are asked. */
enum policy_stage { AT_CONNECT, AT_HELO, AT_MAIL, AT_RCPT, AT_DATA, AT_HEADER, AT_END, POLICY_STAGES };
const char *policy_stage_name(enum policy_stage s);

/* Whom a rule is for. Users are the clients of relay-from and who has logged in. */
enum rule_for { FOR_STRANGERS, FOR_USERS, FOR_ALL };

/* What a rule looks at; each is a key of its section. All that are given must hold. */
enum condition {
    ON_CLIENT, ON_CLIENT_NAME, ON_HELO, ON_SENDER, ON_RECIPIENT, ON_PAIR, /* access lists */
    ON_USER_LIST,        /* a folder with a file for each recipient */
    ON_REVERSE,          /* pass, none, mismatch, temporary */
    ON_HELO_CHECK,       /* unqualified, literal, wrong-literal, ours, unknown, differs */
    ON_DNSBL,            /* names of dnsbl sections */
    ON_RATE,             /* "connections 30/1m" */
    ON_HEADER,           /* "Subject: /pills/" */
    CONDITIONS
};
const char *condition_name(enum condition c);

/* One word of a condition: "file:blocked", "!.example.org", "mismatch". */
struct test {
    bool negated;
    char *text;
    struct access_list *list;   /* of the first six; NULL: a word */
    struct header_pattern *header;   /* of ON_HEADER */
};

struct rate_limit { char *what; int most; int64_t window_ms; };

struct rule {
    char *name;
    enum policy_stage at;
    enum rule_for who;
    struct { struct test *v; size_t n; } on[CONDITIONS];
    struct rate_limit rate;     /* of ON_RATE */
    bool greylist, early_talker;
    long score;                 /* dnsbl-score: at least this over all lists; LONG_MIN: not asked */
    struct action action;
};

/* What of a client or a message a list is asked about (RFC 5782 2, 3). */
enum dnsbl_subject { LIST_OF_CLIENT, LIST_OF_NAME, LIST_OF_HELO, LIST_OF_SENDER, DNSBL_SUBJECTS };

/* Which answers count: 127.0.0.4, a range 127.0.0.4-127.0.0.8, a network, or a mask of bits of the
 * last octet (RFC 5782 2.3). */
struct dnsbl_code { enum { CODE_RANGE, CODE_MASK } kind; uint32_t from, to; };

struct dnsbl_conf {
    char *name, *zone;
    bool of[DNSBL_SUBJECTS];
    struct dnsbl_code *codes;
    size_t code_count;          /* 0: every answer means listed (RFC 5782 6) */
    long score;
    bool test_entries;          /* used only while its test entries are right (RFC 5782 5) */
};

struct policy_conf {
    struct list_conf **remote;  /* access lists in databases and directories */
    size_t remote_count;
    struct rule *rules;
    size_t rule_count;
    struct dnsbl_conf *lists;
    size_t list_count;
    int64_t dns_deadline;       /* for all questions of one stage together, ms */
    int64_t greet_delay;        /* before the greeting to strangers, ms */
    int64_t grey_wait, grey_window, grey_life;
    char *grey_file;            /* SQLite */
    char *quarantine;           /* address */
    bool reverse;               /* look every stranger's name up, for Received and the results */
    bool headers;               /* a rule looks at the header of messages */
    bool results;               /* write Authentication-Results (RFC 8601) */
};

extern cfg_opt_t policy_keys[], rule_keys[], dnsbl_keys[], list_keys[];
/* Puts the validators into the tables. */
void policy_keys_attach(void);
/* Reads the sections of cfg; names of files are relative to `folder`. NULL when there is nothing
 * to be done at all, or with messages that begin with `path` in *errors. */
struct policy_conf *policy_conf_read(cfg_t *cfg, const char *path, const char *folder,
                                     const char *spool, struct buf *errors);
void policy_conf_free(struct policy_conf *p);
/* The lists' files, and rules that go against an RFC; as config_check_surroundings. */
void policy_conf_check(const struct policy_conf *p, struct buf *errors, struct buf *warnings);

#endif
