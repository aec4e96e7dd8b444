/* hops.h - where a letter on its way can be read: on which wires, and on which hosts. From the packets
 * of a run, and from what lay on the hosts' disks while it waited there. */
#ifndef DEMO_HOPS_H
#define DEMO_HOPS_H

#include "conformance/demo/events.h"

/* The pcap format, in this machine's order of octets. */
enum { PCAP_ETHERNET = 1 };
#define PCAP_MAGIC 0xa1b2c3d4u
struct pcap_head { uint32_t magic; uint16_t major, minor; int32_t zone; uint32_t digits, snap, link; };
struct pcap_packet { uint32_t s, us, kept, length; };

enum sight {
    SIGHT_NONE,              /* it did not come by */
    SIGHT_SEALED,            /* something passed, nothing can be read */
    SIGHT_HEADER,            /* who writes to whom, and the subject; not the letter */
    SIGHT_LETTER,            /* everything */
};

/* jerry, his server, the backup exchanger, tom's server, tom. */
enum { PLACES = 5, PLACE_SENDER = 1, PLACE_BACKUP, PLACE_MAIL };
/* The wires between neighbours, and the one that leaves the backup exchanger out. */
enum { WIRE_JERRY, WIRE_BACKUP, WIRE_ONWARD, WIRE_TOM, WIRE_DIRECT, WIRES };

struct wire_sight {
    enum sight sight;
    char tls[80];            /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" in clear */
    struct buf sample;       /* some octets of it */
};

struct letter {
    const char *title, *text;
    int64_t us;              /* its story begins */
    struct wire_sight wire[WIRES];
    enum sight disk[PLACES];
    const char *waits;       /* why it was kept rather than sent in clear; "" */
    struct buf trail;        /* the Received fields of what tom has, unfolded, a line each */
};

struct hops {
    struct events events;    /* the strings above point into them */
    struct letter *v;
    size_t n;
    bool good;
    const char *verdict;
};

/* Reads DIR/wire.pcap, the logs, and DIR/messages/gotN.eml. */
void hops_load(struct hops *h, const char *dir);
void hops_free(struct hops *h);

/* Until SIGTERM. */
int wiretap(const char *path);
/* The page on standard output, with the style of the folder `assets`. */
int hops_page(const char *dir, const char *assets);

#endif
