#include "conformance/demo/story.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const struct { const char *name, *shorter; } parties[PARTIES] = {
    [JERRY] = {"jerry", "jerry"},           [SENDER] = {"mail.magedu.test", "sender"},
    [DNS] = {"DNS", "DNS"},                 [MAIL] = {"mail.hehuan.test", "mail"},
    [MAIL1] = {"mail1.hehuan.test", "mail1"}, [TOM] = {"tom", "tom"},
};

const char *party_name(enum party p) { return parties[p].name; }
const char *party_short(enum party p) { return parties[p].shorter; }

enum party party_at(const char *address)
{
    static const struct { const char *address; enum party party; } at[] = {
        {"192.0.2.10", SENDER}, {"2001:db8::10", SENDER}, {"192.0.2.25", MAIL},
        {"2001:db8::25", MAIL}, {"192.0.2.26", MAIL1},    {"2001:db8::26", MAIL1},
    };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        if (strcmp(at[i].address, address) == 0)
            return at[i].party;
    return JERRY;
}

/* --- building ----------------------------------------------------------------------------- */

static struct talk *begin_talk(struct story *s, const struct event_line *e, enum talk_kind kind,
                               enum party from, enum party to, char *key)
{
    s->v = xreallocarray(s->v, s->n + 1, sizeof *s->v);
    struct talk *t = &s->v[s->n++];
    *t = (struct talk){.kind = kind, .from = from, .to = to, .begin = e->us, .end = e->us,
                       .key = key};
    return t;
}

/* The conversation with this key that goes on; NULL when there is none. */
static struct talk *find_talk(struct story *s, const char *key)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->v[i].key && !s->v[i].closed && strcmp(s->v[i].key, key) == 0)
            return &s->v[i];
    return NULL;
}

static void add_line(struct talk *t, const struct event_line *e, enum line_kind kind, char *text)
{
    t->lines = xreallocarray(t->lines, t->n + 1, sizeof *t->lines);
    t->lines[t->n++] = (struct line){.us = e->us, .kind = kind, .text = text, .source = e->source,
                                     .number = e->number};
    if (e->us > t->end)
        t->end = e->us;
}

static void set(char **where, char *text)
{
    free(*where);
    *where = text;
}

static char *size_text(int64_t n)
{
    return n < 10000 ? xasprintf("%lld octets", (long long)n)
         : n < 1 << 20 ? xasprintf("%.1f KiB", (double)n / 1024)
                       : xasprintf("%.1f MiB", (double)n / (1 << 20));
}

/* The servers, by their logs. */
static enum party host_of(const struct event_line *e)
{
    return e->source == LOG_SENDER ? SENDER : e->source == LOG_MAIL ? MAIL : MAIL1;
}

/* What is between "<" and ">" in "MAIL FROM:<...>", brackets included. */
static struct slice path_of(const char *command)
{
    struct slice s = slice_str(command);
    ptrdiff_t from = slice_index(s, '<'), to = slice_index(s, '>');
    return from < 0 || to < from ? slice_of("", 0) : slice_sub(s, (size_t)from, (size_t)to + 1);
}

/* A command or reply of SMTP and LMTP; the label grows with what is known. */
static void smtp_line(struct talk *t, const struct event_line *e, bool command)
{
    const char *text = event_text(e, "line");
    struct slice s = slice_str(text);
    add_line(t, e, command ? LINE_ASK : LINE_ANSWER, xstrdup(text));
    if (command && slice_istarts(s, SLICE("MAIL FROM"))) {
        struct slice path = path_of(text);
        set(&t->label, xasprintf("%.*s", SLICE_ARG(path)));
    } else if (command && slice_istarts(s, SLICE("RCPT TO"))) {
        struct slice path = path_of(text);
        set(&t->label, xasprintf("%s → %.*s", t->label ? t->label : "", SLICE_ARG(path)));
    } else if (!command && s.n && s.p[0] != '2' && s.p[0] != '3') { /* or no reply at all */
        t->failed = true;
        set(&t->answer, xstrdup(text));
    } else if (!command && !t->failed && slice_starts(s, SLICE("250"))) {
        set(&t->answer, xstrdup(text));
    }
}

static bool of_relay(const struct event_line *e)
{
    return party_at(event_text(e, "client")) != JERRY;
}

static char *session_key(const struct event_line *e, const char *role)
{
    return xasprintf("%s/%d/%lld", role, (int)e->source, (long long)event_number(e, "session"));
}

