/* Header values by themselves: everything decoded is valid UTF-8, dates are in range, a base
 * subject has no more to take off, and portions change nothing for the decoders. */
#include "reference/message/date.h"
#include "reference/message/decode.h"
#include "reference/message/mailboxes.h"
#include "reference/message/subject.h"

#include <stdlib.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_subject(struct slice value)
{
    struct buf once = {0}, twice = {0}, folded = {0}, again = {0};
    base_subject(&once, value, NULL);
    check(utf8_valid(buf_slice(&once)));
    if (slice_find(buf_slice(&once), SLICE("=?")) < 0) {      /* decoding twice may find a word */
        base_subject(&twice, buf_slice(&once), NULL);
        check(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    text_fold(&folded, buf_slice(&once));
    check(utf8_valid(buf_slice(&folded)));
    buf_free(&once), buf_free(&twice), buf_free(&folded), buf_free(&again);
}

static void check_transfer(struct slice value, enum mime_encoding encoding, size_t step)
{
    struct buf whole = {0}, portions = {0};
    struct transfer a = {.encoding = encoding}, b = {.encoding = encoding};
    transfer_push(&a, value, &whole);
    transfer_end(&a, &whole);
    for (size_t at = 0; at < value.n; at += step)
        transfer_push(&b, slice_sub(value, at, at + step), &portions);
    transfer_end(&b, &portions);
    check(slice_eq(buf_slice(&whole), buf_slice(&portions)) && a.damaged == b.damaged);
    check(whole.len <= value.n + 3);
    buf_free(&whole), buf_free(&portions);
}

static void check_charset(struct slice value, const char *name, size_t step)
{
    struct buf whole = {0}, portions = {0};
    struct charset *a = charset_open(slice_str(name)), *b = charset_open(slice_str(name));
    charset_push(a, value, &whole);
    charset_close(a, &whole);
    for (size_t at = 0; at < value.n; at += step)
        charset_push(b, slice_sub(value, at, at + step), &portions);
    charset_close(b, &portions);
    check(utf8_valid(buf_slice(&whole)) && utf8_valid(buf_slice(&portions)));
    buf_free(&whole), buf_free(&portions);
}

static void check_lists(struct slice value)
{
    struct mailbox_list list = {0};
    mailbox_list_parse(&list, value);
    for (size_t i = 0; i < list.count; i++)
        check(list.all[i].mailbox.n + list.all[i].host.n + list.all[i].name.n <= list.text.len);
    mailbox_list_free(&list);
    struct mime_parameters parameters;
    mime_parameters_parse(&parameters, value);
    for (size_t i = 0; i < parameters.count; i++)
        check(utf8_valid(slice_str(parameters.all[i].text)));
    mime_parameters_free(&parameters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = 1 + data[0] % 7;
    struct slice value = slice_of(data + 1, size - 1), rest = value, id;
    struct buf out = {0};
    decode_header(&out, value);
    check(utf8_valid(buf_slice(&out)));
    buf_clear(&out);
    header_strip_comments(&out, value);
    while (message_id_next(&rest, &out, &id))
        check(id.n > 0);
    buf_free(&out);
    struct sent_date d;
    if (date_parse(value, &d))
        check(d.local_day > -800000 && d.local_day < 3000000 && abs(d.zone_minutes) < 100 * 60);
    check_subject(value);
    check_lists(value);
    check_transfer(value, MIME_BASE64, step);
    check_transfer(value, MIME_QUOTED_PRINTABLE, step);
    check_charset(value, "iso-2022-jp", step);
    check_charset(value, "utf-8", step);
    check_charset(value, "gb2312", step);
    return 0;
}
