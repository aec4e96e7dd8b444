/* spawn.c - processes that join a running lab. */
#include "conformance/lab/handle.h"

#include "base/mem.h"
#include "conformance/lab/folder.h"
#include "conformance/lab/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t count(char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* This process's environment with `more` in place of variables of the same name. */
static char **merged_environment(char *const *more, char *const ours[FOLDER_VARIABLES])
{
    extern char **environ;
    size_t n = 0, added = count(more);
    char **out = xcalloc(count(environ) + added + FOLDER_VARIABLES + 1, sizeof *out);
    for (int i = 0; i < FOLDER_VARIABLES; i++)
        out[n++] = ours[i];
    for (size_t i = 0; i < added; i++)
        out[n++] = more[i];
    size_t first = n;
    for (char *const *e = environ; *e; e++) {
        bool replaced = false;
        for (size_t i = 0; i < first && !replaced; i++)
            replaced = same_name(out[i], *e);
        if (!replaced)
            out[n++] = *e;
    }
    return out;
}

/* From here to exec only calls that are safe in the child of a process with threads. */

/* Says why the command does not run. Silence, and the pipe's end at exec, mean that it does. */
static void __attribute__((noreturn)) give_up(int news)
{
    int why = errno;
    (void)!write(news, &why, sizeof why);
    _exit(127);
}

static void run_command(const struct lab_command *c, char **env, const char *cwd, int news)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the helper is killed, so is the command */
    bool given = c->fds[0] || c->fds[1] || c->fds[2];
    int fds[3];
    /* First out of the way, for one of them may have the number that another is to get. */
    for (int i = 0; i < 3; i++)
        fds[i] = given && c->fds[i] >= 0 ? fcntl(c->fds[i], F_DUPFD_CLOEXEC, 3) : -1;
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            dup2(fds[i], i);
    isolate_keep_capabilities();
    if (chdir(cwd) == 0)
        execvpe(c->argv[0], c->argv, env);
    give_up(news);
}

/* Ends as the command ended. */
static void __attribute__((noreturn)) end_as(int status)
{
    if (WIFSIGNALED(status)) {
        sigset_t one;
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        sigemptyset(&one);
        sigaddset(&one, WTERMSIG(status));
        signal(WTERMSIG(status), SIG_DFL);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* The helper: joins the namespaces, starts the command, and stands for it outside. A lab can end
 * only when each of its processes has been waited for; the caller might be waiting for that end, so
 * the command cannot be a child of the caller itself. */
static void __attribute__((noreturn)) help(const struct lab *lab, const struct lab_command *c,
                                           char **env, const char *cwd, int news)
{
    sigset_t all;
    siginfo_t got;
    int status;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_DFL);
    if (lab->namespaces && (setns(lab->init, lab->namespaces) < 0 || fchdir(lab->root) < 0
                            || chroot(".") < 0))
        give_up(news);
    pid_t pid = fork();
    if (pid < 0)
        give_up(news);
    if (pid == 0)
        run_command(c, env, cwd, news);
    close_range(0, ~0u, 0); /* whoever waits for the end of a pipe is not to wait for us */
    for (;;) {
        sigwaitinfo(&all, &got);
        if (got.si_signo == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
            end_as(status);
        /* What was sent to us is meant for the command; a terminal reaches it by itself. */
        if (got.si_signo != SIGCHLD && got.si_code == SI_USER)
            kill(pid, got.si_signo);
    }
}

pid_t lab_spawn(struct lab *lab, const struct lab_command *c)
{
    char *variables[FOLDER_VARIABLES];
    folder_environment(lab->dir, variables);
    char **env = merged_environment(c->env, variables);
    char *here = c->cwd ? xstrdup(c->cwd) : getcwd(NULL, 0);
    int news[2], why = errno;
    pid_t helper = -1;
    if (here && pipe2(news, O_CLOEXEC) == 0) {
        helper = fork();
        if (helper == 0)
            help(lab, c, env, here, news[1]);
        why = helper < 0 ? errno : 0;
        close(news[1]);
        ssize_t n;
        while (helper > 0 && (n = read(news[0], &why, sizeof why)) < 0 && errno == EINTR)
            ;
        close(news[0]);
    } else {
        why = errno;
    }
    if (helper > 0 && why) {
        while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
            ;
        helper = -1;
    }
    for (int i = 0; i < FOLDER_VARIABLES; i++)
        free(variables[i]);
    free(env);
    free(here);
    errno = why;
    return helper;
}
