/* master_listen.c - listening sockets, folders, owners, and the lock on the spool.
 *
 * Who may touch what, when started as root (docs/postroad.8.md has the table):
 *   <spool>/{incoming,active,...}   user's, 0700: smtpd and queue
 *   <run>/auth                      user's and mda-user's group, 0660: all who may ask
 *   <run>/queue, <run>/lmtp         user's, 0600: smtpd wakes, queue delivers
 *   mailboxes                       group mail: mda and pop3d */
#include "reference/master.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* ---- sockets --------------------------------------------------------------------------------- */

static bool same_address(const struct netaddr *a, const struct netaddr *b)
{
    return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

static const struct open_listener *find(const struct listener_set *l, enum role role,
                                        enum service_kind kind, const struct netaddr *addr)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (l->v[i].role == role && l->v[i].kind == kind && same_address(&l->v[i].addr, addr))
            return &l->v[i];
    return NULL;
}

static const char *remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "stop what listens there (ss -ltnp shows it) or choose another port";
    case EACCES:
        return "start as root, or choose a port above 1023";
    case EADDRNOTAVAIL:
        return "this host has no such address; ip addr shows those that it has";
    case ENOENT:
        return "make the socket's folder";
    default:
        return "correct the listen section";
    }
}

/* The queue's wake-ups are datagrams: sent without waiting, lost when nobody reads. */
static int bind_datagram(const struct netaddr *a)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    unlink(a->un.sun_path);
    if (bind(fd, &a->sa, a->len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* The owner of a Unix socket decides who may connect. */
static bool give_socket(const struct config *c, const struct open_listener *l)
{
    const char *path = l->addr.un.sun_path;
    const struct passwd *pw = geteuid() == 0 && c->user ? getpwnam(c->user) : NULL;
    uid_t owner = pw ? pw->pw_uid : (uid_t)-1;
    gid_t group = pw ? pw->pw_gid : (gid_t)-1;
    if (l->role == ROLE_AUTH && geteuid() == 0 && c->mda_user && (pw = getpwnam(c->mda_user)))
        group = pw->pw_gid;
    return chown(path, owner, group) == 0 && chmod(path, l->role == ROLE_AUTH ? 0660 : 0600) == 0;
}

static bool add(const struct config *c, const struct listener_set *old, struct listener_set *out,
                struct open_listener l, struct buf *errors)
{
    const struct open_listener *known = find(old, l.role, l.kind, &l.addr);
    char text[160];
    netaddr_text(&l.addr, text);
    l.fd = known                   ? known->fd
           : l.role == ROLE_QUEUE ? bind_datagram(&l.addr)
                                  : net_listen(&l.addr, BACKLOG);
    if (l.fd < 0 && l.addr.sa.sa_family == AF_INET6 &&
        (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
        IN6_IS_ADDR_UNSPECIFIED(&l.addr.in6.sin6_addr)) {
        /* "::" is a default; a host without IPv6 is no reason not to serve. */
        event("master.no-ipv6", EV_STR("listener", text), EV_STR("why", strerror(errno)));
        return true;
    }
    if (l.fd < 0 || (!known && l.addr.sa.sa_family == AF_UNIX && !give_socket(c, &l))) {
        buf_printf(errors, "%s: cannot listen on %s for %s: %s; %s\n", c->path, text,
                   l.kind < SERVICE_KINDS ? config_service_name(l.kind) : role_name(l.role),
                   strerror(errno), remedy(errno));
        if (l.fd >= 0)
            close(l.fd);
        return false;
    }
    out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
    out->v[out->n++] = l;
    return true;
}

static struct netaddr unix_address(const char *path)
{
    struct netaddr a = {0};
    char *text = xasprintf("unix:%s", path);
    netaddr_parse(&a, slice_str(text), 0);
    free(text);
    return a;
}

bool listeners_open(const struct config *c, const struct listener_set *old,
                    struct listener_set *out, struct buf *errors)
{
    static const enum role role_of[SERVICE_KINDS] = {
        [SERVICE_SMTP] = ROLE_SMTPD, [SERVICE_SUBMISSION] = ROLE_SMTPD, [SERVICE_LMTP] = ROLE_MDA,
        [SERVICE_POP3] = ROLE_POP3D, [SERVICE_SUBMISSIONS] = ROLE_SMTPD,
        [SERVICE_REINJECTION] = ROLE_SMTPD,
        [SERVICE_POP3S] = ROLE_POP3D, [SERVICE_IMAP] = ROLE_IMAPD, [SERVICE_IMAPS] = ROLE_IMAPD};
    *out = (struct listener_set){0};
    bool good = add(c, old, out, (struct open_listener){ROLE_AUTH, SERVICE_KINDS,
                    unix_address(c->auth_socket), -1}, errors);
    good &= add(c, old, out, (struct open_listener){ROLE_QUEUE, SERVICE_KINDS,
                unix_address(c->queue_socket), -1}, errors);
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct listener_conf *l = &c->listeners[i];
        good &= add(c, old, out, (struct open_listener){role_of[l->kind], l->kind, l->addr, -1},
                    errors);
    }
    if (!good)
        listeners_close(out, old);
    return good;
}

void listeners_close(struct listener_set *old, const struct listener_set *kept)
{
    for (size_t i = 0; i < old->n; i++) {
        const struct open_listener *l = &old->v[i];
        if (find(kept, l->role, l->kind, &l->addr))
            continue;
        close(l->fd);
        if (l->addr.sa.sa_family == AF_UNIX)
            unlink(l->addr.un.sun_path);
    }
    free(old->v);
    *old = (struct listener_set){0};
}

bool listeners_have(const struct listener_set *l, enum role r)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].role == r)
            return true;
    return false;
}

