/* filter_server.c - the scripted milter, spamd and clamd: finds nothing bad, except where a rule of
 * the scenario says something else. And the same for exact dialogues. */
#include "conformance/runner/filter.h"
#include "conformance/runner/run.h"

#include "base/mem.h"

#include <stdlib.h>

/* The message that a request completes becomes one that the server "has": before the answer, since
 * with that the target may go on. */
static void keep_message(struct actor *a)
{
    struct filter *f = a->filter;
    struct server_state *s = a->connection->server;
    run_lock(a->run);
    s->messages = xreallocarray(s->messages, s->message_count + 1, sizeof *s->messages);
    struct received *m = &s->messages[s->message_count++];
    *m = (struct received){.from = f->from ? f->from : xstrdup(""), .to = f->to,
                           .to_count = f->to_count, .parameters = xstrdup(""),
                           .n = f->content.len, .connection = a->connection->number};
    m->bytes = slice_dup(buf_slice(&f->content));      /* an answer may give it back */
    f->from = NULL;
    f->to = NULL;
    f->to_count = 0;
    pthread_cond_broadcast(&a->run->changed);
    run_unlock(a->run);
}

enum io actor_filter_read(struct actor *a)
{
    struct filter *f = a->filter;
    enum io io = filter_read(f);
    if (io != IO_OK)
        return io;
    run_note(a->run, a->name, "is asked: %s", buf_str(&f->line));
    run_lock(a->run);
    struct connection *k = a->connection;
    k->commands.v = xreallocarray(k->commands.v, k->commands.n + 1, sizeof *k->commands.v);
    k->commands.v[k->commands.n++] = slice_dup(buf_slice(&f->line));
    run_unlock(a->run);
    return io;
}

void actor_filter_answer(struct actor *a, struct slice text)
{
    if (text.p)
        run_note(a->run, a->name, "answers: %.*s", SLICE_ARG(text));
    filter_answer(a->filter, text);
}

/* False: the connection is over. */
static bool react(struct actor *a, const struct reaction *x)
{
    struct buf text = {0};
    bool go_on = true;
    reaction_delay(a, x);
    reaction_text(a, x, &text);
    switch (x->outcome) {
    case OUTCOME_ACCEPT:
        actor_filter_answer(a, (struct slice){0});
        break;
    case OUTCOME_REPLY:
        actor_filter_answer(a, buf_slice(&text));
        break;
    case OUTCOME_RAW:
        stream_write(a->stream, text.data ? text.data : "", text.len);
        break;
    case OUTCOME_SILENCE:
        reaction_silence(a);
        go_on = false;
        break;
    case OUTCOME_DROP:
        go_on = false;
        break;
    case OUTCOME_RESET:
        actor_abort(a);
        go_on = false;
        break;
    }
    buf_free(&text);
    if (go_on)
        stream_flush(a->stream);
    if (x->then_reset)
        actor_abort(a);
    return go_on && !x->then_close && !x->then_reset;
}

/* What rules look at behind the event's name: of a message its content, else the rest of the line. */
static struct slice argument_of(const struct filter *f)
{
    struct slice rest = buf_slice(&f->line), word;
    if (f->has_message)
        return buf_slice(&f->content);
    slice_word(&rest, &word);
    return slice_trim(rest);
}

void filter_serve(struct actor *a)
{
    struct filter *f = a->filter;
    struct server_state *s = a->connection->server;
    const struct reaction *x = server_react(s, "connect", slice_of("", 0));
    if (x && x->outcome != OUTCOME_ACCEPT && !react(a, x))
        return;
    while (actor_filter_read(a) == IO_OK && !f->ends) {
        if (!f->event)
            continue;
        x = server_react(s, f->event, argument_of(f));
        bool go_on = true;
        if (f->has_message)
            keep_message(a);
        if (x)
            go_on = react(a, x);
        else
            actor_filter_answer(a, (struct slice){0});
        if (!go_on || filter_once(f))
            return;
    }
}

/* "C: message": everything up to the end of a message, each step answered as usual. */
static enum io read_message(struct actor *a)
{
    enum io io;
    while ((io = actor_filter_read(a)) == IO_OK && !a->filter->has_message && !a->filter->ends)
        actor_filter_answer(a, (struct slice){0});
    return io == IO_OK && a->filter->ends ? IO_EOF : io;
}

void actor_filter_expect(struct actor *a, bool message, struct reply *r)
{
    enum io io = IO_OK;
    if (message)
        io = read_message(a);
    else
        do                          /* macros and the like need no answer and are passed over */
            io = actor_filter_read(a);
        while (io == IO_OK && slice_starts(buf_slice(&a->filter->line), SLICE("MACRO ")));
    if (io != IO_OK) {
        r->kind = io == IO_TIMEOUT ? REPLY_NOTHING : io == IO_EOF ? REPLY_CLOSED : REPLY_BROKEN;
        if (r->kind == REPLY_BROKEN)
            r->fault = "no request of the protocol";
        return;
    }
    if (a->filter->has_message)
        keep_message(a);
    r->kind = REPLY_LINES;
    r->lines = xcalloc(1, sizeof *r->lines);
    r->count = 1;
    buf_add_slice(&r->lines[0], buf_slice(&a->filter->line));
    buf_add_slice(&r->raw, buf_slice(&a->filter->line));
}
