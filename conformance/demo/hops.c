/* hops.c - the evidence: packets put together to conversations, and searched for the letter. */
#include "conformance/demo/hops.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

enum { ETHERNET = 14, SAMPLE = 420, PCAP_MAX = 256 << 20, MESSAGE_MAX = 1 << 20 };

/* In every letter; the subjects of all begin alike. */
static const char secret[] = "under the third flowerpot";
static const char subject[] = "Subject: The key";

struct talk {                /* a TCP connection */
    uint32_t client, server; /* addresses, network order */
    uint16_t client_port, port;
    int64_t us;
    struct { struct buf bytes; uint32_t next; } way[2];   /* to the server, to the client */
};

struct talks { struct talk *v; size_t n; };

static bool is_service(uint16_t port) { return port == 25 || port == 465 || port == 995; }

static struct talk *talk_of(struct talks *all, const struct talk *key)
{
    for (size_t i = all->n; i-- > 0;)
        if (all->v[i].client == key->client && all->v[i].client_port == key->client_port &&
            all->v[i].server == key->server && all->v[i].port == key->port)
            return &all->v[i];
    all->v = xreallocarray(all->v, all->n + 1, sizeof *all->v);
    all->v[all->n] = *key;
    return &all->v[all->n++];
}

/* One packet: its text goes behind that of its connection. What was sent again is passed over. */
static void take_packet(struct talks *all, const unsigned char *p, size_t n, int64_t us)
{
    struct iphdr ip;
    struct tcphdr tcp;
    if (n < ETHERNET + sizeof ip || p[12] != 0x08 || p[13] != 0x00)
        return;
    memcpy(&ip, p + ETHERNET, sizeof ip);
    size_t at = ETHERNET + ip.ihl * 4u, end = ETHERNET + ntohs(ip.tot_len);
    end = end > n || ntohs(ip.tot_len) == 0 ? n : end;
    if (ip.protocol != IPPROTO_TCP || at + sizeof tcp > end)
        return;
    memcpy(&tcp, p + at, sizeof tcp);
    at += tcp.doff * 4u;
    uint16_t from = ntohs(tcp.source), to = ntohs(tcp.dest);
    bool down = is_service(from);
    if (at >= end || (!down && !is_service(to)))
        return;
    struct talk key = {.client = down ? ip.daddr : ip.saddr, .server = down ? ip.saddr : ip.daddr,
                       .client_port = down ? to : from, .port = down ? from : to, .us = us};
    struct talk *t = talk_of(all, &key);
    uint32_t seq = ntohl(tcp.seq);
    if (t->way[down].bytes.len > 0 && (int32_t)(seq - t->way[down].next) < 0)
        return;
    buf_add(&t->way[down].bytes, p + at, end - at);
    t->way[down].next = seq + (uint32_t)(end - at);
}

static void read_packets(struct talks *all, const char *path)
{
    struct buf file = {0};
    struct pcap_packet p;
    if (buf_read_file(&file, path, PCAP_MAX) != 0)
        die(1, "%s: no packets; was the story told?", path);
    for (size_t at = sizeof(struct pcap_head); at + sizeof p <= file.len; at += p.kept) {
        memcpy(&p, file.data + at, sizeof p);
        at += sizeof p;
        if (p.kept > file.len - at)
            break;
        take_packet(all, (unsigned char *)file.data + at, p.kept, p.s * INT64_C(1000000) + p.us);
    }
    buf_free(&file);
}

/* By the last octet of the addresses; -1: none of ours. */
static int wire_of(const struct talk *t)
{
    static const struct { unsigned char client, server; uint16_t port; int wire; } roads[] = {
        {100, 10, 465, WIRE_JERRY}, {10, 26, 25, WIRE_BACKUP}, {26, 25, 25, WIRE_ONWARD},
        {10, 25, 25, WIRE_DIRECT}, {100, 25, 995, WIRE_TOM},
    };
    unsigned client = ntohl(t->client) & 255, server = ntohl(t->server) & 255;
    for (size_t i = 0; i < sizeof roads / sizeof *roads; i++)
        if (roads[i].client == client && roads[i].server == server && roads[i].port == t->port)
            return roads[i].wire;
    return -1;
}

static bool has(const struct talk *t, const char *text)
{
    return slice_find(buf_slice(&t->way[0].bytes), slice_str(text)) >= 0 ||
           slice_find(buf_slice(&t->way[1].bytes), slice_str(text)) >= 0;
}

/* The octets around the secret or the subject, or else from the middle of it. */
static void add_sample(struct buf *b, const struct talk *t, const char *around)
{
    struct slice s = buf_slice(&t->way[t->port == 995].bytes);
    ptrdiff_t at = around ? slice_find(s, slice_str(around)) : (ptrdiff_t)(s.n / 2);
    size_t from = at > SAMPLE / 2 ? (size_t)at - SAMPLE / 2 : 0;
    size_t to = from + SAMPLE < s.n ? from + SAMPLE : s.n;
    for (size_t i = from; i < to; i++) {
        char c = s.p[i];
        if (c == '\n' || (c >= ' ' && c < 127))
            buf_add_byte(b, c);
        else if (c != '\r')
            buf_add_str(b, "\xc2\xb7");
    }
}

