/* dialogue.c - sending bytes, and judging what comes. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/runner/files.h"
#include "conformance/runner/filter.h"
#include "conformance/runner/tape.h"

#include <stdlib.h>

static char *shown(struct slice s, size_t limit)
{
    struct buf b = {0};
    buf_add_escaped(&b, slice_sub(s, 0, limit));
    if (s.n > limit)
        buf_printf(&b, "... (%zu octets)", s.n);
    return buf_take(&b);
}

/* Content may be on its way: what the target holds afterwards is not clean any more. */
static void note_dirty(struct actor *a, struct slice bytes)
{
    if (a->role == 'S')
        return;
    bool mail = (a->proto == PROTO_SMTP || a->proto == PROTO_LMTP || a->proto == PROTO_RAW) &&
                (slice_istarts(bytes, SLICE("DATA")) || slice_istarts(bytes, SLICE("BDAT")) ||
                 slice_istarts(bytes, SLICE("ETRN")) || slice_find(bytes, SLICE("\nDATA")) >= 0);
    if (mail || a->proto == PROTO_POP3 || a->proto == PROTO_IMAP) {
        run_lock(a->run);
        a->run->dirty = true;
        run_unlock(a->run);
    }
}

/* IMAP: what came with the commands before is over when the next is sent, so that the data of
 * commands sent at once is seen by all of their expectations. */
static void forget_untagged(struct actor *a)
{
    for (size_t i = 0; a->completed && i < a->untagged_count; i++)
        buf_free(&a->untagged[i]);
    if (a->completed)
        a->untagged_count = 0;
    a->completed = false;
}

bool actor_send(struct actor *a, const struct step *step)
{
    struct buf bytes = {0};
    const char *missing = NULL;
    run_lock(a->run);
    bool ok = text_bytes(&step->text, &a->run->env, &bytes, &missing);
    run_unlock(a->run);
    if (!ok) {
        run_error(a->run, step->at, "$%s has no value", missing);
    } else if (a->stream) {
        if (step->crlf && !a->filter)
            buf_add_str(&bytes, "\r\n");
        note_dirty(a, buf_slice(&bytes));
        forget_untagged(a);
        stream_set_timeout(a->stream, run_limit(a->run, a->run->scenario->timeout_ms));
        /* A failed write shows in the next expectation: the other side may have closed, and it
         * may be right to. */
        if (a->filter && step->crlf)
            actor_filter_answer(a, buf_slice(&bytes));
        else
            stream_write(a->stream, bytes.data ? bytes.data : "", bytes.len);
    }
    buf_free(&bytes);
    return ok;
}

/* What came instead, for the reader. */
static char *describe(const struct actor *a, const struct reply *r, int64_t waited)
{
    switch (r->kind) {
    case REPLY_CLOSED:
        return r->error ? xasprintf("the connection was closed (%s)", r->error)
                        : xstrdup("the connection was closed");
    case REPLY_NOTHING:
        a->run->late = true;
        return xasprintf("nothing within %lld ms", (long long)waited);
    case REPLY_REFUSED:
        return xasprintf("no connection: %s", a->connect_error ? a->connect_error : "refused");
    case REPLY_BROKEN:
    case REPLY_LINES:
        break;
    }
    char *text = shown(buf_slice(&r->raw), 2000);
    if (r->fault) {
        char *with = xasprintf("%s (%s)", text, r->fault);
        free(text);
        text = with;
    }
    return text;
}

static void conclude(struct actor *a, const struct step *step, const struct expect *e,
                     const char *source, const struct reply *r, struct judgement *j,
                     int64_t waited)
{
    if (j->matched && j->verdict == V_PASS) {
        run_finding(a->run, step->at, source, &step->ids, V_PASS, NULL, NULL, NULL);
        return;
    }
    const struct ids *ids = j->item && j->item->ids.n ? &j->item->ids : &step->ids;
    enum verdict v = j->matched ? j->verdict : run_severity(a->run, ids);
    struct buf expected = {0};
    for (size_t i = 0; i < e->alt_count; i++) {
        bool fine = e->alts[i].verdict == V_PASS;
        buf_printf(&expected, "%s%s%s", i ? fine ? " | " : " or " : "",
                   fine ? "" : e->alts[i].verdict == V_WARN ? "WARN " : "INFO ", e->alts[i].source);
    }
    if (j->item && j->why.len) {
        buf_add_str(&expected, "; ");
        buf_add_slice(&expected, buf_slice(&j->why));
    }
    char *came = describe(a, r, waited);
    if (!j->item && j->why.len && r->kind == REPLY_LINES && !r->fault) {
        char *with = xasprintf("%s\n%s", came, buf_str(&j->why));
        free(came);
        came = with;
    }
    run_finding(a->run, j->item ? j->item->at : step->at, source, ids, v, buf_take(&expected), came,
                j->nearest.len ? buf_take(&j->nearest) : NULL);
}

