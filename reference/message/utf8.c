/* utf8.c - valid UTF-8 out of any octets. */
#include "reference/message/utf8.h"

size_t utf8_length(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    size_t want = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    /* RFC 3629 4: the second octet rules out overlong forms, surrogates and over U+10FFFF. */
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < want; i++) {
        if (i >= n)
            return UTF8_CUT;
        if (s[i] < low || s[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return want;
}

uint32_t utf8_next(struct slice *s)
{
    size_t n = utf8_length(s->p, s->n);
    unsigned char first = (unsigned char)s->p[0];
    uint32_t c = n <= 1 ? first : first & (0xffu >> (n + 1));
    if (n == UTF8_CUT)
        n = 1;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
    *s = slice_sub(*s, n > 0 ? n : 1, s->n);
    return c;
}

size_t ascii_run(struct slice s)
{
    size_t i = 0;
    for (uint64_t word; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < s.n && (unsigned char)s.p[i] < 0x80)
        i++;
    return i;
}

bool utf8_valid(struct slice s)
{
    for (size_t i = 0; i < s.n;) {
        i += ascii_run(slice_of(s.p + i, s.n - i));
        if (i == s.n)
            break;
        size_t n = utf8_length(s.p + i, s.n - i);
        if (n == 0 || n == UTF8_CUT)
            return false;
        i += n;
    }
    return true;
}

/* Windows-1252 where it differs from Latin-1: 0x80 to 0x9f; 0 stands for nothing. */
static const uint16_t WINDOWS_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

void buf_add_utf8(struct buf *out, uint32_t c)
{
    char s[4];
    size_t n;
    if (c < 0x80) {
        s[0] = (char)c, n = 1;
    } else if (c < 0x800) {
        s[0] = (char)(0xc0 | c >> 6), n = 2;
    } else if (c < 0x10000) {
        s[0] = (char)(0xe0 | c >> 12), s[1] = (char)(0x80 | (c >> 6 & 0x3f)), n = 3;
    } else {
        s[0] = (char)(0xf0 | c >> 18), s[1] = (char)(0x80 | (c >> 12 & 0x3f));
        s[2] = (char)(0x80 | (c >> 6 & 0x3f)), n = 4;
    }
    if (n > 1)
        s[n - 1] = (char)(0x80 | (c & 0x3f));
    buf_add(out, s, n);
}

void windows_1252_add(struct buf *out, unsigned char c)
{
    uint32_t point = c >= 0x80 && c < 0xa0 ? WINDOWS_1252[c - 0x80] : c;
    buf_add_utf8(out, point ? point : UTF8_REPLACEMENT);
}

size_t utf8_repair_portion(struct buf *out, struct slice s, bool last)
{
    size_t i = 0;
    while (i < s.n) {
        size_t run = ascii_run(slice_of(s.p + i, s.n - i));
        buf_add(out, s.p + i, run);
        i += run;
        if (i == s.n)
            break;
        size_t n = utf8_length(s.p + i, s.n - i);
        if (n == UTF8_CUT && !last)
            break;
        if (n == 0 || n == UTF8_CUT) {
            windows_1252_add(out, (unsigned char)s.p[i]);
            n = 1;
        } else {
            buf_add(out, s.p + i, n);
        }
        i += n;
    }
    return i;
}

void utf8_repair(struct buf *out, struct slice s) { utf8_repair_portion(out, s, true); }
