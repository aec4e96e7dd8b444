#include "base/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t mono_us(void) { return clock_us(CLOCK_MONOTONIC); }
int64_t mono_ms(void) { return mono_us() / 1000; }
int64_t wall_us(void) { return clock_us(CLOCK_REALTIME); }

void sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

void buf_add_rfc5322_date(struct buf *b, int64_t us)
{
    /* Names are written out: strftime would use the locale's. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t sec = (time_t)(us / 1000000);
    struct tm t;
    localtime_r(&sec, &t);
    long minutes = t.tm_gmtoff / 60;
    buf_printf(b, "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[t.tm_wday], t.tm_mday,
               months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec,
               minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60);
}

/* The number at the start of s, and the unit that follows. */
static bool number_and_unit(struct slice s, uint64_t *number, struct slice *unit)
{
    size_t digits = 0;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    *unit = slice_sub(s, digits, s.n);
    return slice_number(slice_sub(s, 0, digits), INT64_MAX, number);
}

struct unit { const char *name; uint64_t factor; };

static bool parse_with_units(struct slice s, const struct unit *units, uint64_t *out)
{
    uint64_t n;
    struct slice unit;
    if (!number_and_unit(s, &n, &unit))
        return false;
    for (; units->name; units++)
        if (slice_ieq_str(unit, units->name)) {
            if (n > INT64_MAX / units->factor)
                return false;
            *out = n * units->factor;
            return true;
        }
    return false;
}

bool parse_duration_ms(struct slice s, int64_t *ms)
{
    static const struct unit units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    uint64_t v;
    if (!parse_with_units(s, units, &v))
        return false;
    *ms = (int64_t)v;
    return true;
}

bool parse_size(struct slice s, uint64_t *octets)
{
    static const struct unit units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20},
                                        {"G", 1 << 30}, {NULL, 0}};
    return parse_with_units(s, units, octets);
}
