/* data_reader.c - see the table in data_reader.h. */
#include "reference/smtpd/data_reader.h"

/* Octets that leave DATA_TEXT, by value; all others are passed over without a thought. */
static const bool needs_thought[256] = {['\0'] = true, ['\r'] = true, ['\n'] = true};

/* The first octet from p on that needs a thought, or end. Eight at a time are passed over as long as
 * none is below 14, which takes TAB for one as well. */
static const unsigned char *skip_text(const unsigned char *p, const unsigned char *end)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t eight;

    while (p < end && !needs_thought[*p]) {
        for (; end - p >= 8; p += 8) {
            memcpy(&eight, p, sizeof eight);
            if ((eight - each * ('\r' + 1)) & ~eight & each * 0x80)
                break;
        }
        for (int i = 0; i < 8 && p < end && !needs_thought[*p]; i++)
            p++;
    }
    return p;
}

/* The state after octet c. DATA_LINE_START and DATA_DOT differ from DATA_TEXT only where c is '.'
 * or CR; the caller has dealt with the dots. */
static enum data_state step(struct data_reader *r, unsigned char c)
{
    bool after_cr = r->state == DATA_CR || r->state == DATA_DOT_CR;
    if (c == '\n' && after_cr)
        return r->state == DATA_DOT_CR ? DATA_END : DATA_LINE_START;
    if (after_cr)
        r->bare_cr = true;
    if (c == '\r')
        return r->state == DATA_DOT ? DATA_DOT_CR : DATA_CR;
    if (c == '\n')
        r->bare_lf = true;
    if (c == '\0')
        r->nul = true;
    return DATA_TEXT;
}

/* A line of `more` octets than were counted is complete, or still growing. */
static void count_line(struct data_reader *r, size_t more)
{
    r->line_octets += more;
    if (r->line_octets > DATA_LINE_MAX)
        r->line_too_long = true;
}

size_t data_reader_feed(struct data_reader *r, struct slice in, struct slice *out)
{
    const unsigned char *begin = (const unsigned char *)in.p, *end = begin + in.n, *p = begin;
    const unsigned char *from = p;      /* of the text to be given out */
    const unsigned char *line = p;      /* of the part of the current line in here */

    while (p < end && r->state != DATA_END) {
        if (r->state == DATA_TEXT) {
            p = skip_text(p, end);
            if (p == end)
                break;
        } else if (r->state == DATA_LINE_START && *p == '.') {
            if (p > from)
                break;                  /* give out what is before the dot; come back for it */
            from = line = ++p;
            r->state = DATA_DOT;
            continue;
        }
        bool was_dot = r->state == DATA_DOT;
        r->state = step(r, *p++);
        if (r->state == DATA_LINE_START) {
            count_line(r, (size_t)(p - line));
            r->line_octets = 0;
            line = p;
        } else if (r->state == DATA_END || (was_dot && r->state == DATA_DOT_CR)) {
            from = line = p;            /* ".CRLF" is no text */
        }
    }
    count_line(r, (size_t)(p - line));
    *out = slice_of(from, (size_t)(p - from));
    return (size_t)(p - begin);
}
