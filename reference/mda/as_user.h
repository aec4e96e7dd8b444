/* as_user.h - opening files with a user's own rights, in one thread of a process that serves many.
 *
 * The kernel keeps the identity for file access by thread (setfsuid(2)), so no process has to be made
 * to read a file as somebody. Programs are started as the user for good (command.h). */
#ifndef REFERENCE_MDA_AS_USER_H
#define REFERENCE_MDA_AS_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { AS_USER_GROUPS_MAX = 64 };

struct as_user {
    bool changed;              /* there is something to go back to */
    uid_t uid;
    gid_t gid, groups[AS_USER_GROUPS_MAX];
    int group_count;
};

/* May this process act for other users? */
bool may_become_others(void);
/* Can files be touched as this user: is it us, or may we become it? */
bool as_user_possible(int64_t uid, int64_t gid);
/* From here on this thread touches files as uid and gid, without other groups. False with errno (EPERM:
 * it may not). After true as_user_end must follow, in the same thread. */
bool as_user_begin(struct as_user *u, int64_t uid, int64_t gid);
/* errno stays. */
void as_user_end(struct as_user *u);

#endif