/* ---- folders --------------------------------------------------------------------------------- */

/* Makes a folder and those above it. 1: made, 0: was there, -1: errno. */
static int make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) == 0 ? 1 : -1;   /* whatever the umask says */
    if (errno == EEXIST)
        return 0;
    char *slash = strrchr(path, '/');
    if (errno != ENOENT || !slash || slash == path)
        return -1;
    char *above = xasprintf("%.*s", (int)(slash - path), path);
    int made = make_folder(above, 0755);
    free(above);
    return made < 0 ? -1 : mkdir(path, mode) == 0 && chmod(path, mode) == 0 ? 1 : -1;
}

static bool failed(struct buf *errors, const char *path)
{
    buf_printf(errors,
               "%s: cannot make or give away this folder: %s; make it, or start as root, or "
               "name another in the configuration\n",
               path, strerror(errno));
    return false;
}

/* chattr(1) +T: ext4 puts what is made in this folder far apart on the disk, each mailbox in a region of
 * its own, where making a file does not search past those that were removed elsewhere. A hint: other
 * file systems do not have it, and nothing depends on it. */
static void spread_out(const char *folder)
{
    int flags, fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
        flags |= FS_TOPDIR_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    if (fd >= 0)
        close(fd);
}

bool master_prepare_folders(const struct config *c, struct buf *errors)
{
    static const char *const folders[] = {"incoming", "active",  "deferred",
                                          "hold",     "corrupt", "log", "policy", "spare"};
    bool root = geteuid() == 0;
    const struct passwd *pw = root && c->user ? getpwnam(c->user) : NULL;
    int made = make_folder(c->spool, 0755);
    if (made < 0 || make_folder(c->run_dir, 0755) < 0)
        return failed(errors, made < 0 ? c->spool : c->run_dir);
    if (queue_prepare(c) != 0)
        return failed(errors, c->spool);
    for (size_t i = 0; pw && i < sizeof folders / sizeof *folders; i++) {
        char *path = xasprintf("%s/%s", c->spool, folders[i]);
        bool good = chown(path, pw->pw_uid, pw->pw_gid) == 0 && chmod(path, 0700) == 0;
        if (!good)
            failed(errors, path);
        free(path);
        if (!good)
            return false;
    }
    /* As Debian has /var/mail: group mail writes, new files inherit the group, users may enter. */
    const struct group *mail = root ? getgrnam("mail") : NULL;
    made = make_folder(c->mail_dir, root ? 02775 : 0700);
    if (made < 0 || (made && mail && (chown(c->mail_dir, 0, mail->gr_gid) != 0 ||
                                      chmod(c->mail_dir, 02775) != 0)))
        return failed(errors, c->mail_dir);
    spread_out(c->mail_dir);
    return true;
}

/* ---- the lock -------------------------------------------------------------------------------- */

static int read_pid(int fd)
{
    char text[24] = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? atoi(text) : 0;
}

static int open_pid_file(const struct config *c, int flags)
{
    char *path = xasprintf("%s/master.pid", c->run_dir);
    int fd = open(path, flags | O_CLOEXEC, 0644);
    free(path);
    return fd;
}

int master_lock(const struct config *c, struct buf *errors)
{
    int fd = open_pid_file(c, O_RDWR | O_CREAT);
    if (fd < 0) {
        buf_printf(errors, "%s/master.pid: %s; is run-directory writable?\n", c->run_dir,
                   strerror(errno));
        return -1;
    }
    /* Roles share their master's lock: while one of a killed master still runs, wait for its end.
     */
    int64_t give_up = mono_ms() + c->timeout_stop;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int pid = read_pid(fd);
        bool alive = pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
        if (alive || mono_ms() > give_up) {
            buf_printf(errors,
                       "%s: another postroad (process %d) serves this spool; stop it (postroad "
                       "stop -c %s), or name another spool\n",
                       c->spool, pid, c->path);
            close(fd);
            return -1;
        }
        sleep_ms(20);
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        buf_printf(errors, "%s/master.pid: cannot be written: %s\n", c->run_dir, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

int master_running_pid(const struct config *c)
{
    int fd = open_pid_file(c, O_RDONLY);
    if (fd < 0)
        return 0;
    int pid = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : read_pid(fd);
    close(fd);
    return pid;
}
