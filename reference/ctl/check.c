/* check.c - `postroad check`: everything that could be wrong, a line each, before it hurts. */
#include "reference/ctl/ctl.h"

#include "base/mem.h"
#include "base/stream.h"
#include "reference/auth/accounts.h"
#include "reference/master.h"
#include "reference/resolver/resolver.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int problems, warned;

static void good(const char *what) { printf("ok       %s\n", what); }

static void print_lines(const char *mark, const struct buf *text, int *count)
{
    struct slice rest = buf_slice(text), line;
    while (slice_next(&rest, '\n', &line))
        if (line.n) {
            printf("%-8s %.*s\n", mark, SLICE_ARG(line));
            ++*count;
        }
}

/* Reports *errors, or that `what` is well when there are none; empties it. */
static void result(const char *what, struct buf *errors)
{
    if (errors->len == 0)
        good(what);
    print_lines("problem", errors, &problems);
    buf_clear(errors);
}

static void check_folder(const char *what, const char *path, struct buf *errors)
{
    struct stat st;
    char *copy = xstrdup(path);
    /* It is made when missing: then the folder above it counts. */
    while (stat(copy, &st) != 0 && errno == ENOENT && strlen(copy) > 1) {
        char *slash = strrchr(copy, '/');
        *(slash == copy ? slash + 1 : slash) = 0;
    }
    if (stat(copy, &st) != 0)
        buf_printf(errors, "%s: %s: %s; correct it in the configuration\n", what, copy,
                   strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        buf_printf(errors, "%s: %s is not a folder; name another\n", what, copy);
    else if (access(copy, W_OK | X_OK) != 0)
        buf_printf(errors, "%s: %s: %s; start as root, or name a folder that you may write\n", what,
                   copy, strerror(errno));
    free(copy);
}

static void check_ports(const struct config *c, struct buf *errors)
{
    int pid = master_running_pid(c);
    if (pid > 0) {
        printf("ok       the server runs as process %d and has its ports\n", pid);
        return;
    }
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct netaddr *a = &c->listeners[i].addr;
        char text[160];
        netaddr_text(a, text);
        if (a->sa.sa_family == AF_UNIX)
            continue;
        int fd = net_listen(a, 1);
        if (fd >= 0)
            close(fd);
        else if (errno != EAFNOSUPPORT)
            buf_printf(errors, "cannot listen on %s for %s: %s; %s\n", text,
                       config_service_name(c->listeners[i].kind), strerror(errno),
                       errno == EACCES
                           ? "start as root, or choose a port above 1023"
                           : "stop what listens there (ss -ltnp), or choose another port");
    }
    result("all ports are free", errors);
}

/* Any answer will do, "no such name" too: it shows that somebody answers. */
static void check_dns(const struct config *c, struct buf *errors)
{
    struct resolver *r = resolver_new(c);
    struct mx_list mx = {0};
    const char *domain = c->local_domains.n ? c->local_domains.v[0] : c->hostname;
    struct buf what = {0};
    enum dns_status s = resolver_mx(r, domain, &mx);
    if (s == DNS_TEMPFAIL)
        buf_printf(errors, "DNS: no answer about %s; correct dns servers or /etc/resolv.conf\n",
                   domain);
    buf_printf(&what, "DNS answers: %s MX: %s", domain, dns_status_text(s));
    result(buf_str(&what), errors);
    mx_list_free(&mx);
    resolver_free(r);
    buf_free(&what);
}

static void check_all(const struct config *c)
{
    struct buf errors = {0}, warnings = {0}, what = {0};
    const char *why = NULL;
    buf_printf(&what, "%s: the file is good", c->path);
    good(buf_str(&what));
    config_check_surroundings(c, &errors, &warnings);
    result("users, aliases and addresses", &errors);
    buf_clear(&what);
    buf_add_str(&what, "types of accounts in this build: ");
    backend_names(&what);
    good(buf_str(&what));
    if (c->accounts_count) {
        struct accounts *accounts = accounts_new(c, NULL);
        accounts_probe(accounts, &errors);
        accounts_free(accounts);
        result("account back ends answer", &errors);
    }
    role_users_exist(c, &errors);
    result("system users of the roles", &errors);
    check_folder("spool", c->spool, &errors);
    check_folder("run-directory", c->run_dir, &errors);
    check_folder("mailboxes path", c->mail_dir, &errors);
    result("folders", &errors);
    check_ports(c, &errors);
    check_dns(c, &errors);
    if (c->landlock && !sandbox_available(&why))
        buf_printf(&warnings, "Landlock: %s; roles are kept apart by their users alone\n", why);
    print_lines("warning", &warnings, &warned);
    printf("%d problem%s, %d warning%s\n", problems, problems == 1 ? "" : "s", warned,
           warned == 1 ? "" : "s");
    buf_free(&errors);
    buf_free(&warnings);
    buf_free(&what);
}

int ctl_check(int argc, char **argv)
{
    const char *path = CTL_DEFAULT_CONFIG;
    struct buf errors = {0};
    int o;
    while ((o = getopt(argc, argv, "c:")) != -1) {
        if (o != 'c')
            return ctl_usage("check");
        path = optarg;
    }
    if (optind < argc)
        return ctl_usage("check");
    struct config *c = config_load(path, &errors);
    if (c)
        check_all(c);
    print_lines("problem", &errors, &problems);
    buf_free(&errors);
    config_free(c);
    return problems ? EX_CONFIG : EX_OK;
}
