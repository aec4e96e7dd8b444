/* master.c - starts the roles, restarts those that die, reloads and stops. One thread, one loop. */
#include "reference/master.h"

#include "base/event.h"
#include "base/event_count.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    BACKOFF_FIRST_MS = 100,      /* wait before a role that died is started again, doubled ... */
    BACKOFF_MOST_MS = 30000,     /* ... up to this ... */
    HEALTHY_MS = 10000,          /* ... and from the start when it had lived so long */
    KILL_AFTER_MS = 1000,        /* SIGKILL, so long after the role's own time to finish */
    DRAIN_MS = 3600 * 1000,      /* the old sessions may go on after a reload */
    TERM_AGAIN_MS = 1000,        /* SIGTERM is sent again: the first may have come too early */
};

/* A running role process. `leaving`: it was told to finish; a newer one may already serve. */
struct process {
    pid_t pid;
    enum role role;
    int64_t started, term_again, kill_at;   /* mono_ms */
    bool leaving;
    bool draining;               /* a reload's predecessor: its sessions end by themselves */
};

static struct master {
    struct config *config;
    struct listener_set listeners;
    struct process *processes;
    size_t process_count;
    int64_t backoff[ROLES];
    int64_t start_at[ROLES];     /* when the role is to be started (again); 0: it need not be */
    int own[2];                  /* descriptors for no role: the signalfd, and --ready-fd */
    int lock;
    bool stopping;
} master = {.own = {-1, -1}, .lock = -1};

/* What is stopped after what: first those who take mail in, last the one whom all ask. */
static const int stop_rank[ROLES] = {
    [ROLE_SMTPD] = 0, [ROLE_POP3D] = 0, [ROLE_IMAPD] = 0, [ROLE_QUEUE] = 1, [ROLE_MDA] = 2,
    [ROLE_AUTH] = 3};

static void say_lines(const struct buf *errors)
{
    fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(errors)));
}

/* ---- roles ----------------------------------------------------------------------------------- */

static void start(enum role r)
{
    master.start_at[r] = 0;
    if (!listeners_have(&master.listeners, r))
        return;
    fflush(NULL);
    pid_t pid = role_start(r, master.config, &master.listeners, master.own);
    if (pid < 0) {
        event("master.fork-failed", EV_STR("role", role_name(r)), EV_STR("why", strerror(errno)));
        master.start_at[r] = mono_ms() + HEALTHY_MS;
        return;
    }
    master.processes = xreallocarray(master.processes, master.process_count + 1,
                                     sizeof *master.processes);
    master.processes[master.process_count++] =
        (struct process){.pid = pid, .role = r, .started = mono_ms()};
    event("master.role-started", EV_STR("role", role_name(r)), EV_INT("pid", pid));
}

static void tell_to_finish(struct process *p)
{
    if (p->leaving && !p->draining)
        return;
    p->leaving = true;
    p->draining = false;
    p->term_again = mono_ms() + TERM_AGAIN_MS;
    p->kill_at = mono_ms() + master.config->timeout_stop + KILL_AFTER_MS;
    kill(p->pid, SIGTERM);
}

/* After a reload nobody's session is cut: the old process accepts no more and ends with its last
 * session, at the latest after DRAIN_MS. */
static void tell_to_drain(struct process *p)
{
    if (p->leaving)
        return;
    p->leaving = p->draining = true;
    p->kill_at = mono_ms() + DRAIN_MS;
    kill(p->pid, SIGUSR1);
}

static bool runs(enum role r)
{
    for (size_t i = 0; i < master.process_count; i++)
        if (master.processes[i].role == r)
            return true;
    return false;
}

static void died(struct process p, int status)
{
    char text[64];
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
    if (p.leaving) {
        event("master.role-stopped", EV_STR("role", role_name(p.role)), EV_INT("pid", p.pid),
              EV_STR("status", text));
        /* On a reload the queue starts only when the old one is gone: two would deliver twice. */
        if (p.role == ROLE_QUEUE && !master.stopping && !runs(ROLE_QUEUE))
            start(ROLE_QUEUE);
        return;
    }
    int64_t now = mono_ms(), *backoff = &master.backoff[p.role];
    bool healthy = now - p.started >= HEALTHY_MS;
    *backoff = healthy || *backoff == 0 ? BACKOFF_FIRST_MS
               : *backoff * 2 < BACKOFF_MOST_MS ? *backoff * 2 : BACKOFF_MOST_MS;
    event("master.role-died", EV_STR("role", role_name(p.role)), EV_INT("pid", p.pid),
          EV_STR("status", text), EV_BOOL("clean", good), EV_INT("restart-ms", *backoff));
    fprintf(stderr, "postroad: %s (process %d) died: %s; it is started again in %lld ms\n",
            role_name(p.role), (int)p.pid, text, (long long)*backoff);
    if (!master.stopping)
        master.start_at[p.role] = now + *backoff;
}

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < master.process_count; i++) {
            if (master.processes[i].pid != pid)
                continue;
            struct process p = master.processes[i];
            master.processes[i] = master.processes[--master.process_count];
            died(p, status);
            break;
        }
    }
}