/* Jerry's sessions. Those of other servers are told as their relay tells them. */
static void tell_smtpd(struct story *s, const struct event_line *e)
{
    const char *what = strchr(e->name, '.') + 1;
    char *key = session_key(e, "smtpd");
    struct talk *t = find_talk(s, key);
    if (strcmp(what, "connect") == 0 && !of_relay(e)) {
        t = begin_talk(s, e, TALK_SMTP, JERRY, host_of(e), key);
        add_line(t, e, LINE_REMARK, xasprintf("connects to %s", event_text(e, "local")));
        return;
    }
    if (t && (strcmp(what, "command") == 0 || strcmp(what, "reply") == 0))
        smtp_line(t, e, what[0] == 'c');
    else if (t && strcmp(what, "accepted") == 0) {
        char *size = size_text(event_number(e, "size"));
        add_line(t, e, LINE_REMARK, xasprintf("the message, %s, is on disk as %s", size,
                                              event_text(e, "id")));
        free(size);
    } else if (t && strcmp(what, "refused") == 0)
        add_line(t, e, LINE_REMARK, xasprintf("refused by rule %s: %s", event_text(e, "rule"),
                                              event_text(e, "clause")));
    else if (t && strcmp(what, "close") == 0)
        t->closed = true;
    free(key);
}

static char *relay_key(const struct event_line *e)
{
    return xasprintf("relay/%d/%s", (int)e->source, event_text(e, "address"));
}

static struct talk *begin_relay(struct story *s, const struct event_line *e)
{
    bool local = strcmp(event_text(e, "exchanger"), "mda") == 0;
    enum party from = host_of(e), to = local ? from : party_at(event_text(e, "address"));
    return begin_talk(s, e, local ? TALK_LMTP : TALK_SMTP, from, to, relay_key(e));
}

static void tell_relay(struct story *s, const struct event_line *e)
{
    const char *what = strchr(e->name, '.') + 1, *line = event_text(e, "line");
    char *key = relay_key(e);
    struct talk *t = find_talk(s, key);
    free(key);
    if (strcmp(what, "connect") == 0) {
        if (t)
            t->closed = true;
        t = begin_relay(s, e);
        const char *result = event_text(e, "result");
        add_line(t, e, LINE_REMARK, xasprintf("connects to %s, %s: %s", event_text(e, "exchanger"),
                                              event_text(e, "address"), result));
        if (strcmp(result, "connected") != 0) {
            t->failed = t->closed = true;
            set(&t->label, xasprintf("connect to %s", event_text(e, "address")));
            set(&t->answer, xstrdup(result));
        }
        return;
    }
    bool command = strcmp(what, "command") == 0;
    /* A second message over the same connection is a conversation of its own. */
    if (t && command && t->label && slice_istarts(slice_str(line), SLICE("MAIL FROM"))) {
        t->closed = true;
        t = NULL;
    }
    if (!t)
        t = begin_relay(s, e);
    smtp_line(t, e, command);
}

/* dns-sim logs what was asked and answered, the asker's resolver who asked: the latest question
 * of this name and type that nobody has claimed yet. */
static const struct event_line *question_of(const struct events *all, bool *claimed,
                                            const struct event_line *answer)
{
    for (size_t i = all->n; i-- > 0;) {
        const struct event_line *q = &all->v[i];
        if (q->source != LOG_DNS || claimed[i] || q->us > answer->us
            || strcmp(q->name, "dns.query") != 0
            || strcmp(event_text(q, "type"), event_text(answer, "type")) != 0)
            continue;
        struct slice name = slice_str(event_text(q, "name"));
        struct slice wanted = slice_str(event_text(answer, "name"));
        if (slice_ends(name, SLICE(".")))
            name.n--;
        if (slice_ends(wanted, SLICE(".")))
            wanted.n--;
        if (!slice_ieq(name, wanted))
            continue;
        claimed[i] = true;
        return q;
    }
    return NULL;
}

static void tell_dns(struct story *s, const struct events *all, bool *claimed,
                     const struct event_line *e)
{
    const struct event_line *q = question_of(all, claimed, e);
    struct talk *t = begin_talk(s, e, TALK_DNS, host_of(e), DNS, NULL);
    const char *status = event_text(e, "status"), *answer = event_text(e, "answer");
    set(&t->label, xasprintf("%s %s ?", event_text(e, "name"), event_text(e, "type")));
    set(&t->answer, xstrdup(answer[0] ? answer : status));
    if (q)
        t->begin = q->us;
    add_line(t, e, LINE_ASK, xstrdup(t->label));
    t->lines[0].us = t->begin;
    add_line(t, e, LINE_ANSWER, xstrdup(t->answer));
    if (q)
        add_line(t, e, LINE_REMARK,
                 xasprintf("question %lld, over %s, %s: %s", (long long)event_number(q, "n"),
                           event_text(q, "transport"), event_text(q, "rcode"),
                           event_text(q, "answer")));
    t->failed = strcmp(status, "tempfail") == 0;
}

