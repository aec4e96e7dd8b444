/* processes.c - which processes in the lab are the target's, also those that went their own way. */
#include "conformance/runner/world.h"

#include "base/mem.h"
#include "base/timing.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct pids { pid_t *v; size_t n; };

/* The number of a pid namespace: of the process ("pid") or of what it starts ("pid_for_children");
 * 0 when the process is gone (a zombie has none either). */
static ino_t namespace_of(pid_t pid, const char *which)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, which);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    if (f)
        fclose(f);
    return parent;
}

static bool below(pid_t pid, pid_t root)
{
    for (int depth = 0; pid > 1 && depth < 64; depth++, pid = parent_of(pid))
        if (pid == root)
            return true;
    return false;
}

static bool has(const pid_t *v, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == pid)
            return true;
    return false;
}

/* The processes of the lab's pid namespace. */
static struct pids list(const struct world_up *w)
{
    struct pids p = {0};
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid > 0 && namespace_of(pid, "pid") == w->pid_namespace) {
            p.v = xreallocarray(p.v, p.n + 1, sizeof *p.v);
            p.v[p.n++] = pid;
        }
    }
    if (d)
        closedir(d);
    return p;
}

void processes_begin(struct world_up *w, pid_t pid)
{
    if (w->pid_namespace)
        return;
    /* What lab_spawn gives stands outside of the lab for the process in it. */
    ino_t space = namespace_of(pid, "pid_for_children");
    /* A lab without a pid namespace of its own: only what is below the target is known to be its. */
    w->pid_namespace = space;
    w->shared_namespace = space == namespace_of(getpid(), "pid");
    struct pids all = w->shared_namespace ? (struct pids){0} : list(w);
    w->not_target = xcalloc(all.n + 1, sizeof *w->not_target);
    for (size_t i = 0; i < all.n; i++)
        if (!below(all.v[i], pid))
            w->not_target[w->not_target_count++] = all.v[i];
    free(all.v);
}

/* Sends the signal to each process of the target; how many there are. */
static size_t signal_all(const struct world_up *w, int signal)
{
    struct pids all = list(w);
    size_t count = 0;
    for (size_t i = 0; i < all.n; i++) {
        pid_t pid = all.v[i];
        bool ours = w->shared_namespace ? w->pid > 0 && below(pid, w->pid)
                                        : !has(w->not_target, w->not_target_count, pid);
        if (!ours)
            continue;
        count++;
        if (signal)
            kill(pid, signal);
    }
    free(all.v);
    return count;
}

void processes_end(struct world_up *w, int64_t wait_ms)
{
    if (!w->pid_namespace)
        return;
    int64_t until = mono_ms() + wait_ms;
    while (wait_ms && signal_all(w, 0) > 0 && mono_ms() < until)
        sleep_ms(1);
    for (until = mono_ms() + 1000; signal_all(w, SIGKILL) > 0 && mono_ms() < until;)
        sleep_ms(1);
}
