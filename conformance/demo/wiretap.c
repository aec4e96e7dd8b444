/* wiretap.c - what somebody at the wire reads: every packet of the lab into a pcap file, which Wireshark
 * and tcpdump read as well. The namespace is our own; on a network it would be any router on the way. */
#include "conformance/demo/demo.h"
#include "conformance/demo/hops.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PACKET_MAX = 70000, RECEIVE_BUFFER = 8 << 20 };

static volatile sig_atomic_t over;
static void on_term(int number) { (void)number, over = 1; }

static void put(int fd, const void *p, size_t n)
{
    if (write(fd, p, n) != (ssize_t)n)
        die(1, "wiretap: cannot write: %s", strerror(errno));
}

int wiretap(const char *path)
{
    static unsigned char packet[PACKET_MAX];
    const int room = RECEIVE_BUFFER;
    struct sigaction end = {.sa_handler = on_term};
    sigaction(SIGTERM, &end, NULL);
    int wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (wire < 0)
        die(1, "wiretap: cannot listen: %s; it must run in a lab", strerror(errno));
    setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
        die(1, "wiretap: %s: %s", path, strerror(errno));
    const struct pcap_head head = {PCAP_MAGIC, 2, 4, 0, 0, PACKET_MAX, PCAP_ETHERNET};
    put(file, &head, sizeof head);
    while (!over) {
        struct sockaddr_ll from;
        socklen_t n = sizeof from;
        ssize_t got = recvfrom(wire, packet, sizeof packet, 0, (struct sockaddr *)&from, &n);
        /* Each packet goes out of the loop-back device and comes in again. */
        if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING)
            continue;
        struct timeval now;
        gettimeofday(&now, NULL);
        const struct pcap_packet p = {(uint32_t)now.tv_sec, (uint32_t)now.tv_usec, (uint32_t)got,
                                      (uint32_t)got};
        put(file, &p, sizeof p);
        put(file, packet, (size_t)got);
    }
    close(file);
    return 0;
}
