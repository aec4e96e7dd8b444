/* names.c - mailbox names: what is one, and what it is on disk. */
#include "reference/store/names.h"

#include "base/mem.h"
#include "reference/store/folder.h"
#include "reference/store/utf7.h"

#include <errno.h>
#include <stdlib.h>
#include <uninorm.h>

struct slice folder_parent(struct slice name)
{
    ptrdiff_t at = slice_rindex(name, FOLDER_SEPARATOR);
    return slice_sub(name, 0, at < 0 ? 0 : (size_t)at);
}

bool folder_is_below(struct slice name, struct slice above)
{
    return name.n > above.n && slice_starts(name, above) && name.p[above.n] == FOLDER_SEPARATOR;
}

/* --- what is a name ----------------------------------------------------------------------- */

/* RFC 5198 2, RFC 9051 5.1: no controls, no line and paragraph separators. */
static bool characters_allowed(struct slice name)
{
    if (!utf8_valid(name))
        return false;
    while (name.n > 0) {
        uint32_t c = utf8_next(&name);
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
        if (n >= 5 && slice_ieq_str(slice_sub(clean, 0, 5), "INBOX") && (n == 5 ||
                                                                         result[5] == '/'))
            memcpy(result, "INBOX", 5);
    }
    free(normal);
    return result;
}

/* --- Maildir++ ---------------------------------------------------------------------------- */

/* A "." within a name parts levels on disk, so it is written as modified UTF-7 could write it
 * (and by RFC 3501 5.1.3 must not, so nothing else is written so). */
#define DOT "&AC4-"

bool maildir_name_encode(struct slice name, struct buf *out)
{
    struct slice level;
    size_t start = out->len;
    while (slice_next(&name, FOLDER_SEPARATOR, &level)) {
        struct buf encoded = {0};
        utf8_to_utf7(level, &encoded);
        buf_add_byte(out, '.');
        for (size_t i = 0; i < encoded.len; i++) {
            if (encoded.data[i] == '.')
                buf_add_str(out, DOT);
            else
                buf_add_byte(out, encoded.data[i]);
        }
        buf_free(&encoded);
    }
    return out->len - start <= DISK_NAME_MAX;
}

static bool decode_level(struct slice level, struct buf *out)
{
    struct buf plain = {0};
    while (level.n > 0) {
        bool dot = slice_starts(level, SLICE(DOT));
        buf_add_byte(&plain, dot ? '.' : level.p[0]);
        level = slice_sub(level, dot ? sizeof DOT - 1 : 1, level.n);
    }
    size_t start = out->len;
    bool good = plain.len > 0 && utf7_to_utf8(buf_slice(&plain), out) &&
                slice_index(slice_of(out->data + start, out->len - start), FOLDER_SEPARATOR) < 0;
    buf_free(&plain);
    return good;
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
        if (!decode_level(level, out))
            return false;
    }
    /* Only a name that leads back to this very folder: others could not be opened by it. */
    struct slice name = slice_of(out->data + start, out->len - start);
    char *clean = folder_name_clean(name);
    bool same = clean && slice_eq_str(name, clean);
    free(clean);
    return same;
}
