/* check.c - `lab check`: what works on this machine, one line each. */
#include "conformance/lab/run.h"

#include "base/mem.h"
#include "conformance/lab/dns.h"
#include "conformance/lab/folder.h"
#include "conformance/lab/isolate.h"
#include "conformance/lab/netlink.h"
#include "conformance/lab/road.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static bool say(bool good, const char *what, const char *why)
{
    printf("%-8s %s%s%s\n", good ? "ok" : "MISSING", what, good || !why[0] ? "" : ": ",
           good ? "" : why);
    fflush(stdout);
    return good;
}

static int check_inside(const struct world *w, const char *dir, const char *program_dir)
{
    struct buf why = {0};
    pid_t dns = 0;
    bool good = say(isolate_mount(dir, &why), "mounts over files of /etc", buf_str(&why));
    buf_clear(&why);
    int nl = nl_open();
    bool network = say(nl >= 0 && isolate_network(nl, w, &why), "addresses, routes and rules",
                       buf_str(&why));
    if (access("/proc/sys/net/ipv6", F_OK) != 0)
        say(false, "IPv6", "this kernel has none; only IPv4 will be tested");
    struct road *road = network ? road_open() : NULL;
    good &= network && say(road != NULL, "hosts down, silent and slow (packet socket)",
                           strerror(errno));
    road_free(road);
    buf_clear(&why);
    good &= network && say(dns_start(w, dir, program_dir, &dns, &why), "dns-sim on port 53",
                           buf_str(&why));
    if (dns > 0)
        kill(dns, SIGKILL);
    buf_free(&why);
    return good ? 0 : 1;
}

int run_check(void)
{
    struct buf error = {0};
    char *dir = folder_make(NULL, &error), *program_dir = folder_of_program();
    if (!dir)
        die(1, "%s", buf_str(&error));
    struct world *w = world_new();
    int status = 1 << 8;
    uid_t uid = geteuid();
    if (say(isolate(&error), uid == 0 ? "namespaces, as root" : "namespaces, without root",
            buf_str(&error))) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(check_inside(w, dir, program_dir));
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    folder_remove(dir);
    world_free(w);
    free(dir);
    free(program_dir);
    buf_free(&error);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
