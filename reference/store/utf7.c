#include "reference/store/utf7.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* Stands for itself in modified UTF-7. */
static bool is_direct(uint32_t c) { return c >= ' ' && c <= '~' && c != '&'; }

/* ---- to UTF-8 -------------------------------------------------------------------------------- */

/* One UTF-16 unit: a character, half of one (kept in *high), or an error. */
static bool add_unit(uint32_t unit, uint32_t *high, struct buf *out)
{
    if (*high) {
        if (unit < 0xdc00 || unit > 0xdfff)
            return false;
        buf_add_utf8(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
        *high = 0;
        return true;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
        return true;
    }
    if ((unit >= 0xdc00 && unit <= 0xdfff) || is_direct(unit) || unit == 0)
        return false;
    buf_add_utf8(out, unit);
    return true;
}

/* What stands between "&" and "-". */
static bool decode_run(struct slice run, struct buf *out)
{
    uint32_t bits = 0, high = 0;
    int have = 0;
    for (size_t i = 0; i < run.n; i++) {
        const char *digit = run.p[i] ? strchr(digits, run.p[i]) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have < 16)
            continue;
        have -= 16;
        if (!add_unit(bits >> have & 0xffff, &high, out))
            return false;
    }
    /* Fewer than six bits are left over, and they are 0. */
    return have < 6 && (bits & ((1u << have) - 1)) == 0 && high == 0;
}

bool utf7_to_utf8(struct slice name, struct buf *out)
{
    size_t before = out->len;
    bool run_ended = false;         /* "&...-&...-" would be one run */
    while (name.n > 0) {
        unsigned char c = (unsigned char)name.p[0];
        ptrdiff_t end = c == '&' ? slice_index(name, '-') : 0;
        if (is_direct(c)) {
            buf_add_byte(out, (char)c);
        } else if (c != '&' || end < 0) {
            break;
        } else if (end == 1) {
            buf_add_byte(out, '&');
        } else if (run_ended || !decode_run(slice_sub(name, 1, (size_t)end), out)) {
            break;
        }
        run_ended = end > 1;
        name = slice_sub(name, (size_t)end + 1, name.n);
    }
    if (name.n > 0)
        buf_truncate(out, before);
    return name.n == 0;
}

/* ---- from UTF-8 ------------------------------------------------------------------------------ */

struct encoder { struct buf *out; uint32_t bits; int have; };

static void put_unit(struct encoder *e, uint32_t unit)
{
    e->bits = e->bits << 16 | unit;
    for (e->have += 16; e->have >= 6; e->have -= 6)
        buf_add_byte(e->out, digits[e->bits >> (e->have - 6) & 63]);
}

static void end_run(struct encoder *e)
{
    if (e->have > 0)
        buf_add_byte(e->out, digits[e->bits << (6 - e->have) & 63]);
    buf_add_byte(e->out, '-');
    e->bits = 0;
    e->have = 0;
}

void utf8_to_utf7(struct slice name, struct buf *out)
{
    struct encoder e = {.out = out};
    bool in_run = false;
    while (name.n > 0) {
        uint32_t c = utf8_next(&name);
        bool plain = c >= ' ' && c <= '~';
        if (plain && in_run)
            end_run(&e);
        else if (!plain && !in_run)
            buf_add_byte(out, '&');
        in_run = !plain;
        if (plain)
            buf_add_byte(out, (char)c);
        if (c == '&')
            buf_add_byte(out, '-');
        if (!plain && c >= 0x10000) {
            put_unit(&e, 0xd800 + ((c - 0x10000) >> 10));
            put_unit(&e, 0xdc00 + ((c - 0x10000) & 0x3ff));
        } else if (!plain) {
            put_unit(&e, c);
        }
    }
    if (in_run)
        end_run(&e);
}
