/* sendmail.c - the program under the names sendmail, mailq and newaliases, with the options that mail
 * programs and scripts give them. Options that change nothing here are taken and ignored. */
#include "reference/ctl/ctl.h"
#include "reference/ctl/send.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

/* The configuration of a program that takes no -c: from the environment, where a test or a second
 * server has another. */
static const char *config_file(void)
{
    const char *path = secure_getenv("POSTROAD_CONFIG");
    return path && *path ? path : CTL_DEFAULT_CONFIG;
}

int ctl_mailq(int argc, char **argv)
{
    (void)argc, (void)argv;
    char *list[] = {"queue", "-c", (char *)config_file(), "list", NULL};
    optind = 1;
    return ctl_queue(4, list);
}

/* The aliases file is read as it is, so there is no data base to make: it is looked at. */
int ctl_newaliases(int argc, char **argv)
{
    (void)argc, (void)argv;
    char *check[] = {"check", "-c", (char *)config_file(), NULL};
    optind = 1;
    return ctl_check(3, check);
}

static int flush(void)
{
    char *words[] = {"queue", "-c", (char *)config_file(), "flush", NULL};
    optind = 1;
    return ctl_queue(4, words);
}

static int usage(void)
{
    fprintf(stderr, "usage: sendmail [-f FROM] [-F NAME] [-t] [-i] [-N NOTIFY] [-R full|hdrs] "
                    "[-V ENVID] RECIPIENT... < MESSAGE\n"
                    "       sendmail -bp (mailq), -bi (newaliases), -q (flush)\n");
    return EX_USAGE;
}

/* -b: what it is to be. 0: go on as a mailer. */
static int mode(char m, int *status)
{
    *status = m == 'p' ? ctl_mailq(0, NULL) : m == 'i' ? ctl_newaliases(0, NULL) : EX_USAGE;
    if (m != 'p' && m != 'i' && m != 'm')
        fprintf(stderr, "sendmail: -b%c is not known here; postroad serve is the server\n", m);
    return m != 'm';
}

static bool take_option(struct submission *s, int o)
{
    switch (o) {
    case 'f':
    case 'r': s->from = optarg; return true;
    case 'F': s->full_name = optarg; return true;
    case 't': s->to_from_header = true; return true;
    case 'i': s->dot_ends = false; return true;
    case 'o':                    /* -oi is -i; -oem, -odb and so on change nothing */
        s->dot_ends = s->dot_ends && strcmp(optarg, "i") != 0;
        return true;
    case 'N': return notify_parse(slice_str(optarg), &s->notify);
    case 'V': s->envid = optarg; return true;
    case 'R':
        s->ret = slice_ieq_str(slice_str(optarg), "full") ? RETURN_FULL : RETURN_HEADERS;
        return true;
    case 'B': case 'C': case 'd': case 'h': case 'L': case 'm': case 'n': case 'O': case 'p':
    case 'U': case 'v': case 'X': return true;
    default: return false;
    }
}

int ctl_sendmail(int argc, char **argv)
{
    struct submission s = {.config = config_file(), .dot_ends = true, .quiet = true};
    int o, status;
    while ((o = getopt(argc, argv, "+b:f:r:F:tio:N:V:R:B:C:d:h:L:mnO:p:Uvq::X:")) != -1) {
        if (o == 'b' && mode(optarg[0], &status))
            return status;
        if (o == 'q')
            return flush();
        if (o != 'b' && !take_option(&s, o))
            return usage();
    }
    s.to = argv + optind;
    s.to_count = argc - optind;
    return s.to_count > 0 || s.to_from_header ? ctl_submit(&s) : usage();
}
