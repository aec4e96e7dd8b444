/* The summary of a header comes back as it was made, and nothing else is taken for one. */
#include "reference/message/summary.h"

#include <criterion/criterion.h>

static const char HEADER[] =
    "Date: Mon, 7 Feb 1994 21:52:25 -0800\nFrom: \"T\xc3\xb6m\" <Tom@x>\nTo: g: ;, b@y\nTo: c@z\nCc:\n"
    "Subject: Re: =?utf-8?q?=C3=A4?= b\nMessage-ID: <A@b>\nReferences: <x@y>\n <z@y>\n";

Test(summary, round_trip)
{
    struct buf text = {0};
    struct summary s;
    summary_make(&text, slice_str(HEADER));
    cr_assert(summary_read(buf_slice(&text), &s));
    cr_assert(s.has_date && s.reply);
    cr_assert_eq(s.sent, 760686745);
    cr_assert_eq(s.sent_day, 8803);
    static const char *const want[SUMMARY_FIELDS] = {
        [SUMMARY_FROM] = "\"TO\xcc\x88M\" <TOM@X>", [SUMMARY_TO] = "G: ;, B@Y\nC@Z", [SUMMARY_CC] = "",
        [SUMMARY_SUBJECT] = "RE: A\xcc\x88 B", [SUMMARY_BASE_SUBJECT] = "A\xcc\x88 B",
        [SUMMARY_FIRST_FROM] = "TOM", [SUMMARY_FIRST_TO] = "B", [SUMMARY_DISPLAY_FROM] = "TO\xcc\x88M",
        [SUMMARY_DISPLAY_TO] = "B@Y", [SUMMARY_MESSAGE_ID] = "<A@b>", [SUMMARY_REFERENCES] = "<x@y> <z@y>",
    };
    for (int i = 0; i < SUMMARY_FIELDS; i++) {
        cr_assert_eq(s.field[i].p != NULL, want[i] != NULL, "field %d", i);
        if (want[i])
            cr_assert(slice_eq_str(s.field[i], want[i]), "%d: %.*s", i, SLICE_ARG(s.field[i]));
    }
    for (size_t n = 0; n < text.len; n++)      /* cut, or of another version */
        cr_assert_not(summary_read(slice_of(text.data, n), &s));
    text.data[0]++;
    cr_assert_not(summary_read(buf_slice(&text), &s));
    buf_free(&text);
}

Test(summary, empty)
{
    struct buf text = {0};
    struct summary s;
    summary_make(&text, slice_of(NULL, 0));
    cr_assert(summary_read(buf_slice(&text), &s));
    cr_assert_not(s.has_date);
    for (int i = 0; i < SUMMARY_FIELDS; i++)
        cr_assert_null(s.field[i].p);
    buf_free(&text);
}
