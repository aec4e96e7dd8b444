/* evening.h - who came to mail.hehuan.test and what stopped him, from the logs of a run. */
#ifndef DEMO_EVENING_H
#define DEMO_EVENING_H

#include "conformance/demo/events.h"

struct visit {
    const char *title, *want;    /* the rule or filter that must stop it; "mailbox": none */
    const char *client, *helo, *from, *to, *message;
    bool early, submission;      /* speaks first; comes to port 587 */
};

/* One SMTP session of the server. */
struct caller {
    size_t number;               /* of its demo.visit event; 0: nobody's visit, a real server */
    int64_t session, us;
    const char *title, *client, *helo;
    const char *name;            /* the client's verified name; "" */
    const char *rule;            /* what stopped it; "mailbox"; "" while it is under way */
    const char *reply;
    const char *why;             /* of the rule's or filter's event */
    bool closed;
};

/* Questions to the DNS by what they are about. */
enum question { ABOUT_ADDRESS, ABOUT_LISTED_ADDRESS, ABOUT_LISTED_NAME, ABOUT_NAME, ABOUT_EXCHANGER,
                QUESTIONS };

struct evening {
    struct events events;        /* the strings above point into them */
    struct caller *v;
    size_t n;
    size_t questions[QUESTIONS];
    bool good;                   /* the demo's own verdict */
    const char *verdict;
};

void evening_load(struct evening *e, const char *dir);
void evening_free(struct evening *e);

/* The defences in the order in which they are asked, and the rules and filters that make each up;
 * the list ends with a NULL title. */
struct layer { const char *title, *text; const char *rules[4]; };
extern const struct layer evening_layers[];
/* The place of a rule in it; -1: the mailbox, or none. */
int evening_layer_of(const char *rule);

int visit(const char *dir, const struct visit *v);
/* Waits until somebody listens there. 0, or 1 with a message. */
int await(const char *address, uint16_t port, int64_t ms);
/* The page of the evening on standard output, with the style of the folder `assets`. */
int evening_page(const char *dir, const char *assets);

#endif
