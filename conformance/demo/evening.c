/* evening.c - the sessions of the evening out of the server's log. */
#include "conformance/demo/evening.h"

#include "base/mem.h"

#include <stdlib.h>

const struct layer evening_layers[] = {
    {"waits for the greeting", "a mail server waits until it is greeted (RFC 5321 4.3.1)",
     {"early"}},
    {"log-in", "submission is for users (RFC 6409 4.3)", {"submission-not-trusted"}},
    {"rate", "so many letters a minute from one client", {"rate"}},
    {"no open relay", "mail for others only from our own (RFC 5321 3.6.2)", {"relay-refused"}},
    {"client list", "addresses that are blocked by hand", {"client"}},
    {"client name", "the address leads to a name, and the name back (RFC 1912 2.1)",
     {"name", "name-later"}},
    {"greeting", "nobody but us has our name", {"greeting"}},
    {"lists in the DNS", "addresses and domains of those who send spam (RFC 5782)",
     {"listed", "domain"}},
    {"sender", "senders that the server, or its user, does not want", {"sender", "own-list"}},
    {"newcomers", "who is new is asked to come again (RFC 6647)", {"newcomer"}},
    {"spam filter", "SpamAssassin reads the letter", {"spam"}},
    {"virus filter", "ClamAV reads it too", {"virus"}},
    {0},
};

int evening_layer_of(const char *rule)
{
    for (int i = 0; evening_layers[i].title; i++)
        for (int r = 0; r < 4 && evening_layers[i].rules[r]; r++)
            if (strcmp(evening_layers[i].rules[r], rule) == 0)
                return i;
    return -1;
}

static struct caller *caller_of(struct evening *e, const struct event_line *v)
{
    int64_t session = event_number(v, "session");
    for (size_t i = e->n; i-- > 0;)
        if (e->v[i].session == session)
            return &e->v[i];
    return NULL;
}

/* The visit that has just begun from this address, if it is nobody's yet. */
static void begin(struct evening *e, const struct event_line *connect,
                  const struct event_line *visit)
{
    struct caller c = {.session = event_number(connect, "session"), .us = connect->us,
                       .title = "", .client = event_text(connect, "client"), .helo = "", .name = "",
                       .rule = "", .reply = "", .why = ""};
    if (visit && strcmp(event_text(visit, "client"), c.client) == 0) {
        c.number = (size_t)event_number(visit, "number");
        c.title = event_text(visit, "title");
        c.helo = event_text(visit, "helo");
    }
    e->v = xreallocarray(e->v, e->n + 1, sizeof *e->v);
    e->v[e->n++] = c;
}

/* A server that tries again in the session that it has kept open: a line of its own. */
static struct caller *again(struct evening *e, const struct caller *before,
                            const struct event_line *v)
{
    struct caller c = *before;
    c.us = v->us;
    e->v = xreallocarray(e->v, e->n + 1, sizeof *e->v);
    e->v[e->n++] = c;
    return &e->v[e->n - 1];
}

static void take(struct evening *e, const struct event_line *v)
{
    struct caller *c = caller_of(e, v);
    if (!c)
        return;
    if (strcmp(v->name, "smtpd.accepted") == 0 && *c->rule && c->number == 0) {
        c = again(e, c, v);
        c->rule = "";
    }
    if (strcmp(v->name, "smtpd.refused") == 0 && !*c->rule) {
        c->rule = event_text(v, "rule");
        c->reply = event_text(v, "reply");
        c->helo = event_text(v, "helo");
    } else if (strcmp(v->name, "smtpd.accepted") == 0 && !*c->rule) {
        c->rule = "mailbox";
        c->reply = "250 queued";
    } else if (strcmp(v->name, "policy.verdict") == 0 || strcmp(v->name, "filter.verdict") == 0) {
        c->why = event_text(v, "why");
    } else if (strcmp(v->name, "smtpd.close") == 0) {
        c->closed = true;
    }
}

static void count_question(struct evening *e, const struct event_line *v)
{
    struct slice name = slice_str(event_text(v, "name"));
    const char *type = event_text(v, "type");
    bool of_names = slice_ends(name, SLICE(".dbl.test"));
    e->questions[strcmp(type, "PTR") == 0                  ? ABOUT_ADDRESS
                 : of_names                                ? ABOUT_LISTED_NAME
                 : slice_ends(name, SLICE(".bl.test"))     ? ABOUT_LISTED_ADDRESS
                 : strcmp(type, "MX") == 0                 ? ABOUT_EXCHANGER
                                                           : ABOUT_NAME]++;
}

void evening_load(struct evening *e, const char *dir)
{
    const struct event_line *visit = NULL;
    *e = (struct evening){.verdict = ""};
    events_load(&e->events, dir);
    for (size_t i = 0; i < e->events.n; i++) {
        const struct event_line *v = &e->events.v[i];
        if (v->source == LOG_DEMO && strcmp(v->name, "demo.visit") == 0) {
            visit = v;
        } else if (v->source == LOG_DEMO && strcmp(v->name, "demo.result") == 0) {
            e->good = strcmp(event_text(v, "good"), "yes") == 0;
            e->verdict = event_text(v, "title");
        } else if (v->source == LOG_DNS && strcmp(v->name, "dns.query") == 0) {
            count_question(e, v);
        } else if (v->source == LOG_MAIL && strcmp(v->name, "smtpd.connect") == 0) {
            begin(e, v, visit);
            if (e->v[e->n - 1].number)
                visit = NULL;
        } else if (v->source == LOG_MAIL) {
            take(e, v);
        }
    }
}

void evening_free(struct evening *e)
{
    events_free(&e->events);
    free(e->v);
    *e = (struct evening){0};
}
