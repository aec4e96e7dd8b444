#include "conformance/lab/isolate.h"

#include "base/timing.h"
#include "conformance/lab/netlink.h"
#include "conformance/lab/road.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- namespaces --------------------------------------------------------------------------- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ssize_t n = write(fd, text, strlen(text));
    return close(fd) == 0 && n == (ssize_t)strlen(text);
}

/* The value of a sysctl that is a number; -1 when this kernel has no such key. */
static int sysctl_number(const char *path)
{
    struct buf b = {0};
    uint64_t value;
    int result = -1;
    if (buf_read_file(&b, path, 64) == 0
        && slice_number(slice_trim(buf_slice(&b)), 1 << 30, &value))
        result = (int)value;
    buf_free(&b);
    return result;
}

static void explain_refusal(struct buf *error, int why)
{
    buf_printf(error, "this machine lets no namespaces be made: %s\n", strerror(why));
    if (sysctl_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        buf_add_str(error, "  user namespaces are for root only: sysctl -w "
                           "kernel.unprivileged_userns_clone=1, or run the lab as root\n");
    if (sysctl_number("/proc/sys/user/max_user_namespaces") == 0)
        buf_add_str(error, "  no user namespace is allowed: sysctl -w "
                           "user.max_user_namespaces=10000, or run the lab as root\n");
    if (sysctl_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        buf_add_str(error, "  AppArmor takes their rights away: sysctl -w "
                           "kernel.apparmor_restrict_unprivileged_userns=0, or run the lab "
                           "as root\n");
    if (geteuid() == 0)
        buf_add_str(error, "  this root has no CAP_SYS_ADMIN, as in most containers: start the "
                           "container with --privileged, or --cap-add SYS_ADMIN --cap-add "
                           "NET_ADMIN --security-opt seccomp=unconfined\n");
    else
        buf_add_str(error, "  inside a chroot or a container user namespaces may be refused "
                           "altogether: run the lab as root, or outside of it\n");
}

/* user_namespaces(7): our uid and gid become themselves inside. */
static bool map_ids(uid_t uid, gid_t gid, struct buf *error)
{
    struct buf u = {0}, g = {0};
    buf_printf(&u, "%u %u 1", uid, uid);
    buf_printf(&g, "%u %u 1", gid, gid);
    bool good = write_file("/proc/self/setgroups", "deny")
             && write_file("/proc/self/uid_map", buf_str(&u))
             && write_file("/proc/self/gid_map", buf_str(&g));
    if (!good)
        explain_refusal(error, errno);
    buf_free(&u);
    buf_free(&g);
    return good;
}

bool isolate(struct buf *error)
{
    const int parts = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (uid == 0 && unshare(parts) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | parts) < 0) {
        explain_refusal(error, errno);
        return false;
    }
    return map_ids(uid, gid, error);
}

void isolate_keep_capabilities(void)
{
    static const int keep[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3];
    if (geteuid() == 0 || syscall(SYS_capget, &h, have) < 0)
        return;
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        have[0].inheritable |= have[0].permitted & (1u << keep[i]);
    if (syscall(SYS_capset, &h, have) < 0)
        return;
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, keep[i], 0, 0);
}

/* --- mounts ------------------------------------------------------------------------------- */

static const struct { const char *path, *text; bool needed; } files[] = {
    {"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n", true},
    {"/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n", false},
    {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                           "protocols: files\nservices: files\n", false},
};

/* A file of ours over one of /etc. */
static bool cover(const char *dir, size_t i, struct buf *error)
{
    struct buf copy = {0};
    buf_printf(&copy, "%s%s", dir, files[i].path);
    bool good = write_file(buf_str(&copy), files[i].text);
    if (!good)
        buf_printf(error, "%s: %s; choose another --dir", buf_str(&copy), strerror(errno));
    /* Without hosts and nsswitch.conf the C library does what ours say. */
    if (good && mount(buf_str(&copy), files[i].path, NULL, MS_BIND, NULL) < 0
        && (errno != ENOENT || files[i].needed)) {
        buf_printf(error, "cannot cover %s: %s%s", files[i].path, strerror(errno),
                   errno == ENOENT ? "; create an empty one" : "");
        good = false;
    }
    buf_free(&copy);
    return good;
}

/* In a chroot "/" is no mount of its own, so it cannot be made private, and what is mounted below
 * might show up outside. So a private copy of the tree is hung up in /proc, which is a mount, and
 * becomes the root. */
static bool new_root(void)
{
    struct mount_attr private = {.propagation = MS_PRIVATE};
    char *here = getcwd(NULL, 0);
    int tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    bool good = tree >= 0 && mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) == 0
             && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &private, sizeof private) == 0
             && move_mount(tree, "", AT_FDCWD, "/proc/tty", MOVE_MOUNT_F_EMPTY_PATH) == 0
             && fchdir(tree) == 0 && chroot(".") == 0 && (!here || chdir(here) == 0);
    free(here);
    return good;
}

