#include "world.h"

static const char text[] = "@ MX 5 mail\n@ MX 10 mail1\nmail A 192.0.2.25\nmail1 A 192.0.2.26\n";

Test(answer, the_whole_reply_octet_by_octet)
{
    struct dns_sim *sim = sim_of("w.test", "m A 192.0.2.25\n@ MX 5 m\n");
    struct reply r = {0};
    static const char wanted[] =
        "\x12\x34\x85\0\0\1\0\1\0\0\0\1" "\1W\4test\0\0\x0f\0\1"
        "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x08\0\5" "\1m\1w\xc0\x0e"
        "\xc0\x26\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x19";
    cr_assert(ask(sim, "W.test", TYPE_MX, &r));
    cr_assert_eq(r.bytes.len, sizeof wanted - 1, "%zu", r.bytes.len);
    cr_assert_arr_eq(r.bytes.data, wanted, sizeof wanted - 1);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

Test(answer, truncation_drops_whole_sets)
{
    struct buf b = {0};
    for (int i = 0; i < 60; i++)
        buf_printf(&b, "x TXT text-number-%d\n", i);
    struct dns_sim *sim = sim_of("w.test", buf_str(&b));
    struct reply r = {0};
    cr_assert(ask(sim, "x.w.test", TYPE_TXT, &r));
    cr_assert(field(&r, 2) & FLAG_TC);
    cr_assert_eq(reply_answers(&r), 0);
    cr_assert_leq(r.bytes.len, UDP_PLAIN_MAX);
    struct buf packet = {0};
    put_question(&packet, 0, "x.w.test", TYPE_TXT, 0, 0, 0);
    cr_assert(ask_packet(sim, &packet, OVER_TCP, &r));
    cr_assert_eq(field(&r, 0), r.bytes.len - 2);
    cr_assert_eq(field(&r, 2 + 6), 60);
    buf_free(&packet);
    buf_free(&b);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

/* The reply never grows over what the client can take, whatever it offers. */
Test(answer, size_follows_edns)
{
    struct buf b = {0};
    for (int i = 0; i < 30; i++)
        buf_printf(&b, "@ MX %d host-with-a-name-%d\nhost-with-a-name-%d A 192.0.2.%d\n",
                   i, i, i, i);
    struct dns_sim *sim = sim_of("w.test", buf_str(&b));
    struct reply r = {0};
    for (unsigned size = 0; size < 70000; size = size * 2 + 37) {
        struct buf packet = {0};
        put_question(&packet, 0, "w.test", TYPE_MX, 0, 0, 1);
        put_rr(&packet, ".", TYPE_OPT, size & 0xffff, 0, NULL, 0);
        cr_assert(ask_packet(sim, &packet, OVER_UDP, &r));
        size_t most = (size & 0xffff) < 512 ? 512 : (size & 0xffff) > 1232 ? 1232 : size & 0xffff;
        cr_expect_leq(r.bytes.len, most, "%zu > %zu", r.bytes.len, most);
        cr_expect_geq(field(&r, 10), 1);        /* the OPT is never what was left out */
        buf_free(&packet);
    }
    buf_free(&b);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

Test(answer, a_message_cut_anywhere_gets_formerr_or_silence)
{
    struct dns_sim *sim = sim_of("w.test", text);
    struct reply r = {0};
    struct buf packet = {0};
    put_question(&packet, 0, "mail.w.test", TYPE_A, 0, 0, 1);
    put_rr(&packet, ".", TYPE_OPT, 1232, 0, "\0\x0a\0\2xy", 6);
    cr_assert(ask_packet(sim, &packet, OVER_UDP, &r));
    cr_assert_eq(reply_rcode(&r), NOERROR);
    for (size_t n = packet.len; n-- > 0;) {
        buf_truncate(&packet, n);
        bool answered = ask_packet(sim, &packet, OVER_UDP, &r);
        cr_expect_eq(answered, n >= HEADER_LEN, "%zu octets", n);
        cr_expect(!answered || reply_rcode(&r) == FORMERR);
    }
    buf_free(&packet);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

Test(answer, the_log_counts_by_name_and_type_and_forgets_the_oldest)
{
    struct dns_sim *sim = sim_of("w.test", text);
    struct reply r = {0};
    struct buf lines = {0};
    ask(sim, "w.test", TYPE_MX, &r);
    ask(sim, "W.TEST", TYPE_MX, &r);
    ask(sim, "w.test", TYPE_A, &r);
    cr_assert_eq(querylog_count(&sim->log, name_of("w.test"), TYPE_MX), 2);
    cr_assert_eq(querylog_count(&sim->log, name_of("w.test"), TYPE_ANY), 3);
    cr_assert_eq(querylog_count(&sim->log, NULL, TYPE_A), 1);
    cr_assert_eq(querylog_list(&sim->log, 2, &lines), 1);
    cr_assert_not_null(strstr(buf_str(&lines), "\"n\":3,"));
    for (int i = 0; i < QUERYLOG_KEEP; i++)
        ask(sim, "mail.w.test", TYPE_A, &r);
    cr_assert_eq(querylog_count(&sim->log, NULL, TYPE_ANY), QUERYLOG_KEEP);
    cr_assert_eq(querylog_count(&sim->log, name_of("w.test"), TYPE_ANY), 0);
    cr_assert_eq(querylog_last(&sim->log), QUERYLOG_KEEP + 3);
    buf_free(&lines);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

/* ---- faults ---- */

static void add_fault(struct dns_sim *sim, const char *words)
{
    struct buf error = {0};
    cr_assert(faults_add(&sim->faults, slice_str(words), &error), "%s", buf_str(&error));
    buf_free(&error);
}

Test(fault, counted_faults_in_order)
{
    struct dns_sim *sim = sim_of("w.test", text);
    struct reply r = {0};
    add_fault(sim, "w.test MX servfail times 2");
    add_fault(sim, "* ANY silence times 1");
    add_fault(sim, "w.test ANY delay 250ms");
    static const int wanted[] = {SERVFAIL, SERVFAIL, -1, NOERROR};
    for (int i = 0; i < 4; i++) {
        bool answered = ask(sim, "w.test", TYPE_MX, &r);
        cr_expect_eq(answered ? reply_rcode(&r) : -1, wanted[i], "query %d", i);
        cr_expect_eq(r.delay_ms, 250);
    }
    cr_assert(ask(sim, "mail.w.test", TYPE_A, &r));
    cr_assert_eq(r.delay_ms, 0);
    cr_assert_eq(faults_clear(&sim->faults, SLICE("W.test")), 1);
    cr_assert(ask(sim, "w.test", TYPE_MX, &r));
    cr_assert_eq(r.delay_ms, 0);
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

Test(fault, every_one_of_them_over_both_transports)
{
    static const char *const words[] = {"servfail", "nxdomain", "nodata", "truncate", "lame",
        "wrong-id", "wrong-question", "short-rdata", "cut", "loop", "garbage", "raw 00",
        "raw-exact 0102", "authentic"};
    static const uint16_t types[] = {TYPE_A, TYPE_MX, TYPE_SOA, TYPE_ANY, 65280};
    struct dns_sim *sim = sim_of("w.test", text);
    struct reply r = {0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct buf fault = {0};
        buf_printf(&fault, "* ANY %s", words[i]);
        add_fault(sim, buf_str(&fault));
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            for (int transport = OVER_UDP; transport <= OVER_TCP; transport++) {
                struct buf packet = {0};
                put_question(&packet, 0, t == 2 ? "." : "w.test", types[t], 0, 0, 0);
                cr_expect(ask_packet(sim, &packet, transport, &r), "%s", words[i]);
                cr_expect(transport == OVER_UDP || field(&r, 0) == r.bytes.len - 2, "%s", words[i]);
                buf_free(&packet);
            }
        }
        faults_clear(&sim->faults, (struct slice){0});
        buf_free(&fault);
    }
    buf_free(&r.bytes);
    dns_sim_free(sim);
}

/* ---- UPDATE ---- */

static int update(struct dns_sim *sim, const struct buf *packet)
{
    struct reply r = {0};
    cr_assert(ask_packet(sim, packet, OVER_TCP, &r));
    int rcode = (int)(field(&r, 4) & 15);
    buf_free(&r.bytes);
    return rcode;
}

/* One RR in the update section of an UPDATE of w.test. */
static int update_one(struct dns_sim *sim, const char *name, unsigned type, unsigned class,
                      unsigned ttl, const char *rdata, size_t n)
{
    struct buf packet = {0};
    put_question(&packet, OPCODE_UPDATE << 11, "w.test", TYPE_SOA, 0, 1, 0);
    put_rr(&packet, name, type, class, ttl, rdata, n);
    int rcode = update(sim, &packet);
    buf_free(&packet);
    return rcode;
}

Test(update, what_the_prescan_refuses)
{
    struct dns_sim *sim = sim_of("w.test", text);
    size_t records = sim_zone(sim, name_of("w.test"))->records;
    cr_expect_eq(update_one(sim, "x.test", TYPE_A, CLASS_IN, 60, "\1\2\3\4", 4), NOTZONE);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, CLASS_IN, 60, "\1\2\3", 3), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, CLASS_IN, 60, "", 0), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_MX, CLASS_IN, 60, "\0\5\xc0\xff", 4), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_ANY, CLASS_IN, 60, "", 0), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, CLASS_ANY, 60, "", 0), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, CLASS_ANY, 0, "\1\2\3\4", 4), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_AXFR, CLASS_ANY, 0, "", 0), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, CLASS_NONE, 60, "\1\2\3\4", 4), FORMERR);
    cr_expect_eq(update_one(sim, "w.test", TYPE_A, 3, 0, "\1\2\3\4", 4), FORMERR);
    cr_expect_eq(sim_zone(sim, name_of("w.test"))->records, records);
    cr_expect_eq(update_one(sim, "w.test", 65280, CLASS_IN, 60, "", 0), NOERROR);
    cr_expect_eq(sim_zone(sim, name_of("w.test"))->records, records + 1);
    dns_sim_free(sim);
}

