/* main.c - the command lab(8). */
#include "conformance/lab/lab.h"

#include "base/mem.h"
#include "conformance/lab/control.h"
#include "conformance/lab/dns.h"
#include "conformance/lab/folder.h"
#include "conformance/lab/run.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE 64 /* sysexits(3) */

static const char usage_text[] =
    "usage: lab run [--world FILE] [--dir DIR] [--keep] -- COMMAND...\n"
    "       lab hold [--world FILE] [--dir DIR] [--remove]   up until standard input is closed\n"
    "       lab enter DIR -- COMMAND...                      run a command in a running lab\n"
    "       lab hosts DIR                                    the hosts and their states\n"
    "       lab host DIR NAME up|down|unreachable|silent     change the state of a host\n"
    "       lab host DIR NAME slow MS\n"
    "       lab address DIR NAME ADDRESS                     give a host one more address\n"
    "       lab dns DIR COMMAND...                           talk to the simulated DNS\n"
    "       lab stop DIR                                     end a lab that was kept\n"
    "       lab check                                        what works on this machine\n";

static int usage(void)
{
    fputs(usage_text, stderr);
    return USAGE;
}

static int run(int argc, char **argv, bool hold)
{
    static const struct option options[] = {
        {"world", required_argument, NULL, 'w'}, {"dir", required_argument, NULL, 'd'},
        {"keep", no_argument, NULL, 'k'},        {"remove", no_argument, NULL, 'r'}, {0}};
    struct run_options o = {.hold = hold};
    for (int c; (c = getopt_long(argc, argv, "+w:d:kr", options, NULL)) != -1;) {
        switch (c) {
        case 'w': o.world = optarg; break;
        case 'd': o.dir = optarg; break;
        case 'k': o.keep = true; break;
        case 'r': o.remove = true; break;
        default: return usage();
        }
    }
    if (hold ? optind < argc || o.keep : optind >= argc)
        return usage();
    if (!hold)
        o.argv = argv + optind;
    return run_lab(&o);
}

/* The words from argv, with spaces between. */
static char *join(int argc, char **argv)
{
    struct buf b = {0};
    for (int i = 0; i < argc; i++)
        buf_printf(&b, "%s%s", i ? " " : "", argv[i]);
    return buf_take(&b);
}

/* Prints what came of a request. */
static int report(bool good, struct buf *text)
{
    struct slice s = slice_trim(buf_slice(text));
    if (s.n)
        fprintf(good ? stdout : stderr, "%s%.*s\n", good ? "" : "lab: ", SLICE_ARG(s));
    return good ? 0 : 1;
}

static int enter(struct lab *lab, char **argv)
{
    pid_t pid = lab_spawn(lab, &(struct lab_command){.argv = argv});
    if (pid < 0) {
        fprintf(stderr, "lab: %s: %s\n", argv[0], strerror(errno));
        return errno == ENOENT ? 127 : 126;
    }
    /* Ctrl-C reaches the command by itself; we stay to pass its status on. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int dns(struct lab *lab, char **words)
{
    char *program_dir = folder_of_program();
    dns_control(lab_dns_control(lab), program_dir, words);
    fprintf(stderr, "lab: dns-sim: %s; build it, or name it in LAB_DNS_SIM\n", strerror(errno));
    free(program_dir);
    return 126;
}

/* The commands for a lab that runs: argv[0] is the verb, argv[1] the folder. */
static int with_lab(int argc, char **argv)
{
    struct buf text = {0};
    struct lab *lab = lab_open(argv[1], &text);
    if (!lab) {
        int status = report(false, &text);
        buf_free(&text);
        return status;
    }
    char *words = join(argc - 2, argv + 2), *request = NULL;
    char *control = xasprintf("%s/control", lab_dir(lab));
    int status = USAGE;
    if (strcmp(argv[0], "enter") == 0 && argc > 2) {
        char **command = argv + 2 + (strcmp(argv[2], "--") == 0);
        status = *command ? enter(lab, command) : usage();
    } else if (strcmp(argv[0], "dns") == 0 && argc > 2) {
        status = dns(lab, argv + 2);
    } else if (strcmp(argv[0], "stop") == 0 && argc == 2) {
        status = report(lab_stop(lab, &text), &text);
    } else if (strcmp(argv[0], "hosts") == 0 && argc == 2) {
        status = report(control_ask(control, "hosts", &text, NULL), &text);
    } else if ((strcmp(argv[0], "host") == 0 && argc >= 4)
               || (strcmp(argv[0], "address") == 0 && argc == 4)) {
        request = xasprintf("%s %s", argv[0][0] == 'h' ? "state" : "address", words);
        status = report(control_ask(control, request, &text, NULL), &text);
    } else {
        usage();
    }
    free(control);
    free(request);
    free(words);
    lab_destroy(lab);
    buf_free(&text);
    return status;
}

/* Without exit handlers: a sanitizer's would start a process, and one whose children belong to
 * another pid namespace cannot once that has ended. */
static void __attribute__((noreturn)) leave(int status)
{
    fflush(NULL);
    _exit(status);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage();
    if (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "hold") == 0)
        leave(run(argc - 1, argv + 1, argv[1][0] == 'h'));
    if (strcmp(argv[1], "check") == 0 && argc == 2)
        leave(run_check());
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        fputs(usage_text, stdout);
        return 0;
    }
    return argc > 2 ? with_lab(argc - 1, argv + 1) : usage();
}
