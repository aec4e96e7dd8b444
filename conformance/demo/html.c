#include "conformance/demo/html.h"

/* Octets of the UTF-8 character at p, 0 when it is none. */
static size_t character(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

void html_add(struct buf *b, struct slice text, size_t columns)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t len;
    for (size_t i = 0, shown = 0; i < text.n; i += len, shown++) {
        len = character(p + i, text.n - i);
        if (columns && shown + 1 == columns && i + len < text.n) {
            buf_add_str(b, "…");
            return;
        }
        if (len == 0) {
            buf_add_str(b, "\xef\xbf\xbd"); /* U+FFFD */
            len = 1;
        } else if (p[i] == '&')
            buf_add_str(b, "&amp;");
        else if (p[i] == '<')
            buf_add_str(b, "&lt;");
        else if (p[i] == '>')
            buf_add_str(b, "&gt;");
        else if (p[i] == '"')
            buf_add_str(b, "&quot;");
        else if (p[i] < 0x20 || p[i] == 0x7f)
            buf_printf(b, "\\x%02x", p[i]);
        else
            buf_add(b, p + i, len);
    }
}
