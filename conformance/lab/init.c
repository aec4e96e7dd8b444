#include "conformance/lab/init.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/lab/control.h"
#include "conformance/lab/dns.h"
#include "conformance/lab/folder.h"
#include "conformance/lab/isolate.h"
#include "conformance/lab/netlink.h"
#include "conformance/lab/road.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process gets to end by itself before it is killed. */
#define COMMAND_GRACE_MS 2000
#define OTHERS_GRACE_MS 1000

struct init {
    struct init_conf *c;
    enum lab_state *states;   /* of c->world->hosts, by index */
    int64_t *delays;          /* ms, with LAB_SLOW */
    struct road *road;
    int nl, signals, control;
    pid_t command, dns;
    bool stopping;            /* someone asked for the end */
    int64_t stop_by;          /* mono_ms when the command is killed */
    bool ended;               /* the command has ended, or was never one */
    int status;
};

/* --- requests ----------------------------------------------------------------------------- */

static uint32_t table_of(enum lab_state s)
{
    return s == LAB_UP ? 0 : s == LAB_UNREACHABLE ? TABLE_UNREACHABLE : TABLE_ROAD;
}

/* Rules for the road and for nowhere have their own preference, so that the new one can stand
 * before the old one goes and no packet slips through in between. */
static bool reroute(struct init *in, const struct netaddr *a, enum lab_state from,
                    enum lab_state to)
{
    uint32_t old = table_of(from), new = table_of(to);
    int family = a->sa.sa_family;
    if (new && new != old && nl_add_rule(in->nl, family, new, a, new) < 0)
        return false;
    return !old || new == old || nl_delete_rule(in->nl, family, old, a, old) == 0;
}

static bool set_state(struct init *in, struct slice name, enum lab_state s, int64_t ms,
                      struct buf *answer)
{
    char *text = slice_dup(name);
    struct world_host *h = world_find(in->c->world, text);
    free(text);
    if (!h) {
        buf_printf(answer, "error no host %.*s in this world; it has:", SLICE_ARG(name));
        for (size_t i = 0; i < in->c->world->host_count; i++)
            buf_printf(answer, " %s", in->c->world->hosts[i].name);
        return false;
    }
    size_t index = (size_t)(h - in->c->world->hosts);
    for (size_t i = 0; i < h->addr_count; i++) {
        road_set(in->road, &h->addrs[i], s, ms);
        if (!reroute(in, &h->addrs[i], in->states[index], s)) {
            buf_printf(answer, "error the kernel refused: %s", strerror(errno));
            return false;
        }
    }
    in->states[index] = s;
    in->delays[index] = s == LAB_SLOW ? ms : 0;
    buf_add_str(answer, "ok");
    return true;
}

static void request_state(struct init *in, struct slice rest, struct buf *answer)
{
    struct slice host, word, number;
    uint64_t ms = 0;
    bool full = slice_word(&rest, &host) && slice_word(&rest, &word);
    char *name = full ? slice_dup(word) : NULL;
    int state = full ? lab_state_by_name(name) : -1;
    free(name);
    if (state < 0)
        buf_add_str(answer, "error a state is up, down, unreachable, silent or slow MS");
    else if (state == LAB_SLOW && (!slice_word(&rest, &number)
                                   || !slice_number(number, LAB_SLOW_MAX_MS, &ms)))
        buf_printf(answer, "error slow needs a delay of 0 to %d ms", LAB_SLOW_MAX_MS);
    else
        set_state(in, host, (enum lab_state)state, (int64_t)ms, answer);
}

static void request_address(struct init *in, struct slice rest, struct buf *answer)
{
    struct slice host, text;
    struct netaddr a;
    if (!slice_word(&rest, &host) || !slice_word(&rest, &text) || !netaddr_parse(&a, text, 0)
        || a.sa.sa_family == AF_UNIX) {
        buf_add_str(answer, "error address needs a host and an address");
        return;
    }
    char *name = slice_dup(host);
    struct buf why = {0};
    struct world *w = in->c->world;
    size_t before = w->host_count;
    if (!world_add_address(w, name, &a)) {
        buf_printf(answer, "error %.*s is an address of another host", SLICE_ARG(text));
    } else {
        if (w->host_count > before) {
            in->states = xreallocarray(in->states, w->host_count, sizeof *in->states);
            in->delays = xreallocarray(in->delays, w->host_count, sizeof *in->delays);
            in->states[before] = LAB_UP;
            in->delays[before] = 0;
        }
        size_t index = (size_t)(world_find(w, name) - w->hosts);
        road_set(in->road, &a, in->states[index], in->delays[index]);
        if (!isolate_add_address(in->nl, w, &a, &why)
            || !reroute(in, &a, LAB_UP, in->states[index]))
            buf_printf(answer, "error %s", why.len ? buf_str(&why) : strerror(errno));
        else
            buf_add_str(answer, "ok");
    }
    buf_free(&why);
    free(name);
}

