/* world_target.c - starting and stopping the target through the scripts of its folder. */
#include "conformance/runner/world.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP_MS = 10000, CHILDREN_MS = 2000, OUTPUT_MAX = 1 << 20 };

static char *script_path(const struct target *t, const char *name)
{
    return xasprintf("%s/%s", t->folder, name);
}

bool target_has_script(const struct target *t, const char *name)
{
    char *path = script_path(t, name);
    bool there = t->folder && access(path, R_OK) == 0;
    free(path);
    return there;
}

/* What the scripts may rely on: docs/targets.md. */
static char **environment(const struct world_up *w)
{
    const struct target *t = w->target;
    char **env = xcalloc(12, sizeof *env);
    size_t n = 0;
    env[n++] = xasprintf("STATE=%s", w->state);
    env[n++] = xasprintf("FOLDER=%s", t->folder);
    env[n++] = xasprintf("INSTALLED=%s/targets/%s", t->build, t->name);
    env[n++] = xasprintf("BIN=%s/bin", t->build);
    env[n++] = xasprintf("WORLD=%s/world", t->root);
    env[n++] = xasprintf("PROFILE=%s", w->profile ? w->profile : "default");
    env[n++] = xasprintf("ADDRESS=%s", t->address);
    env[n++] = xasprintf("ADDRESS6=%s", t->address6 ? t->address6 : "");
    env[n++] = xasprintf("HOST_NAME=%s", t->hostname);
    return env;
}

static pid_t spawn_script(struct world_up *w, const char *name, int out)
{
    char *path = script_path(w->target, name);
    char *argv[] = {"/bin/sh", "-eu", path, NULL};
    char **env = environment(w);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = lab_spawn(w->lab, &(struct lab_command){.argv = argv, .env = env, .cwd = w->state,
                                                        .fds = {nothing, out, out}});
    int error = errno;
    close(nothing);
    for (char **e = env; *e; e++)
        free(*e);
    free(env);
    free(path);
    errno = error;
    return pid;
}

/* Waits for a child; false when it did not end in time. */
static bool wait_for(pid_t pid, int64_t ms, int *status)
{
    for (int64_t until = mono_ms() + ms; mono_ms() < until; sleep_ms(2)) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid || (got < 0 && errno == ECHILD))
            return true;
    }
    return false;
}

int target_script(struct world_up *w, const char *name, int64_t limit_ms, struct buf *out)
{
    int status = -1;
    if (!target_has_script(w->target, name)) {
        buf_printf(out, "the target's folder has no script \"%s\"", name);
        return -1;
    }
    char *log = xasprintf("%s/%s.out", lab_dir(w->lab), name);
    int fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    pid_t pid = fd < 0 ? -1 : spawn_script(w, name, fd);
    if (pid < 0) {
        buf_printf(out, "%s: %s", name, strerror(errno));
    } else if (!wait_for(pid, limit_ms, &status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        buf_printf(out, "%s did not end within %lld s", name, (long long)limit_ms / 1000);
        status = -1;
    } else {
        buf_read_file(out, log, OUTPUT_MAX);
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    if (fd >= 0)
        close(fd);
    free(log);
    return status;
}

bool world_target_running(struct world_up *w)
{
    if (!w->target->lab || w->replay)
        return true;
    int status;
    if (w->pid && waitpid(w->pid, &status, WNOHANG) != 0)
        w->pid = 0;
    return w->pid != 0;
}

static bool listening(struct world_up *w, const struct target_service *s)
{
    struct netaddr a;
    const char *address = s->address ? s->address : w->target->address;
    if (!netaddr_parse(&a, slice_str(address), (uint16_t)s->port))
        return true;
    int fd = world_connect(w, &a, NULL, 1000);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The services that the profile has on top of the target's own, on their usual ports. */
static bool profile_listens(struct world_up *w)
{
    static const struct target_service usual[] = {
        {"submissions", NULL, 465}, {"pop3s", NULL, 995}, {"imaps", NULL, 993}};
    const struct target_profile *p = target_profile(w->target, w->profile ? w->profile : "default");
    for (size_t i = 0; p && i < sizeof usual / sizeof *usual; i++)
        if (ids_have(&p->provides, usual[i].name) && !target_service(w->target, usual[i].name) &&
            !listening(w, &usual[i]))
            return false;
    return true;
}

bool target_start(struct world_up *w, struct buf *error)
{
    char *log = xasprintf("%s/target.log", lab_dir(w->lab));
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    w->pid = 0;
    pid_t pid = fd < 0 ? -1 : spawn_script(w, "start", fd);
    bool up = false;
    if (fd >= 0)
        close(fd);
    if (pid < 0)
        buf_printf(error, "the target's start: %s", strerror(errno));
    else
        processes_begin(w, w->pid = pid);
    int64_t until = mono_ms() + w->target->start_ms;
    for (size_t i = 0; pid > 0 && world_target_running(w) && mono_ms() < until;) {
        if (i == w->target->service_count && profile_listens(w)) {
            up = true;
            break;
        }
        if (i < w->target->service_count && listening(w, &w->target->services[i]))
            i++;
        else
            sleep_ms(3);
    }
    if (!up) {
        struct buf said = {0};
        buf_read_file(&said, log, OUTPUT_MAX);
        struct slice tail = slice_trim(buf_slice(&said));
        if (tail.n > 3000)
            tail = slice_sub(tail, tail.n - 3000, tail.n);
        buf_printf(error, "the target %s %s:\n%.*s", w->target->name,
                   w->pid ? "does not listen where it should" : "ended at once", SLICE_ARG(tail));
        buf_free(&said);
        if (w->pid)
            target_stop(w, true);
    }
    free(log);
    return up;
}

void target_stop(struct world_up *w, bool kill_it)
{
    int status;
    if (!w->pid)
        return;
    pid_t pid = w->pid;
    if (!kill_it) {
        struct buf out = {0};
        if (target_has_script(w->target, "stop"))
            target_script(w, "stop", STOP_MS, &out);
        else
            kill(pid, SIGTERM);
        buf_free(&out);
    }
    if (kill_it || !wait_for(pid, STOP_MS, &status)) {
        processes_end(w, 0);
        waitpid(pid, &status, 0);
    }
    /* Its children may hold its sockets and files a moment longer. */
    processes_end(w, CHILDREN_MS);
    w->pid = 0;
}
