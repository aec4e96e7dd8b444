#include "conformance/lab/dns.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_MS 20000     /* for large zones on a slow machine */

static char *find_program(const char *program_dir)
{
    const char *named = getenv("LAB_DNS_SIM");
    if (named)
        return xstrdup(named);
    char *beside = xasprintf("%s/dns-sim", program_dir);
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return xstrdup("dns-sim");
}

static const char **arguments(const struct world *w, const char *dir, const char *program)
{
    const char *fixed[] = {program, "--listen", "127.0.0.1",
                           /* It stands for the resolver of every host: asks for recursion are met
                            * and what no zone holds does not exist. */
                           "--recursion-available", "--root-nxdomain",
                           "--control", xasprintf("%s/dns.control", dir),
                           "--log", xasprintf("%s/dns.log", dir), "--ready-fd", "3"};
    size_t n = sizeof fixed / sizeof *fixed;
    const char **argv = xcalloc(n + 2 * w->zone_count + 1, sizeof *argv);
    memcpy(argv, fixed, sizeof fixed);
    for (size_t i = 0; i < w->zone_count; i++) {
        argv[n++] = "--zone";
        argv[n++] = w->zones[i];
    }
    return argv;
}

/* In the child. Its own process group: a Ctrl-C at the terminal is not for the name server. */
static void become_dns(const struct world *w, const char *dir, const char *program, int ready)
{
    const char **argv = arguments(w, dir, program);
    char *own = xasprintf("%s/dns-sim.log", dir);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    int log = open(own, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(nothing, 0);
    dup2(log, 1);
    dup2(log, 2);
    if (ready == 3)
        fcntl(ready, F_SETFD, 0);
    else
        dup2(ready, 3);
    execvp(program, (char *const *)argv);
    fprintf(stderr, "%s: %s; build dns-sim, or name it in LAB_DNS_SIM\n", program, strerror(errno));
    _exit(127);
}

static void explain_end(const char *dir, struct buf *error)
{
    char *own = xasprintf("%s/dns-sim.log", dir);
    struct buf said = {0};
    buf_add_str(error, "dns-sim did not start");
    if (buf_read_file(&said, own, 65536) == 0 && said.len)
        buf_printf(error, ":\n%.*s", SLICE_ARG(slice_trim(buf_slice(&said))));
    buf_free(&said);
    free(own);
}

bool dns_start(const struct world *w, const char *dir, const char *program_dir, pid_t *pid,
               struct buf *error)
{
    int ready[2];
    char octet;
    if (pipe2(ready, O_CLOEXEC) < 0) {
        buf_printf(error, "no pipe: %s", strerror(errno));
        return false;
    }
    char *program = find_program(program_dir);
    *pid = fork();
    if (*pid == 0)
        become_dns(w, dir, program, ready[1]);
    close(ready[1]);
    struct pollfd p = {.fd = ready[0], .events = POLLIN};
    bool good = *pid > 0 && poll(&p, 1, START_MS) == 1 && read(ready[0], &octet, 1) == 1;
    if (!good)
        explain_end(dir, error);
    close(ready[0]);
    free(program);
    return good;
}

void dns_control(const char *control, const char *program_dir, char *const *words)
{
    char *program = find_program(program_dir);
    size_t n = 0;
    while (words[n])
        n++;
    const char **argv = xcalloc(n + 4, sizeof *argv);
    argv[0] = program;
    argv[1] = "ctl";
    argv[2] = control;
    memcpy(argv + 3, words, n * sizeof *argv);
    execvp(program, (char *const *)argv);
    int why = errno;
    free(argv);
    free(program);
    errno = why;
}
