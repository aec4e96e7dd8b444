/* tape.c - recording what the target does. */
#include "conformance/runner/tape.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

void tape_init(struct tape *t)
{
    *t = (struct tape){.start_us = mono_us()};
    pthread_mutex_init(&t->lock, NULL);
}

void tape_free(struct tape *t)
{
    for (size_t i = 0; i < t->channel_count; i++) {
        free(t->channels[i].where);
        buf_free(&t->channels[i].bytes);
    }
    for (size_t i = 0; i < t->reply_count; i++)
        free(t->replies[i].expect.alts);
    for (size_t i = 0; i < t->mailbox_count; i++) {
        free(t->mailboxes[i].user);
        mailbox_free(t->mailboxes[i].v, t->mailboxes[i].n);
    }
    queries_free(t->queries, t->query_count);
    free(t->channels);
    free(t->replies);
    free(t->mailboxes);
    free(t->events);
    pthread_mutex_destroy(&t->lock);
}

/* With the lock held. */
static struct tape_event *event(struct tape *t, enum tape_kind kind, int channel)
{
    if ((t->event_count & (t->event_count - 1)) == 0)
        t->events = xreallocarray(t->events, t->event_count ? t->event_count * 2 : 1,
                                  sizeof *t->events);
    struct tape_event *e = &t->events[t->event_count++];
    *e = (struct tape_event){.kind = kind, .channel = channel, .us = mono_us() - t->start_us};
    return e;
}

static void note(struct tape *t, enum tape_kind kind, int channel, bool good)
{
    pthread_mutex_lock(&t->lock);
    event(t, kind, channel)->good = good;
    pthread_mutex_unlock(&t->lock);
}

void tape_part(struct tape *t)
{
    if (t)
        note(t, TAPE_PART, -1, true);
}

static int channel(struct tape *t, enum tape_kind kind, const struct netaddr *where, int error)
{
    char text[160];
    netaddr_text(where, text);
    pthread_mutex_lock(&t->lock);
    t->channels = xreallocarray(t->channels, t->channel_count + 1, sizeof *t->channels);
    t->channels[t->channel_count] = (struct tape_channel){
        .server = kind == TAPE_ACCEPT, .where = xstrdup(text), .error = error};
    int number = (int)t->channel_count++;
    event(t, kind, number);
    pthread_mutex_unlock(&t->lock);
    return number;
}

int tape_connect(struct tape *t, const struct netaddr *to, int error)
{
    return t ? channel(t, TAPE_CONNECT, to, error) : -1;
}

int tape_accept(struct tape *t, const struct netaddr *at)
{
    return t ? channel(t, TAPE_ACCEPT, at, 0) : -1;
}

void tape_bytes(struct tape *t, int number, char direction, struct slice bytes)
{
    if (!t || number < 0)
        return;
    pthread_mutex_lock(&t->lock);
    struct tape_channel *c = &t->channels[number];
    struct tape_event *e = event(t, direction == '<' ? TAPE_GOT : TAPE_SENT, number);
    e->from = c->bytes.len;
    e->n = bytes.n;
    t->overflow |= c->bytes.len + bytes.n > TAPE_MAX;
    if (direction == '<' && !t->overflow)
        buf_add_slice(&c->bytes, bytes);
    pthread_mutex_unlock(&t->lock);
}

void tape_tls(struct tape *t, int number, bool good)
{
    if (!t || number < 0)
        return;
    /* What the target had sent in plain before was dropped: replies go on behind it. */
    pthread_mutex_lock(&t->lock);
    t->channels[number].read = t->channels[number].bytes.len;
    pthread_mutex_unlock(&t->lock);
    note(t, TAPE_TLS, number, good);
}

void tape_over(struct tape *t, int number)
{
    if (!t || number < 0)
        return;
    pthread_mutex_lock(&t->lock);
    if (!t->channels[number].over)
        event(t, TAPE_OVER, number);
    t->channels[number].over = true;
    pthread_mutex_unlock(&t->lock);
}

void tape_reply(struct tape *t, int number, const struct reply *r, enum proto proto,
                const struct expect *e, struct place at, const char *source)
{
    if (!t || number < 0)
        return;
    if (r->kind == REPLY_CLOSED)
        tape_over(t, number);
    pthread_mutex_lock(&t->lock);
    struct tape_channel *c = &t->channels[number];
    t->replies = xreallocarray(t->replies, t->reply_count + 1, sizeof *t->replies);
    struct tape_reply *reply = &t->replies[t->reply_count++];
    *reply = (struct tape_reply){.channel = number, .from = c->read, .n = r->raw.len,
                                 .judged = e != NULL, .closed = r->kind == REPLY_CLOSED,
                                 .proto = proto, .at = at, .source = source};
    if (reply->from + reply->n > c->bytes.len)
        reply->n = c->bytes.len - reply->from;
    c->read += reply->n;
    if (e) {
        reply->expect = *e;
        reply->expect.alts = xcalloc(e->alt_count + 1, sizeof *e->alts);
        memcpy(reply->expect.alts, e->alts, e->alt_count * sizeof *e->alts);
    }
    pthread_mutex_unlock(&t->lock);
}

static bool same_mails(const struct tape_mailbox *m, const struct mail *v, size_t n)
{
    bool same = m->n == n;
    for (size_t i = 0; same && i < n; i++)
        same = m->v[i].n == v[i].n && (!v[i].n || memcmp(m->v[i].bytes, v[i].bytes, v[i].n) == 0);
    return same;
}

void tape_mailbox(struct tape *t, const char *user, const struct mail *v, size_t n)
{
    const struct tape_mailbox *last = NULL;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->mailbox_count; i++)
        if (strcmp(t->mailboxes[i].user, user) == 0)
            last = &t->mailboxes[i];
    if (!last || !same_mails(last, v, n)) {
        struct tape_mailbox m = {xstrdup(user), xcalloc(n + 1, sizeof *m.v), n};
        for (size_t i = 0; i < n; i++)
            m.v[i] = (struct mail){slice_dup(slice_of(v[i].bytes, v[i].n)), v[i].n};
        t->mailboxes = xreallocarray(t->mailboxes, t->mailbox_count + 1, sizeof *t->mailboxes);
        t->mailboxes[t->mailbox_count] = m;
        event(t, TAPE_MAILBOX, (int)t->mailbox_count++);
    }
    pthread_mutex_unlock(&t->lock);
}

/* Their times come from another clock; each goes where its time is. */
void tape_queries(struct tape *t, const struct dns_query *v, size_t n, int64_t start_wall_us)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);          /* scripted servers may still be speaking */
    for (size_t i = 0; i < n; i++) {
        int64_t us = v[i].wall_us - start_wall_us;
        t->queries = xreallocarray(t->queries, i + 1, sizeof *t->queries);
        t->queries[i] = (struct dns_query){
            .number = v[i].number, .wall_us = v[i].wall_us, .name = xstrdup(v[i].name),
            .type = xstrdup(v[i].type), .client = xstrdup(v[i].client ? v[i].client : ""),
            .rcode = xstrdup(v[i].rcode ? v[i].rcode : ""),
            .answer = xstrdup(v[i].answer ? v[i].answer : "")};
        t->query_count = i + 1;
        event(t, TAPE_QUERY, (int)i)->us = us;
        for (size_t k = t->event_count - 1; k > 0 && t->events[k - 1].us > us; k--) {
            struct tape_event e = t->events[k];
            t->events[k] = t->events[k - 1];
            t->events[k - 1] = e;
        }
    }
    pthread_mutex_unlock(&t->lock);
}