static bool wants(const struct expect *e, enum alt_kind kind)
{
    for (size_t i = 0; i < e->alt_count; i++)
        if (e->alts[i].kind == kind)
            return true;
    return false;
}

/* A server's script that expects a message's content. */
static void receive_message(struct actor *a, struct reply *r, struct judgement *j)
{
    struct buf content = {0};
    enum io io = read_content(a->stream, &content);
    j->matched = io == IO_OK;
    r->kind = io == IO_OK ? REPLY_LINES : io == IO_TIMEOUT ? REPLY_NOTHING : REPLY_CLOSED;
    if (io == IO_OK && a->connection) {
        struct server_state *s = a->connection->server;
        size_t n = content.len; /* before buf_take empties it */
        run_lock(a->run);
        s->messages = xreallocarray(s->messages, s->message_count + 1, sizeof *s->messages);
        s->messages[s->message_count++] = (struct received){
            .from = xstrdup(""), .parameters = xstrdup(""), .n = n,
            .bytes = buf_take(&content), .connection = a->connection->number};
        pthread_cond_broadcast(&a->run->changed);
        run_unlock(a->run);
    }
    buf_free(&content);
}

/* IMAP: responses are read until one fits. Untagged ones that were passed over are kept for the
 * items of the tagged response; a tagged response that does not fit ends the search. */
static void read_imap(struct actor *a, const struct step *step, const struct expect *e,
                      struct reply *r, struct judgement *j)
{
    struct tape *tape = a->run->world->tape;
    for (;;) {
        answer_free(r);
        answer_read(a->stream, PROTO_IMAP, false, r);
        if (r->kind != REPLY_LINES || r->fault) {
            tape_reply(tape, a->channel, r, PROTO_IMAP, e, step->at, step->source);
            match_reply(e, PROTO_IMAP, r, &a->run->env, j);
            return;
        }
        struct slice line = buf_slice(&r->lines[0]);
        const char *why = NULL;
        run_lock(a->run);
        for (size_t i = 0; !j->matched && i < e->alt_count; i++)
            if ((e->alts[i].kind == ALT_LINE || e->alts[i].kind == ALT_STATUS) &&
                match_imap(&e->alts[i], line, &a->run->env, &why)) {
                j->matched = true;
                j->verdict = e->alts[i].verdict;
            }
        if (j->matched && (e->item_count || e->nothing_else))
            match_items(e, a->untagged, a->untagged_count, true, &a->run->env, j);
        run_unlock(a->run);
        bool untagged = slice_starts(line, SLICE("* "));
        tape_reply(tape, a->channel, r, PROTO_IMAP, j->matched ? e : NULL, step->at,
                   step->source);
        if (untagged && !slice_istarts(line, SLICE("* BYE"))) {
            a->untagged = xreallocarray(a->untagged, a->untagged_count + 1, sizeof *a->untagged);
            a->untagged[a->untagged_count] = (struct buf){0};
            buf_add_slice(&a->untagged[a->untagged_count++], line);
        }
        if (j->matched || !untagged) {
            if (!j->matched && why)
                buf_printf(&j->why, "this is no valid response: %s", why);
            break;
        }
    }
    a->completed |= j->matched && wants(e, ALT_STATUS);
}

/* SMTP: the keywords that EHLO gave are remembered for "as USER" and "send". */
static void remember_keywords(struct actor *a, const struct reply *r)
{
    if (a->proto != PROTO_SMTP || r->kind != REPLY_LINES || r->count < 2 || r->code[0] != '2')
        return;
    buf_clear(&a->keywords);
    for (size_t i = 1; i < r->count; i++) {
        buf_add_slice(&a->keywords, slice_sub(buf_slice(&r->lines[i]), 4, r->lines[i].len));
        buf_add_byte(&a->keywords, '\n');
    }
}

