/* ctl.c - what the operator's commands share; `postroad stop` and `postroad reload`. */
#include "reference/ctl/ctl.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/master.h"
#include "reference/message/address.h"
#include "reference/queue/queue.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { LOG_MAX = 16 * 1024 * 1024 };

struct config *ctl_config(const char *path)
{
    struct buf errors = {0};
    struct config *c = config_load(path, &errors);
    if (!c) {
        fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&errors)));
        buf_free(&errors);
        exit(EX_CONFIG);
    }
    buf_free(&errors);
    return c;
}

void ctl_become_queue_user(const struct config *c)
{
    char *active = queue_path(c, "active", NULL);
    struct stat st;
    if (stat(active, &st) != 0)
        die(errno == ENOENT ? EX_UNAVAILABLE : EX_NOPERM,
            "%s: %s; start the server once (postroad serve), run this as root or as the user of "
            "the queue, or correct spool", active, strerror(errno));
    /* Whoever owns the folder runs the queue, whether or not the server was started as root. */
    if (geteuid() == 0 && st.st_uid != 0 &&
        (setgroups(0, NULL) != 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
         setresuid(st.st_uid, st.st_uid, st.st_uid) != 0))
        die(EX_NOPERM, "cannot become user %d, who owns the queue: %s", (int)st.st_uid,
            strerror(errno));
    umask(077);
    if (access(active, R_OK | W_OK | X_OK) != 0)
        die(EX_NOPERM, "%s: %s; run this as root or as the user of the queue", active,
            strerror(errno));
    free(active);
}

char *ctl_address(const struct config *c, const char *text)
{
    const char *domain = c->local_domains.n ? c->local_domains.v[0] : c->hostname;
    bool bare = !strchr(text, '@');
    char *full = bare ? xasprintf("%s@%s", text, domain) : xstrdup(text);
    struct path p;
    if (mailbox_parse(slice_str(full), &p) == ADDRESS_OK) {
        path_free(&p);
        return full;
    }
    fprintf(stderr, "postroad: %s is not an address; write local-part@domain (RFC 5321 4.1.2)\n",
            text);
    free(full);
    return NULL;
}

void ctl_duration_text(int64_t ms, char out[24])
{
    int64_t s = ms / 1000;
    if (s < 120)
        snprintf(out, 24, "%llds", (long long)s);
    else if (s < 2 * 3600)
        snprintf(out, 24, "%lldm", (long long)s / 60);
    else if (s < 2 * 86400)
        snprintf(out, 24, "%lldh", (long long)s / 3600);
    else
        snprintf(out, 24, "%lldd", (long long)s / 86400);
}

/* A line of the log is "<time> <recipient, escaped> <rest>". */
void ctl_attempts(const struct config *c, const char *id, const char *recipient,
                  struct attempts *out)
{
    struct buf text = {0}, wanted = {0};
    char *path = queue_path(c, "log", id);
    *out = (struct attempts){0};
    buf_add_escaped(&wanted, slice_str(recipient));
    if (buf_read_file(&text, path, LOG_MAX) == 0) {
        struct slice rest = buf_slice(&text), line, time;
        while (slice_next(&rest, '\n', &line)) {
            if (!slice_next(&line, ' ', &time) || !slice_starts(line, buf_slice(&wanted)))
                continue;
            struct slice what = slice_sub(line, wanted.len, line.n);
            if (what.n == 0 || what.p[0] != ' ')
                continue;
            out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
            out->v[out->n++] = xasprintf("%.*s%.*s", SLICE_ARG(time), SLICE_ARG(what));
        }
    }
    free(path);
    buf_free(&text);
    buf_free(&wanted);
}

void ctl_attempts_free(struct attempts *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->v[i]);
    free(a->v);
    *a = (struct attempts){0};
}

/* ---- stop and reload ------------------------------------------------------------------------- */

static struct config *only_config(int argc, char **argv)
{
    const char *path = CTL_DEFAULT_CONFIG;
    int o;
    while ((o = getopt(argc, argv, "c:")) != -1) {
        if (o != 'c')
            exit(ctl_usage(argv[0]));
        path = optarg;
    }
    if (optind < argc)
        exit(ctl_usage(argv[0]));
    return ctl_config(path);
}

static int signal_master(const struct config *c, int signal_number)
{
    int pid = master_running_pid(c);
    if (pid <= 0) {
        fprintf(stderr, "postroad: no server runs on %s\n", c->spool);
        return EX_UNAVAILABLE;
    }
    if (kill(pid, signal_number) != 0) {
        fprintf(stderr,
                "postroad: cannot signal process %d: %s; run this as the user that started it\n",
                pid, strerror(errno));
        return errno == EPERM ? EX_NOPERM : EX_OSERR;
    }
    return EX_OK;
}

int ctl_stop(int argc, char **argv)
{
    struct config *c = only_config(argc, argv);
    int status = signal_master(c, SIGTERM);
    /* Each of the four ranks of roles has timeouts stop. */
    int64_t give_up = mono_ms() + 4 * c->timeout_stop + 5000;
    while (status == EX_OK && master_running_pid(c) > 0) {
        if (mono_ms() > give_up) {
            fprintf(stderr, "postroad: it is still running; see its event log\n");
            status = EX_TEMPFAIL;
        }
        sleep_ms(20);
    }
    config_free(c);
    return status;
}

int ctl_reload(int argc, char **argv)
{
    struct config *c = only_config(argc, argv);   /* wrong ones are reported here and now */
    int status = signal_master(c, SIGHUP);
    config_free(c);
    return status;
}
