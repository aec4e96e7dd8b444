/* as_user.c - another identity for file access. Straight system calls: those of libc would change all
 * threads of the process. */
#include "reference/mda/as_user.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool may_become_others(void)
{
    const uint32_t both = 1u << CAP_SETUID | 1u << CAP_SETGID;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & both) == both;
}

bool as_user_possible(int64_t uid, int64_t gid)
{
    return uid >= 0 && gid >= 0 && ((uid_t)uid == geteuid() || may_become_others());
}

/* setfsuid and setfsgid tell the value before, never an error: asked again, they tell the value now. */
static bool set_ids(uid_t uid, gid_t gid)
{
    setfsgid(gid);
    setfsuid(uid);
    return (gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid;
}

bool as_user_begin(struct as_user *u, int64_t uid, int64_t gid)
{
    gid_t group = (gid_t)gid;
    *u = (struct as_user){.uid = geteuid(), .gid = getegid()};
    if (!as_user_possible(uid, gid)) {
        errno = EPERM;
        return false;
    }
    if ((uid_t)uid == u->uid)
        return true;
    u->group_count = getgroups(AS_USER_GROUPS_MAX, u->groups);
    if (u->group_count < 0)
        return false;
    u->changed = true;
    if (syscall(SYS_setgroups, 1, &group) == 0 && set_ids((uid_t)uid, group))
        return true;
    as_user_end(u);
    errno = EPERM;
    return false;
}

void as_user_end(struct as_user *u)
{
    int error = errno;
    /* A thread that stayed another user would read others' mail with the next session. */
    if (u->changed && (!set_ids(u->uid, u->gid) ||
                       syscall(SYS_setgroups, (size_t)u->group_count, u->groups) != 0))
        die(70, "mda: cannot go back to the delivery agent's own user");
    u->changed = false;
    errno = error;
}
