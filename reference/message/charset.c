/* charset.c - from the charsets of mail to UTF-8, by iconv(3) where tables are needed. */
#include "reference/message/decode.h"

#include "base/mem.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

enum { NAME_MAX_ = 40, TAIL_MAX = 32 };

struct charset {
    bool plain;                /* UTF-8, US-ASCII, none */
    iconv_t converter;
    char tail[TAIL_MAX];       /* a character that was cut at the end of a portion */
    size_t tail_len;
};

/* Names that iconv lacks, or that mail uses for a larger set than the name says: readers decode
 * these as the superset (as the WHATWG's Encoding Standard does). */
static const struct { const char *name, *iconv; } ALIASES[] = {
    {"iso-8859-1", "CP1252"},        {"iso8859-1", "CP1252"},      {"latin1", "CP1252"},
    {"iso-8859-8-i", "ISO-8859-8"},  {"iso-8859-8-e", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},        {"iso-8859-11", "CP874"},    {"tis-620", "CP874"},
    {"gb2312", "GB18030"},           {"gbk", "GB18030"},          {"x-gbk", "GB18030"},
    {"ks_c_5601-1987", "CP949"},     {"euc-kr", "CP949"},         {"ksc5601", "CP949"},
    {"shift_jis", "CP932"},          {"x-sjis", "CP932"},         {"sjis", "CP932"},
    {"iso-2022-jp", "ISO-2022-JP-2"}, {"big5", "BIG5-HKSCS"},     {"x-euc-jp", "EUC-JP"},
    {"unicode-1-1-utf-7", "UTF-7"},  {"cp-850", "CP850"},         {"x-mac-roman", "MACINTOSH"},
};

static bool is_plain(struct slice name)
{
    static const char *const PLAIN[] = {"us-ascii", "ascii", "utf-8", "utf8", "ansi_x3.4-1968",
                                        "unknown-8bit", "x-unknown", "unknown", "default", "8bit"};
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++)
        if (slice_ieq_str(name, PLAIN[i]))
            return true;
    return name.n == 0;
}

/* The name for iconv_open, or NULL: never one with "/", by which it takes options. */
static const char *iconv_name(struct slice name, char out[NAME_MAX_ + 1])
{
    if (name.n > NAME_MAX_)
        return NULL;
    for (size_t i = 0; i < sizeof ALIASES / sizeof ALIASES[0]; i++)
        if (slice_ieq_str(name, ALIASES[i].name))
            return ALIASES[i].iconv;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              strchr("-_.:+", c)) || c == 0)
            return NULL;
        out[i] = c;
    }
    out[name.n] = 0;
    return out;
}

struct charset *charset_open(struct slice name)
{
    char text[NAME_MAX_ + 1];
    const char *known = NULL;
    iconv_t converter = (iconv_t)-1;
    name = slice_trim(name);
    if (!is_plain(name)) {
        known = iconv_name(name, text);
        converter = known ? iconv_open("UTF-8", known) : (iconv_t)-1;
        if (converter == (iconv_t)-1)
            return NULL;
    }
    struct charset *c = xcalloc(1, sizeof *c);
    c->plain = known == NULL;
    c->converter = converter;
    return c;
}

bool charset_known(struct slice name)
{
    struct charset *c = charset_open(name);
    if (c)
        charset_close(c, NULL);
    return c != NULL;
}

/* iconv knows characters beyond U+10FFFF (UCS-4, and UTF-8 by a name that only iconv takes for it), which
 * UTF-8 has not (RFC 3629 3): each is replaced. */
static void replace_beyond(struct buf *out, size_t from)
{
    if (utf8_valid(slice_of(out->data + from, out->len - from)))
        return;
    char *copy = slice_dup(slice_of(out->data + from, out->len - from));
    size_t n = out->len - from;
    out->len = from;
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(copy + i, n - i);
        if (length > 0 && length != UTF8_CUT) {
            buf_add(out, copy + i, length);
            i += length;
            continue;
        }
        buf_add_utf8(out, UTF8_REPLACEMENT);
        do
            i++;
        while (i < n && ((unsigned char)copy[i] & 0xc0) == 0x80);
    }
    free(copy);
}

/* Converts what can be converted; how many octets of s were taken. */
static size_t convert(struct charset *c, struct buf *out, struct slice s, bool last)
{
    if (c->plain)
        return utf8_repair_portion(out, s, last);
    char *from = (char *)s.p;
    size_t left = s.n;
    while (left > 0) {
        buf_reserve(out, left + 64);
        char *to = out->data + out->len;
        size_t room = out->cap - out->len - 1;
        size_t result = iconv(c->converter, &from, &left, &to, &room);
        size_t before = out->len;
        out->len = (size_t)(to - out->data);
        out->data[out->len] = 0;
        int error = errno;
        replace_beyond(out, before);
        if (result != (size_t)-1 || (error == EINVAL && !last))
            break;
        if (error == E2BIG)
            continue;
        buf_add_utf8(out, UTF8_REPLACEMENT);         /* no character here: step over one octet */
        from++;
        left--;
    }
    return s.n - left;
}

void charset_push(struct charset *c, struct slice in, struct buf *out)
{
    while (c->tail_len > 0 && in.n > 0) {            /* octet by octet over the seam */
        c->tail[c->tail_len++] = in.p[0];
        in = slice_of(in.p + 1, in.n - 1);
        size_t taken = convert(c, out, slice_of(c->tail, c->tail_len), c->tail_len == TAIL_MAX);
        c->tail_len -= taken;
        memmove(c->tail, c->tail + taken, c->tail_len);
    }
    if (in.n == 0)
        return;
    size_t taken = convert(c, out, in, false);
    if (in.n - taken > TAIL_MAX / 2)                 /* no charset has characters so long */
        taken += convert(c, out, slice_of(in.p + taken, in.n - taken), true);
    c->tail_len = in.n - taken;
    memcpy(c->tail, in.p + taken, c->tail_len);
}

void charset_close(struct charset *c, struct buf *out)
{
    if (out && c->tail_len > 0)
        convert(c, out, slice_of(c->tail, c->tail_len), true);
    if (!c->plain)
        iconv_close(c->converter);
    free(c);
}

void charset_decode(struct buf *out, struct slice s, struct slice name)
{
    struct charset *c = is_plain(name) ? NULL : charset_open(name);
    if (!c) {
        utf8_repair(out, s);
        return;
    }
    charset_push(c, s, out);
    charset_close(c, out);
}