Test(update, compressed_names_in_rdata_are_written_out)
{
    struct dns_sim *sim = sim_of("w.test", text);
    int rcode = update_one(sim, "x.w.test", TYPE_MX, CLASS_IN, 60, "\0\7\4mail\xc0\x0c", 9);
    cr_assert_eq(rcode, NOERROR);
    const struct zone *z = sim_zone(sim, name_of("w.test"));
    const struct rrset *set = node_set(zone_node(z, name_of("x.w.test")), TYPE_MX);
    cr_assert_not_null(set);
    cr_assert_str_eq(set->records[0].text, "MX 7 mail.w.test.");
    cr_assert_eq(set->records[0].len, 2 + 13);
    dns_sim_free(sim);
}

Test(update, the_zone_section)
{
    static const struct { const char *zone; unsigned type; int rcode; } cases[] = {
        {"w.test", TYPE_SOA, NOERROR}, {"w.test", TYPE_A, FORMERR},
        {"mail.w.test", TYPE_SOA, NOTAUTH}, {"test", TYPE_SOA, NOTAUTH},
    };
    struct dns_sim *sim = sim_of("w.test", text);
    for (size_t i = 0; i < 4; i++) {
        struct buf packet = {0};
        put_question(&packet, OPCODE_UPDATE << 11, cases[i].zone, cases[i].type, 0, 0, 0);
        cr_expect_eq(update(sim, &packet), cases[i].rcode, "%zu", i);
        buf_free(&packet);
    }
    dns_sim_free(sim);
}

