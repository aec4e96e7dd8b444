/* roles.c - how a role process is told to stop. */
#include "reference/roles.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

static atomic_bool stopping, draining;
static _Atomic(struct service *) running_service;
static int stop_pipe[2] = {-1, -1};

static void on_term(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    atomic_store(&stopping, true);
    struct service *s = atomic_load(&running_service);
    if (s)
        service_stop(s);
    if (stop_pipe[1] >= 0)
        (void)!write(stop_pipe[1], "x", 1);
    errno = saved;
}

static void on_drain(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    atomic_store(&draining, true);
    struct service *s = atomic_load(&running_service);
    if (s)
        service_drain(s);
    errno = saved;
}

void roles_stop_service(struct service *s)
{
    atomic_store(&running_service, s);
    if (s && atomic_load(&draining))
        service_drain(s);
    /* The signal may have come just before. */
    if (s && atomic_load(&stopping))
        service_stop(s);
}

bool roles_stopping(void) { return atomic_load(&stopping); }

int roles_stop_fd(void) { return stop_pipe[0]; }

void roles_begin(const char *role)
{
    char name[16] = {0};
    for (size_t i = 0; role[i] && i + 1 < sizeof name; i++)
        name[i] = role[i];
    prctl(PR_SET_NAME, name);
    event_set_role(role);

    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        die(EX_OSERR, "%s: cannot make a pipe; raise the limit of open files (ulimit -n)", role);
    struct sigaction term = {.sa_handler = on_term};
    sigemptyset(&term.sa_mask);
    sigaction(SIGTERM, &term, NULL);
    struct sigaction drain = {.sa_handler = on_drain};
    sigemptyset(&drain.sa_mask);
    sigaction(SIGUSR1, &drain, NULL);

    /* Ctrl-C at a terminal goes to the whole group; only the master acts on it. A vanished peer is
     * an error code of write, not the end of the process. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &standard, NULL);
}
