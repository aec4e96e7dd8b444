/* idle.c - IDLE (RFC 2177, RFC 9051 6.3.13). */
#include "reference/imapd/session.h"

#include "base/mem.h"
#include "base/timing.h"

enum { DONE_MAX = 1000 };        /* octets of the line that ends it */

static bool stopping(const struct session *s)
{
    return s->ctx->service && service_stopping(s->ctx->service);
}

/* The line that ends it came: the tagged answer. */
static void finish(struct session *s)
{
    struct buf line = {0};
    enum line_end end = LINE_CRLF;
    enum io r = stream_read_line(s->io, &line, DONE_MAX, &end);
    if (r == IO_OK && end == LINE_CRLF && slice_ieq_str(buf_slice(&line), "DONE"))
        imap_ok(s, "IDLE completed");
    else if (r == IO_OK || r == IO_TOO_LONG)
        imap_bad(s, "DONE ends IDLE, nothing else does");
    else
        s->closing = true;
    if (s->closing && !s->end)
        s->end = "lost";
    buf_free(&line);
}

/* Waits and tells until the client says something or the session ends. True: it said something. */
static bool wait_and_tell(struct session *s, int wake)
{
    int64_t limit = mono_ms() + s->config->timeout_imap;
    while (!s->closing) {
        bool changed;
        /* Whether anything happened since the last look is found out before waiting for it. */
        imap_tell_changes(s, true);
        stack_give_back();
        enum io r = stopping(s) ? IO_ERROR
                                : stream_wait_beside(s->io, wake, limit - mono_ms(), &changed);
        if (stopping(s)) {
            imap_bye(s, "shutdown", "[UNAVAILABLE] the server goes down; come again soon");
        } else if (r == IO_TIMEOUT) {                /* RFC 2177 3: IDLE is no activity */
            imap_bye(s, "timeout", "autologout: IDLE for too long");
        } else if (r != IO_OK) {
            s->closing = true;
            s->end = r == IO_EOF ? "lost" : "error";
        } else if (!changed) {
            return true;
        }
    }
    return false;
}

void imap_idle(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    int wake = s->view ? view_idle_begin(s->view) : -1;
    stream_puts(s->io, "+ idling\r\n");
    stream_set_idle(s->io, true);
    bool said = wait_and_tell(s, wake);
    stream_set_idle(s->io, false);
    if (s->view)
        view_idle_end(s->view);
    if (said)
        finish(s);
    else
        s->answered = true;
}
