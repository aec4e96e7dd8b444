/* main.c - dns-sim: options, start, stop. */
#include "base/event.h"
#include "base/mem.h"
#include "dns-sim/server.h"
#include "dns-sim/zonefile.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: dns-sim [--zone FILE]... [--zones DIR]... [--listen ADDRESS]... [options]\n"
    "       dns-sim --check [--zone FILE]... [--zones DIR]...\n"
    "       dns-sim ctl SOCKET COMMAND...\n"
    "\n"
    "A simulated DNS: an authoritative server whose records and faults a test controls.\n"
    "\n"
    "  --zone FILE        serve this master file\n"
    "  --zones DIR        serve every *.zone file of this directory\n"
    "  --listen ADDRESS   IPv4 or IPv6 address for UDP and TCP (default 127.0.0.1)\n"
    "  --port N           (default 53)\n"
    "  --control SOCKET   take commands on this Unix socket (\"dns-sim ctl SOCKET help\")\n"
    "  --log FILE         append each query as a line of JSON (\"-\": standard output)\n"
    "  --recursion-available\n"
    "                     set RA in replies, for stub resolvers that insist on it\n"
    "  --root-nxdomain    names of no zone do not exist (otherwise they are REFUSED)\n"
    "  --ready-fd N       write the line \"ready\" to descriptor N (default 1) when listening\n"
    "  --check            only read the zones; 1 when one has an error\n"
    "  --help\n"
    "\n"
    "SIGTERM and SIGINT stop it, SIGHUP opens the log again. See dns-sim(8).\n";

enum { LISTEN_MAX = 31, SESSION_STACK = 1 << 20 };

struct setup {
    struct dns_options options;
    const char *zones[256];             /* files and directories, in order */
    bool is_directory[256];
    int zone_count;
    const char *listen[LISTEN_MAX];
    int listen_count;
    uint64_t port, ready_fd;
    const char *control, *log;
    bool check;
};

static void add_zone_argument(struct setup *s, const char *path, bool directory)
{
    if (s->zone_count == 256)
        die(2, "more than 256 --zone and --zones; put the files into one directory");
    s->is_directory[s->zone_count] = directory;
    s->zones[s->zone_count++] = path;
}

