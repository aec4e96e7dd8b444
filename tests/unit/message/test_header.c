/* The Received field and the scan of a header. */
#include "reference/message/header_scan.h"
#include "reference/message/received.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void check_received(struct received r, const char *client, const char *want)
{
    struct netaddr a;
    struct buf b = {0};
    setenv("TZ", "CST-8", 1);
    cr_assert(netaddr_parse(&a, slice_str(client), 25));
    r.client = &a;
    buf_add_received(&b, &r);
    cr_assert_str_eq(buf_str(&b), want);
    buf_free(&b);
}

Test(received, has_all_clauses_and_an_explicit_offset)
{
    check_received((struct received){.helo = "client.magedu.test", .by = "mail.hehuan.test",
                                     .protocol = "ESMTP", .id = "6A1F",
                                     .recipient = "tom@hehuan.test", .time_us = 1764000000000000},
                   "198.51.100.7",
                   "Received: from client.magedu.test ([198.51.100.7])\r\n"
                   "\tby mail.hehuan.test with ESMTP id 6A1F\r\n"
                   "\tfor <tom@hehuan.test>;\r\n"
                   "\tTue, 25 Nov 2025 00:00:00 +0800\r\n");
}

Test(received, ipv6_literal_and_no_recipient)
{
    check_received((struct received){.helo = "[IPv6:2001:db8::7]", .by = "m.test",
                                     .protocol = "SMTP", .id = "1", .time_us = 0},
                   "2001:db8::7",
                   "Received: from [IPv6:2001:db8::7] ([IPv6:2001:db8::7])\r\n"
                   "\tby m.test with SMTP id 1;\r\n"
                   "\tThu, 1 Jan 1970 08:00:00 +0800\r\n");
}

Test(header_scan, kinds_of_lines)
{
    static const struct { const char *line; enum header_line kind; int received; } rows[] = {
        {"Subject: x", HEADER_FIELD, 0}, {" Received: folded", HEADER_FIELD, 0},
        {"\tmore", HEADER_FIELD, 0},     {"Received: from a", HEADER_FIELD, 1},
        {"RECEIVED :x", HEADER_FIELD, 2}, {"X-Received: y", HEADER_FIELD, 2},
        {"Received-SPF: z", HEADER_FIELD, 2}, {"Empty:", HEADER_FIELD, 2}};
    struct header_scan h = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(header_scan_line(&h, slice_str(rows[i].line)), rows[i].kind, "%s",
                     rows[i].line);
        cr_assert_eq(h.received, rows[i].received, "%s", rows[i].line);
    }
    cr_assert_eq(header_scan_line(&h, SLICE("")), HEADER_END);
    cr_assert_not(h.has_date || h.has_message_id);
}

Test(header_scan, lines_that_belong_to_no_header)
{
    static const char *const broken[] = {"hello", ": x",  "two words: x",
                                         "\x80: x", " : x", "a\x01:"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct header_scan h = {0};
        cr_assert_eq(header_scan_line(&h, slice_str(broken[i])), HEADER_BROKEN, "%s", broken[i]);
    }
    struct header_scan h = {0};
    cr_assert_eq(header_scan_line(&h, SLICE(" folded, after nothing")), HEADER_BROKEN);
}

Test(header_scan, date_and_message_id)
{
    struct header_scan h = {0};
    header_scan_line(&h, SLICE("Resent-Date: x"));
    header_scan_line(&h, SLICE("Resent-Message-ID: x"));
    cr_assert_not(h.has_date || h.has_message_id);
    header_scan_line(&h, SLICE("DATE: x"));
    header_scan_line(&h, SLICE("message-id: x"));
    cr_assert(h.has_date && h.has_message_id);
}
