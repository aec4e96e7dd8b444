/* changes.c - what the client has to know of the selected mailbox (RFC 9051 7.4, 7.5), and which of its
 * messages a command means. */
#include "reference/imapd/session.h"

#include "base/event.h"

#include <errno.h>
#include <stdlib.h>
#include "base/mem.h"

static const struct { uint32_t flag; const char *name; } flag_names[] = {
    {FLAG_ANSWERED, "\\Answered"}, {FLAG_FLAGGED, "\\Flagged"}, {FLAG_DELETED, "\\Deleted"},
    {FLAG_SEEN, "\\Seen"},         {FLAG_DRAFT, "\\Draft"},
};
enum { FLAG_NAMES = sizeof flag_names / sizeof *flag_names };

/* ---- flags ------------------------------------------------------------------------------------- */

static void add_word(struct buf *out, const char *word)
{
    if (out->len > 0 && out->data[out->len - 1] != '(')
        buf_add_byte(out, ' ');
    buf_add_str(out, word);
}

static void add_flags(struct session *s, struct buf *out, uint32_t flags, uint64_t keywords)
{
    for (size_t i = 0; i < FLAG_NAMES; i++)
        if (flags & flag_names[i].flag)
            add_word(out, flag_names[i].name);
    for (unsigned bit = 0; bit < KEYWORDS_MAX && keywords >> bit; bit++) {
        const char *name = keywords >> bit & 1 ? view_keyword(s->view, bit) : NULL;
        if (name)
            add_word(out, name);
    }
}

void imap_write_flags(struct session *s, struct buf *out, const struct view_message *m)
{
    buf_add_str(out, "FLAGS (");
    add_flags(s, out, m->flags, m->keywords);
    if (m->recent && !s->rev2)
        add_word(out, "\\Recent");
    buf_add_byte(out, ')');
}

void imap_write_flags_line(struct session *s, struct buf *out)
{
    buf_add_str(out, "* FLAGS (");
    add_flags(s, out, FLAGS_ALL, UINT64_MAX);
    buf_add_str(out, ")\r\n");
    /* RFC 9051 7.1: "\*" says that new keywords can be made. */
    buf_add_str(out, "* OK [PERMANENTFLAGS (");
    if (!view_readonly(s->view)) {
        add_flags(s, out, FLAGS_ALL, UINT64_MAX);
        if (view_keyword_count(s->view) < KEYWORDS_MAX)
            add_word(out, "\\*");
    }
    buf_add_str(out, ")] flags that are kept\r\n");
}

void imap_write_new_keywords(struct session *s, struct buf *out)
{
    if (view_keywords_are_new(s->view))
        imap_write_flags_line(s, out);
}

bool imap_read_flags(struct args *a, struct flag_list *out)
{
    bool parentheses = args_next_is(a, '('), first = true;
    struct slice word;
    if (parentheses)
        args_open(a);
    while (parentheses ? args_more(a, &first) : (first || args_next_is(a, ' '))) {
        if (!parentheses && !first)
            args_space(a);
        first = false;
        if (!args_flag(a, &word))
            return false;
        uint32_t flag = 0;
        for (size_t i = 0; i < FLAG_NAMES; i++)
            if (slice_ieq_str(word, flag_names[i].name))
                flag = flag_names[i].flag;
        out->flags |= flag;
        if (word.p[0] == '\\' && !flag && !slice_ieq_str(word, "\\Recent"))
            return args_fail(a, "a flag of RFC 9051 2.3.2 or a keyword");
        if (word.p[0] == '\\')
            continue;
        if (out->n >= ARGS_LIST_MAX)
            return args_fail(a, "fewer keywords");
        if (out->n == out->room) {
            out->room = out->room ? 2 * out->room : 8;
            out->names = xreallocarray(out->names, out->room, sizeof *out->names);
        }
        out->names[out->n++] = word;
    }
    return a->status == ARGS_GOOD;
}

void imap_flags_free(struct flag_list *f)
{
    free(f->names);
    *f = (struct flag_list){0};
}

/* ---- changes ----------------------------------------------------------------------------------- */

