#include "conformance/lab/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <unistd.h>

/* One request. A handful of attributes with addresses and names: 1 KiB is ample. */
struct request {
    struct nlmsghdr h;
    char body[1024];
};

int nl_open(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

const void *netaddr_octets(const struct netaddr *a, size_t *n)
{
    if (a->sa.sa_family == AF_INET6) {
        *n = sizeof a->in6.sin6_addr;
        return &a->in6.sin6_addr;
    }
    *n = sizeof a->in.sin_addr;
    return &a->in.sin_addr;
}

static void begin(struct request *r, int type, int flags, const void *header, size_t n)
{
    memset(r, 0, sizeof *r);
    r->h.nlmsg_type = (uint16_t)type;
    r->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    r->h.nlmsg_len = NLMSG_LENGTH(n);
    memcpy(NLMSG_DATA(&r->h), header, n);
}

/* Appends an attribute and returns it, so that one that contains others can be closed. */
static struct rtattr *put(struct request *r, int type, const void *data, size_t n)
{
    struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));
    a->rta_type = (uint16_t)type;
    a->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n)
        memcpy(RTA_DATA(a), data, n);
    r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static void put_string(struct request *r, int type, const char *s)
{
    put(r, type, s, strlen(s) + 1);
}

static void put_number(struct request *r, int type, uint32_t v)
{
    put(r, type, &v, sizeof v);
}

static void put_address(struct request *r, int type, const struct netaddr *a)
{
    size_t n;
    const void *octets = netaddr_octets(a, &n);
    put(r, type, octets, n);
}

/* Everything that was put since `a` belongs into it. */
static void close_nested(struct request *r, struct rtattr *a)
{
    a->rta_len = (uint16_t)((char *)r + r->h.nlmsg_len - (char *)a);
}

