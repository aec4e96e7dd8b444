/* copy.c - COPY and MOVE (RFC 9051 6.4.7, 6.4.8). */
#include "reference/imapd/session.h"

#include <errno.h>

/* "[COPYUID validity from to] ", nothing when nothing was copied (RFC 4315 3). */
static void add_copyuid(const struct view_copied *c, struct buf *out)
{
    if (c->from.n == 0)
        return;
    buf_printf(out, "[COPYUID %u ", c->uidvalidity);
    uid_set_text(&c->from, out);
    buf_add_byte(out, ' ');
    uid_set_text(&c->to, out);
    buf_add_str(out, "] ");
}

static void copied(struct session *s, const struct view_copied *c, bool move)
{
    struct view_state state;
    struct buf code = {0};
    add_copyuid(c, &code);
    if (!move) {
        imap_ok(s, "%sCOPY completed", buf_str(&code));
    } else {
        /* RFC 6851 4.3: the UIDs before the EXPUNGEs. */
        if (code.len > 0)
            imap_untagged(s, "OK %smoved", buf_str(&code));
        imap_tell_changes(s, true);
        view_state(s->view, &state);
        if (s->condstore)
            imap_ok(s, "[HIGHESTMODSEQ %llu] MOVE completed",
                    (unsigned long long)state.highestmodseq);
        else
            imap_ok(s, "MOVE completed");
    }
    buf_free(&code);
}

static void copy(struct session *s, struct args *a, bool move)
{
    struct number_set set = {0};
    struct uid_set seqs = {0}, uids = {0};
    struct buf name = {0};
    struct view_copied c = {0};
    if (!args_space(a) || !args_sequence_set(a, &set) || !args_space(a) ||
        !args_mailbox(a, &name) || !args_end(a)) {
        imap_bad_args(s, a);
    } else if (move && view_readonly(s->view)) {
        imap_no_errno(s, EROFS, "messages cannot be moved");
    } else if (imap_messages(s, &set, &seqs)) {
        imap_uids(s, &seqs, &uids);
        if (view_copy(s->view, &uids, buf_str(&name), move, &c) == 0)
            copied(s, &c, move);
        else if (errno == ENOENT)
            imap_no(s, "[TRYCREATE] there is no such mailbox");
        else
            imap_no_errno(s, errno, move ? "messages cannot be moved" : "messages cannot be copied");
        view_copied_free(&c);
    }
    number_set_free(&set);
    uid_set_free(&seqs);
    uid_set_free(&uids);
    buf_free(&name);
}

void imap_copy(struct session *s, struct args *a)
{
    copy(s, a, false);
}

void imap_move(struct session *s, struct args *a)
{
    copy(s, a, true);
}