Test(update, prerequisites_are_bounded)
{
    struct dns_sim *sim = sim_of("w.test", text);
    struct buf packet = {0};
    put_question(&packet, OPCODE_UPDATE << 11, "w.test", TYPE_SOA, 501, 0, 0);
    for (int i = 0; i < 501; i++)
        put_rr(&packet, "mail.w.test", TYPE_A, CLASS_IN, 0, "\xc0\0\2\x19", 4);
    cr_assert_eq(update(sim, &packet), REFUSED);
    buf_free(&packet);
    dns_sim_free(sim);
}

/* The same prerequisite twice is one record of the set, not two. */
Test(update, repeated_prerequisites_count_once)
{
    struct dns_sim *sim = sim_of("w.test", "two A 192.0.2.1\ntwo A 192.0.2.2\n");
    struct buf packet = {0};
    put_question(&packet, OPCODE_UPDATE << 11, "w.test", TYPE_SOA, 2, 0, 0);
    put_rr(&packet, "two.w.test", TYPE_A, CLASS_IN, 0, "\xc0\0\2\1", 4);
    put_rr(&packet, "two.w.test", TYPE_A, CLASS_IN, 0, "\xc0\0\2\1", 4);
    cr_assert_eq(update(sim, &packet), NXRRSET);
    buf_free(&packet);
    dns_sim_free(sim);
}