static int send_request(int nl, struct request *r)
{
    struct { struct nlmsghdr h; struct nlmsgerr error; char rest[2048]; } answer;
    if (send(nl, r, r->h.nlmsg_len, 0) < 0)
        return -1;
    ssize_t n = recv(nl, &answer, sizeof answer, 0);
    if (n < 0)
        return -1;
    if ((size_t)n < NLMSG_LENGTH(sizeof(int)) || answer.h.nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    errno = -answer.error.error;
    return errno ? -1 : 0;
}

int nl_link_up(int nl, const char *name, bool no_arp)
{
    unsigned flags = IFF_UP | (no_arp ? IFF_NOARP : 0);
    struct ifinfomsg link = {.ifi_index = (int)if_nametoindex(name), .ifi_flags = flags,
                             .ifi_change = flags};
    struct request r;
    begin(&r, RTM_NEWLINK, 0, &link, sizeof link);
    if (no_arp) {
        /* No link-local address: the interface would send router solicitations with it. And
         * packets that come in may have a source address of our own, for all of them do. */
        struct rtattr *spec = put(&r, IFLA_AF_SPEC | NLA_F_NESTED, NULL, 0);
        struct rtattr *inet = put(&r, AF_INET | NLA_F_NESTED, NULL, 0);
        struct rtattr *settings = put(&r, IFLA_INET_CONF | NLA_F_NESTED, NULL, 0);
        put_number(&r, IPV4_DEVCONF_ACCEPT_LOCAL, 1);
        put_number(&r, IPV4_DEVCONF_RP_FILTER, 0);
        close_nested(&r, settings);
        close_nested(&r, inet);
        close_nested(&r, spec);
    }
    return send_request(nl, &r);
}

int nl_add_veth(int nl, const char *name, const char *peer)
{
    const uint32_t mtu = 65535; /* the most; lo has 65536 */
    struct ifinfomsg link = {0};
    struct request r;
    begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
    put_string(&r, IFLA_IFNAME, name);
    put_number(&r, IFLA_MTU, mtu);
    struct rtattr *info = put(&r, IFLA_LINKINFO, NULL, 0);
    put(&r, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(&r, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *far = put(&r, VETH_INFO_PEER, &link, sizeof link);
    put_string(&r, IFLA_IFNAME, peer);
    put_number(&r, IFLA_MTU, mtu);
    close_nested(&r, far);
    close_nested(&r, data);
    close_nested(&r, info);
    return send_request(nl, &r);
}

int nl_add_address(int nl, const char *interface, const struct netaddr *a)
{
    bool v6 = a->sa.sa_family == AF_INET6;
    struct ifaddrmsg m = {.ifa_family = (uint8_t)a->sa.sa_family, .ifa_prefixlen = v6 ? 128 : 32,
                          .ifa_flags = v6 ? IFA_F_NODAD : 0,
                          .ifa_index = if_nametoindex(interface)};
    struct request r;
    begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    put_address(&r, IFA_LOCAL, a);
    put_address(&r, IFA_ADDRESS, a);
    return send_request(nl, &r);
}

int nl_prefer_source(int nl, const struct netaddr *a, const struct netaddr *source)
{
    bool v6 = a->sa.sa_family == AF_INET6;
    struct rtmsg m = {.rtm_family = (uint8_t)a->sa.sa_family, .rtm_dst_len = v6 ? 128 : 32,
                      .rtm_table = RT_TABLE_LOCAL, .rtm_scope = RT_SCOPE_HOST,
                      .rtm_type = RTN_LOCAL};
    uint32_t lo = if_nametoindex("lo");
    struct request r;
    /* IPv4 replaces the kernel's own route; in IPv6 that one has a metric which no request can
     * name, so it goes first. */
    if (v6) {
        begin(&r, RTM_DELROUTE, 0, &m, sizeof m);
        put_address(&r, RTA_DST, a);
        put_number(&r, RTA_OIF, lo);
        if (send_request(nl, &r) < 0)
            return -1;
    }
    m.rtm_protocol = RTPROT_BOOT;
    begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
    put_address(&r, RTA_DST, a);
    put_number(&r, RTA_OIF, lo);
    put_address(&r, RTA_PREFSRC, source);
    return send_request(nl, &r);
}

int nl_add_default_route(int nl, int family, uint32_t table, const char *interface,
                         const struct netaddr *source)
{
    struct rtmsg m = {.rtm_family = (uint8_t)family, .rtm_table = (uint8_t)table,
                      .rtm_protocol = RTPROT_BOOT,
                      .rtm_scope = interface ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
                      .rtm_type = interface ? RTN_UNICAST : RTN_UNREACHABLE};
    struct request r;
    begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
    if (interface)
        put_number(&r, RTA_OIF, if_nametoindex(interface));
    if (source)
        put_address(&r, RTA_PREFSRC, source);
    return send_request(nl, &r);
}

static int change_rule(int nl, int type, int flags, int family, uint32_t preference,
                       const struct netaddr *to, uint32_t table)
{
    struct fib_rule_hdr m = {.family = (uint8_t)family, .action = FR_ACT_TO_TBL,
                             .table = (uint8_t)table};
    if (to)
        m.dst_len = family == AF_INET6 ? 128 : 32;
    struct request r;
    begin(&r, type, flags, &m, sizeof m);
    put_number(&r, FRA_PRIORITY, preference);
    if (to) {
        put_address(&r, FRA_DST, to);
        put_string(&r, FRA_IIFNAME, "lo"); /* "comes in by lo" is how a rule says "sent by us" */
    }
    return send_request(nl, &r);
}

int nl_add_rule(int nl, int family, uint32_t preference, const struct netaddr *to, uint32_t table)
{
    return change_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, preference, to, table);
}

int nl_delete_rule(int nl, int family, uint32_t preference, const struct netaddr *to,
                   uint32_t table)
{
    return change_rule(nl, RTM_DELRULE, 0, family, preference, to, table);
}
