/* master_role.c - what happens in a new process before its role begins. */
#include "reference/master.h"

#include "base/event.h"
#include "base/mem.h"
#include "reference/auth/auth.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*main)(const struct config *, const struct role_listener *, size_t);
} roles[ROLES] = {
    [ROLE_AUTH] = {"auth", auth_main},
    [ROLE_QUEUE] = {"queue", queue_main},
    [ROLE_MDA] = {"mda", mda_main},
    [ROLE_SMTPD] = {"smtpd", smtpd_main},
    [ROLE_POP3D] = {"pop3d", pop3d_main},
    [ROLE_IMAPD] = {"imapd", imapd_main},
};

const char *role_name(enum role r) { return roles[r].name; }

static bool touches_mailboxes(enum role r)
{
    return r == ROLE_MDA || r == ROLE_POP3D || r == ROLE_IMAPD;
}

static const char *user_of(enum role r, const struct config *c)
{
    switch (r) {
    case ROLE_AUTH:
        return c->auth_user;
    case ROLE_MDA:
    case ROLE_POP3D:
    case ROLE_IMAPD:
        return c->mda_user;
    default:
        return c->user;
    }
}

bool role_users_exist(const struct config *c, struct buf *errors)
{
    bool good = true;
    if (geteuid() != 0)
        return true;
    for (int r = 0; r < ROLES; r++) {
        const char *user = user_of((enum role)r, c);
        if (!user || getpwnam(user))
            continue;
        if (r != ROLE_SMTPD && r != ROLE_POP3D && r != ROLE_IMAPD)   /* the same users as queue and mda */
            buf_printf(errors,
                       "%s: there is no system user %s for %s; make it (useradd --system "
                       "--no-create-home --shell /usr/sbin/nologin %s) or name another\n",
                       c->path, user, roles[r].name, user);
        good = false;
    }
    return good;
}

/* ---- privileges ------------------------------------------------------------------------------ */

static void keep_capabilities(uint32_t low)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = low, .permitted = low}};
    if (syscall(SYS_capset, &head, data) != 0)
        die(EX_NOPERM, "cannot give up capabilities: %s", strerror(errno));
}

/* `as_others`: the delivery agent starts programs and reads files as the user of each mailbox. */
static void become(enum role r, const char *user, bool as_others)
{
    const struct passwd *pw = getpwnam(user);
    if (!pw)
        die(EX_NOPERM, "%s: there is no system user %s; make it or correct the configuration",
            roles[r].name, user);
    uid_t uid = pw->pw_uid;
    gid_t gid = pw->pw_gid, groups[64];
    int count = sizeof groups / sizeof *groups - 1;
    if (getgrouplist(user, gid, groups, &count) < 0)
        die(EX_NOPERM, "%s: user %s is in too many groups", roles[r].name, user);
    bool mailboxes = touches_mailboxes(r);
    const struct group *mail = mailboxes ? getgrnam("mail") : NULL;
    if (mail)
        groups[count++] = mail->gr_gid;
    if (setgroups((size_t)count, groups) != 0 || setresgid(gid, gid, gid) != 0 ||
        prctl(PR_SET_KEEPCAPS, r == ROLE_MDA) != 0 || setresuid(uid, uid, uid) != 0)
        die(EX_NOPERM, "%s: cannot become %s: %s", roles[r].name, user, strerror(errno));
    /* The delivery agent gives a new mailbox to its user, and that is all it may do as root. */
    uint32_t as_user = as_others ? 1u << CAP_SETUID | 1u << CAP_SETGID : 0;
    keep_capabilities(r == ROLE_MDA ? 1u << CAP_CHOWN | as_user : 0);
    prctl(PR_SET_KEEPCAPS, 0);
    if (uid != 0 && as_user == 0 && setuid(0) == 0)
        die(EX_NOPERM, "%s: could become root again", roles[r].name);
}

static void drop_privileges(enum role r, const struct config *c)
{
    const char *user = user_of(r, c);
    if (geteuid() == 0 && user)
        become(r, user, c->mailbox_program || c->forward_file);
    else if (geteuid() == 0 && r == ROLE_AUTH && c->user)
        keep_capabilities(0);     /* root's files, none of root's powers */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die(EX_NOPERM, "%s: cannot set no_new_privs: %s", roles[r].name, strerror(errno));
    if (r != ROLE_QUEUE && r != ROLE_MDA)     /* no passwords in a core file */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    umask(touches_mailboxes(r) ? 007 : 077);
}

static void restrict_files(enum role r, const struct config *c)
{
    const char *why = NULL;
    char *log = c->event_log ? xstrdup(c->event_log) : NULL;
    enum { OWN_FOLDERS = 5 };
    const char **folders = xcalloc(OWN_FOLDERS + c->program_folders.n, sizeof *folders);
    size_t n = 0;
    folders[n++] = "/dev";
    if (log && strcmp(log, "-") != 0)
        folders[n++] = dirname(log);
    if (r == ROLE_SMTPD || r == ROLE_QUEUE)
        folders[n++] = c->spool;
    if (touches_mailboxes(r))
        folders[n++] = c->mail_dir;
    for (size_t i = 0; i < c->program_folders.n && (r == ROLE_QUEUE || r == ROLE_MDA); i++)
        folders[n++] = c->program_folders.v[i];
    if (c->landlock && !sandbox_writes(folders, &why) && sandbox_available(&why))
        event("master.sandbox-failed", EV_STR("role", roles[r].name), EV_STR("why", why));
    free(folders);
    free(log);
}

/* ---- the process ----------------------------------------------------------------------------- */

static void close_others(enum role r, const struct listener_set *l, const int own[2])
{
    for (int i = 0; i < 2; i++)
        if (own[i] >= 0)
            close(own[i]);
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].role != r)
            close(l->v[i].fd);
}

/* The key of the certificate is root's; the roles that serve TLS keep it in memory. */
static void read_keys(enum role r, const struct config *c)
{
    struct buf errors = {0};
    if ((r == ROLE_SMTPD || r == ROLE_POP3D || r == ROLE_IMAPD) && !tls_server_prepare(c, &errors))
        die(EX_CONFIG, "%s", buf_str(&errors));
    buf_free(&errors);
}

static void run(enum role r, const struct config *c, const struct listener_set *l, const int own[2],
                pid_t master)
{
    sigset_t none;
    roles_begin(roles[r].name);
    sigemptyset(&none);
    close_others(r, l, own);
    read_keys(r, c);
    drop_privileges(r, c);
    restrict_files(r, c);
    /* After the change of user, which clears it: without its master nobody would stop a role. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != master)
        _exit(EX_OSERR);

    struct role_listener *mine = xcalloc(l->n, sizeof *mine);
    size_t count = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].role == r)
            mine[count++] = (struct role_listener){l->v[i].fd, l->v[i].kind};
    sigprocmask(SIG_SETMASK, &none, NULL);
    int status = roles[r].main(c, mine, count);
    free(mine);
    exit(status);
}

int role_start(enum role r, const struct config *c, const struct listener_set *l, const int own[2])
{
    pid_t master = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run(r, c, l, own, master);
    return pid;
}