/* ---- reload ---------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

/* Keys that name what the running master holds open. */
static void refuse_moves(const struct config *old, const struct config *c, struct buf *errors)
{
    const struct { const char *key, *was, *is; } fixed[] = {
        {"spool", old->spool, c->spool},
        {"run-directory", old->run_dir, c->run_dir},
        {"log events", old->event_log, c->event_log},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (!same(fixed[i].was, fixed[i].is))
            buf_printf(errors, "%s: %s cannot change while the server runs; stop and start it\n",
                       c->path, fixed[i].key);
}

static struct config *load_for_reload(struct listener_set *fresh, struct buf *errors)
{
    struct buf warnings = {0};
    struct config *c = config_load(master.config->path, errors);
    if (!c)
        return NULL;
    refuse_moves(master.config, c, errors);
    bool good = errors->len == 0 && config_check_surroundings(c, errors, &warnings) &&
                role_users_exist(c, errors) && master_prepare_folders(c, errors) &&
                listeners_open(c, &master.listeners, fresh, errors);
    buf_free(&warnings);
    if (good)
        return c;
    config_free(c);
    return NULL;
}

static void reload(void)
{
    struct buf errors = {0};
    struct listener_set fresh = {0};
    event_reopen();
    struct config *c = load_for_reload(&fresh, &errors);
    if (!c) {
        event("master.reload-refused", EV_STR("why", buf_str(&errors)));
        fprintf(stderr, "postroad: the old configuration stays in force:\n");
        say_lines(&errors);
        buf_free(&errors);
        return;
    }
    struct listener_set old = master.listeners;
    struct config *old_config = master.config;
    size_t old_count = master.process_count;
    master.config = c;
    master.listeners = fresh;
    event_set_verbose(c->event_verbose);
    listeners_close(&old, &fresh);

    /* New processes first, so that the sockets are never without one; then the old ones finish. */
    for (int r = 0; r < ROLES; r++) {
        master.backoff[r] = 0;
        if (r != ROLE_QUEUE)
            start((enum role)r);
        else if (!runs(ROLE_QUEUE))
            start(ROLE_QUEUE);
    }
    for (size_t i = 0; i < old_count; i++) {
        struct process *p = &master.processes[i];
        bool sessions = stop_rank[p->role] == 0;
        if (sessions)
            tell_to_drain(p);
        else
            tell_to_finish(p);
    }
    config_free(old_config);
    event("master.reloaded", EV_STR("file", c->path), EV_INT("pid", getpid()));
    buf_free(&errors);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void stop_next_rank(void)
{
    int least = ROLES;
    for (size_t i = 0; i < master.process_count; i++)
        if (stop_rank[master.processes[i].role] < least)
            least = stop_rank[master.processes[i].role];
    for (size_t i = 0; i < master.process_count; i++)
        if (stop_rank[master.processes[i].role] == least)
            tell_to_finish(&master.processes[i]);
}

/* Does what is due; the ms until something is due again, -1 for never. */
static int do_what_is_due(void)
{
    int64_t now = mono_ms(), next = INT64_MAX;
    for (int r = 0; r < ROLES && !master.stopping; r++) {
        if (master.start_at[r] && master.start_at[r] <= now)
            start((enum role)r);
        if (master.start_at[r] && master.start_at[r] < next)
            next = master.start_at[r];
    }
    if (master.stopping)
        stop_next_rank();
    for (size_t i = 0; i < master.process_count; i++) {
        struct process *p = &master.processes[i];
        if (!p->leaving)
            continue;
        if (p->draining) {
            if (p->kill_at <= now)
                tell_to_finish(p);
            next = p->kill_at < next ? p->kill_at : next;
            continue;
        }
        if (p->kill_at <= now) {
            event("master.role-killed", EV_STR("role", role_name(p->role)), EV_INT("pid", p->pid));
            kill(p->pid, SIGKILL);
            p->kill_at = now + TERM_AGAIN_MS;
        } else if (p->term_again <= now) {
            kill(p->pid, SIGTERM);
            p->term_again = now + TERM_AGAIN_MS;
        }
        int64_t due = p->kill_at < p->term_again ? p->kill_at : p->term_again;
        next = due < next ? due : next;
    }
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

static void on_signal(uint32_t number)
{
    if (number == SIGTERM || number == SIGINT) {
        if (!master.stopping)
            event("master.stopping", EV_INT("pid", getpid()));
        master.stopping = true;
    } else if (number == SIGHUP && !master.stopping) {
        reload();
    } else if (number == SIGCHLD) {
        reap();
    }
}

static void loop(void)
{
    while (!master.stopping || master.process_count > 0) {
        int wait = do_what_is_due();
        struct pollfd p = {.fd = master.own[0], .events = POLLIN};
        struct signalfd_siginfo info;
        if (poll(&p, 1, wait) > 0 && read(master.own[0], &info, sizeof info) == sizeof info)
            on_signal(info.ssi_signo);
        reap();
    }
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 &&
           (master.own[0] = signalfd(-1, &set, SFD_CLOEXEC)) >= 0;
}

static void raise_descriptor_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

/* Everything that can fail, before the first role. An exit status, 0 when all is well. */
static int prepare(const char *path, struct buf *errors)
{
    struct buf warnings = {0};
    const char *why = NULL;
    master.config = config_load(path, errors);
    if (!master.config)
        return EX_CONFIG;
    const struct config *c = master.config;
    bool good = config_check_surroundings(c, errors, &warnings) && role_users_exist(c, errors);
    say_lines(&warnings);
    buf_free(&warnings);
    if (!good)
        return EX_CONFIG;
    if (!master_prepare_folders(c, errors))
        return EX_OSERR;
    if ((master.lock = master_lock(c, errors)) < 0)
        return EX_TEMPFAIL;
    if (event_open(c->event_log, c->log_text, c->hostname, "master") != 0) {
        buf_printf(errors, "%s: cannot write the event log %s: %s; correct log events\n", c->path,
                   c->event_log, strerror(errno));
        return EX_CONFIG;
    }
    event_set_verbose(c->event_verbose);
    char *counts = xasprintf("%s/counts", c->run_dir);
    if (!event_count_begin(counts))      /* then nothing is counted: no reason not to serve */
        event("master.no-counts", EV_STR("why", strerror(errno)));
    free(counts);
    if (!listeners_open(c, NULL, &master.listeners, errors))
        return EX_OSERR;
    if (!c->landlock || !sandbox_available(&why))
        event("master.no-landlock", EV_STR("why", c->landlock ? why : "landlock = false"));
    return watch_signals() ? 0 : EX_OSERR;
}

/* The rest of the process goes on in the background; the one that was called waits here until the
 * other is ready, passes that on to ready_fd and returns its success. Returns only in the
 * background process, with the descriptor to say "ready" on. */
static int into_background(int ready_fd)
{
    int fds[2];
    char said[8];
    if (pipe2(fds, O_CLOEXEC) != 0)
        die(EX_OSERR, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        die(EX_OSERR, "cannot go into the background: %s", strerror(errno));
    if (pid > 0) {
        close(fds[1]);
        ssize_t n = read(fds[0], said, sizeof said);
        bool ready = n > 0;
        if (ready && ready_fd >= 0)
            (void)!write(ready_fd, said, (size_t)n);
        int status = 0;
        if (!ready)
            waitpid(pid, &status, 0);
        exit(ready ? EX_OK : WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
    }
    close(fds[0]);
    if (ready_fd >= 0)
        close(ready_fd);
    setsid();
    return fds[1];
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        if (fd != 2 || !master.config->log_text)
            dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") != 0)
        event("master.no-root-folder", EV_STR("why", strerror(errno)));
}

int master_serve(const char *config_path, bool foreground, int ready_fd)
{
    struct buf errors = {0};
    int background_fd = foreground ? -1 : into_background(ready_fd);
    prctl(PR_SET_NAME, "postroad");
    raise_descriptor_limit();
    int status = prepare(config_path, &errors);
    if (status != 0) {
        say_lines(&errors);
        buf_free(&errors);
        return status;
    }
    if (background_fd >= 0)
        leave_terminal();
    master.own[1] = background_fd >= 0 ? background_fd : ready_fd;
    event("master.started", EV_INT("pid", getpid()), EV_STR("file", master.config->path));
    for (int r = 0; r < ROLES; r++)
        start((enum role)r);
    if (foreground)
        (void)!write(STDOUT_FILENO, "ready\n", 6);
    if (master.own[1] >= 0) {
        (void)!write(master.own[1], "ready\n", 6);
        close(master.own[1]);
        master.own[1] = -1;
    }
    loop();
    event("master.stopped", EV_INT("pid", getpid()));
    listeners_close(&master.listeners, NULL);
    config_free(master.config);
    free(master.processes);
    close(master.lock);
    buf_free(&errors);
    return EX_OK;
}
