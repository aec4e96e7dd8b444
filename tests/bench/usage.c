/* usage PID OUT command...: runs the command and writes to OUT what the process PID and all its
 * descendants used meanwhile: "seconds <wall> cpu <seconds> memory <peak KiB>".
 *
 * CPU is user and system time, ended children included (their parent's cutime). Memory is the sum
 * of the proportional set sizes, sampled, so pages that processes share count once. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/timing.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4096, SAMPLE_MS = 50 };

struct process { int pid, parent; uint64_t ticks; bool ours; };

static bool read_process(int pid, struct process *p)
{
    char *path = xasprintf("/proc/%d/stat", pid);
    struct buf b = {0};
    int r = buf_read_file(&b, path, 4096);
    free(path);
    const char *rest = r == 0 ? strrchr(buf_str(&b), ')') : NULL; /* a name may hold anything */
    unsigned long long user = 0, sys = 0;
    long long cuser = 0, csys = 0;
    int parent = 0;
    bool ok = rest && sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                             &parent, &user, &sys, &cuser, &csys) == 5;
    *p = (struct process){.pid = pid, .parent = parent,
                          .ticks = user + sys + (uint64_t)cuser + (uint64_t)csys};
    buf_free(&b);
    return ok;
}

static uint64_t proportional_kib(int pid)
{
    char *path = xasprintf("/proc/%d/smaps_rollup", pid);
    struct buf b = {0};
    unsigned long long kib = 0;
    if (buf_read_file(&b, path, 65536) == 0) {
        const char *at = strstr(buf_str(&b), "\nPss:");
        if (at)
            sscanf(at, "\nPss: %llu", &kib);
    }
    buf_free(&b);
    free(path);
    return kib;
}

/* Sums over root and its descendants. */
static void sample(int root, uint64_t *ticks, uint64_t *kib)
{
    static struct process all[MOST];
    size_t n = 0;
    DIR *d = opendir("/proc");
    if (!d)
        die(71, "cannot read /proc: %s", strerror(errno));
    for (struct dirent *e; (e = readdir(d)) && n < MOST;) {
        int pid = atoi(e->d_name);
        if (pid > 0 && read_process(pid, &all[n]))
            n++;
    }
    closedir(d);
    *ticks = *kib = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            if (all[i].ours)
                continue;
            bool ours = all[i].pid == root;
            for (size_t k = 0; k < n && !ours; k++)
                ours = all[k].ours && all[k].pid == all[i].parent;
            if (!ours)
                continue;
            all[i].ours = more = true;
            *ticks += all[i].ticks;
            *kib += proportional_kib(all[i].pid);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die(64, "use: usage PID OUT command...");
    int root = atoi(argv[1]);
    uint64_t before, now, kib, peak = 0;
    sample(root, &before, &kib);
    int64_t start = mono_us();
    pid_t child = fork();
    if (child < 0)
        die(71, "fork: %s", strerror(errno));
    if (child == 0) {
        execvp(argv[3], argv + 3);
        die(69, "%s: %s", argv[3], strerror(errno));
    }
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        sample(root, &now, &kib);
        peak = kib > peak ? kib : peak;
        sleep_ms(SAMPLE_MS);
    }
    double seconds = (double)(mono_us() - start) / 1e6;
    sample(root, &now, &kib);
    FILE *out = fopen(argv[2], "w");
    if (!out)
        die(73, "%s: %s", argv[2], strerror(errno));
    fprintf(out, "seconds %.3f cpu %.3f memory %llu\n", seconds,
            (double)(now - before) / (double)sysconf(_SC_CLK_TCK),
            (unsigned long long)(peak > kib ? peak : kib));
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