static int request_socket(struct slice rest, struct buf *answer)
{
    struct slice family, type;
    uint64_t f, t;
    int fd = -1;
    if (!slice_word(&rest, &family) || !slice_word(&rest, &type)
        || !slice_number(family, 64, &f) || !slice_number(type, 1 << 24, &t))
        buf_add_str(answer, "error socket needs a family and a type");
    else if ((fd = socket((int)f, (int)t | SOCK_CLOEXEC, 0)) < 0)
        buf_printf(answer, "error %s", strerror(errno));
    else
        buf_add_str(answer, "ok");
    return fd;
}

static void request_hosts(const struct init *in, struct buf *answer)
{
    const struct world *w = in->c->world;
    char text[64];
    buf_add_str(answer, "ok ");
    for (size_t i = 0; i < w->host_count && answer->len < CONTROL_MAX - 512; i++) {
        buf_printf(answer, "%s %s", w->hosts[i].name, lab_state_name(in->states[i]));
        if (in->states[i] == LAB_SLOW)
            buf_printf(answer, " %lld", (long long)in->delays[i]);
        for (size_t j = 0; j < w->hosts[i].addr_count; j++) {
            netaddr_host(&w->hosts[i].addrs[j], text);
            buf_printf(answer, " %s", text);
        }
        buf_add_byte(answer, '\n');
    }
}

static void stop(struct init *in)
{
    if (!in->stopping) {
        in->stopping = true;
        in->stop_by = mono_ms() + COMMAND_GRACE_MS;
        if (in->command > 0)
            kill(in->command, SIGTERM);
    }
}

static void answer_one(struct init *in)
{
    int connection = accept4(in->control, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        return;
    struct buf request = {0}, answer = {0};
    int fd = -1;
    if (control_read(connection, &request)) {
        struct slice rest = buf_slice(&request), verb = {0};
        slice_word(&rest, &verb);
        if (slice_eq_str(verb, "state"))
            request_state(in, rest, &answer);
        else if (slice_eq_str(verb, "address"))
            request_address(in, rest, &answer);
        else if (slice_eq_str(verb, "socket"))
            fd = request_socket(rest, &answer);
        else if (slice_eq_str(verb, "hosts"))
            request_hosts(in, &answer);
        else if (slice_eq_str(verb, "stop"))
            stop(in), buf_add_str(&answer, "ok");
        else
            buf_add_str(&answer, "error a request is state, address, socket, hosts or stop");
        control_answer(connection, buf_slice(&answer), fd);
    }
    if (fd >= 0)
        close(fd);
    close(connection);
    buf_free(&request);
    buf_free(&answer);
}

/* --- processes ---------------------------------------------------------------------------- */

static pid_t start_command(struct init *in)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char *variables[FOLDER_VARIABLES];
    folder_environment(in->c->dir, variables);
    for (int i = 0; i < FOLDER_VARIABLES; i++)
        putenv(variables[i]);
    isolate_keep_capabilities();
    execvp(in->c->argv[0], in->c->argv);
    int why = errno;
    fprintf(stderr, "lab: %s: %s\n", in->c->argv[0], strerror(why));
    _exit(why == ENOENT ? 127 : 126);
}

/* From here on the lab has no business with the terminal or the pipe that it was started on. */
static void leave_terminal(const struct init *in)
{
    char *path = xasprintf("%s/lab.log", in->c->dir);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    dup2(nothing, 0);
    dup2(log < 0 ? nothing : log, 1);
    dup2(log < 0 ? nothing : log, 2);
    free(path);
}

