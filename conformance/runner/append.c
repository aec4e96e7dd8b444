/* append.c - the step "append": a whole APPEND of IMAP, its literal counted (RFC 9051 6.3.12). */
#include "conformance/runner/run.h"

#include "conformance/runner/imap.h"
#include "conformance/runner/match.h"

#include <stdio.h>

static bool wait_for(struct actor *a, const struct step *step, struct alt *alt)
{
    struct expect e = {.alts = alt, .alt_count = 1, .source = alt->source};
    return actor_expect(a, step, &e, step->source);
}

/* append APPEND MAILBOX [FLAGS DATE] {N}; the octets follow when "+" has come. */
static bool announce(struct actor *a, const struct message *m, size_t n)
{
    struct buf line = {0};
    const char *missing = NULL;
    buf_add_str(&line, "append APPEND ");
    run_lock(a->run);
    bool ok = text_bytes(&m->mailbox, &a->run->env, &line, &missing);
    buf_add_str(&line, m->with.n ? " " : "");
    ok = ok && text_bytes(&m->with, &a->run->env, &line, &missing);
    run_unlock(a->run);
    buf_printf(&line, " {%zu}\r\n", n);
    if (ok && a->stream)
        stream_write(a->stream, line.data, line.len);
    buf_free(&line);
    return ok;
}

bool actor_append(struct actor *a, const struct step *step)
{
    struct imap_node plus = {.kind = IMAP_ATOM, .bytes = SLICE("+")};
    struct imap_node line = {.kind = IMAP_LIST, .items = &plus, .count = 1};
    struct pattern pattern = {.source = "+", .imap = &line};
    struct alt go_on = {.kind = ALT_LINE, .text = &pattern, .source = "+ to APPEND"};
    struct alt ok = {.kind = ALT_STATUS, .tag = "append", .word = "OK", .source = "OK to APPEND"};
    struct buf content = {0};
    bool done = content_of(a, step, &content) && announce(a, step->message, content.len) &&
                wait_for(a, step, &go_on);
    if (done && a->stream) {
        stream_write(a->stream, content.data, content.len);
        stream_puts(a->stream, "\r\n");
        done = wait_for(a, step, &ok);
    }
    buf_free(&content);
    return done;
}
