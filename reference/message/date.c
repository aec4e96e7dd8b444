/* date.c - dates of header fields, in the forms that programs have written since 1970. */
#include "reference/message/date.h"

enum { WORDS_MAX = 16 };

static const char MONTHS[] = "janfebmaraprmayjunjulaugsepoctnovdec";

/* RFC 5322 4.3: the zones of RFC 822. The one-letter ones were defined wrongly there: +0000. */
static const struct { const char *name; int minutes; } ZONES[] = {
    {"UT", 0},     {"GMT", 0},    {"UTC", 0},   {"Z", 0},      {"EST", -300}, {"EDT", -240},
    {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

/* Digits at the front of s, at most `digits`; 0 and *n == 0 when there are none. */
static int number(struct slice s, size_t digits, size_t *n)
{
    int value = 0;
    *n = 0;
    while (*n < s.n && *n < digits && is_digit(s.p[*n]))
        value = value * 10 + (s.p[(*n)++] - '0');
    return value;
}

static int month_of(struct slice word)
{
    char low[3];
    if (word.n < 3)
        return 0;
    for (int i = 0; i < 3; i++)
        low[i] = (char)(word.p[i] | 0x20);
    for (int month = 0; month < 12; month++)
        if (memcmp(MONTHS + 3 * month, low, 3) == 0)
            return month + 1;
    return 0;
}

struct reading {
    int day, month, year;        /* 0: not yet; the year may be 0 with year_given */
    int seconds, zone;
    bool year_given, time_given, zone_given;
};

/* hh:mm[:ss], with "." from some programs, and a leap second (RFC 5322 3.3). */
static void read_time(struct reading *r, struct slice word)
{
    size_t n;
    int part[3] = {0}, count = 0;
    while (count < 3 && word.n > 0) {
        part[count++] = number(word, 2, &n);
        word = slice_sub(word, n, word.n);
        if (n == 0 || word.n == 0 || (word.p[0] != ':' && word.p[0] != '.'))
            break;
        word = slice_sub(word, 1, word.n);
    }
    r->time_given = true;
    if (part[0] < 24 && part[1] < 60 && part[2] <= 60)
        r->seconds = part[0] * 3600 + part[1] * 60 + part[2];
}

/* +hhmm, -hhmm, also +hh:mm */
static void read_offset(struct reading *r, struct slice word)
{
    size_t n, m;
    int hours = number(slice_sub(word, 1, word.n), 2, &n);
    size_t at = 1 + n + (1 + n < word.n && word.p[1 + n] == ':');
    int minutes = number(slice_sub(word, at, word.n), 2, &m);
    if (n == 2 && (m == 2 || m == 0) && minutes < 60) {
        r->zone = (hours * 60 + minutes) * (word.p[0] == '-' ? -1 : 1);
        r->zone_given = true;
    }
}

static void read_number(struct reading *r, struct slice word)
{
    size_t n;
    int value = number(word, 6, &n);
    if (n <= 2 && !r->day && value >= 1 && value <= 31) {
        r->day = value;
    } else if (!r->year_given && n <= 4) {
        /* RFC 5322 4.3: two digits are 1950 to 2049, three are years since 1900. */
        r->year = n == 2 ? value + (value < 50 ? 2000 : 1900) : n == 3 ? value + 1900 : value;
        r->year_given = true;
    }
}

static void read_letters(struct reading *r, struct slice word)
{
    int month = month_of(word);
    if (month && !r->month) {
        r->month = month;
    } else if (r->time_given && !r->zone_given) {
        for (size_t i = 0; i < sizeof ZONES / sizeof ZONES[0]; i++)
            if (slice_ieq_str(word, ZONES[i].name)) {
                r->zone = ZONES[i].minutes;
                r->zone_given = true;
            }
    }
}

/* The next word: letters; or digits with the ":" or "." of a time; or a sign and an offset.
 * Comments and everything else are stepped over. */
static bool next_word(struct slice *s, struct slice *word)
{
    size_t i = 0, depth = 0;
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && (is_letter(c) || is_digit(c) ||
                                ((c == '+' || c == '-') && i + 4 < s->n && is_digit(s->p[i + 1]) &&
                                 is_digit(s->p[i + 2]) && i > 0 && s->p[i - 1] == ' ')))
            break;
    }
    if (i >= s->n)
        return false;
    size_t end = i + 1;
    if (is_letter(s->p[i]))
        while (end < s->n && is_letter(s->p[end]))
            end++;
    else
        while (end < s->n && (is_digit(s->p[end]) || s->p[end] == ':' || s->p[end] == '.'))
            end++;
    *word = slice_sub(*s, i, end);
    *s = slice_sub(*s, end, s->n);
    return true;
}

/* 2026-11-24T08:07:54Z, which no mail should have. */
static bool read_iso(struct reading *r, struct slice *s)
{
    size_t n, m, k;
    int year = number(*s, 4, &n);
    if (n != 4 || s->n < 10 || s->p[4] != '-' || s->p[7] != '-')
        return false;
    int month = number(slice_sub(*s, 5, s->n), 2, &m), day = number(slice_sub(*s, 8, s->n), 2, &k);
    if (m != 2 || k != 2)
        return false;
    r->year = year, r->year_given = true;
    r->month = month, r->day = day;
    *s = slice_sub(*s, 10, s->n);
    if (s->n > 0 && s->p[0] == 'T')
        *s = slice_sub(*s, 1, s->n);
    return true;
}

bool date_parse(struct slice value, struct sent_date *out)
{
    static const int LENGTHS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct reading r = {0};
    struct slice rest = slice_trim(value), word;
    *out = (struct sent_date){0};
    read_iso(&r, &rest);
    for (int i = 0; i < WORDS_MAX && next_word(&rest, &word); i++) {
        if (word.p[0] == '+' || word.p[0] == '-')
            read_offset(&r, word);
        else if (is_letter(word.p[0]))
            read_letters(&r, word);
        else if (slice_index(word, ':') > 0 ||
                 (slice_index(word, '.') > 0 && r.year_given && !r.time_given))
            read_time(&r, word);
        else
            read_number(&r, word);
    }
    if (r.month < 1 || r.month > 12 || r.day < 1 || r.day > LENGTHS[r.month - 1] || !r.year_given)
        return false;
    out->local_day = date_days(r.year, r.month, r.day);
    out->zone_minutes = r.zone;
    out->utc = (int64_t)out->local_day * 86400 + r.seconds - (int64_t)r.zone * 60;
    return true;
}