static void reap(struct init *in)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == in->dns && !in->stopping && !in->ended)
            fprintf(stderr, "lab: dns-sim has ended; see %s/dns-sim.log\n", in->c->dir);
        if (pid != in->command)
            continue;
        in->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        in->command = 0;
        in->ended = true;
        if (in->c->keep && !in->stopping) {
            uint8_t octet = (uint8_t)in->status;
            in->ended = write(in->c->report, &octet, 1) != 1;
            leave_terminal(in);
        }
    }
}

/* Everything that is left in the pid namespace: first asked, then killed. */
static void end_all(void)
{
    int64_t until = mono_ms() + OTHERS_GRACE_MS;
    kill(-1, SIGTERM);
    while (mono_ms() < until) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0) /* no child is left */
            break;
        if (pid == 0)
            sleep_ms(1);
    }
    kill(-1, SIGKILL);
}

/* --- life --------------------------------------------------------------------------------- */

static bool set_up(struct init *in, struct buf *error)
{
    struct init_conf *c = in->c;
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    in->states = xcalloc(c->world->host_count, sizeof *in->states);
    in->delays = xcalloc(c->world->host_count, sizeof *in->delays);
    in->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    in->nl = nl_open();
    if (in->signals < 0 || in->nl < 0) {
        buf_printf(error, "no socket: %s", strerror(errno));
        return false;
    }
    if (!isolate_mount(c->dir, error) || !isolate_network(in->nl, c->world, error))
        return false;
    in->road = road_open();
    if (!in->road) {
        buf_printf(error, "no packet socket: %s", strerror(errno));
        return false;
    }
    char *path = xasprintf("%s/control", c->dir);
    in->control = control_listen(path);
    if (in->control < 0)
        buf_printf(error, "%s: %s%s", path, strerror(errno),
                   errno == ENAMETOOLONG ? "; choose a shorter --dir" : "");
    free(path);
    return in->control >= 0 && dns_start(c->world, c->dir, c->program_dir, &in->dns, error);
}

static void take_signals(struct init *in)
{
    struct signalfd_siginfo s;
    while (read(in->signals, &s, sizeof s) == sizeof s) {
        if (s.ssi_signo == SIGCHLD)
            reap(in);
        else
            stop(in);
    }
}

/* True when the other end of a lifeline is gone. An octet in it means: you are on your own. */
static bool cut(int *lifeline)
{
    char octet;
    if (read(*lifeline, &octet, 1) != 1)
        return true;
    if (octet == 'k')
        *lifeline = -1;
    return false;
}

static void loop(struct init *in)
{
    for (;;) {
        int64_t wait = road_deliver(in->road);
        if (in->ended || (in->stopping && in->command <= 0))
            return;
        if (in->stopping) {
            int64_t left = in->stop_by - mono_ms();
            if (left <= 0)
                return;
            wait = wait < 0 || left < wait ? left : wait;
        }
        struct pollfd p[] = {
            {.fd = in->signals, .events = POLLIN},     {.fd = in->control, .events = POLLIN},
            {.fd = road_fd(in->road), .events = POLLIN}, {.fd = in->c->lifeline, .events = POLLIN},
            {.fd = in->c->creator, .events = POLLIN},
        };
        if (poll(p, sizeof p / sizeof *p, (int)wait) < 0)
            continue;
        if (p[2].revents)
            road_receive(in->road);
        if (p[0].revents)
            take_signals(in);
        if (p[1].revents)
            answer_one(in);
        if (p[3].revents && cut(&in->c->lifeline))
            stop(in);
        if (p[4].revents && cut(&in->c->creator))
            stop(in);
    }
}

int init_run(struct init_conf *c)
{
    struct init in = {.c = c, .command = -1, .status = INIT_FAILED};
    struct buf error = {0};
    if (!set_up(&in, &error)) {
        fprintf(stderr, "lab: %s\n", buf_str(&error));
    } else if (!c->argv) {
        in.status = 0;
        printf("ready %s\n", c->dir);
        fflush(stdout);
        leave_terminal(&in);
        loop(&in);
    } else if ((in.command = start_command(&in)) < 0) {
        fprintf(stderr, "lab: no process: %s\n", strerror(errno));
    } else {
        loop(&in);
    }
    if (in.command > 0)
        in.status = 128 + SIGKILL;
    end_all();
    buf_free(&error);
    road_free(in.road);
    free(in.states);
    free(in.delays);
    if (c->remove_dir)
        folder_remove(c->dir);
    return in.status;
}
