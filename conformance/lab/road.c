#include "conformance/lab/road.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/lab/netlink.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* The kernel hands over and takes back each frame behind a virtio_net_hdr, which carries what it
 * left undone (checksums, segments). Given back unchanged, nothing has to be done here either. */
#define HEADERS (sizeof(struct virtio_net_hdr) + sizeof(struct ethhdr))
#define FRAME_MAX (HEADERS + 65536 + 64)
#define WAITING_MAX ((size_t)32 << 20) /* octets on the road; what comes on top is dropped */
#define BATCH 64                       /* frames taken before something else gets its turn */

struct bad_host {
    struct netaddr addr;
    enum lab_state state;
    int64_t delay_us;
    struct bad_host *next;
};

struct frame {
    int64_t due_us;
    struct frame *next;
    size_t n;
    char bytes[];
};

struct road {
    int fd;
    struct bad_host *hosts;
    struct frame *first, *last; /* by due time */
    size_t waiting;
    char *input;
};

struct road *road_open(void)
{
    int on = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(ROAD_FAR)};
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0
        || bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return NULL;
    }
    struct road *r = xcalloc(1, sizeof *r);
    r->fd = fd;
    r->input = xmalloc(FRAME_MAX);
    return r;
}

void road_free(struct road *r)
{
    if (!r)
        return;
    close(r->fd);
    for (struct bad_host *h = r->hosts, *next; h; h = next) {
        next = h->next;
        free(h);
    }
    for (struct frame *f = r->first, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    free(r->input);
    free(r);
}

int road_fd(const struct road *r)
{
    return r->fd;
}

void road_set(struct road *r, const struct netaddr *host, enum lab_state state, int64_t ms)
{
    struct bad_host **at = &r->hosts;
    while (*at && !netaddr_same_host(&(*at)->addr, host))
        at = &(*at)->next;
    if (state != LAB_DOWN && state != LAB_SILENT && state != LAB_SLOW) {
        struct bad_host *gone = *at;
        if (gone)
            *at = gone->next;
        free(gone);
        return;
    }
    if (!*at) {
        *at = xcalloc(1, sizeof **at);
        (*at)->addr = *host;
    }
    (*at)->state = state;
    (*at)->delay_us = ms * 1000;
}

/* The host that an IP packet is for, if it is one in trouble. */
static const struct bad_host *find_host(const struct road *r, uint16_t protocol, const char *packet,
                                        size_t n)
{
    size_t offset = protocol == ETH_P_IP ? 16 : 24; /* of the destination address */
    size_t size = protocol == ETH_P_IP ? 4 : 16;
    if ((protocol != ETH_P_IP && protocol != ETH_P_IPV6) || n < offset + size)
        return NULL;
    for (const struct bad_host *h = r->hosts; h; h = h->next) {
        size_t have;
        const void *octets = netaddr_octets(&h->addr, &have);
        if (have == size && memcmp(octets, packet + offset, size) == 0)
            return h;
    }
    return NULL;
}

/* RFC 1071: the ones' complement sum, of whole words except at the very end. */
static uint32_t sum_words(uint32_t sum, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
    return sum;
}

static uint16_t checksum(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* RFC 9293 3.10.7.1: what a closed port answers to the segment `in`, which has `length` octets
 * of data. */
static struct tcphdr reset_for(const struct tcphdr *in, size_t length)
{
    struct tcphdr out = {.source = in->dest, .dest = in->source, .doff = sizeof out / 4, .rst = 1};
    if (in->ack) {
        out.seq = in->ack_seq;
    } else {
        out.ack = 1;
        out.ack_seq = htonl(ntohl(in->seq) + (uint32_t)length + in->syn + in->fin);
    }
    return out;
}

/* Answers the IPv4 packet after HEADERS in r->input. */
static void reset_v4(struct road *r, size_t n)
{
    struct { struct iphdr ip; struct tcphdr tcp; } in, out = {0};
    char *packet = r->input + HEADERS;
    if (n < sizeof in.ip)
        return;
    memcpy(&in.ip, packet, sizeof in.ip);
    size_t head = in.ip.ihl * 4u;
    if (in.ip.protocol != IPPROTO_TCP || n < head + sizeof in.tcp)
        return;
    memcpy(&in.tcp, packet + head, sizeof in.tcp);
    if (in.tcp.rst || n < head + in.tcp.doff * 4u)
        return;
    out.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
                            .tot_len = htons(sizeof out), .saddr = in.ip.daddr,
                            .daddr = in.ip.saddr};
    out.ip.check = checksum(sum_words(0, &out.ip, sizeof out.ip));
    out.tcp = reset_for(&in.tcp, n - head - in.tcp.doff * 4u);
    uint32_t sum = sum_words(IPPROTO_TCP + sizeof out.tcp, &out.ip.saddr, 8);
    out.tcp.check = checksum(sum_words(sum, &out.tcp, sizeof out.tcp));
    memset(r->input, 0, sizeof(struct virtio_net_hdr));
    memcpy(packet, &out, sizeof out);
    (void)!write(r->fd, r->input, HEADERS + sizeof out);
}

static void reset_v6(struct road *r, size_t n)
{
    struct { struct ip6_hdr ip; struct tcphdr tcp; } in, out = {0};
    char *packet = r->input + HEADERS;
    if (n < sizeof in)
        return;
    memcpy(&in, packet, sizeof in);
    if (in.ip.ip6_nxt != IPPROTO_TCP || in.tcp.rst || n < sizeof in.ip + in.tcp.doff * 4u)
        return;
    out.ip.ip6_vfc = 6 << 4;
    out.ip.ip6_plen = htons(sizeof out.tcp);
    out.ip.ip6_nxt = IPPROTO_TCP;
    out.ip.ip6_hlim = 64;
    out.ip.ip6_src = in.ip.ip6_dst;
    out.ip.ip6_dst = in.ip.ip6_src;
    out.tcp = reset_for(&in.tcp, n - sizeof in.ip - in.tcp.doff * 4u);
    uint32_t sum = sum_words(IPPROTO_TCP + sizeof out.tcp, &out.ip.ip6_src, 32);
    out.tcp.check = checksum(sum_words(sum, &out.tcp, sizeof out.tcp));
    memset(r->input, 0, sizeof(struct virtio_net_hdr));
    memcpy(packet, &out, sizeof out);
    (void)!write(r->fd, r->input, HEADERS + sizeof out);
}

static void keep(struct road *r, size_t n, int64_t due_us)
{
    if (r->waiting + n > WAITING_MAX)
        return;
    struct frame *f = xmalloc(sizeof *f + n);
    f->due_us = due_us;
    f->n = n;
    memcpy(f->bytes, r->input, n);
    r->waiting += n;
    struct frame **at = &r->first;
    if (r->last && r->last->due_us <= due_us) /* nearly always: it is the last */
        at = &r->last->next;
    while (*at && (*at)->due_us <= due_us)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
    if (!f->next)
        r->last = f;
}

void road_receive(struct road *r)
{
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = read(r->fd, r->input, FRAME_MAX);
        if (n < (ssize_t)HEADERS)
            return;
        struct ethhdr eth;
        memcpy(&eth, r->input + sizeof(struct virtio_net_hdr), sizeof eth);
        uint16_t protocol = ntohs(eth.h_proto);
        size_t size = (size_t)n - HEADERS;
        const struct bad_host *h = find_host(r, protocol, r->input + HEADERS, size);
        if (!h)
            continue; /* the host came back up while this was on its way, as good as lost */
        if (h->state == LAB_SLOW)
            keep(r, (size_t)n, mono_us() + h->delay_us);
        else if (h->state == LAB_DOWN && protocol == ETH_P_IP)
            reset_v4(r, size);
        else if (h->state == LAB_DOWN)
            reset_v6(r, size);
    }
}

int64_t road_deliver(struct road *r)
{
    int64_t now = mono_us();
    while (r->first && r->first->due_us <= now) {
        struct frame *f = r->first;
        (void)!write(r->fd, f->bytes, f->n); /* a packet lost here is what TCP is made for */
        r->first = f->next;
        if (!r->first)
            r->last = NULL;
        r->waiting -= f->n;
        free(f);
    }
    return r->first ? (r->first->due_us - now + 999) / 1000 : -1;
}
