/* select.c - SELECT, EXAMINE and what ends them: CLOSE, UNSELECT; EXPUNGE (RFC 9051 6.3.2, 6.3.3, 6.4). */
#include "reference/imapd/session.h"

#include "base/event.h"

#include <errno.h>
#include <stdlib.h>

/* QRESYNC (uidvalidity modseq [known-uids [(seqs uids)]]) (RFC 7162 3.2.5) */
struct qresync {
    bool given;
    uint64_t uidvalidity, modseq;
    struct number_set known;         /* n == 0: all */
    struct number_set seqs, uids;    /* numbers and their UIDs that the client remembers; may be empty */
};

static bool read_qresync(struct args *a, struct qresync *q)
{
    q->given = true;
    if (!args_space(a) || !args_open(a) || !args_number(a, UINT32_MAX, &q->uidvalidity) ||
        !args_space(a) || !args_number(a, INT64_MAX, &q->modseq))
        return false;
    if (q->uidvalidity == 0 || q->modseq == 0)
        return args_fail(a, "numbers that are not 0");
    if (args_next_is(a, ' ')) {
        args_space(a);
        if (!args_next_is(a, '(') && !args_sequence_set(a, &q->known))
            return false;
        bool more = q->known.n == 0 || args_next_is(a, ' ');
        if (more && q->known.n > 0)
            args_space(a);
        if (more) {
            if (!args_open(a) || !args_sequence_set(a, &q->seqs) || !args_space(a) ||
                !args_sequence_set(a, &q->uids) || !args_char(a, ')'))
                return false;
        }
    }
    return args_char(a, ')');
}

static bool read_parameters(struct session *s, struct args *a, bool *condstore, struct qresync *q)
{
    bool first = true;
    if (args_at_end(a))
        return true;
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (args_keyword(a, "CONDSTORE"))
            *condstore = true;
        else if (!q->given && args_keyword(a, "QRESYNC")) {
            if (!s->qresync)
                return args_fail(a, "ENABLE QRESYNC before this parameter");
            if (!read_qresync(a, q))
                return false;
        } else {
            return args_fail(a, "CONDSTORE or QRESYNC");
        }
    }
    return args_end(a);
}

/* RFC 7162 3.2.5.2: the largest UID that has the number still that the client remembers; nothing before
 * it can be gone. 0: there is none. */
static uint32_t still_in_place(struct session *s, const struct qresync *q)
{
    struct uid_set seqs = {0}, uids = {0};
    uint32_t count = view_count(s->view), found = 0;
    number_set_resolve(&q->seqs, count, &seqs);
    number_set_resolve(&q->uids, count ? view_uid(s->view, count) : 0, &uids);
    size_t at = 0;                   /* the range of `uids`, and how far in it */
    uint64_t within = 0;
    for (size_t i = 0; i < seqs.n && at < uids.n; i++) {
        for (uint64_t seq = seqs.v[i].first; seq <= seqs.v[i].last && seq <= count && at < uids.n; seq++) {
            uint64_t uid = uids.v[at].first + within++;
            if (view_uid(s->view, (uint32_t)seq) == uid)
                found = (uint32_t)uid;
            if (uid == uids.v[at].last) {
                at++;
                within = 0;
            }
        }
    }
    uid_set_free(&seqs);
    uid_set_free(&uids);
    return found;
}

/* UIDs that are gone, but none up to `kept`. */
static void write_vanished(struct buf *out, const struct uid_set *gone, uint32_t kept)
{
    struct uid_set told = {0};
    for (size_t i = 0; i < gone->n; i++) {
        uint32_t first = gone->v[i].first > kept ? gone->v[i].first : kept + 1;
        if (gone->v[i].last >= first)
            uid_set_add(&told, first, gone->v[i].last);
    }
    if (told.n > 0) {
        buf_add_str(out, "* VANISHED (EARLIER) ");
        uid_set_text(&told, out);
        buf_add_str(out, "\r\n");
    }
    uid_set_free(&told);
}

/* VANISHED and changed flags since the client was here last. */
static void tell_resync(struct session *s, const struct qresync *q)
{
    struct uid_set known = {0}, gone = {0};
    struct buf out = {0};
    uint32_t count = view_count(s->view);
    number_set_resolve(&q->known, count ? view_uid(s->view, count) : 0, &known);
    if (view_vanished(s->view, q->modseq, q->known.n ? &known : NULL, &gone) == 0)
        write_vanished(&out, &gone, still_in_place(s, q));
    for (uint32_t seq = 1; seq <= count; seq++) {
        struct view_message m;
        if (!view_get(s->view, seq, &m) || m.modseq <= q->modseq ||
            (q->known.n && !uid_set_has(&known, m.uid)))
            continue;
        buf_printf(&out, "* %u FETCH (UID %u ", seq, m.uid);
        imap_write_flags(s, &out, &m);
        buf_printf(&out, " MODSEQ (%llu))\r\n", (unsigned long long)m.modseq);
        if (out.len > 65536)
            imap_send(s, &out);
    }
    imap_send(s, &out);
    buf_free(&out);
    uid_set_free(&known);
    uid_set_free(&gone);
}

