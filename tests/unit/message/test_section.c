/* BODY[...] sections of the example in RFC 9051 6.4.5.1's shape. */
#include "reference/message/section.h"

#include <criterion/criterion.h>

static const char MESSAGE[] =
    "Subject: outer\nTo: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
    "Content-Type: text/plain\n\none\n--x\n"
    "Content-Type: message/rfc822\n\nSubject: inner\nTo: b\n c\n\ninner text\n--x\n"
    "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\ndeep\n--y--\n--x--\n";

static const char SINGLE[] = "Subject: s\nTo: a\n\ntext\n";

static const struct { const char *message, *section, *text; } EXTENTS[] = {
    {MESSAGE, "1", "one"},
    {MESSAGE, "1.mime", "Content-Type: text/plain\n\n"},
    {MESSAGE, "2.HEADER", "Subject: inner\nTo: b\n c\n\n"},
    {MESSAGE, "2.TEXT", "inner text"},
    {MESSAGE, "2.1", "inner text"},
    {MESSAGE, "2", "Subject: inner\nTo: b\n c\n\ninner text"},
    {MESSAGE, "3.1", "deep"},
    {MESSAGE, "3.1.MIME", "\n"},
    {MESSAGE, "4", NULL},
    {MESSAGE, "1.1", NULL},
    {MESSAGE, "1.TEXT", NULL},
    {MESSAGE, "2.2", NULL},
    {MESSAGE, "2.1.1", NULL},
    {SINGLE, "", SINGLE},
    {SINGLE, "1", "text\n"},
    {SINGLE, "TEXT", "text\n"},
    {SINGLE, "HEADER", "Subject: s\nTo: a\n\n"},
    {SINGLE, "2", NULL},
    {SINGLE, "1.1", NULL},
};

Test(section, extents)
{
    for (size_t i = 0; i < sizeof EXTENTS / sizeof EXTENTS[0]; i++) {
        struct mime_message *m = mime_parse(slice_str(EXTENTS[i].message));
        struct section s;
        struct mime_extent e;
        cr_assert(section_parse(slice_str(EXTENTS[i].section), &s), "%s", EXTENTS[i].section);
        bool found = section_extent(m, &s, &e);
        cr_assert_eq(found, EXTENTS[i].text != NULL, "%s", EXTENTS[i].section);
        struct slice got = slice_sub(slice_str(EXTENTS[i].message), e.raw_offset,
                                     e.raw_offset + e.raw_size);
        if (found)
            cr_assert(slice_eq_str(got, EXTENTS[i].text), "%s gave %.*s", EXTENTS[i].section,
                      SLICE_ARG(got));
        mime_message_free(m);
    }
}

static const struct { const char *section, *text; } FIELDS[] = {
    {"HEADER.FIELDS", "Subject: outer\r\n\r\n"},
    {"HEADER.FIELDS.NOT", "To: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"},
    {"2.HEADER.FIELDS.NOT", "To: b\r\n c\r\n\r\n"},
    {"1.HEADER.FIELDS", NULL},
};

Test(section, fields)
{
    struct mime_message *m = mime_parse(slice_str(MESSAGE));
    struct slice names[] = {SLICE("SUBJECT"), SLICE("x")};
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        struct section s;
        struct buf out = {0};
        cr_assert(section_parse(slice_str(FIELDS[i].section), &s));
        s.names = names;
        s.names_count = 2;
        cr_assert_eq(section_fields(m, &s, &out), FIELDS[i].text != NULL);
        cr_assert_str_eq(buf_str(&out), FIELDS[i].text ? FIELDS[i].text : "");
        buf_clear(&out);
        section_write(&out, &s);
        cr_assert(slice_starts(buf_slice(&out), slice_str(FIELDS[i].section)));
        cr_assert(slice_ends(buf_slice(&out), SLICE(" (SUBJECT x)")));
        buf_free(&out);
    }
    mime_message_free(m);
}

/* RFC 9051 6.4.5.1: the empty line is given, unless the message has neither it nor a body. */
Test(section, no_empty_line)
{
    struct mime_message *m = mime_parse(SLICE("Subject: s\n"));
    struct section s;
    struct slice name = SLICE("Subject");
    struct buf out = {0};
    cr_assert(section_parse(SLICE("HEADER.FIELDS"), &s));
    s.names = &name;
    s.names_count = 1;
    cr_assert(section_fields(m, &s, &out));
    cr_assert_str_eq(buf_str(&out), "Subject: s\r\n");
    mime_message_free(m);
    buf_free(&out);
}

Test(section, bad)
{
    static const char *const bad[] = {"0", "1.", "1.0", "MIME", "1..2", ".1", "x", "1.x", "01",
                                      "4294967296", "HEADER.1", "1.HEADER.FIELDSX"};
    struct section s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(section_parse(slice_str(bad[i]), &s), "%s", bad[i]);
}
