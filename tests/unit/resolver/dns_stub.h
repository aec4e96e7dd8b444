/* dns_stub.h - a DNS server on loop-back for unit tests: answers from a table of texts, and does
 * what a table entry says to misbehave. */
#ifndef TESTS_DNS_STUB_H
#define TESTS_DNS_STUB_H

#include "base/net.h"
#include "reference/config.h"

#include <ldns/ldns.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum fault { NO_FAULT, SILENT, WRONG_ID, TRUNCATED, GARBAGE, REFERRAL, EDNS_UNKNOWN };

struct stub_entry {
    const char *name;            /* "hehuan.test." */
    ldns_rr_type type;
    int rcode;
    const char *records[6];      /* master format */
    enum fault fault;
};

struct dns_stub {
    const struct stub_entry *table;
    size_t n;
    int udp, tcp;
    pthread_t thread;
    atomic_bool stop;
    atomic_int asked, asked_tcp;
    struct netaddr address;
    struct config config;        /* whose resolver asks this server */
};

static const struct stub_entry *stub_find(const struct dns_stub *s, const ldns_rr *q)
{
    for (size_t i = 0; i < s->n; i++) {
        ldns_rdf *name = ldns_dname_new_frm_str(s->table[i].name);
        bool same = ldns_dname_compare(name, ldns_rr_owner(q)) == 0;
        ldns_rdf_deep_free(name);
        if (same && (s->table[i].type == ldns_rr_get_type(q)
                     || s->table[i].type == LDNS_RR_TYPE_ANY))
            return &s->table[i];
    }
    return NULL;
}

/* The answer to `in`; *n 0: none. The caller frees. */
static uint8_t *stub_answer(struct dns_stub *s, const uint8_t *in, size_t in_n, bool tcp, size_t *n)
{
    ldns_pkt *p = NULL;
    uint8_t *out = NULL;
    *n = 0;
    if (ldns_wire2pkt(&p, in, in_n) != LDNS_STATUS_OK)
        return NULL;
    const ldns_rr *q = ldns_rr_list_rr(ldns_pkt_question(p), 0);
    const struct stub_entry *e = stub_find(s, q);
    enum fault fault = e ? e->fault : NO_FAULT;
    ldns_pkt *a = ldns_pkt_new();
    ldns_pkt_set_id(a, (uint16_t)(ldns_pkt_id(p) + (fault == WRONG_ID)));
    ldns_pkt_set_qr(a, true);
    ldns_pkt_set_aa(a, fault != REFERRAL);
    ldns_pkt_set_rcode(a, e ? (uint8_t)e->rcode : LDNS_RCODE_NXDOMAIN);
    ldns_pkt_push_rr(a, LDNS_SECTION_QUESTION, ldns_rr_clone(q));
    for (int i = 0; e && i < 6 && e->records[i]; i++) {
        ldns_rr *rr = NULL;
        if (ldns_rr_new_frm_str(&rr, e->records[i], 60, NULL, NULL) == LDNS_STATUS_OK)
            ldns_pkt_push_rr(a, fault == REFERRAL ? LDNS_SECTION_AUTHORITY : LDNS_SECTION_ANSWER,
                             rr);
    }
    if (fault == TRUNCATED && !tcp)
        ldns_pkt_set_tc(a, true);
    if (fault == EDNS_UNKNOWN && ldns_pkt_edns(p)) {
        ldns_pkt_free(a);
        a = ldns_pkt_new();
        ldns_pkt_set_id(a, ldns_pkt_id(p));
        ldns_pkt_set_qr(a, true);
        ldns_pkt_set_rcode(a, LDNS_RCODE_FORMERR);
    }
    if (fault != SILENT)
        ldns_pkt2wire(&out, a, n);
    if (fault == GARBAGE && *n > 20)
        *n = 17;
    ldns_pkt_free(a);
    ldns_pkt_free(p);
    return out;
}

static void stub_udp(struct dns_stub *s)
{
    uint8_t in[4096];
    struct sockaddr_storage from;
    socklen_t from_n = sizeof from;
    ssize_t got = recvfrom(s->udp, in, sizeof in, 0, (struct sockaddr *)&from, &from_n);
    size_t n;
    uint8_t *out = got > 0 ? stub_answer(s, in, (size_t)got, false, &n) : NULL;
    s->asked++;
    if (out && n)
        sendto(s->udp, out, n, 0, (struct sockaddr *)&from, from_n);
    free(out);
}

static void stub_tcp(struct dns_stub *s)
{
    uint8_t in[4096];
    int fd = accept(s->tcp, NULL, NULL);
    ssize_t got = recv(fd, in, sizeof in, 0);
    size_t n = 0;
    uint8_t *out = got > 2 ? stub_answer(s, in + 2, (size_t)got - 2, true, &n) : NULL;
    uint8_t length[2] = {(uint8_t)(n >> 8), (uint8_t)n};
    s->asked_tcp++;
    if (out && n && send(fd, length, 2, 0) == 2)
        send(fd, out, n, 0);
    free(out);
    close(fd);
}

static void *stub_thread(void *arg)
{
    struct dns_stub *s = arg;
    while (!s->stop) {
        struct pollfd p[2] = {{.fd = s->udp, .events = POLLIN}, {.fd = s->tcp, .events = POLLIN}};
        poll(p, 2, 20);
        if (p[0].revents)
            stub_udp(s);
        if (p[1].revents)
            stub_tcp(s);
    }
    return NULL;
}

static void stub_begin(struct dns_stub *s, const struct stub_entry *table, size_t n)
{
    *s = (struct dns_stub){.table = table, .n = n};
    for (int tries = 0; tries < 20; tries++) {
        s->address.len = sizeof s->address.in;
        netaddr_parse(&s->address, SLICE("127.0.0.1"), 0);
        s->udp = socket(AF_INET, SOCK_DGRAM, 0);
        bind(s->udp, &s->address.sa, s->address.len);
        getsockname(s->udp, &s->address.sa, &s->address.len);
        s->tcp = net_listen(&s->address, 8);
        if (s->tcp >= 0)
            break;
        close(s->udp);
    }
    s->config.nameservers = &s->address;
    s->config.nameserver_count = 1;
    s->config.dns_timeout = 150;
    s->config.dns_tries = 1;
    s->config.smtp_port = 25;
    pthread_create(&s->thread, NULL, stub_thread, s);
}

static void stub_end(struct dns_stub *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
    close(s->udp);
    close(s->tcp);
}

#endif
