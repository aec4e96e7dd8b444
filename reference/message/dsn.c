/* dsn.c - reading and writing the words of RFC 3461. */
#include "reference/message/dsn.h"

#include <unistr.h>

static const struct { const char *word; unsigned bit; } notify_words[] = {
    {"NEVER", NOTIFY_NEVER}, {"SUCCESS", NOTIFY_SUCCESS}, {"FAILURE", NOTIFY_FAILURE},
    {"DELAY", NOTIFY_DELAY},
};
enum { NOTIFY_WORDS = sizeof notify_words / sizeof *notify_words };

bool text_is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] & 0x80)
            return false;
    return true;
}

bool notify_parse(struct slice text, unsigned *notify)
{
    struct slice word;
    unsigned bits = 0;
    while (slice_next(&text, ',', &word)) {
        unsigned bit = 0;
        for (size_t i = 0; i < NOTIFY_WORDS; i++)
            if (slice_ieq_str(word, notify_words[i].word))
                bit = notify_words[i].bit;
        if (bit == 0)
            return false;
        bits |= bit;
    }
    *notify = bits;
    return bits != 0 && (bits == NOTIFY_NEVER || !(bits & NOTIFY_NEVER));
}

void buf_add_notify(struct buf *b, unsigned notify)
{
    const char *comma = "";
    for (size_t i = 0; i < NOTIFY_WORDS; i++)
        if (notify & notify_words[i].bit) {
            buf_printf(b, "%s%s", comma, notify_words[i].word);
            comma = ",";
        }
}

/* RFC 3461 4: the digits are capitals. */
static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool buf_add_unxtext(struct buf *b, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == 127 || c == '=')
            return false;
        if (c == '+') {
            int high = i + 1 < text.n ? hex_digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (unsigned char)(high * 16 + low);
            i += 2;
            if (c < ' ' || c == 127)
                return false;
        }
        buf_add_byte(b, (char)c);
    }
    return true;
}

bool orcpt_valid(struct slice text)
{
    struct buf address = {0};
    ptrdiff_t semicolon = slice_index(text, ';');
    if (semicolon <= 0 || (size_t)semicolon + 1 == text.n)
        return false;
    for (ptrdiff_t i = 0; i < semicolon; i++) {
        char c = text.p[i];
        bool atom = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-';
        if (!atom)
            return false;
    }
    bool good = buf_add_unxtext(&address, slice_sub(text, (size_t)semicolon + 1, text.n));
    buf_free(&address);
    return good;
}

/* RFC 6533 3: utf-8-addr-xtext. */
static void add_spelt(struct buf *b, struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        ucs4_t c;
        int n = u8_mbtouc(&c, (const uint8_t *)text.p + i, text.n - i);
        bool plain = c > ' ' && c < 127 && !strchr("+=\\", (int)c);
        if (plain)
            buf_add_byte(b, (char)c);
        else
            buf_printf(b, "\\x{%02X}", (unsigned)c);
        i += (size_t)(n > 0 ? n : 1);
    }
}

void buf_add_typed_address(struct buf *b, const char *address, bool ascii)
{
    struct slice text = slice_str(address);
    bool plain = text_is_ascii(text);
    buf_add_str(b, plain ? "rfc822; " : "utf-8; ");
    if (plain || !ascii)
        buf_add_slice(b, text);
    else
        add_spelt(b, text);
}

void buf_add_orcpt_decoded(struct buf *b, const char *orcpt)
{
    struct slice text = slice_str(orcpt), type;
    slice_next(&text, ';', &type);
    buf_add_slice(b, type);
    buf_add_str(b, "; ");
    buf_add_unxtext(b, text);
}