static void tell_state(struct session *s, const char *name)
{
    struct view_state state;
    struct buf out = {0};
    view_state(s->view, &state);
    imap_write_flags_line(s, &out);
    buf_printf(&out, "* %u EXISTS\r\n", state.exists);
    if (!s->rev2) {
        buf_printf(&out, "* %u RECENT\r\n", state.recent);
        if (state.first_unseen)
            buf_printf(&out, "* OK [UNSEEN %u] first unseen\r\n", state.first_unseen);
    }
    buf_printf(&out, "* OK [UIDVALIDITY %u] UIDs valid\r\n", state.uidvalidity);
    buf_printf(&out, "* OK [UIDNEXT %u] next UID\r\n", state.uidnext);
    buf_printf(&out, "* OK [HIGHESTMODSEQ %llu] highest mod-sequence\r\n",
               (unsigned long long)state.highestmodseq);
    buf_printf(&out, "* OK [MAILBOXID (%s)] identifier of the mailbox\r\n", state.mailboxid);
    imap_send(s, &out);
    imap_tell_name(s, "", slice_str(name), true);      /* RFC 9051 6.3.2: the LIST is required */
    buf_free(&out);
}

static void open_mailbox(struct session *s, const char *name, bool readonly, const struct qresync *q)
{
    s->view = view_open(s->mail, name, readonly);
    if (!s->view) {
        imap_no_errno(s, errno, "the mailbox cannot be opened");
        return;
    }
    s->state = SELECTED;
    tell_state(s, name);
    struct view_state state;
    view_state(s->view, &state);
    if (q->given && q->uidvalidity == state.uidvalidity)
        tell_resync(s, q);
    imap_warn_of_quota(s);
    imap_ok(s, "[%s] %s completed", view_readonly(s->view) ? "READ-ONLY" : "READ-WRITE",
            s->command->name);
}

static void select_or_examine(struct session *s, struct args *a, bool readonly)
{
    struct buf name = {0};
    struct qresync q = {0};
    bool condstore = false;
    if (args_space(a) && args_mailbox(a, &name) && read_parameters(s, a, &condstore, &q)) {
        /* RFC 9051 6.3.2: the old one is closed whether the new one can be opened or not. */
        bool was_open = s->view != NULL;
        imap_deselect(s);
        if (was_open)
            imap_untagged(s, "OK [CLOSED] the mailbox before is closed");
        s->condstore |= condstore;
        open_mailbox(s, buf_str(&name), readonly, &q);
    } else {
        imap_bad_args(s, a);
    }
    number_set_free(&q.known);
    number_set_free(&q.seqs);
    number_set_free(&q.uids);
    buf_free(&name);
}

void imap_select(struct session *s, struct args *a)
{
    select_or_examine(s, a, false);
}

void imap_examine(struct session *s, struct args *a)
{
    select_or_examine(s, a, true);
}

/* RFC 9051 6.4.1: what is deleted goes, without a word about it. */
void imap_close(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    if (!view_readonly(s->view) && view_expunge(s->view, NULL) < 0) {
        imap_no_errno(s, errno, "messages could not be removed");
        return;
    }
    imap_deselect(s);
    imap_ok(s, "CLOSE completed");
}

void imap_unselect(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    imap_deselect(s);
    imap_ok(s, "UNSELECT completed");
}

/* RFC 3501 6.4.1. Everything is on disk at all times. */
void imap_check(struct session *s, struct args *a)
{
    if (args_end(a))
        imap_ok(s, "CHECK completed");
    else
        imap_bad_args(s, a);
}

/* The tagged OK of what removed messages; mod-sequences go with it (RFC 7162 3.2.7). */
static void expunged(struct session *s)
{
    struct view_state state;
    imap_tell_changes(s, true);
    if (s->closing || !s->condstore) {
        imap_ok(s, "EXPUNGE completed");
        return;
    }
    view_state(s->view, &state);
    imap_ok(s, "[HIGHESTMODSEQ %llu] EXPUNGE completed", (unsigned long long)state.highestmodseq);
}

void imap_expunge(struct session *s, struct args *a)
{
    struct number_set set = {0};
    struct uid_set seqs = {0}, uids = {0};
    if ((s->uid && (!args_space(a) || !args_sequence_set(a, &set))) || !args_end(a)) {
        imap_bad_args(s, a);
    } else if (!s->uid || imap_messages(s, &set, &seqs)) {
        imap_uids(s, &seqs, &uids);
        if (view_expunge(s->view, s->uid ? &uids : NULL) < 0)
            imap_no_errno(s, errno, "messages could not be removed");
        else
            expunged(s);
    }
    number_set_free(&set);
    uid_set_free(&seqs);
    uid_set_free(&uids);
}
