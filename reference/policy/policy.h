/* policy.h - the operator's rules, asked at each stage of a session.
 *
 * The rules of a stage are gone through in the order of the file. The first whose conditions all
 * hold decides, except that tag goes on. A condition that cannot be told now (no DNS, a list that
 * cannot be read) does not hold, and the event policy.unsure says so: trouble of ours never refuses
 * mail for good. Without rules everything passes. */
#ifndef REFERENCE_POLICY_H
#define REFERENCE_POLICY_H

#include "reference/config.h"
#include "reference/policy/dnsbl.h"
#include "reference/policy/greylist.h"
#include "reference/policy/policy_conf.h"
#include "reference/policy/rates.h"
#include "reference/policy/reverse.h"
#include "reference/policy/verdict.h"

/* What all sessions share: answers of the DNS, state of the lists, counters. */
struct policy {
    const struct config *config;
    const struct policy_conf *conf;
    struct dns_cache *cache;
    struct dnsbl dnsbl;
    struct rates *rates;
    struct greylist *greylist;
};

struct policy *policy_new(const struct config *c);
void policy_free(struct policy *p);

/* One session with its client. smtpd fills the first part before it asks (the strings are
 * borrowed); the rest is found out when the first rule wants it. */
struct policy_session {
    struct policy *policy;       /* NULL: no rules, everything passes */
    const struct netaddr *client;
    uint64_t number;             /* of the session, for events */
    bool user;                   /* trusted or logged in */
    bool early;                  /* it spoke before it was greeted */
    const char *helo, *sender, *recipient;   /* NULL: not known yet */
    struct slice header;         /* of the message, lines with CRLF; empty before AT_HEADER */

    struct resolver *resolver;
    struct reverse reverse;
    bool reverse_known;
    unsigned helo_bits;          /* of helo_of: bit i is word i of ON_HELO_CHECK */
    char *helo_of;
    bool helo_asked, helo_unsure; /* the DNS was asked about it; in vain */
    struct dnsbl_answer *lists[DNSBL_SUBJECTS];
    char *lists_of[DNSBL_SUBJECTS];

    struct buf fields;           /* of the open transaction: header fields to be added, with CRLF */
    enum action_kind fate;       /* quarantine, hold, discard; ACTION_ACCEPT: delivered */
    const char *fate_rule;
    char *quarantine;            /* address */
};

/* True: the command may go on. False: *v refuses it. */
bool policy_ask(struct policy_session *s, enum policy_stage at, struct verdict *v);
/* Forgets the transaction. */
void policy_session_reset(struct policy_session *s);
void policy_session_free(struct policy_session *s);
/* Looks the client's name up where the configuration wants that; NULL: no verified name. */
const char *policy_client_name(struct policy_session *s);
/* Appends the fields for the top of the message: Authentication-Results (RFC 8601) and tags. */
void policy_add_fields(struct policy_session *s, struct buf *out);

/* --- between the files of policy/ ---------------------------------------------------------- */

enum holds { HOLDS_NO, HOLDS_YES, HOLDS_UNKNOWN };

/* What was found while a rule was looked at. */
struct finding {
    struct buf why;              /* sentences, "; " between them */
    struct buf reason;           /* the list's own words */
    const char *list;            /* the name of the DNS list */
    char code[64];
    bool temporary;              /* it holds because something could not be looked up */
};

/* Does all that the rule names hold? f->why and f->reason are the caller's to free. */
enum holds policy_rule_holds(struct policy_session *s, const struct rule *r, struct finding *f);
enum holds condition_holds(struct policy_session *s, const struct rule *r, enum condition c,
                           struct finding *f);
enum holds condition_score(struct policy_session *s, const struct rule *r, struct finding *f);
enum holds condition_rate(struct policy_session *s, const struct rule *r, struct finding *f);
enum holds condition_greylist(struct policy_session *s, struct finding *f);

/* Facts, found out once: facts.c. */
const struct reverse *fact_reverse(struct policy_session *s);
/* The words of ON_HELO_CHECK that are true, as bits; *unsure: some could not be told. Without
 * `dns` only those that the name itself shows. */
unsigned fact_helo(struct policy_session *s, bool dns, bool *unsure);
/* The answers of all lists about one subject; NULL when there is nothing to ask about. */
const struct dnsbl_answer *fact_lists(struct policy_session *s, enum dnsbl_subject subject);

#endif
