/* story.h - the events of a run as people tell them: who said what to whom, in conversations. */
#ifndef DEMO_STORY_H
#define DEMO_STORY_H

#include "conformance/demo/events.h"

/* The lifelines of the picture, from left to right. */
enum party { JERRY, SENDER, DNS, MAIL, MAIL1, TOM, PARTIES };
const char *party_name(enum party p);       /* "mail.hehuan.test" */
const char *party_short(enum party p);      /* "mail" */

enum talk_kind {
    TALK_SCENE,        /* a chapter begins: label is its title, detail its text */
    TALK_STATE,        /* a host was taken down or brought back: label says so */
    TALK_RESULT,       /* what was found out, at a party */
    TALK_NOTE,         /* what a party does by itself: keeps a message, puts it into a mailbox */
    TALK_SMTP, TALK_LMTP, TALK_POP3, TALK_DNS
};

enum line_kind { LINE_ASK, LINE_ANSWER, LINE_REMARK };

/* One line of a conversation. */
struct line {
    int64_t us;
    enum line_kind kind;
    char *text;
    enum source source;      /* where it was logged, so that each is told once */
    size_t number;
};

/* An arrow of the picture: one conversation about one thing. */
struct talk {
    enum talk_kind kind;
    enum party from, to;     /* equal: something inside of one party */
    int64_t begin, end;
    char *key;               /* finds the conversation that a later event belongs to */
    char *label;             /* what goes forth, in short */
    char *answer;            /* what comes back, in short */
    bool failed;
    bool closed;             /* what comes next is another one */
    struct line *lines;
    size_t n;
};

struct story {
    struct talk *v;
    size_t n;
    int64_t begin;           /* of the first event, us */
    struct { uint64_t questions, reverse; } dns;
};

void story_tell(struct story *s, const struct events *e);
void story_free(struct story *s);
/* The party that has this address; JERRY for his machine, which is tom's as well. */
enum party party_at(const char *address);

#endif
