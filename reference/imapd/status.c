/* status.c - STATUS (RFC 9051 6.3.11), also for LIST (RFC 5819). */
#include "reference/imapd/session.h"

#include <errno.h>

enum { MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, SIZE, HIGHESTMODSEQ, MAILBOXID, DELETED,
       DELETED_STORAGE, APPENDLIMIT, ITEMS };

static const struct { const char *name, *section; } items_known[ITEMS] = {
    [MESSAGES] = {"MESSAGES", "RFC 9051 6.3.11"},
    [RECENT] = {"RECENT", "RFC 3501 6.3.10"},
    [UIDNEXT] = {"UIDNEXT", "RFC 9051 6.3.11"},
    [UIDVALIDITY] = {"UIDVALIDITY", "RFC 9051 6.3.11"},
    [UNSEEN] = {"UNSEEN", "RFC 9051 6.3.11"},
    [SIZE] = {"SIZE", "RFC 8438 3"},
    [HIGHESTMODSEQ] = {"HIGHESTMODSEQ", "RFC 7162 3.1.7"},
    [MAILBOXID] = {"MAILBOXID", "RFC 8474 4.3"},
    [DELETED] = {"DELETED", "RFC 9051 6.3.11"},
    [DELETED_STORAGE] = {"DELETED-STORAGE", "RFC 9208 4.1.4"},
    [APPENDLIMIT] = {"APPENDLIMIT", "RFC 7889 3.2"},
};

bool imap_status_items(struct args *a, unsigned *items)
{
    bool first = true;
    struct slice word;
    *items = 0;
    if (!args_open(a))
        return false;
    while (args_more(a, &first)) {
        int found = -1;
        if (!args_atom(a, &word))
            return false;
        for (int i = 0; i < ITEMS; i++)
            if (slice_ieq_str(word, items_known[i].name))
                found = i;
        if (found < 0)
            return args_fail(a, "MESSAGES, UIDNEXT, UIDVALIDITY, UNSEEN, SIZE, DELETED, ...");
        *items |= 1u << found;
    }
    return a->status == ARGS_GOOD && (*items || args_fail(a, "an item"));
}

static void add_number(struct buf *out, unsigned items, int item, uint64_t value)
{
    if (items & 1u << item)
        buf_printf(out, "%s %llu ", items_known[item].name, (unsigned long long)value);
}

bool imap_status_line(struct session *s, const char *name, unsigned items)
{
    struct folder_status st;
    struct buf out = {0};
    bool sizes = items & (1u << SIZE | 1u << DELETED_STORAGE);
    if (folder_status(s->mail, name, sizes, &st) != 0)
        return false;
    buf_add_str(&out, "* STATUS ");
    imap_mailbox_name(s, &out, slice_str(name));
    buf_add_str(&out, " (");
    add_number(&out, items, MESSAGES, st.messages);
    add_number(&out, items, RECENT, st.recent);
    add_number(&out, items, UIDNEXT, st.uidnext);
    add_number(&out, items, UIDVALIDITY, st.uidvalidity);
    add_number(&out, items, UNSEEN, st.unseen);
    add_number(&out, items, SIZE, st.size);
    add_number(&out, items, HIGHESTMODSEQ, st.highestmodseq);
    if (items & 1u << MAILBOXID)
        buf_printf(&out, "MAILBOXID (%s) ", st.mailboxid);
    add_number(&out, items, DELETED, st.deleted);
    add_number(&out, items, DELETED_STORAGE, st.deleted_size);
    if (items & 1u << APPENDLIMIT && s->config->message_size == 0)
        buf_add_str(&out, "APPENDLIMIT NIL ");
    else
        add_number(&out, items, APPENDLIMIT, s->config->message_size);
    buf_truncate(&out, out.len - 1);
    buf_add_str(&out, ")\r\n");
    imap_send(s, &out);
    buf_free(&out);
    return true;
}

void imap_status(struct session *s, struct args *a)
{
    struct buf name = {0};
    unsigned items;
    if (!args_space(a) || !args_mailbox(a, &name) || !args_space(a) ||
        !imap_status_items(a, &items) || !args_end(a)) {
        imap_bad_args(s, a);
    } else {
        if (items & 1u << HIGHESTMODSEQ)
            imap_enable_condstore(s);                  /* RFC 7162 3.1.7 */
        if (imap_status_line(s, buf_str(&name), items))
            imap_ok(s, "STATUS completed");
        else
            imap_no_errno(s, errno, "STATUS is not known");
    }
    buf_free(&name);
}
