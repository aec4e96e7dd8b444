/* world.h - what the tests of dns-sim share: names, zones from text, messages put together octet by
 * octet (so that no test stands on the code that it tests), and asking. */
#ifndef TEST_DNS_WORLD_H
#define TEST_DNS_WORLD_H

#include "dns-sim/sim.h"
#include "dns-sim/zonefile.h"

#include <criterion/criterion.h>

/* A name in wire form, in one of 64 static buffers that are used in turn. */
static inline const uint8_t *name_of(const char *text)
{
    static uint8_t names[64][NAME_MAX_LEN];
    static int turn;
    uint8_t *name = names[turn++ % 64];
    cr_assert(name_parse(slice_str(text), NULL, name), "%s is a name", text);
    return name;
}

static inline struct zone *zone_of(const char *origin, const char *text)
{
    struct problems problems = {0};
    struct zone *z = zone_read(slice_str(text), "test", name_of(origin), true, &problems);
    cr_assert_not_null(z, "%s", buf_str(&problems.text));
    buf_free(&problems.text);
    return z;
}

static inline struct record record_of(const char *text)
{
    struct record r;
    struct buf error = {0};
    bool ok = record_parse(slice_str(text), name_of("x.test"), name_of("."), 60, &r, &error);
    cr_assert(ok, "%s: %s", text, buf_str(&error));
    buf_free(&error);
    return r;
}

static inline struct dns_sim *sim_of(const char *origin, const char *text)
{
    struct dns_sim *sim = dns_sim_new(&(struct dns_options){0});
    sim_put_zone(sim, zone_of(origin, text));
    return sim;
}

static inline void put(struct buf *b, unsigned value)
{
    buf_add_byte(b, (char)(value >> 8));
    buf_add_byte(b, (char)value);
}

static inline void put_name(struct buf *b, const char *name)
{
    const uint8_t *wire = name_of(name);
    buf_add(b, wire, name_len(wire));
}

/* Header with the id 0x1234 and one question; counts of the sections behind it are given. */
static inline void put_question(struct buf *b, unsigned flags, const char *name, unsigned type,
                                unsigned answers, unsigned authorities, unsigned additionals)
{
    put(b, 0x1234);
    put(b, flags);
    put(b, 1);
    put(b, answers);
    put(b, authorities);
    put(b, additionals);
    put_name(b, name);
    put(b, type);
    put(b, CLASS_IN);
}

static inline void put_rr(struct buf *b, const char *name, unsigned type, unsigned class,
                          unsigned ttl, const char *rdata, size_t n)
{
    put_name(b, name);
    put(b, type);
    put(b, class);
    put(b, 0);
    put(b, ttl);
    put(b, (unsigned)n);
    buf_add(b, rdata, n);
}

static inline bool ask_packet(struct dns_sim *sim, const struct buf *packet,
                              enum transport transport, struct reply *reply)
{
    struct asker from = {.transport = transport};
    cr_assert(netaddr_parse(&from.client, SLICE("198.51.100.7"), 5353));
    return dns_answer(sim, buf_slice(packet), &from, reply);
}

static inline bool ask(struct dns_sim *sim, const char *name, unsigned type, struct reply *reply)
{
    struct buf packet = {0};
    put_question(&packet, FLAG_RD, name, type, 0, 0, 0);
    bool answered = ask_packet(sim, &packet, OVER_UDP, reply);
    buf_free(&packet);
    return answered;
}

static inline unsigned field(const struct reply *r, size_t at)
{
    cr_assert(at + 2 <= r->bytes.len);
    return get16((const uint8_t *)r->bytes.data + at);
}

static inline int reply_rcode(const struct reply *r) { return (int)(field(r, 2) & 15); }
static inline unsigned reply_answers(const struct reply *r) { return field(r, 6); }

#endif
