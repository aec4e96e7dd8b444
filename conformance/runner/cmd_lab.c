/* cmd_lab.c - conform lab: the world of a profile with the target running, and a shell in it. */
#include "conformance/runner/cli.h"
#include "conformance/runner/world.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int shell(struct world_up *w)
{
    const char *sh = getenv("SHELL");
    char *argv[] = {(char *)(sh && *sh ? sh : "/bin/sh"), NULL};
    int status = 0;
    setenv("STATE", w->state, 1);
    setenv("ADDRESS", w->target->address, 1);
    pid_t pid = lab_spawn(w->lab, &(struct lab_command){.argv = argv, .fds = {-1, -1, -1}});
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        perror("conform: no shell");
        return EXIT_HARNESS;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_HARNESS;
}

int command_lab(struct options *o)
{
    struct buf error = {0};
    struct world_up w;
    int status = EXIT_HARNESS;
    const char *profile = o->selection.word_count ? o->selection.words[0] : "default";
    static const char *fixed[] = {"198.51.100.7", "203.0.113.7", "192.0.2.1", "2001:db8::1",
                                  "2001:db8:100::7", "2001:db8:113::7", "192.0.2.25",
                                  "192.0.2.26"};
    struct ids addresses = {fixed, sizeof fixed / sizeof *fixed};
    struct target *t = target_load(o->target, o->root, o->build, &error);
    if (!t || !t->lab || !world_start(&w, t, profile, &addresses, &error)) {
        fprintf(stderr, "conform: %s\n", error.len ? buf_str(&error) : "that target has no lab");
    } else {
        fprintf(stderr, "%s %s at %s, profile %s; files in %s; strangers come from 198.51.100.7,\n"
                "trusted clients from 203.0.113.7. The lab ends with this shell.\n", t->name,
                w.version ? w.version : "", t->address, profile, w.state);
        status = shell(&w);
        world_stop(&w);
    }
    buf_free(&error);
    target_free(t);
    return status;
}
