/* main.c - the program postroad: the master, and the operator's commands. */
#include "reference/ctl/ctl.h"
#include "reference/master.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static int serve(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *what;
    const char *details;
} commands[] = {
    {"serve", serve, "[-c FILE] [--foreground] [--ready-fd N]", "run the server",
     "  --foreground    stay in the foreground; \"ready\" on standard output once it serves\n"
     "  --ready-fd N    write \"ready\" to this descriptor as well\n"
     "SIGTERM ends it in good order, SIGHUP makes it read its configuration again.\n"},
    {"stop", ctl_stop, "[-c FILE]", "end the running server and wait until it is gone", ""},
    {"reload", ctl_reload, "[-c FILE]", "have the running server read its configuration again",
     "A file with errors is refused here; the server goes on with what it has.\n"},
    {"check", ctl_check, "[-c FILE]", "look for everything that could be wrong",
     "Configuration, users, aliases, folders, ports, DNS: a line each, with the remedy.\n"
     "Exit status 78 when there is a problem; warnings are none.\n"},
    {"queue", ctl_queue,
     "[-c FILE] [--json] [list | show ID | ACTION [ID...]] [--from WHO] [--to WHO] [--all]",
     "see and change the queue",
     "  list       what waits, with the reason and the next try (also without any word)\n"
     "  show       one message: envelope, everything that was tried, header\n"
     "  flush      try now: these messages, or all deferred ones\n"
     "  hold       keep it until it is released\n"
     "  release    let a held (or repaired corrupt) message go\n"
     "  requeue    as if it had come just now: its age begins anew\n"
     "  delete     for good, without a notice to the sender\n"
     "  --from, --to   instead of ids: messages of this sender, or for this recipient; an\n"
     "             address, a domain, or \"<>\" for notices\n"
     "  --all      instead of ids: every message\n"
     "  --json     list and show as JSON\n"},
    {"stats", ctl_stats, "[-c FILE]", "counters and the queue's size, as Prometheus reads them", ""},
    {"send", ctl_send, "[-c FILE] [-f FROM] [-q] RECIPIENT... < MESSAGE",
     "put a message into the queue",
     "  -f FROM    the reverse-path; \"<>\" for none; default: the calling user\n"
     "  -q         do not print the queue id\n"
     "Missing Date, From and Message-ID fields are added; line ends become CRLF.\n"},
    {"user", ctl_user, "[-c FILE | --file USERS | --db DATABASE] list | ACTION NAME | import passwd|csv "
     "FILE",
     "see and change the accounts",
     "  ACTION     add, passwd, remove; for a virtual user (jerry@example.org) also set, enable,\n"
     "             disable. The name says where the account is: in the users file, or in the\n"
     "             database of the section accounts with type = \"sqlite\"\n"
     "  add and passwd read the password from the terminal, or one line of standard input\n"
     "  --locked                            no password: mail is taken, nobody can log in\n"
     "  --scheme crypt|argon2|ssha|scram-sha-256|scram-sha-1|plain\n"
     "                                      what is kept of the password; default: crypt, or as\n"
     "                                      before\n"
     "  --uid N --gid N --home DIR          with add: the system user that owns the mailbox\n"
     "  --quota 500M --expires 2027-01-31 --groups \"staff\"   with add, set: of a virtual user\n"
     "  --domain D [--shadow FILE] [--min-uid 1000]         with import passwd\n"
     "  import csv: the first line names the columns address, password or secret, quota, ...\n"
     "remove leaves the mailbox where it is.\n"},
    {"domain", ctl_domain, "[-c FILE | --db DATABASE] list | add DOMAIN | remove DOMAIN",
     "see and change the virtual domains",
     "Mail of a virtual domain is delivered here at once; its users have no system accounts.\n"},
    {"alias", ctl_alias, "[-c FILE | --db DATABASE] list | add ADDRESS TARGET... | remove ADDRESS "
     "[TARGET...]",
     "see and change the aliases of virtual domains",
     "  @example.org as ADDRESS catches what nobody else of the domain is\n"},
    {"explain", ctl_explain, "[-c FILE] ADDRESS | QUEUE-ID | SESSION | CLIENT-ADDRESS", "say why",
     "  an address    where it would go: aliases, account, exchangers with their addresses\n"
     "  a queue id    why it is still here, or what became of it\n"
     "  a session's number or a client's address: what was refused, by which rule and clause\n"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_usage(FILE *to, const struct command *c)
{
    fprintf(to, "usage: postroad %s %s\n%s", c->name, c->arguments, c->details);
}

int ctl_usage(const char *command)
{
    const struct command *c = find(command);
    if (c)
        print_usage(stderr, c);
    return EX_USAGE;
}

static int help(FILE *to)
{
    fprintf(to, "postroad: a mail server that follows the RFCs\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  postroad %-8s %s\n", commands[i].name, commands[i].what);
    fprintf(to,
            "\npostroad COMMAND --help says more. The configuration is %s unless -c FILE names\n"
            "another. Exit status: 0, or as in sysexits.h (64 usage, 65 data, 66 not there, 67 no "
            "such\n"
            "user, 69 not running, 75 try later, 77 permission, 78 configuration).\n",
            CTL_DEFAULT_CONFIG);
    return to == stdout ? EX_OK : EX_USAGE;
}

static int serve(int argc, char **argv)
{
    static const struct option options[] = {{"foreground", no_argument, NULL, 'f'},
                                            {"ready-fd", required_argument, NULL, 'r'}, {0}};
    const char *path = CTL_DEFAULT_CONFIG;
    bool foreground = false;
    int ready_fd = -1, o;
    while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        uint64_t number;
        if (o == 'c')
            path = optarg;
        else if (o == 'f')
            foreground = true;
        else if (o == 'r' && slice_number(slice_str(optarg), 65535, &number))
            ready_fd = (int)number;
        else
            return ctl_usage("serve");
    }
    return optind < argc ? ctl_usage("serve") : master_serve(path, foreground, ready_fd);
}

static bool is_help(const char *s) { return strcmp(s, "--help") == 0 || strcmp(s, "-h") == 0; }

/* Under the names of sendmail's programs it is one of them. */
static int by_own_name(int argc, char **argv)
{
    static const struct { const char *name; int (*run)(int argc, char **argv); } names[] = {
        {"sendmail", ctl_sendmail}, {"mailq", ctl_mailq}, {"newaliases", ctl_newaliases},
    };
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].run(argc, argv);
    return -1;
}

int main(int argc, char **argv)
{
    int status = by_own_name(argc, argv);
    if (status >= 0)
        return status;
    if (argc >= 2 && (is_help(argv[1]) || strcmp(argv[1], "help") == 0))
        return help(stdout);
    const struct command *c = argc >= 2 ? find(argv[1]) : NULL;
    if (!c)
        return help(stderr);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!is_help(argv[i]))
            continue;
        print_usage(stdout, c);
        return EX_OK;
    }
    return c->run(argc - 1, argv + 1);
}