static void tell_pop3(struct story *s, const struct event_line *e)
{
    const char *what = strchr(e->name, '.') + 1, *line = event_text(e, "line");
    char *key = session_key(e, "pop3d");
    struct talk *t = find_talk(s, key);
    if (strcmp(what, "connect") == 0) {
        t = begin_talk(s, e, TALK_POP3, TOM, host_of(e), key);
        add_line(t, e, LINE_REMARK, xstrdup("connects to port 110"));
        return;
    }
    free(key);
    if (!t)
        return;
    if (strcmp(what, "command") == 0) {
        add_line(t, e, LINE_ASK, xstrdup(line));
        if (!t->label || slice_istarts(slice_str(line), SLICE("RETR"))
            || slice_istarts(slice_str(line), SLICE("DELE")))
            set(&t->label, t->label && slice_istarts(slice_str(line), SLICE("DELE"))
                           ? xasprintf("%s, %s", t->label, line) : xstrdup(line));
    } else if (strcmp(what, "reply") == 0) {
        add_line(t, e, LINE_ANSWER, xstrdup(line));
        if (slice_starts(slice_str(line), SLICE("-ERR")))
            t->failed = true;
        const char *asked = t->n > 1 ? t->lines[t->n - 2].text : "";
        if (!t->answer || slice_istarts(slice_str(asked), SLICE("RETR")) || t->failed)
            set(&t->answer, xstrdup(line));
    } else if (strcmp(what, "close") == 0) {
        t->closed = true;
    }
}

static void note(struct story *s, const struct event_line *e, bool failed, char *text)
{
    enum party at = host_of(e);
    struct talk *t = begin_talk(s, e, TALK_NOTE, at, at, NULL);
    t->failed = failed;
    t->label = text;
    add_line(t, e, LINE_REMARK, xstrdup(text));
}

static void tell_queue(struct story *s, const struct event_line *e)
{
    if (strcmp(e->name, "queue.deferred") == 0)
        note(s, e, true, xasprintf("kept in the queue, next try in %.1f s (%s)",
                                   (double)event_number(e, "next") / 1000, event_text(e, "id")));
    else if (strcmp(e->name, "queue.failed") == 0)
        note(s, e, true, xasprintf("given up: %s", event_text(e, "reply")));
    else if (strcmp(e->name, "mda.delivered") == 0) {
        char *size = size_text(event_number(e, "size"));
        note(s, e, false, xasprintf("in %s's mailbox (%s, %s)", event_text(e, "user"),
                                    event_text(e, "format"), size));
        free(size);
    }
}

static void tell_demo(struct story *s, const struct event_line *e)
{
    const char *what = strchr(e->name, '.') + 1, *at = event_text(e, "at");
    enum talk_kind kind = strcmp(what, "scene") == 0 ? TALK_SCENE
                        : strcmp(what, "state") == 0 ? TALK_STATE : TALK_RESULT;
    enum party p = TOM;
    for (int i = 0; i < PARTIES; i++)
        if (strcmp(parties[i].shorter, at) == 0)
            p = (enum party)i;
    struct talk *t = begin_talk(s, e, kind, p, p, NULL);
    t->label = xstrdup(event_text(e, "title"));
    t->answer = xstrdup(event_text(e, "text"));
    t->failed = strcmp(event_text(e, "good"), "no") == 0;
    add_line(t, e, LINE_REMARK, xstrdup(t->label));
}

/* A question is logged with its answer, after others may have spoken. */
static int by_begin(const void *a, const void *b)
{
    const struct talk *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->lines[0].number < y->lines[0].number ? -1 : 1;
}

void story_tell(struct story *s, const struct events *all)
{
    *s = (struct story){.begin = all->n ? all->v[0].us : 0};
    bool *claimed = xcalloc(all->n, sizeof *claimed);
    for (size_t i = 0; i < all->n; i++) {
        const struct event_line *e = &all->v[i];
        struct slice name = slice_str(e->name);
        if (e->source == LOG_DNS) {
            s->dns.questions++;
            s->dns.reverse += strcmp(event_text(e, "type"), "PTR") == 0;
        } else if (slice_starts(name, SLICE("smtpd.")))
            tell_smtpd(s, e);
        else if (slice_starts(name, SLICE("relay.")))
            tell_relay(s, e);
        else if (slice_eq(name, SLICE("resolver.answer")))
            tell_dns(s, all, claimed, e);
        else if (slice_starts(name, SLICE("pop3d.")))
            tell_pop3(s, e);
        else if (slice_starts(name, SLICE("demo.")))
            tell_demo(s, e);
        else
            tell_queue(s, e);
    }
    free(claimed);
    if (s->n)
        qsort(s->v, s->n, sizeof *s->v, by_begin);
}

void story_free(struct story *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct talk *t = &s->v[i];
        for (size_t j = 0; j < t->n; j++)
            free(t->lines[j].text);
        free(t->lines);
        free(t->key);
        free(t->label);
        free(t->answer);
    }
    free(s->v);
    *s = (struct story){0};
}
