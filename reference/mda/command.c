/* command.c - a child process with a message on its standard input. */
#include "reference/mda/command.h"

#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_SHOWN = 300, NO_PROGRAM = 127, NO_USER = 126 };

/* sysexits(3) and what RFC 3463 has for it. */
static const struct { int code; const char *status, *words; } meanings[] = {
    {64, "5.3.5", "wrong arguments"},       {65, "5.6.0", "wrong data"},
    {66, "5.3.0", "no input"},              {67, "5.1.1", "no such user"},
    {68, "5.1.2", "no such host"},          {69, "5.3.0", "service not available"},
    {70, "5.3.0", "internal error"},        {71, "4.3.0", "error of the system"},
    {72, "5.3.0", "a system file is missing"},
    {73, "5.2.0", "the mailbox cannot be written"},
    {74, "4.3.0", "input or output error"}, {75, "4.3.0", "not now"},
    {76, "5.5.0", "protocol error"},        {77, "5.7.0", "not permitted"},
    {78, "5.3.5", "wrong configuration"},
    {NO_PROGRAM, "4.3.5", "the program cannot be started"},
    {NO_USER, "4.3.5", "the user of the mailbox cannot be taken on"},
};

/* After fork in a process with threads only system calls are safe; libc's setuid would talk to the
 * other threads, which are not here. */
static void become(const struct command_run *run)
{
    if (run->gid >= 0) {
        gid_t gid = (gid_t)run->gid;
        if (syscall(SYS_setgroups, 1, &gid) != 0 || syscall(SYS_setgid, gid) != 0)
            _exit(NO_USER);
    }
    if (run->uid >= 0 && syscall(SYS_setuid, (uid_t)run->uid) != 0)
        _exit(NO_USER);
}

static void child(const struct command_run *run, int output)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();                    /* so that all of it can be killed */
    become(run);
    umask(077);                  /* what it writes is its user's own */
    if (chdir(run->folder ? run->folder : "/") != 0 && chdir("/") != 0)
        _exit(NO_USER);
    if (dup2(run->input, 0) < 0 || lseek(0, 0, SEEK_SET) < 0 || dup2(output, 1) < 0 ||
        dup2(output, 2) < 0)
        _exit(NO_PROGRAM);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execve(run->words[0], run->words, run->environment);
    _exit(NO_PROGRAM);
}

/* Keeps the beginning of what it says; false when the time was over first. */
static bool listen_to(int fd, char *said, size_t room, int64_t timeout_ms)
{
    int64_t until = mono_ms() + timeout_ms;
    size_t n = 0;
    char more[512];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - mono_ms();
        if (left <= 0)
            return false;
        if (poll(&p, 1, left > 60000 ? 60000 : (int)left) <= 0)
            continue;
        ssize_t got = n + 1 < room ? read(fd, said + n, room - 1 - n) : read(fd, more, sizeof more);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (n + 1 < room)
            n += (size_t)got;
        said[n] = 0;
    }
    return true;
}

static void tell(struct command_result *r, const char *status, const char *words, const char *said)
{
    size_t line = strcspn(said, "\r\n");
    snprintf(r->status, sizeof r->status, "%s", status);
    snprintf(r->text, sizeof r->text, "%s%s%.*s", words, line ? ": " : "", (int)line, said);
    for (char *p = r->text; *p; p++)
        if ((unsigned char)*p < 32 || *p & 0x80 || *p == 127)
            *p = '?';
    r->delivered = status[0] == '2';
    r->temporary = status[0] == '4';
}

static void judge(int status, const char *said, struct command_result *r)
{
    char words[80];
    if (WIFSIGNALED(status)) {
        snprintf(words, sizeof words, "the program was ended by signal %d", WTERMSIG(status));
        tell(r, "4.3.0", words, said);
        return;
    }
    int code = WEXITSTATUS(status);
    if (code == 0) {
        tell(r, "2.0.0", "delivered by the program", "");
        return;
    }
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == code) {
            tell(r, meanings[i].status, meanings[i].words, said);
            return;
        }
    snprintf(words, sizeof words, "the program ended with exit code %d", code);
    tell(r, "5.3.0", words, said);
}

void program_run(const struct command_run *run, struct command_result *result)
{
    char said[OUTPUT_SHOWN] = "";
    int p[2] = {-1, -1}, status = 0;
    pid_t pid = pipe2(p, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0)
        child(run, p[1]);
    if (p[1] >= 0)
        close(p[1]);
    if (pid < 0) {
        tell(result, "4.3.0", "no process can be made", strerror(errno));
    } else {
        bool over = listen_to(p[0], said, sizeof said, run->timeout_ms);
        /* The whole session: a child of its own may hold the pipe, or go on without it. */
        kill(-pid, over ? 0 : SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (over)
            judge(status, said, result);
        else
            tell(result, "4.3.0", "the program took too long and was ended", said);
    }
    if (p[0] >= 0)
        close(p[0]);
}
