#include "dns-sim/name.h"

/* A label length is at most 63 and 'A' is 65, so folding every octet leaves lengths alone. */
static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

size_t name_len(const uint8_t *name)
{
    size_t n = 0;
    while (name[n])
        n += name[n] + 1u;
    return n + 1;
}

int name_labels(const uint8_t *name)
{
    int labels = 0;
    for (; *name; name += *name + 1)
        labels++;
    return labels;
}

const uint8_t *name_suffix(const uint8_t *name, int labels)
{
    while (labels-- > 0 && *name)
        name += *name + 1;
    return name;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
    size_t n = name_len(a);
    if (name_len(b) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (fold(a[i]) != fold(b[i]))
            return false;
    return true;
}

bool name_is_under(const uint8_t *name, const uint8_t *top)
{
    int extra = name_labels(name) - name_labels(top);
    return extra >= 0 && name_equal(name_suffix(name, extra), top);
}

uint64_t name_hash(const uint8_t *name)
{
    uint64_t h = 14695981039346656037u;     /* FNV-1a */
    size_t n = name_len(name);
    for (size_t i = 0; i < n; i++)
        h = (h ^ fold(name[i])) * 1099511628211u;
    return h;
}

bool name_read(struct slice packet, size_t *pos, uint8_t out[NAME_MAX_LEN])
{
    const uint8_t *wire = (const uint8_t *)packet.p;
    size_t at = *pos, used = 0;
    size_t lowest = at;     /* RFC 1035 4.1.4: a pointer names a prior occurrence, so each jump must
                               land below all that was read; that also ends every loop */
    bool jumped = false;
    for (;;) {
        if (at >= packet.n)
            return false;
        uint8_t c = wire[at];
        if (c >= 0xc0) {
            if (at + 2 > packet.n)
                return false;
            size_t target = (size_t)(c & 0x3f) << 8 | wire[at + 1];
            if (!jumped)
                *pos = at + 2;
            if (target >= lowest)
                return false;
            at = lowest = target;
            jumped = true;
            continue;
        }
        if (c > 63 || used + c + 1 + (c != 0) > NAME_MAX_LEN || at + c + 1 > packet.n)
            return false;
        memcpy(out + used, wire + at, c + 1u);
        used += c + 1u;
        at += c + 1u;
        if (c == 0)
            break;
    }
    if (!jumped)
        *pos = at;
    return true;
}

/* One character of a master-file name, escapes resolved: its octet, or -1. */
static int next_octet(struct slice *text)
{
    const char *p = text->p;
    if (*p != '\\') {
        *text = slice_sub(*text, 1, text->n);
        return (uint8_t)*p;
    }
    uint64_t number;
    if (text->n >= 4 && slice_number(slice_of(p + 1, 3), 255, &number)) {
        *text = slice_sub(*text, 4, text->n);
        return (int)number;
    }
    if (text->n < 2 || (p[1] >= '0' && p[1] <= '9'))
        return -1;
    *text = slice_sub(*text, 2, text->n);
    return (uint8_t)p[1];
}

bool name_parse(struct slice text, const uint8_t *origin, uint8_t out[NAME_MAX_LEN])
{
    static const uint8_t root[1] = {0};
    const uint8_t *tail = origin ? origin : root;
    size_t used = 0, label = 0;             /* label: where the length octet of this one stands */
    bool absolute = slice_eq_str(text, ".");
    if (text.n == 0)
        return false;
    if (absolute || slice_eq_str(text, "@"))
        text.n = 0;
    while (text.n > 0) {
        bool dot = *text.p == '.';
        int c = next_octet(&text);
        if (c < 0)
            return false;
        if (!dot) {
            if (used == label)
                used++;
            if (used - label > 63 || used >= NAME_MAX_LEN - 1)
                return false;
            out[used++] = (uint8_t)c;
            continue;
        }
        if (used == label)                  /* an empty label */
            return false;
        out[label] = (uint8_t)(used - label - 1);
        label = used;
        absolute = text.n == 0;
    }
    if (used > label)
        out[label] = (uint8_t)(used - label - 1);
    if (absolute)
        tail = root;
    size_t n = name_len(tail);
    if (used + n > NAME_MAX_LEN)
        return false;
    memcpy(out + used, tail, n);
    return true;
}

void buf_add_name_absolute(struct buf *b, const uint8_t *name)
{
    if (*name == 0)
        buf_add_byte(b, '.');
    for (; *name; name += *name + 1) {
        for (int i = 1; i <= *name; i++) {
            uint8_t c = name[i];
            if (c <= ' ' || c >= 127)
                buf_printf(b, "\\%03d", c);
            else if (strchr(".\\\"();@$", c))
                buf_printf(b, "\\%c", c);
            else
                buf_add_byte(b, (char)c);
        }
        buf_add_byte(b, '.');
    }
}

void buf_add_name(struct buf *b, const uint8_t *name)
{
    buf_add_name_absolute(b, name);
    if (*name)
        buf_truncate(b, b->len - 1);
}

bool name_wildcard(const uint8_t *name, uint8_t out[NAME_MAX_LEN])
{
    size_t n = name_len(name);
    if (n + 2 > NAME_MAX_LEN)
        return false;
    memcpy(out, "\1*", 2);
    memcpy(out + 2, name, n);
    return true;
}
