/* sandbox.c - Landlock: a role may read what its user may read, but change files only where it
 * must. Straight system calls, since libc has no functions for them. */
#include "reference/master.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif

/* Every way to change a file or folder that ABI 2 knows. ABI 1 forbids all renames between
 * folders, which is how the spool works, so it is not enough. */
enum { LEAST_ABI = 2 };
static const uint64_t file_writes = LANDLOCK_ACCESS_FS_WRITE_FILE;
static const uint64_t writes =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

bool sandbox_available(const char **why)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= LEAST_ABI)
        return true;
    *why = abi > 0              ? "the kernel's Landlock is too old (ABI 1); Linux 5.19 has ABI 2"
           : errno == EOPNOTSUPP ? "Landlock is switched off; boot with lsm=landlock,..."
                                 : "the kernel has no Landlock; Linux 5.19 or newer with "
                                   "CONFIG_SECURITY_LANDLOCK has";
    return false;
}

static bool allow(int ruleset, const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT;   /* what is not there cannot be written either */
    bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    struct landlock_path_beneath_attr rule = {.allowed_access = folder ? writes : file_writes,
                                              .parent_fd = fd};
    bool good = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return good;
}

bool sandbox_writes(const char *const folders[], const char **why)
{
    if (!sandbox_available(why))
        return false;
    struct landlock_ruleset_attr attr = {.handled_access_fs = writes};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    bool good = ruleset >= 0;
    for (size_t i = 0; good && folders[i]; i++)
        good = allow(ruleset, folders[i]);
    good = good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    if (!good)
        *why = "the kernel refused the rules";
    return good;
}
