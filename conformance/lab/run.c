#include "conformance/lab/run.h"

#include "base/mem.h"
#include "conformance/lab/folder.h"
#include "conformance/lab/init.h"
#include "conformance/lab/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t init_pid;

/* Whoever ends the keeper ends the lab. */
static void pass_on(int sig)
{
    if (init_pid > 0)
        kill(init_pid, sig);
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Its pid as seen from out here: how others find the way in (lab_open). */
static void write_pid(const char *dir, pid_t pid)
{
    char *path = xasprintf("%s/pid", dir);
    FILE *f = fopen(path, "we");
    if (!f || fprintf(f, "%d\n", (int)pid) < 0 || fclose(f) != 0)
        fprintf(stderr, "lab: %s: %s; `lab enter` will not work\n", path, strerror(errno));
    free(path);
}

/* The command's exit status; with `keep` the lab may go on without us. */
static int wait_end(pid_t init, int report, int lifeline)
{
    uint8_t octet;
    ssize_t n;
    int status;
    while ((n = read(report, &octet, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1) {
        (void)!write(lifeline, "k", 1);
        return octet;
    }
    while (waitpid(init, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_in_dir(struct init_conf *c)
{
    int life[2], report[2], known[2];
    char octet;
    struct buf error = {0};
    if (pipe2(life, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0 || pipe2(known, O_CLOEXEC) < 0)
        die(INIT_FAILED, "no pipe: %s", strerror(errno));
    if (!isolate(&error)) {
        fprintf(stderr, "lab: %s", buf_str(&error));
        buf_free(&error);
        return INIT_FAILED;
    }
    catch_signals();
    pid_t pid = fork();
    if (pid < 0)
        die(INIT_FAILED, "no process: %s", strerror(errno));
    if (pid == 0) {
        struct sigaction normal = {.sa_handler = SIG_DFL};
        sigaction(SIGPIPE, &normal, NULL);
        close(life[1]);
        close(report[0]);
        close(known[1]);
        /* Whoever hears that the lab is ready must find its pid, or would not get in. */
        while (read(known[0], &octet, 1) < 0 && errno == EINTR)
            ;
        close(known[0]);
        c->lifeline = life[0];
        c->report = report[1];
        int status = init_run(c);
        fflush(NULL);
        _exit(status);
    }
    init_pid = pid;
    close(life[0]);
    close(report[1]);
    close(known[0]);
    write_pid(c->dir, pid);
    close(known[1]);
    int status = wait_end(pid, report[0], life[1]);
    close(life[1]);
    close(report[0]);
    return status;
}

int run_lab(const struct run_options *o)
{
    struct buf error = {0};
    struct init_conf c = {.creator = -1, .argv = o->argv, .keep = o->keep};
    c.world = o->world ? world_load(o->world, &error) : world_new();
    if (c.world)
        c.dir = folder_make(o->dir, &error);
    if (!c.dir) {
        struct slice said = slice_trim(buf_slice(&error));
        fprintf(stderr, "lab: %.*s\n", SLICE_ARG(said));
        world_free(c.world);
        buf_free(&error);
        return INIT_FAILED;
    }
    c.remove_dir = !o->dir || o->remove;
    char *program_dir = folder_of_program();
    c.program_dir = program_dir;
    if (o->hold) /* a copy: the lab lets go of its standard input */
        c.creator = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int status = run_in_dir(&c);
    /* When init was killed it could not do this itself. */
    if (c.remove_dir && (!o->keep || status == INIT_FAILED))
        folder_remove(c.dir);
    free(program_dir);
    free(c.dir);
    world_free(c.world);
    buf_free(&error);
    return status;
}
