/* names.c - mailbox names: what is one, and what it is on disk. */
#include "reference/store/names.h"

#include "base/mem.h"
#include "reference/store/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

struct slice folder_parent(struct slice name)
{
    ptrdiff_t at = slice_rindex(name, FOLDER_SEPARATOR);
    return slice_sub(name, 0, at < 0 ? 0 : (size_t)at);
}

bool folder_is_below(struct slice name, struct slice above)
{
    return name.n > above.n && slice_starts(name, above) && name.p[above.n] == FOLDER_SEPARATOR;
}

/* --- what is a name ------------------------------------------------------------------------------- */

/* RFC 5198 2, RFC 9051 5.1: no controls, no line and paragraph separators. */
static bool characters_allowed(struct slice name)
{
    const uint8_t *p = (const uint8_t *)name.p;
    if (u8_check(p, name.n))
        return false;
    for (size_t i = 0; i < name.n;) {
        ucs4_t c;
        i += (size_t)u8_mbtouc_unsafe(&c, p + i, name.n - i);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            return false;
    }
    return true;
}

static bool levels_allowed(struct slice name)
{
    struct slice level;
    int depth = 0;
    while (slice_next(&name, FOLDER_SEPARATOR, &level)) {
        if (level.n == 0 || slice_eq_str(level, ".") || slice_eq_str(level, "..")) {
            errno = EINVAL;
            return false;
        }
        if (++depth > FOLDER_DEPTH_MAX || level.n > DISK_NAME_MAX) {
            errno = ENAMETOOLONG;
            return false;
        }
    }
    return true;
}

char *folder_name_clean(struct slice name)
{
    if (name.n > 0 && name.p[name.n - 1] == FOLDER_SEPARATOR)
        name.n--;
    if (name.n > FOLDER_NAME_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (name.n == 0 || !characters_allowed(name)) {
        errno = EINVAL;
        return NULL;
    }
    size_t n = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFC, (const uint8_t *)name.p, name.n, NULL, &n);
    if (!normal)
        die(70, "out of memory");
    struct slice clean = slice_of(normal, n);
    char *result = NULL;
    if (levels_allowed(clean)) {
        result = slice_dup(clean);
        if (n >= 5 && slice_ieq_str(slice_sub(clean, 0, 5), "INBOX") && (n == 5 || result[5] == '/'))
            memcpy(result, "INBOX", 5);
    }
    free(normal);
    return result;
}

/* --- modified UTF-7 --------------------------------------------------------------------------------- */

struct bits { struct buf *out; uint32_t held; unsigned count; };

static void add_bits(struct bits *b, uint32_t unit)
{
    b->held = b->held << 16 | unit;
    b->count += 16;
    while (b->count >= 6) {
        b->count -= 6;
        buf_add_byte(b->out, base64[b->held >> b->count & 63]);
    }
}

static void end_bits(struct bits *b)
{
    if (b->count > 0)
        buf_add_byte(b->out, base64[b->held << (6 - b->count) & 63]);
    buf_add_byte(b->out, '-');
    b->held = b->count = 0;
}

void buf_add_mutf7(struct buf *out, struct slice utf8, char also)
{
    struct bits bits = {.out = out};
    bool encoding = false;
    for (size_t i = 0; i < utf8.n;) {
        ucs4_t c;
        i += (size_t)u8_mbtouc(&c, (const uint8_t *)utf8.p + i, utf8.n - i);
        if (c >= 0x20 && c <= 0x7e && c != (unsigned char)also) {
            if (encoding)
                end_bits(&bits);
            encoding = false;
            buf_add_str(out, c == '&' ? "&-" : (char[]){(char)c, 0});
            continue;
        }
        if (!encoding)
            buf_add_byte(out, '&');
        encoding = true;
        if (c > 0xffff) {
            add_bits(&bits, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        add_bits(&bits, c);
    }
    if (encoding)
        end_bits(&bits);
}

/* The UTF-16 units between "&" and "-". */
static bool decode_run(struct buf *out, struct slice run, char also)
{
    uint32_t held = 0, high = 0;
    unsigned count = 0;
    for (size_t i = 0; i < run.n; i++) {
        const char *at = run.p[i] ? strchr(base64, run.p[i]) : NULL;
        if (!at)
            return false;
        held = held << 6 | (uint32_t)(at - base64);
        count += 6;
        if (count < 16)
            continue;
        count -= 16;
        uint32_t unit = held >> count & 0xffff;
        if (high != 0 && (unit & 0xfc00) == 0xdc00)
            unit = 0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff);
        else if (high != 0 || (unit & 0xfc00) == 0xdc00)
            return false;
        high = (unit & 0x1ffc00) == 0xd800 ? unit : 0;
        if (high != 0)
            continue;
        uint8_t utf8[6];
        if (unit >= 0x20 && unit <= 0x7e && unit != (unsigned char)also)
            return false;          /* RFC 3501 5.1.3: must not be encoded */
        int n = u8_uctomb(utf8, unit, sizeof utf8);
        if (n <= 0)
            return false;
        buf_add(out, utf8, (size_t)n);
    }
    return high == 0 && count < 6 && (held & ((1u << count) - 1)) == 0 && run.n > 0;
}

bool buf_add_from_mutf7(struct buf *out, struct slice text, char also)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c > 0x7e)
            return false;
        if (c != '&') {
            buf_add_byte(out, (char)c);
            continue;
        }
        struct slice rest = slice_sub(text, i + 1, text.n);
        ptrdiff_t end = slice_index(rest, '-');
        if (end < 0)
            return false;
        if (end == 0)
            buf_add_byte(out, '&');
        else if (!decode_run(out, slice_sub(rest, 0, (size_t)end), also))
            return false;
        i += (size_t)end + 1;
    }
    return true;
}

/* --- Maildir++ ---------------------------------------------------------------------------------------- */

bool maildir_name_encode(struct slice name, struct buf *out)
{
    struct slice level;
    size_t start = out->len;
    while (slice_next(&name, FOLDER_SEPARATOR, &level)) {
        buf_add_byte(out, '.');
        buf_add_mutf7(out, level, '.');
    }
    return out->len - start <= DISK_NAME_MAX;
}

bool maildir_name_decode(struct slice file, struct buf *out)
{
    struct slice level;
    size_t start = out->len;
    if (file.n < 2 || file.p[0] != '.' || file.p[1] == '.')
        return false;
    file = slice_sub(file, 1, file.n);
    while (slice_next(&file, '.', &level)) {
        if (out->len > start)
            buf_add_byte(out, FOLDER_SEPARATOR);
        size_t at = out->len;
        if (level.n == 0 || !buf_add_from_mutf7(out, level, '.') ||
            slice_index(slice_of(out->data + at, out->len - at), FOLDER_SEPARATOR) >= 0)
            return false;
    }
    /* Only a name that leads back to this very folder: others could not be opened by it. */
    struct slice name = slice_of(out->data + start, out->len - start);
    char *clean = folder_name_clean(name);
    bool same = clean && slice_eq_str(name, clean);
    free(clean);
    return same;
}