static void parse_options(struct setup *s, int argc, char **argv)
{
    enum { ZONE = 256, ZONES, LISTEN, PORT, CONTROL, LOG, RA, ROOT, READY, CHECK, HELP };
    static const struct option options[] = {
        {"zone", 1, NULL, ZONE}, {"zones", 1, NULL, ZONES}, {"listen", 1, NULL, LISTEN},
        {"port", 1, NULL, PORT}, {"control", 1, NULL, CONTROL}, {"log", 1, NULL, LOG},
        {"recursion-available", 0, NULL, RA}, {"root-nxdomain", 0, NULL, ROOT},
        {"ready-fd", 1, NULL, READY}, {"check", 0, NULL, CHECK}, {"help", 0, NULL, HELP}, {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case ZONE: add_zone_argument(s, optarg, false); break;
        case ZONES: add_zone_argument(s, optarg, true); break;
        case LISTEN:
            if (s->listen_count == LISTEN_MAX)
                die(2, "more than %d --listen", LISTEN_MAX);
            s->listen[s->listen_count++] = optarg;
            break;
        case PORT:
            if (!slice_number(slice_str(optarg), 65535, &s->port) || s->port == 0)
                die(2, "--port %s: a number from 1 to 65535 is needed", optarg);
            break;
        case CONTROL: s->control = optarg; break;
        case LOG: s->log = optarg; break;
        case RA: s->options.recursion_available = true; break;
        case ROOT: s->options.root_nxdomain = true; break;
        case READY:
            if (!slice_number(slice_str(optarg), 65535, &s->ready_fd))
                die(2, "--ready-fd %s: a descriptor's number is needed", optarg);
            break;
        case CHECK: s->check = true; break;
        case HELP: fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc)
        die(2, "\"%s\" is no option; see dns-sim --help", argv[optind]);
    if (s->listen_count == 0)
        s->listen[s->listen_count++] = "127.0.0.1";
}

static void load_file(struct dns_sim *sim, const char *path, bool check, struct problems *p)
{
    struct zone *z = zone_load(path, p);
    if (!z)
        return;
    if (check) {
        struct buf name = {0};
        buf_add_name(&name, z->origin);
        printf("%s: zone %s, serial %u: %zu records\n", path, buf_str(&name),
               soa_serial(zone_soa(z)), z->records);
        buf_free(&name);
    }
    const struct zone *there = sim_zone(sim, z->origin);
    if (there && !(z->origin[0] == 0 && sim->options.root_nxdomain)) {
        problem(p, true, path, 0, "its zone is in another file, too");
        zone_free(z);
    } else {
        sim_put_zone(sim, z);
    }
}

static int is_zone_file(const struct dirent *e)
{
    struct slice name = slice_str(e->d_name);
    return name.p[0] != '.' && slice_ends(name, SLICE(".zone"));
}

static void load_directory(struct dns_sim *sim, const char *dir, bool check, struct problems *p)
{
    struct dirent **files;
    int count = scandir(dir, &files, is_zone_file, alphasort);
    if (count <= 0)
        problem(p, true, dir, 0, "%s",
                count < 0 ? strerror(errno) : "there is no *.zone file here");
    for (int i = 0; i < count; i++) {
        char *path = xasprintf("%s/%s", dir, files[i]->d_name);
        load_file(sim, path, check, p);
        free(path);
        free(files[i]);
    }
    if (count >= 0)
        free(files);
}

/* Reads all zones; the messages go to standard error. The number of errors. */
static int load_zones(struct dns_sim *sim, const struct setup *s)
{
    struct problems p = {0};
    for (int i = 0; i < s->zone_count; i++)
        (s->is_directory[i] ? load_directory : load_file)(sim, s->zones[i], s->check, &p);
    fputs(buf_str(&p.text), stderr);
    buf_free(&p.text);
    return p.errors;
}

static void *run_service(void *service)
{
    service_run(service);
    return NULL;
}

static struct service *make_service(struct dns_sim *sim, const char *name, int max,
                                    void (*session)(struct stream *, const struct session_info *,
                                                    void *))
{
    return service_new(&(struct service_conf){.name = name, .max_sessions = max,
                                              .stack_size = SESSION_STACK,
                                              .session = session, .ctx = sim});
}

static void listen_all(const struct setup *s, struct udp_server *udp, struct service *tcp,
                       struct service *control)
{
    for (int i = 0; i < s->listen_count; i++) {
        struct netaddr a;
        if (!netaddr_parse(&a, slice_str(s->listen[i]), (uint16_t)s->port)
            || a.sa.sa_family == AF_UNIX)
            die(2, "--listen %s: an IPv4 or IPv6 address is needed", s->listen[i]);
        int fd = udp_server_listen(udp, &a) ? net_listen(&a, TCP_BACKLOG) : -1;
        if (fd < 0)
            die(1, "cannot listen on %s port %u: %s%s", s->listen[i], (unsigned)s->port,
                strerror(errno), errno == EACCES ? "; be root, or take a --port over 1023" : "");
        service_add_listener(tcp, fd, NULL);
    }
    if (s->control) {
        struct netaddr a;
        char *path = xasprintf("unix:%s", s->control);
        int fd = netaddr_parse(&a, slice_str(path), 0) ? net_listen(&a, 16) : -1;
        if (fd < 0)
            die(1, "--control %s: %s", s->control, strerror(errno));
        free(path);
        service_add_listener(control, fd, NULL);
    }
}

/* Waits for the end, with all signals that matter blocked in every thread. */
static void wait_for_stop(const sigset_t *signals)
{
    int signal_number;
    while (sigwait(signals, &signal_number) == 0 && signal_number == SIGHUP)
        event_reopen();
}

static void serve(struct dns_sim *sim, const struct setup *s)
{
    sigset_t signals;
    pthread_t tcp_thread, control_thread;
    struct udp_server *udp = udp_server_new(sim);
    struct service *tcp = make_service(sim, "dns-sim", TCP_SESSIONS_MAX, tcp_session);
    struct service *control = make_service(sim, "dns-sim-control", 32, control_session);
    listen_all(s, udp, tcp, control);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    udp_server_start(udp);
    if (pthread_create(&tcp_thread, NULL, run_service, tcp) != 0
        || pthread_create(&control_thread, NULL, run_service, control) != 0)
        die(1, "cannot start a thread");
    if (write((int)s->ready_fd, "ready\n", 6) != 6)
        die(1, "--ready-fd %d: %s", (int)s->ready_fd, strerror(errno));
    wait_for_stop(&signals);
    udp_server_stop(udp);
    service_stop(tcp);
    service_stop(control);
    pthread_join(tcp_thread, NULL);
    pthread_join(control_thread, NULL);
    service_free(tcp);
    service_free(control);
    if (s->control)
        unlink(s->control);
}

int main(int argc, char **argv)
{
    struct setup s = {.port = 53, .ready_fd = 1};
    if (argc >= 4 && strcmp(argv[1], "ctl") == 0)
        return ctl_main(argv[2], argc - 3, argv + 3);
    parse_options(&s, argc, argv);
    struct dns_sim *sim = dns_sim_new(&s.options);
    int errors = load_zones(sim, &s);
    if (!errors && !s.check) {
        if (s.log && event_open(s.log, false, NULL, "dns-sim") != 0)
            die(1, "--log %s: %s", s.log, strerror(errno));
        serve(sim, &s);
    }
    dns_sim_free(sim);
    return errors > 0;
}
