/* quota.c - GETQUOTA, GETQUOTAROOT (RFC 9208). All mailboxes of a user share the root "". */
#include "reference/imapd/session.h"

#include <errno.h>

static uint64_t kibi(uint64_t octets) { return (octets + 1023) / 1024; }     /* RFC 9208 5.1 */

/* "* QUOTA "" (STORAGE used limit MESSAGE used limit)": what has no limit is not named. */
static void tell(struct session *s, const struct store_quota *q)
{
    struct buf out = {0};
    buf_add_str(&out, "QUOTA \"\" (");
    if (q->octets_limit)
        buf_printf(&out, "STORAGE %llu %llu", (unsigned long long)kibi(q->octets),
                   (unsigned long long)(q->octets_limit / 1024));
    if (q->messages_limit)
        buf_printf(&out, "%sMESSAGE %llu %llu", q->octets_limit ? " " : "",
                   (unsigned long long)q->messages, (unsigned long long)q->messages_limit);
    buf_add_byte(&out, ')');
    imap_untagged(s, "%s", buf_str(&out));
    buf_free(&out);
}

static bool nearly_full(uint64_t used, uint64_t limit)
{
    enum { WARN_PERCENT = 90 };
    return limit > 0 && used >= (limit * WARN_PERCENT + 99) / 100;
}

void imap_warn_of_quota(struct session *s)
{
    struct store_quota q;
    if (store_account_limited(s->mail) && store_account_quota(s->mail, &q) == 0 &&
        (nearly_full(q.octets, q.octets_limit) || nearly_full(q.messages, q.messages_limit)))
        imap_untagged(s, "NO [ALERT] your mailboxes are nearly full; delete what you do not need");
}

void imap_getquota(struct session *s, struct args *a)
{
    struct slice root;
    struct store_quota q;
    if (!args_space(a) || !args_astring(a, &root) || !args_end(a)) {
        imap_bad_args(s, a);
    } else if (store_account_quota(s->mail, &q) != 0) {
        imap_no_errno(s, errno, "the quota is not known");
    } else if (root.n > 0 || (!q.octets_limit && !q.messages_limit)) {
        imap_no(s, "[NONEXISTENT] there is no such quota root");
    } else {
        tell(s, &q);
        imap_ok(s, "GETQUOTA completed");
    }
}

void imap_getquotaroot(struct session *s, struct args *a)
{
    struct buf name = {0}, out = {0};
    struct store_quota q;
    if (!args_space(a) || !args_mailbox(a, &name) || !args_end(a)) {
        imap_bad_args(s, a);
    } else if (folder_find(s->mail, buf_str(&name), NULL) != 0 ||
               store_account_quota(s->mail, &q) != 0) {
        imap_no_errno(s, errno, "the quota is not known");
    } else {
        bool limited = q.octets_limit || q.messages_limit;
        buf_add_str(&out, "QUOTAROOT ");
        imap_mailbox_name(s, &out, buf_slice(&name));
        imap_untagged(s, "%s%s", buf_str(&out), limited ? " \"\"" : "");
        if (limited)
            tell(s, &q);
        imap_ok(s, "GETQUOTAROOT completed");
    }
    buf_free(&name);
    buf_free(&out);
}
