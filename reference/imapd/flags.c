/* flags.c - STORE (RFC 9051 6.4.6, RFC 7162 3.1.3). */
#include "reference/imapd/session.h"

#include <errno.h>

struct store_command {
    struct number_set set;
    struct flags_change change;
    struct flag_list flags;
    bool silent, conditional;
};

static bool read_how(struct args *a, struct store_command *c)
{
    if (args_next_is(a, '+') || args_next_is(a, '-')) {
        c->change.how = args_next_is(a, '+') ? FLAGS_ADD : FLAGS_REMOVE;
        args_char(a, a->rest.p[0]);
    }
    c->silent = args_keyword(a, "FLAGS.SILENT");
    return c->silent || args_keyword(a, "FLAGS") ||
           args_fail(a, "FLAGS, +FLAGS, -FLAGS, with or without .SILENT");
}

static bool read_store(struct args *a, struct store_command *c)
{
    uint64_t since;
    c->change.unchanged_since = UINT64_MAX;
    if (!args_space(a) || !args_sequence_set(a, &c->set) || !args_space(a))
        return false;
    if (args_next_is(a, '(')) {
        args_open(a);
        if (!args_keyword(a, "UNCHANGEDSINCE"))
            return args_fail(a, "UNCHANGEDSINCE");
        if (!args_space(a) || !args_number(a, INT64_MAX, &since) || !args_char(a, ')') ||
            !args_space(a))
            return false;
        c->conditional = true;
        c->change.unchanged_since = since;
    }
    return read_how(a, c) && args_space(a) && imap_read_flags(a, &c->flags) && args_end(a);
}

/* Keywords that are not there need not be made in order to be taken away. False: answered. */
static bool find_keywords(struct session *s, struct store_command *c)
{
    c->change.flags = c->flags.flags;
    for (size_t i = 0; i < c->flags.n; i++) {
        int bit = view_keyword_bit(s->view, c->flags.names[i], c->change.how != FLAGS_REMOVE);
        if (bit >= 0) {
            c->change.keywords |= (uint64_t)1 << bit;
        } else if (c->change.how != FLAGS_REMOVE) {
            if (errno == E2BIG)
                imap_no(s, "[LIMIT] the mailbox can hold no more keywords");
            else
                imap_no(s, "[CANNOT] that is no keyword");
            return false;
        }
    }
    return true;
}

/* FETCH of what was changed; without a word about flags where the client wants none, but
 * mod-sequences it must have (RFC 7162 3.1.3). */
static void tell_done(struct session *s, const struct uid_set *done, bool silent)
{
    struct buf out = {0};
    if (!silent)
        imap_write_new_keywords(s, &out);
    for (size_t i = 0; i < done->n; i++) {
        for (uint64_t uid = done->v[i].first; uid <= done->v[i].last; uid++) {
            struct view_message m;
            uint32_t seq = view_seq(s->view, (uint32_t)uid);
            if (seq == 0 || !view_get(s->view, seq, &m))
                continue;
            buf_printf(&out, "* %u FETCH (", seq);
            if (s->uid || s->qresync || s->rev2)
                buf_printf(&out, "UID %u ", m.uid);
            if (!silent)
                imap_write_flags(s, &out, &m);
            if (s->condstore)
                buf_printf(&out, "%sMODSEQ (%llu)", silent ? "" : " ", (unsigned long long)m.modseq);
            buf_add_str(&out, ")\r\n");
            if (!silent)
                view_told(s->view, seq, m.modseq);
        }
        if (out.len > 65536)
            imap_send(s, &out);
    }
    imap_send(s, &out);
    buf_free(&out);
}

/* Numbers as the client named them: UIDs or sequence numbers. */
static void add_numbers(struct session *s, const struct uid_set *uids, struct buf *out)
{
    struct uid_set seqs = {0};
    for (size_t i = 0; i < uids->n && !s->uid; i++)
        for (uint64_t uid = uids->v[i].first; uid <= uids->v[i].last; uid++) {
            uint32_t seq = view_seq(s->view, (uint32_t)uid);
            uid_set_add(&seqs, seq, seq);
        }
    uid_set_text(s->uid ? uids : &seqs, out);
    uid_set_free(&seqs);
}

static void change(struct session *s, struct store_command *c, const struct uid_set *uids)
{
    struct uid_set done = {0}, modified = {0}, missing = {0};
    struct buf code = {0};
    if (c->conditional)
        imap_enable_condstore(s);
    if (view_store(s->view, uids, &c->change, c->silent, &done, &modified, &missing) < 0) {
        imap_no_errno(s, errno, "flags cannot be changed");
        return;
    }
    if (!c->silent || s->condstore)
        tell_done(s, &done, c->silent);
    if (modified.n > 0) {
        buf_add_str(&code, "[MODIFIED ");
        add_numbers(s, &modified, &code);
        buf_add_str(&code, "] ");
    }
    if (missing.n > 0 && !s->uid)                     /* RFC 2180 4.2.1, RFC 5530 3 */
        imap_no(s, "%ssome messages are gone", code.len ? buf_str(&code) : "[EXPUNGEISSUED] ");
    else
        imap_ok(s, "%sSTORE completed", buf_str(&code));
    buf_free(&code);
    uid_set_free(&done);
    uid_set_free(&modified);
    uid_set_free(&missing);
}

void imap_store(struct session *s, struct args *a)
{
    struct store_command c = {0};
    struct uid_set seqs = {0}, uids = {0};
    if (!read_store(a, &c)) {
        imap_bad_args(s, a);
    } else if (view_readonly(s->view)) {
        imap_no_errno(s, EROFS, "flags cannot be changed");
    } else if (imap_messages(s, &c.set, &seqs) && find_keywords(s, &c)) {
        imap_uids(s, &seqs, &uids);
        change(s, &c, &uids);
    }
    number_set_free(&c.set);
    imap_flags_free(&c.flags);
    uid_set_free(&seqs);
    uid_set_free(&uids);
}
