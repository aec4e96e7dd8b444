/* args_date.c - date-time (RFC 9051 9): "24-Nov-2026 08:07:54 +0000". */
#include "reference/imapd/args.h"

#include "reference/message/date.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static bool take_number(struct slice *s, size_t digits, long *out)
{
    uint64_t number;
    if (!slice_number(slice_sub(*s, 0, digits), 9999, &number) || s->n < digits)
        return false;
    *out = (long)number;
    *s = slice_sub(*s, digits, s->n);
    return true;
}

static bool take_char(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_sub(*s, 1, s->n);
    return true;
}

static bool take_month(struct slice *s, long *out)
{
    for (long i = 0; i < 12; i++) {
        if (slice_ieq(slice_sub(*s, 0, 3), slice_of(months + 3 * i, 3))) {
            *out = i + 1;
            *s = slice_sub(*s, 3, s->n);
            return true;
        }
    }
    return false;
}

static int days_in(long year, long month)
{
    return (int)(date_days((int)(month == 12 ? year + 1 : year), (int)(month % 12) + 1, 1) -
                 date_days((int)year, (int)month, 1));
}

/* date: 1 or 2 digits of the day, or a space and one digit where `fixed`. */
static bool take_date(struct slice *s, bool fixed, long *day, long *month, long *year)
{
    bool space = fixed && take_char(s, ' ');
    size_t digits = space || slice_index(*s, '-') == 1 ? 1 : 2;
    return (!fixed || space || digits == 2) && take_number(s, digits, day) && take_char(s, '-') &&
           take_month(s, month) && take_char(s, '-') && take_number(s, 4, year) && *day >= 1 &&
           *day <= days_in(*year, *month);
}

bool args_date(struct args *a, int32_t *day)
{
    struct slice text;
    long d, m, y;
    if (!args_astring(a, &text))
        return false;
    if (!take_date(&text, false, &d, &m, &y) || text.n > 0)
        return args_fail(a, "a date such as 1-Feb-1994");
    *day = date_days((int)y, (int)m, (int)d);
    return true;
}

bool args_date_time(struct args *a, int64_t *utc, int *zone_minutes)
{
    static const char expected[] = "a date-time such as \"17-Jul-1996 02:44:25 -0700\"";
    struct slice text;
    long d, m, y, hour, minute, second, zone_hour, zone_minute;
    if (!args_next_is(a, '"'))
        return args_fail(a, expected);
    if (!args_string(a, &text))
        return false;
    if (!take_date(&text, true, &d, &m, &y) || !take_char(&text, ' ') ||
        !take_number(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_number(&text, 2, &minute) || !take_char(&text, ':') ||
        !take_number(&text, 2, &second) || !take_char(&text, ' ') || hour > 23 || minute > 59 ||
        second > 60)
        return args_fail(a, expected);
    bool west = take_char(&text, '-');
    if ((!west && !take_char(&text, '+')) || !take_number(&text, 2, &zone_hour) ||
        !take_number(&text, 2, &zone_minute) || text.n > 0 || zone_hour > 23 || zone_minute > 59)
        return args_fail(a, expected);
    int zone = (int)(zone_hour * 60 + zone_minute);
    *zone_minutes = west ? -zone : zone;
    *utc = (int64_t)date_days((int)y, (int)m, (int)d) * 86400 + hour * 3600 + minute * 60 + second -
           *zone_minutes * 60;
    return true;
}
