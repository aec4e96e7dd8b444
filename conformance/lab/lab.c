/* lab.c - the lab as other programs use it: from outside, through its folder. */
#include "conformance/lab/handle.h"

#include "base/mem.h"
#include "conformance/lab/control.h"
#include "conformance/lab/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const state_names[] = {
    [LAB_UP] = "up",         [LAB_DOWN] = "down", [LAB_UNREACHABLE] = "unreachable",
    [LAB_SILENT] = "silent", [LAB_SLOW] = "slow",
};

const char *lab_state_name(enum lab_state s)
{
    return state_names[s];
}

int lab_state_by_name(const char *name)
{
    for (int s = LAB_UP; s <= LAB_SLOW; s++)
        if (strcmp(state_names[s], name) == 0)
            return s;
    return -1;
}

const char *lab_dir(const struct lab *lab) { return lab->dir; }
const char *lab_dns_control(const struct lab *lab) { return lab->dns_control; }
const char *lab_dns_log(const struct lab *lab) { return lab->dns_log; }

/* --- creation ----------------------------------------------------------------------------- */

/* Root's labs have no user namespace of their own, and one cannot join the one it is in. */
static bool other_user_namespace(pid_t pid)
{
    struct stat ours, theirs;
    char *path = xasprintf("/proc/%d/ns/user", (int)pid);
    bool other = stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0
              && (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev);
    free(path);
    return other;
}

/* The pid of the lab's init from its folder; 0 when there is none. */
static pid_t read_pid(const char *dir)
{
    struct buf text = {0};
    uint64_t pid = 0;
    char *path = xasprintf("%s/pid", dir);
    if (buf_read_file(&text, path, 32) == 0)
        slice_number(slice_trim(buf_slice(&text)), INT32_MAX, &pid);
    free(path);
    buf_free(&text);
    return (pid_t)pid;
}

struct lab *lab_open(const char *dir, struct buf *error)
{
    char *absolute = realpath(dir, NULL);
    if (!absolute) {
        buf_printf(error, "%s: %s; name the folder of a lab", dir, strerror(errno));
        return NULL;
    }
    struct lab *lab = xcalloc(1, sizeof *lab);
    lab->dir = absolute;
    lab->control = xasprintf("%s/control", absolute);
    lab->dns_control = xasprintf("%s/dns.control", absolute);
    lab->dns_log = xasprintf("%s/dns.log", absolute);
    lab->lifeline = -1;
    lab->init = lab->root = -1;
    struct buf hosts = {0};
    if (!control_ask(lab->control, "hosts", &hosts, NULL)) {
        buf_add_slice(error, buf_slice(&hosts));
        lab_destroy(lab);
        lab = NULL;
    } else {
        /* Processes in the lab number processes differently and do not find it; they are in. */
        pid_t pid = read_pid(absolute);
        lab->init = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        char *root = xasprintf("/proc/%d/root", (int)pid);
        if (lab->init >= 0) {
            lab->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
            lab->namespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
                            | (other_user_namespace(pid) ? CLONE_NEWUSER : 0);
        }
        free(root);
    }
    buf_free(&hosts);
    return lab;
}

/* The program that is the lab: in bin/, beside this one or, for unit tests, beside their folder. */
static char *find_program(void)
{
    static const char *const places[] = {"../bin/lab", "lab"};
    const char *named = getenv("LAB_PROGRAM");
    if (named)
        return xstrdup(named);
    char *dir = folder_of_program(), *found = NULL;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char *path = xasprintf("%s/%s", dir, places[i]);
        if (access(path, X_OK) == 0)
            found = path;
        else
            free(path);
    }
    free(dir);
    return found ? found : xstrdup("lab");
}

/* Starts `lab hold` with `input` as its standard input and `output` as the other two. */
static pid_t start_keeper(const char *dir, bool temporary, int input, int output)
{
    extern char **environ;
    char *program = find_program(), *world = xasprintf("%s/world", dir);
    char *argv[] = {program, "hold", "--world", world, "--dir", (char *)dir,
                    temporary ? "--remove" : NULL, NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, 0);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, output, 2);
    /* Ctrl-C is for the creator, who then ends the lab in good order. */
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    pid_t pid;
    int why = posix_spawnp(&pid, program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(program);
    free(world);
    errno = why;
    return why ? -1 : pid;
}