/* Is a handshake in it: from the first octet, or after STARTTLS? */
static bool is_tls(const struct talk *t)
{
    struct slice up = buf_slice(&t->way[0].bytes);
    return (up.n > 2 && up.p[0] == 0x16 && up.p[1] == 0x03) || has(t, "STARTTLS\r\n\x16\x03");
}

static void judge(struct letter *l, int wire, const struct talk *t)
{
    struct wire_sight *w = &l->wire[wire];
    bool carries = is_tls(t) || has(t, "MAIL FROM:");
    enum sight sight = has(t, secret) ? SIGHT_LETTER : has(t, subject) ? SIGHT_HEADER
                     : carries ? SIGHT_SEALED : SIGHT_NONE;
    if (sight <= w->sight)
        return;
    w->sight = sight;
    buf_clear(&w->sample);
    add_sample(&w->sample, t, sight == SIGHT_LETTER ? secret : sight == SIGHT_HEADER ? subject : NULL);
}

static struct letter *letter_at(struct hops *h, int64_t us)
{
    for (size_t i = h->n; i-- > 0;)
        if (us >= h->v[i].us)
            return &h->v[i];
    return NULL;
}

static int place_of(const char *host)
{
    return strcmp(host, "sender") == 0 ? PLACE_SENDER : strcmp(host, "mail1") == 0 ? PLACE_BACKUP : PLACE_MAIL;
}

static void take_event(struct hops *h, const struct event_line *v)
{
    const char *title = event_text(v, "title");
    struct letter *l = letter_at(h, v->us);
    if (strcmp(v->name, "demo.scene") == 0) {
        h->v = xreallocarray(h->v, h->n + 1, sizeof *h->v);
        h->v[h->n++] = (struct letter){.title = title, .text = event_text(v, "text"), .us = v->us,
                                       .waits = ""};
    } else if (strcmp(v->name, "demo.result") == 0) {
        h->good = strcmp(event_text(v, "good"), "yes") == 0;
        h->verdict = title;
    } else if (l && strcmp(v->name, "demo.disk") == 0) {
        l->disk[place_of(event_text(v, "at"))] = strcmp(title, "letter") == 0 ? SIGHT_LETTER
            : strcmp(title, "header") == 0 ? SIGHT_HEADER : SIGHT_SEALED;
    } else if (l && strcmp(v->name, "demo.waits") == 0) {
        l->waits = event_text(v, "text");
    } else if (l && (strcmp(v->name, "smtpd.tls") == 0 || strcmp(v->name, "pop3d.tls") == 0)) {
        const char *client = event_text(v, "client");
        int wire = v->source == LOG_SENDER ? WIRE_JERRY : v->name[0] == 'p' ? WIRE_TOM
                 : strcmp(client, "192.0.2.10") == 0 ? WIRE_DIRECT : WIRE_ONWARD;
        snprintf(l->wire[wire].tls, sizeof l->wire[wire].tls, "%s %s", event_text(v, "version"),
                 event_text(v, "cipher"));
    }
}

/* The trace fields, the last host's first (RFC 5321 4.4). */
static void read_trail(struct letter *l, const char *path)
{
    struct buf text = {0};
    struct slice rest, line;
    bool received = false;
    if (buf_read_file(&text, path, MESSAGE_MAX) != 0)
        return;
    rest = buf_slice(&text);
    while (slice_next(&rest, '\n', &line) && slice_trim(line).n > 0) {
        bool more = line.p[0] == ' ' || line.p[0] == '\t';
        if (!more) {
            received = slice_istarts(line, SLICE("Received:"));
            if (received && l->trail.len > 0)
                buf_add_byte(&l->trail, '\n');
        }
        if (received) {
            buf_add_str(&l->trail, more ? " " : "");
            buf_add_slice(&l->trail, slice_trim(line));
        }
    }
    buf_free(&text);
}

void hops_load(struct hops *h, const char *dir)
{
    struct talks all = {0};
    char *path = xasprintf("%s/wire.pcap", dir);
    *h = (struct hops){.verdict = ""};
    events_load(&h->events, dir);
    for (size_t i = 0; i < h->events.n; i++)
        take_event(h, &h->events.v[i]);
    read_packets(&all, path);
    free(path);
    for (size_t i = 0; i < all.n; i++) {
        struct letter *l = letter_at(h, all.v[i].us);
        int wire = wire_of(&all.v[i]);
        if (l && wire >= 0)
            judge(l, wire, &all.v[i]);
        buf_free(&all.v[i].way[0].bytes);
        buf_free(&all.v[i].way[1].bytes);
    }
    free(all.v);
    for (size_t i = 0; i < h->n; i++) {
        path = xasprintf("%s/messages/got%zu.eml", dir, i + 1);
        read_trail(&h->v[i], path);
        free(path);
    }
}

void hops_free(struct hops *h)
{
    for (size_t i = 0; i < h->n; i++) {
        for (int w = 0; w < WIRES; w++)
            buf_free(&h->v[i].wire[w].sample);
        buf_free(&h->v[i].trail);
    }
    free(h->v);
    events_free(&h->events);
    *h = (struct hops){0};
}