bool isolate_mount(const char *dir, struct buf *error)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && !(errno == EINVAL && new_root())) {
        buf_printf(error, "cannot make the mounts private: %s%s", strerror(errno),
                   errno == EINVAL ? "; mount /proc in this chroot" : "");
        return false;
    }
    /* A container may hide parts of /proc, and then a new one is refused. The old one shows the
     * outer process numbers, which only ps minds. */
    (void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    /* The C library would ask a cache that lives outside and knows other names. */
    (void)!mount("tmpfs", "/run/nscd", "tmpfs", MS_NOSUID | MS_NODEV, "size=4k");
    struct buf etc = {0};
    buf_printf(&etc, "%s/etc", dir);
    bool good = mkdir(buf_str(&etc), 0755) == 0 || errno == EEXIST;
    if (!good)
        buf_printf(error, "%s: %s; choose another --dir", buf_str(&etc), strerror(errno));
    for (size_t i = 0; good && i < sizeof files / sizeof *files; i++)
        good = cover(dir, i, error);
    buf_free(&etc);
    return good;
}

/* --- network ------------------------------------------------------------------------------ */

static bool failed(struct buf *error, const char *what)
{
    buf_printf(error, "%s: %s", what, strerror(errno));
    return false;
}

static bool no_ipv6(const struct netaddr *a)
{
    static int has_ipv6 = -1;
    if (has_ipv6 < 0)
        has_ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
    return a->sa.sa_family == AF_INET6 && !has_ipv6;
}

#define READY_MS 5000 /* the kernel's own part of adding an IPv6 address; it takes about 1 ms */

static bool add_address(int nl, const struct netaddr *a, struct buf *error)
{
    char text[64];
    netaddr_host(a, text);
    if (no_ipv6(a) || nl_add_address(nl, "lo", a) == 0 || errno == EEXIST)
        return true;
    return failed(error, text);
}

/* An IPv6 address can be bound to only when a worker of the kernel has dealt with it, duplicate
 * address detection or not. Its route is there from then on, so until then ESRCH comes back. */
static bool prefer_source(int nl, const struct world *w, const struct netaddr *a, struct buf *error)
{
    char text[64];
    netaddr_host(a, text);
    const struct netaddr *source = a->sa.sa_family == AF_INET6 ? &w->source_v6 : &w->source_v4;
    int64_t until = mono_ms() + READY_MS;
    while (!no_ipv6(a) && nl_prefer_source(nl, a, source) < 0) {
        if (errno != ESRCH || mono_ms() > until)
            return failed(error, text);
        usleep(200);
    }
    return true;
}

bool isolate_add_address(int nl, const struct world *w, const struct netaddr *a,
                         struct buf *error)
{
    return add_address(nl, a, error) && prefer_source(nl, w, a, error);
}

/* All addresses are added before any is waited for. */
static bool add_hosts(int nl, const struct world *w, struct buf *error)
{
    bool good = add_address(nl, &w->source_v4, error) && add_address(nl, &w->source_v6, error);
    for (size_t i = 0; i < w->host_count; i++)
        for (size_t j = 0; good && j < w->hosts[i].addr_count; j++)
            good = add_address(nl, &w->hosts[i].addrs[j], error);
    good = good && prefer_source(nl, w, &w->source_v4, error)
        && prefer_source(nl, w, &w->source_v6, error);
    for (size_t i = 0; i < w->host_count; i++)
        for (size_t j = 0; good && j < w->hosts[i].addr_count; j++) {
            const struct netaddr *a = &w->hosts[i].addrs[j];
            if (!netaddr_same_host(a, &w->source_v4) && !netaddr_same_host(a, &w->source_v6))
                good = prefer_source(nl, w, a, error);
        }
    return good;
}

/* Local delivery is by rule 0; rules for hosts in trouble must come before it. */
static bool add_road(int nl, const struct world *w, int family, struct buf *error)
{
    const struct netaddr *source = family == AF_INET6 ? &w->source_v6 : &w->source_v4;
    if (no_ipv6(source))
        return true;
    if (nl_add_rule(nl, family, 1000, NULL, RT_TABLE_LOCAL) < 0
        || nl_delete_rule(nl, family, 0, NULL, RT_TABLE_LOCAL) < 0
        || nl_add_default_route(nl, family, TABLE_ROAD, ROAD_NEAR, source) < 0
        || nl_add_default_route(nl, family, TABLE_UNREACHABLE, NULL, NULL) < 0)
        return failed(error, "policy routing (kernel option IP_MULTIPLE_TABLES)");
    return true;
}

bool isolate_network(int nl, const struct world *w, struct buf *error)
{
    /* Any user may listen on port 25 in here. And the road brings packets from ourselves. Both
     * may be refused in a container; the first then stays root's, the second is off by default. */
    write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
    write_file("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0");
    write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0");
    write_file("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"); /* no link-local address */
    if (nl_link_up(nl, "lo", false) < 0)
        return failed(error, "cannot bring lo up");
    if (!add_hosts(nl, w, error))
        return false;
    if (nl_add_veth(nl, ROAD_NEAR, ROAD_FAR) < 0)
        return failed(error, "cannot make a veth pair (modprobe veth)");
    if (nl_link_up(nl, ROAD_FAR, true) < 0 || nl_link_up(nl, ROAD_NEAR, true) < 0)
        return failed(error, "cannot bring the veth pair up");
    return add_road(nl, w, AF_INET, error) && add_road(nl, w, AF_INET6, error);
}