/* What the keeper says until it is ready or gives up. True when it is ready. */
static bool wait_ready(int fd, struct buf *said)
{
    char bytes[512];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        buf_add(said, bytes, (size_t)n);
        struct slice s = buf_slice(said);
        if (slice_starts(s, SLICE("ready ")) && slice_index(s, '\n') > 0)
            return true;
    }
    return false;
}

static bool write_world(const struct world *w, const char *dir, struct buf *error)
{
    struct buf text = {0};
    char *path = xasprintf("%s/world", dir);
    FILE *f = fopen(path, "we");
    world_write(w, &text);
    bool good = f && fwrite(text.data, 1, text.len, f) == text.len;
    if (f && fclose(f) != 0)
        good = false;
    if (!good)
        buf_printf(error, "%s: %s", path, strerror(errno));
    free(path);
    buf_free(&text);
    return good;
}

struct lab *lab_create(const struct world *w, const char *dir, struct buf *error)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    struct lab *lab = NULL;
    struct buf said = {0};
    pid_t keeper = -1;
    char *path = folder_make(dir, error);
    if (!path || !write_world(w, path, error))
        goto end;
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        buf_printf(error, "no pipe: %s", strerror(errno));
        goto end;
    }
    keeper = start_keeper(path, dir == NULL, in[0], out[1]);
    close(out[1]);
    out[1] = -1;
    if (keeper < 0)
        buf_printf(error, "cannot start the program lab: %s; build it, or name it in LAB_PROGRAM",
                   strerror(errno));
    else if (!wait_ready(out[0], &said))
        buf_add_slice(error, slice_trim(buf_slice(&said)));
    else
        lab = lab_open(path, error);
    if (lab && lab->init < 0) {        /* commands would run out here */
        buf_printf(error, "%s/pid does not lead into the lab", path);
        lab->lifeline = in[1];
        in[1] = -1;
        lab_destroy(lab);
        lab = NULL;
    }
    if (lab) {
        lab->keeper = keeper;
        lab->lifeline = in[1];
        in[1] = -1;
    }
end:
    for (int i = 0; i < 2; i++) {
        if (in[i] >= 0)
            close(in[i]);
        if (out[i] >= 0)
            close(out[i]);
    }
    if (!lab && keeper > 0)
        waitpid(keeper, NULL, 0);
    if (!lab && path && !dir)
        folder_remove(path);
    buf_free(&said);
    free(path);
    return lab;
}

void lab_destroy(struct lab *lab)
{
    if (!lab)
        return;
    if (lab->lifeline >= 0)
        close(lab->lifeline);
    while (lab->keeper > 0 && waitpid(lab->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    if (lab->init >= 0)
        close(lab->init);
    if (lab->root >= 0)
        close(lab->root);
    free(lab->dir);
    free(lab->control);
    free(lab->dns_control);
    free(lab->dns_log);
    free(lab);
}

/* --- use ---------------------------------------------------------------------------------- */

bool lab_set_state(struct lab *lab, const char *host, enum lab_state s, int64_t ms,
                   struct buf *error)
{
    char *request = xasprintf("state %s %s %lld", host, lab_state_name(s), (long long)ms);
    bool good = control_ask(lab->control, request, error, NULL);
    free(request);
    return good;
}

bool lab_add_address(struct lab *lab, const char *host, const struct netaddr *a,
                     struct buf *error)
{
    char text[64];
    netaddr_host(a, text);
    char *request = xasprintf("address %s %s", host, text);
    bool good = control_ask(lab->control, request, error, NULL);
    free(request);
    return good;
}

int lab_socket(struct lab *lab, int domain, int type)
{
    struct buf text = {0};
    int fd = -1;
    char *request = xasprintf("socket %d %d", domain, type & ~SOCK_CLOEXEC);
    if (!control_ask(lab->control, request, &text, &fd))
        errno = ECONNREFUSED;
    free(request);
    buf_free(&text);
    return fd;
}

bool lab_stop(struct lab *lab, struct buf *error)
{
    struct pollfd gone = {.fd = lab->init, .events = POLLIN};
    if (!control_ask(lab->control, "stop", error, NULL))
        return false;
    while (lab->init >= 0 && poll(&gone, 1, -1) < 0 && errno == EINTR)
        ;
    return true;
}
