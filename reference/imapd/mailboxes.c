/* mailboxes.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 9051 6.3). */
#include "reference/imapd/session.h"

#include "base/event.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what the store says ----------------------------------------------------------------------- */

/* RFC 5530 3, RFC 9051 7.1. */
static const struct { int error; const char *code, *text; } reasons[] = {
    {ENOENT, "NONEXISTENT", "there is no such mailbox"},
    {EEXIST, "ALREADYEXISTS", "there is such a mailbox already"},
    {EINVAL, "CANNOT", "that is no name for a mailbox"},
    {ENAMETOOLONG, "CANNOT", "the name is too long"},
    {EPERM, "CANNOT", "this mailbox cannot be treated so"},
    {ENOTEMPTY, "HASCHILDREN", "mailboxes are below it"},
    {EDQUOT, "OVERQUOTA", "the quota is used up"},
    {EFBIG, "LIMIT", "it is too large"},
    {E2BIG, "LIMIT", "the mailbox can hold no more keywords"},
    {ENOSPC, "UNAVAILABLE", "the disk is full"},
    {EROFS, "CANNOT", "the mailbox is open for reading only"},
    {EACCES, "NOPERM", "it may not be touched"},
    {EAGAIN, "INUSE", "another program uses the mailbox; try again"},
    {EBADMSG, "CORRUPTION", "the mailbox is damaged"},
};

void imap_no_errno(struct session *s, int error, const char *what)
{
    if (error == ESTALE) {
        imap_bye(s, "mailbox-gone", "the mailbox was deleted or made anew; select it again");
        imap_no(s, "%s: the mailbox is gone", what);
        return;
    }
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].error == error) {
            imap_no(s, "[%s] %s: %s", reasons[i].code, what, reasons[i].text);
            return;
        }
    }
    event("imapd.trouble", EV_INT("session", s->number), EV_STR("user", s->account.user),
          EV_STR("command", s->command->name), EV_STR("error", strerror(error)));
    imap_no(s, "[UNAVAILABLE] %s now", what);
}

/* ---- CREATE ------------------------------------------------------------------------------------ */

/* (USE (\Sent ...)) (RFC 6154 3) */
static bool read_uses(struct args *a, unsigned *uses, bool *unknown)
{
    bool first = true, first_use = true;
    struct slice word;
    if (args_at_end(a))
        return true;
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (!args_keyword(a, "USE"))
            return args_fail(a, "USE");
        if (!args_space(a) || !args_open(a))
            return false;
        while (args_more(a, &first_use)) {
            if (!args_use(a, &word))
                return false;
            *unknown |= folder_use_of(word) == 0;
            *uses |= folder_use_of(word);
        }
        if (a->status != ARGS_GOOD)
            return false;
    }
    return args_end(a);
}

/* Special uses that a mailbox has for its name, where the client names none and no other has them: most
 * clients make these mailboxes without USE and look for the attributes all the same (RFC 6154 2). */
static const struct { const char *name; unsigned use; } usual[] = {
    {"Archive", USE_ARCHIVE}, {"Drafts", USE_DRAFTS}, {"Junk", USE_JUNK}, {"Sent", USE_SENT},
    {"Trash", USE_TRASH},
};

static int create(struct session *s, const char *name, unsigned uses, struct buf *id)
{
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !uses; i++) {
        if (strcmp(name, usual[i].name) != 0)
            continue;
        int result = folder_create(s->mail, name, usual[i].use, id);
        if (result == 0 || errno != EBUSY)
            return result;
    }
    return folder_create(s->mail, name, uses, id);
}

void imap_tell_name(struct session *s, const char *attributes, struct slice asked, bool always)
{
    char *clean = s->rev2 ? folder_name_clean(asked) : NULL;
    struct slice plain = asked;
    if (plain.n > 1 && plain.p[plain.n - 1] == FOLDER_SEPARATOR)
        plain.n--;
    bool other = clean && !slice_eq_str(plain, clean) && !slice_ieq_str(plain, "INBOX");
    if (clean && (other || always)) {
        struct buf out = {0};
        buf_printf(&out, "* LIST (%s) \"/\" ", attributes);
        imap_mailbox_name(s, &out, slice_str(clean));
        if (other) {
            buf_add_str(&out, " (\"OLDNAME\" (");
            imap_mailbox_name(s, &out, plain);
            buf_add_str(&out, "))");
        }
        buf_add_str(&out, "\r\n");
        imap_send(s, &out);
        buf_free(&out);
    }
    free(clean);
}

void imap_create(struct session *s, struct args *a)
{
    struct buf name = {0}, id = {0};
    unsigned uses = 0;
    bool unknown = false;
    if (!args_space(a) || !args_mailbox(a, &name) || !read_uses(a, &uses, &unknown)) {
        imap_bad_args(s, a);
    } else if (unknown) {
        imap_no(s, "[USEATTR] a special use that is not known here (RFC 6154 3)");
    } else if (create(s, buf_str(&name), uses, &id) == 0) {
        imap_tell_name(s, "", buf_slice(&name), false);
        imap_ok(s, "[MAILBOXID (%s)] CREATE completed", buf_str(&id));
    } else if (errno == EBUSY) {
        imap_no(s, "[USEATTR] another mailbox has this special use");
    } else {
        imap_no_errno(s, errno, "the mailbox cannot be made");
    }
    buf_free(&name);
    buf_free(&id);
}

/* ---- the others -------------------------------------------------------------------------------- */

void imap_delete(struct session *s, struct args *a)
{
    struct buf name = {0};
    if (!args_space(a) || !args_mailbox(a, &name) || !args_end(a))
        imap_bad_args(s, a);
    else if (folder_delete(s->mail, buf_str(&name)) != 0)
        imap_no_errno(s, errno, "the mailbox cannot be deleted");
    else {
        imap_tell_name(s, "\\NonExistent", buf_slice(&name), false);
        imap_ok(s, "DELETE completed");
    }
    buf_free(&name);
}

void imap_rename(struct session *s, struct args *a)
{
    struct buf from = {0}, to = {0};
    if (!args_space(a) || !args_mailbox(a, &from) || !args_space(a) || !args_mailbox(a, &to) ||
        !args_end(a)) {
        imap_bad_args(s, a);
    } else if (folder_rename(s->mail, buf_str(&from), buf_str(&to)) == 0) {
        imap_tell_name(s, "", buf_slice(&to), false);
        imap_ok(s, "RENAME completed");
    } else {
        imap_no_errno(s, errno, "the mailbox cannot be renamed");
    }
    buf_free(&from);
    buf_free(&to);
}

static void subscribe(struct session *s, struct args *a, bool on)
{
    struct buf name = {0};
    if (!args_space(a) || !args_mailbox(a, &name) || !args_end(a))
        imap_bad_args(s, a);
    else if (folder_subscribe(s->mail, buf_str(&name), on) == 0)
        imap_ok(s, "%s completed", s->command->name);
    else
        imap_no_errno(s, errno, "the subscription cannot be changed");
    buf_free(&name);
}

void imap_subscribe(struct session *s, struct args *a)
{
    subscribe(s, a, true);
}

void imap_unsubscribe(struct session *s, struct args *a)
{
    subscribe(s, a, false);
}

/* RFC 2342 5: the user's own mailboxes are all there is. */
void imap_namespace(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    imap_untagged(s, "NAMESPACE ((\"\" \"/\")) NIL NIL");
    imap_ok(s, "NAMESPACE completed");
}