/* POP3: a message that was fetched, against the fixture. */
static void compare_lines(struct actor *a, const struct step *step, const struct expect *e,
                          const struct reply *r, struct judgement *j)
{
    struct buf want = {0}, got = {0}, error = {0};
    for (size_t i = 1; i < r->count; i++) {
        buf_add_slice(&got, buf_slice(&r->lines[i]));
        buf_add_str(&got, "\r\n");
    }
    if (!fixture_load(&want, e->equals_fixture, a->run->scenario->file,
                      a->run->world->target->root, &error))
        run_error(a->run, step->at, "%s", buf_str(&error));
    else if (!messages_equal(buf_slice(&want), buf_slice(&got), &e->except,
                             &a->run->world->target->adds, &j->why))
        j->matched = false;
    buf_free(&want);
    buf_free(&got);
    buf_free(&error);
}

/* POP3: the octets of what was fetched, each line end two, dots that were stuffed not counted. */
static void compare_octets(struct actor *a, const struct expect *e, const struct reply *r,
                           struct judgement *j)
{
    size_t octets = 0;
    for (size_t i = 1; i < r->count; i++)
        octets += r->lines[i].len + 2;
    char *came = xasprintf("%zu", octets);
    struct slice want, name = slice_str(e->octets);
    run_lock(a->run);
    if (!env_get(&a->run->env, name, &want)) {
        env_set(&a->run->env, name, slice_str(came));
    } else if (!slice_eq_str(want, came)) {
        j->matched = false;
        buf_printf(&j->why, "%s octets came, and $%s is %.*s", came, e->octets, (int)want.n,
                   want.p);
    }
    run_unlock(a->run);
    free(came);
}

bool actor_expect(struct actor *a, const struct step *step, const struct expect *e,
                  const char *source)
{
    struct reply r = {0};
    struct judgement j = {0};
    int64_t patience = run_patience(a->run, e->within_ms ? e->within_ms
                                                      : a->run->scenario->patience_ms);
    if (!a->stream) {
        r.kind = a->connect_failed ? REPLY_REFUSED : REPLY_CLOSED;
        match_reply(e, a->proto, &r, &a->run->env, &j);
    } else {
        stream_flush(a->stream);
        stream_set_timeout(a->stream, patience);
        stream_set_deadline(a->stream, mono_ms() + patience);
        if (a->filter && !wants(e, ALT_CLOSED)) {
            actor_filter_expect(a, wants(e, ALT_MESSAGE), &r);
            run_lock(a->run);
            match_reply(e, PROTO_RAW, &r, &a->run->env, &j);
            j.matched |= wants(e, ALT_MESSAGE) && r.kind == REPLY_LINES && a->filter->has_message;
            run_unlock(a->run);
        } else if (wants(e, ALT_MESSAGE)) {
            receive_message(a, &r, &j);
        } else if (a->proto == PROTO_IMAP && a->role == 'C') {
            read_imap(a, step, e, &r, &j);
        } else {
            enum proto proto = a->role == 'S' ? PROTO_RAW : a->proto;
            answer_read(a->stream, proto, e->lines || (proto == PROTO_POP3 && e->item_count), &r);
            run_lock(a->run);
            match_reply(e, proto, &r, &a->run->env, &j);
            run_unlock(a->run);
            if (a->role == 'C')
                tape_reply(a->run->world->tape, a->channel, &r, proto, j.matched ? e : NULL,
                           step->at, source);
        }
        stream_set_deadline(a->stream, 0);
        a->ended |= r.kind == REPLY_CLOSED;
        if (r.kind == REPLY_LINES && !a->greeted) {
            buf_clear(&a->greeting);
            buf_add_slice(&a->greeting, buf_slice(&r.lines[0]));
        }
        a->greeted |= r.kind == REPLY_LINES;
        remember_keywords(a, &r);
        if (j.matched && e->equals_fixture)
            compare_lines(a, step, e, &r, &j);
        if (j.matched && e->octets)
            compare_octets(a, e, &r, &j);
    }
    conclude(a, step, e, source, &r, &j, patience);
    bool go_on = j.matched || (r.kind == REPLY_LINES && !run_stopped(a->run));
    answer_free(&r);
    judgement_free(&j);
    return go_on && !run_stopped(a->run);
}
