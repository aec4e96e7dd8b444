/* base64.c - Base64 (RFC 4648 4). */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_add_base64(struct buf *b, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    buf_reserve(b, (s.n + 2) / 3 * 4);
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char out[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                       left > 1 ? alphabet[v >> 6 & 63] : '=', left > 2 ? alphabet[v & 63] : '='};
        buf_add(b, out, sizeof out);
    }
}

/* 0 to 63, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool buf_add_unbase64(struct buf *b, struct slice text)
{
    size_t before = b->len, pads = 0;
    if (text.n % 4)
        return false;
    if (text.n && text.p[text.n - 1] == '=')
        pads = text.p[text.n - 2] == '=' ? 2 : 1;
    buf_reserve(b, text.n / 4 * 3);
    for (size_t i = 0; i < text.n; i += 4) {
        size_t letters = i + 4 == text.n ? 4 - pads : 4;
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int bits = j < letters ? value_of(text.p[i + j]) : 0;
            if (bits < 0) {
                buf_truncate(b, before);
                return false;
            }
            v = v << 6 | (uint32_t)bits;
        }
        if (v & (letters == 4 ? 0 : letters == 3 ? 0xff : 0xffff)) {
            buf_truncate(b, before);
            return false;
        }
        char out[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        buf_add(b, out, letters - 1);
    }
    return true;
}
