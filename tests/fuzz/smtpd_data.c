/* The end of DATA, in pieces of any size, against the same thing done the slow and obvious way. */
#include "base/buf.h"
#include "reference/smtpd/data_reader.h"

#include <stdlib.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct plainly {
    bool ended, bare_cr, bare_lf, nul, line_too_long;
    size_t taken;
    struct buf text;
};

/* `in` begins with a CRLF that stands for the end of the DATA command. */
static void read_plainly(struct slice in, struct plainly *out)
{
    ptrdiff_t end = slice_find(in, SLICE("\r\n.\r\n"));
    out->ended = end >= 0;
    out->taken = out->ended ? (size_t)end + 5 - 2 : in.n - 2;
    struct slice body = slice_sub(in, 2, out->ended ? (size_t)end + 2 : in.n);
    for (size_t i = 0; i < body.n; i++) {
        unsigned char c = (unsigned char)body.p[i];
        out->nul |= c == 0;
        out->bare_lf |= c == '\n' && (i == 0 || body.p[i - 1] != '\r');
        out->bare_cr |= c == '\r' && i + 1 < body.n && body.p[i + 1] != '\n';
    }
    while (body.n > 0) {
        ptrdiff_t crlf = slice_find(body, SLICE("\r\n"));
        struct slice line = slice_sub(body, 0, crlf < 0 ? body.n : (size_t)crlf + 2);
        body = slice_sub(body, line.n, body.n);
        if (line.p[0] == '.')
            line = slice_sub(line, 1, line.n);
        out->line_too_long |= line.n > DATA_LINE_MAX;
        buf_add_slice(&out->text, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = data[0] + 1u;
    struct buf whole = {0}, text = {0};
    buf_add_str(&whole, "\r\n");
    buf_add(&whole, data + 1, size - 1);
    struct plainly want = {0};
    read_plainly(buf_slice(&whole), &want);

    struct data_reader r = {0};
    struct slice in = slice_sub(buf_slice(&whole), 2, whole.len), out;
    size_t taken = 0;
    while (taken < in.n && r.state != DATA_END) {
        size_t n = data_reader_feed(&r, slice_sub(in, taken, taken + piece), &out);
        check(n > 0 && out.n <= n);
        buf_add_slice(&text, out);
        taken += n;
    }
    check((r.state == DATA_END) == want.ended && taken == want.taken);
    check(r.bare_lf == want.bare_lf && r.bare_cr == want.bare_cr && r.nul == want.nul);
    if (!r.bare_lf && !r.bare_cr && !r.nul) {
        check(r.line_too_long == want.line_too_long);
        /* an unfinished message may stop inside ".CR", which is no text yet */
        if (want.ended)
            check(slice_eq(buf_slice(&text), buf_slice(&want.text)));
    }
    buf_free(&want.text);
    buf_free(&whole);
    buf_free(&text);
    return 0;
}