static void tell_expunged(struct session *s, struct buf *out, const struct view_changes *c)
{
    if (c->expunged_count > 0 && s->qresync) {         /* RFC 7162 3.2.10 */
        buf_add_str(out, "* VANISHED ");
        uid_set_text(&c->vanished, out);
        buf_add_str(out, "\r\n");
        return;
    }
    for (size_t i = 0; i < c->expunged_count; i++)
        buf_printf(out, "* %u EXPUNGE\r\n", c->expunged[i]);
}

static void tell_flags(struct session *s, struct buf *out, uint32_t seq)
{
    struct view_message m;
    if (!view_get(s->view, seq, &m))
        return;
    buf_printf(out, "* %u FETCH (", seq);
    if (s->qresync || s->rev2)
        buf_printf(out, "UID %u ", m.uid);
    imap_write_flags(s, out, &m);
    if (s->condstore)
        buf_printf(out, " MODSEQ (%llu)", (unsigned long long)m.modseq);
    buf_add_str(out, ")\r\n");
    view_told(s->view, seq, m.modseq);
}

void imap_tell_changes(struct session *s, bool allow_expunge)
{
    struct view_changes c;
    struct buf out = {0};
    if (!s->view)
        return;
    int result = view_sync(s->view, allow_expunge, &c);
    if (c.gone || (result < 0 && errno == ESTALE)) {
        imap_bye(s, "mailbox-gone", "the mailbox was deleted or made anew; select it again");
    } else if (result == 0) {
        tell_expunged(s, &out, &c);
        if (c.exists_changed)
            buf_printf(&out, "* %u EXISTS\r\n", c.exists);
        if (c.exists_changed && !s->rev2)
            buf_printf(&out, "* %u RECENT\r\n", c.recent);
        if (c.keywords_changed)
            imap_write_flags_line(s, &out);
        for (size_t i = 0; i < c.changed_count; i++)
            tell_flags(s, &out, c.changed[i]);
        imap_send(s, &out);
    }
    view_changes_free(&c);
    buf_free(&out);
}

void imap_enable_condstore(struct session *s)
{
    struct view_state state;
    if (!s->condstore && s->view) {
        view_state(s->view, &state);
        imap_untagged(s, "OK [HIGHESTMODSEQ %llu] mod-sequences are told",
                      (unsigned long long)state.highestmodseq);
    }
    s->condstore = true;
}

void imap_deselect(struct session *s)
{
    view_close(s->view);
    s->view = NULL;
    uid_set_free(&s->saved);
    if (s->state == SELECTED)
        s->state = AUTHENTICATED;
}

/* ---- sets of messages -------------------------------------------------------------------------- */

/* Adds the sequence numbers of UIDs first..last as far as they are there. */
static void add_uids(struct session *s, uint32_t first, uint32_t last, struct uid_set *seqs)
{
    uint32_t from = view_seq_from(s->view, first);
    uint32_t to = last == UINT32_MAX ? view_count(s->view) + 1 : view_seq_from(s->view, last + 1);
    if (from < to)
        uid_set_add(seqs, from, to - 1);
}

bool imap_messages(struct session *s, const struct number_set *set, struct uid_set *seqs)
{
    uint32_t count = view_count(s->view);
    struct uid_set numbers = {0};
    bool by_uid = s->uid || set->saved;
    uint32_t largest = by_uid && count > 0 ? view_uid(s->view, count) : count;
    number_set_resolve(set, largest, &numbers);
    const struct uid_set *source = set->saved ? &s->saved : &numbers;
    for (size_t i = 0; by_uid && i < source->n; i++)
        add_uids(s, source->v[i].first, source->v[i].last, seqs);
    bool good = by_uid || numbers.n == 0 || numbers.v[numbers.n - 1].last <= count;
    if (!by_uid && good) {
        *seqs = numbers;
        return true;
    }
    uid_set_free(&numbers);
    if (!good)
        imap_bad(s, "%s: there are %u messages only", s->command->name, count);
    return good;
}

void imap_uids(struct session *s, const struct uid_set *seqs, struct uid_set *uids)
{
    for (size_t i = 0; i < seqs->n; i++)
        for (uint32_t seq = seqs->v[i].first; seq <= seqs->v[i].last; seq++) {
            uint32_t uid = view_uid(s->view, seq);
            uid_set_add(uids, uid, uid);
        }
}
