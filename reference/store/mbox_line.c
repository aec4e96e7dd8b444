/* mbox_line.c - the lines that mean something in an mbox. */
#include "reference/store/mbox_line.h"

#include "base/timing.h"

#include <time.h>

#define FROM_LINE_MAX 1024

bool mbox_is_quoted(struct slice line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] == '>')
        n++;
    return n > 0 && slice_starts(slice_sub(line, n, line.n), SLICE("From "));
}

static bool one_of(struct slice word, const char *names)
{
    ptrdiff_t at = word.n == 3 ? slice_find(slice_str(names), word) : -1;
    return at >= 0 && at % 3 == 0;
}

static bool is_clock(struct slice word)
{
    return word.n >= 4 && slice_index(word, ':') > 0 && word.p[0] >= '0' && word.p[0] <= '9';
}

bool mbox_is_from_line(const struct line_piece *p, bool first)
{
    struct slice rest = p->text, word[4] = {{0}};
    uint64_t day;
    if (!p->begins || !p->ends || rest.n > FROM_LINE_MAX || !slice_starts(rest, SLICE("From ")))
        return false;
    if (first)
        return true;
    while (slice_word(&rest, &word[3])) {
        if (one_of(word[0], "MonTueWedThuFriSatSun") &&
            one_of(word[1], "JanFebMarAprMayJunJulAugSepOctNovDec") &&
            slice_number(word[2], 31, &day) && is_clock(word[3]))
            return true;
        memmove(word, word + 1, 3 * sizeof word[0]);
    }
    return false;
}

/* "Tue Nov 24 08:07:54 2026", or with a zone before or after the year; one that we do not know is
 * taken as UTC. The sender may have spaces. */
int64_t mbox_from_date(struct slice line)
{
    char text[FROM_LINE_MAX + 1];
    size_t n = line.n < FROM_LINE_MAX ? line.n : FROM_LINE_MAX;
    memcpy(text, line.p, n);
    text[n] = 0;
    for (const char *p = text; (p = strchr(p, ' ')) != NULL; p++) {
        struct tm tm = {0};
        const char *rest = strptime(p, " %a %b %d %H:%M:%S", &tm);
        if (!rest)
            rest = strptime(p, " %a %b %d %H:%M", &tm);
        while (rest && *rest && !strptime(rest, " %Y", &tm)) {
            while (*rest == ' ')
                rest++;
            rest = strchr(rest, ' ');          /* over the name of a zone */
        }
        if (rest && *rest)
            return timegm(&tm);
    }
    return -1;
}

void mbox_add_from_line(struct buf *out, const char *sender, int64_t when)
{
    char date[64];
    struct tm tm;
    time_t seconds = when == INT64_MIN ? (time_t)(wall_us() / 1000000) : (time_t)when;
    if (!gmtime_r(&seconds, &tm))
        tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &tm);
    buf_add_str(out, "From ");
    for (const char *s = *sender ? sender : "MAILER-DAEMON"; *s; s++)
        buf_add_byte(out, (unsigned char)*s <= ' ' || *s == 0x7f ? '_' : *s);
    buf_printf(out, " %s\n", date);
}

bool mbox_is_volatile(struct slice line)
{
    static const char *const names[] = {"Status:", "X-Status:", "X-UID:", "X-IMAP:", "X-IMAPbase:",
                                        "X-Keywords:", "Content-Length:", "Lines:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_istarts(line, slice_str(names[i])))
            return true;
    }
    return false;
}
