/* system_user.c - getpwnam(3) and getspnam(3) as a look-up. */
#include "reference/auth/system_user.h"

#include "base/mem.h"
#include "reference/auth/users.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>

enum { ENTRY_MAX = 64 * 1024, DAY = 86400 };

void system_user_fill(const struct passwd *pw, struct record *out)
{
    out->account.user = xstrdup(pw->pw_name);
    out->account.home = xstrdup(pw->pw_dir ? pw->pw_dir : "");
    out->account.uid = pw->pw_uid;
    out->account.gid = pw->pw_gid;
}

/* For those who come with a ticket, a token or a certificate, and not to whoever checks passwords.
 * Systems without shadow(5), or that let us not read it, know no such day. */
static int64_t expiry_of(const char *name, char *room)
{
    struct spwd sp, *found = NULL;
    return getspnam_r(name, &sp, room, ENTRY_MAX, &found) == 0 && found && sp.sp_expire > 0
               ? (int64_t)sp.sp_expire * DAY : 0;
}

enum auth_status system_user(const struct account_query *q, struct record *out, struct buf *why)
{
    struct passwd pw, *found = NULL;
    if (!q->system || !user_name_valid(slice_str(q->local)))
        return AUTH_NO;
    char *room = xmalloc(ENTRY_MAX);
    int error = getpwnam_r(q->local, &pw, room, ENTRY_MAX, &found);
    if (found)
        system_user_fill(found, out);
    if (found && q->account_only)
        out->expires = expiry_of(q->local, room);
    explicit_bzero(room, ENTRY_MAX);
    free(room);
    /* getpwnam(3): which of these means "no such user" depends on where it looked. */
    if (found || error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
        error == EPERM)
        return found ? AUTH_OK : AUTH_NO;
    buf_printf(why, "the system's users cannot be read: %s", strerror(error));
    return AUTH_TEMPFAIL;
}
