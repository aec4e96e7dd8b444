/* Landlock, on kernels that have it; elsewhere: that we say so and change nothing. */
#include "base/mem.h"
#include "reference/master.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int can_create(const char *folder, const char *name)
{
    char *path = xasprintf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    int result = fd >= 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    free(path);
    return result;
}

/* In a process of its own, since there is no way back. The number of the check that failed. */
static int restricted(const char *inside, const char *outside)
{
    const char *why = "", *folders[] = {inside, "/dev", "/nonexistent", NULL};
    char *sub = xasprintf("%s/sub", inside), *from = xasprintf("%s/x", inside);
    char *to = xasprintf("%s/sub/x", inside), *away = xasprintf("%s/x", outside);
    if (!sandbox_writes(folders, &why))
        return 1;
    if (can_create(inside, "x") != 0 || mkdir(sub, 0700) != 0)
        return 2;
    if (rename(from, to) != 0)          /* between folders, as the spool does */
        return 3;
    if (can_create(outside, "y") != EACCES || can_create("/tmp", "postroad-y") != EACCES)
        return 4;
    if (rename(to, away) == 0 || open("/dev/null", O_WRONLY) < 0)
        return 5;
    char *there = xasprintf("%s/there", outside);
    if (open(there, O_WRONLY) >= 0 || open(there, O_RDONLY) < 0 || unlink(there) == 0)
        return 6;
    return 0;
}

Test(sandbox, writes_only_where_allowed)
{
    char inside[] = "/tmp/postroad-in-XXXXXX", outside[] = "/tmp/postroad-out-XXXXXX";
    const char *why = NULL;
    cr_assert(mkdtemp(inside) && mkdtemp(outside));
    cr_assert_eq(can_create(outside, "there"), 0);
    bool available = sandbox_available(&why);
    pid_t pid = fork();
    if (pid == 0)
        _exit(restricted(inside, outside));
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(WEXITSTATUS(status), available ? 0 : 1, "check %d failed", WEXITSTATUS(status));
    cr_expect(available || strstr(why, "Linux"), "%s", why ? why : "no reason");
    char *command = xasprintf("rm -rf %s %s", inside, outside);
    cr_expect_eq(system(command), 0);
    free(command);
}
