/* filter_scan.c - spamd (SPAMC/1.5, SpamAssassin's spamd/PROTOCOL) and clamd (clamd(8)): a request
 * with a message, a verdict. */
#include "conformance/runner/filter.h"

#include "base/mem.h"
#include "conformance/runner/run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAD_LINES_MAX = 100 };

static enum io read_to_end(struct filter *f)
{
    struct slice s;
    enum io io;
    while ((io = stream_peek(f->stream, &s)) == IO_OK && f->content.len < MESSAGE_MAX) {
        buf_add_slice(&f->content, s);
        stream_consume(f->stream, s.n);
    }
    return io == IO_EOF ? IO_OK : io;
}

static enum io read_octets(struct filter *f, uint64_t n)
{
    if (f->content.len + n > MESSAGE_MAX)
        return IO_TOO_LONG;
    buf_reserve(&f->content, n + 1);
    enum io io = stream_read_exact(f->stream, f->content.data + f->content.len, n);
    if (io == IO_OK) {
        f->content.len += n;
        f->content.data[f->content.len] = 0;
    }
    return io;
}

/* "CHECK SPAMC/1.5", fields, an empty line, the message: so long as Content-length says, else up to
 * the half-close. In the text the fields are words: "CHECK SPAMC/1.5 User=jerry". */
enum io spamd_read(struct filter *f)
{
    struct buf line = {0};
    enum line_end end;
    enum io io = stream_read_line(f->stream, &line, LINE_MAX_OCTETS, &end);
    int64_t length = -1;
    if (io == IO_OK)
        buf_add_slice(&f->line, buf_slice(&line));
    for (int i = 0; io == IO_OK && line.len && i < HEAD_LINES_MAX; i++) {
        io = stream_read_line(f->stream, &line, LINE_MAX_OCTETS, &end);
        struct slice value = buf_slice(&line), name;
        uint64_t n;
        if (io != IO_OK || !line.len || !slice_next(&value, ':', &name))
            continue;
        value = slice_trim(value);
        buf_printf(&f->line, " %.*s=%.*s", SLICE_ARG(name), SLICE_ARG(value));
        if (slice_ieq_str(name, "Content-length") && slice_number(value, MESSAGE_MAX, &n))
            length = (int64_t)n;
    }
    buf_free(&line);
    if (io != IO_OK)
        return io;
    filter_forget(f);
    bool ping = slice_starts(buf_slice(&f->line), SLICE("PING"));
    f->event = ping ? "PING" : "message";
    f->has_message = !ping;
    return ping ? IO_OK : length < 0 ? read_to_end(f) : read_octets(f, (uint64_t)length);
}

static bool method_is(struct filter *f, const char *name)
{
    return slice_starts(buf_slice(&f->line), slice_str(name));
}

/* Up to SPAMC/1.2 the answer to CHECK and its like has the one field Spam. */
static bool is_old_client(struct filter *f)
{
    return slice_find(buf_slice(&f->line), SLICE(" SPAMC/1.2")) >= 0;
}

/* "spam 15.0/5.0 TEST,TEST" */
static void verdict(struct filter *f, struct slice text)
{
    struct slice word = {0}, numbers = {0}, score, limit;
    slice_word(&text, &word);
    slice_word(&text, &numbers);
    struct slice tests = slice_trim(text), rest = numbers;
    slice_next(&rest, '/', &score);
    limit = rest;
    bool spam = slice_eq_str(word, "spam");
    struct buf body = {0};
    if (method_is(f, "PROCESS") || method_is(f, "HEADERS")) {
        buf_printf(&body, "X-Spam-Flag: %s\r\nX-Spam-Status: %s, score=%.*s required=%.*s tests=%.*s\r\n",
                   spam ? "YES" : "NO", spam ? "Yes" : "No", SLICE_ARG(score), SLICE_ARG(limit),
                   SLICE_ARG(tests));
        if (method_is(f, "PROCESS"))
            buf_add_slice(&body, buf_slice(&f->content));
    } else if (!method_is(f, "CHECK")) {
        buf_add_slice(&body, tests);
        buf_add_str(&body, "\r\n");
    }
    stream_puts(f->stream, "SPAMD/1.1 0 EX_OK\r\n");
    if (!is_old_client(f))
        stream_printf(f->stream, "Content-length: %zu\r\n", body.len);
    stream_printf(f->stream, "Spam: %s ; %.*s / %.*s\r\n\r\n", spam ? "True" : "False", SLICE_ARG(score), SLICE_ARG(limit));
    stream_write(f->stream, body.data ? body.data : "", body.len);
    buf_free(&body);
}

void spamd_answer(struct filter *f, struct slice text)
{
    struct slice rest = text, word, number;
    if (text.p && slice_word(&rest, &word) && slice_eq_str(word, "error") &&
        slice_word(&rest, &number)) {
        rest = slice_trim(rest);
        stream_printf(f->stream, "SPAMD/1.0 %.*s %.*s\r\n", SLICE_ARG(number), SLICE_ARG(rest));
    } else if (!text.p && f->event && strcmp(f->event, "PING") == 0) {
        stream_puts(f->stream, "SPAMD/1.5 0 PONG\r\n");
    } else {
        verdict(f, text.p ? text : SLICE("ham 0.0/5.0"));
    }
}

/* Chunks: a length of four octets, so many octets; 0 ends. */
static enum io read_chunks(struct filter *f)
{
    for (;;) {
        uint32_t n;
        enum io io = stream_read_exact(f->stream, &n, sizeof n);
        if (io != IO_OK || n == 0)
            return io;
        if ((io = read_octets(f, ntohl(n))) != IO_OK)
            return io;
    }
}

/* zCOMMAND NUL, nCOMMAND LF, or COMMAND LF. */
enum io clamd_read(struct filter *f)
{
    enum io io;
    char c = 0;
    f->end = '\n';
    for (size_t i = 0; (io = stream_read_exact(f->stream, &c, 1)) == IO_OK; i++) {
        if (i == 0 && (c == 'z' || c == 'n')) {
            f->end = c == 'z' ? '\0' : '\n';
            continue;
        }
        if (c == f->end)
            break;
        if (c != '\r')
            buf_add_byte(&f->line, c);
        if (f->line.len > LINE_MAX_OCTETS)
            return IO_TOO_LONG;
    }
    if (io != IO_OK)
        return io;
    struct slice line = buf_slice(&f->line);
    filter_forget(f);
    f->number++;
    if (slice_eq_str(line, "IDSESSION")) {
        f->session = true;
        f->number = 0;
        return IO_OK;                            /* it has no answer */
    }
    f->ends = slice_eq_str(line, "END");
    if (f->ends)
        return IO_OK;
    f->event = slice_eq_str(line, "PING") ? "PING" : slice_eq_str(line, "VERSION") ? "VERSION" : "message";
    f->has_message = slice_eq_str(line, "INSTREAM");
    return f->has_message ? read_chunks(f) : IO_OK;
}

void clamd_answer(struct filter *f, struct slice text)
{
    struct slice rest = text, word = {0}, line = buf_slice(&f->line), path;
    if (!f->event)
        return;
    if (f->session)
        stream_printf(f->stream, "%u: ", f->number);
    slice_word(&rest, &word);
    rest = slice_trim(rest);
    slice_word(&line, &path);
    line = slice_trim(line);
    path = f->has_message ? SLICE("stream") : line;
    if (!text.p && strcmp(f->event, "PING") == 0)
        stream_puts(f->stream, "PONG");
    else if (!text.p && strcmp(f->event, "VERSION") == 0)
        stream_puts(f->stream, "ClamAV 1.0.0/27000/Tue Nov 24 10:00:00 2026");
    else if (slice_eq_str(word, "found"))
        stream_printf(f->stream, "%.*s: %.*s FOUND", SLICE_ARG(path), SLICE_ARG(rest));
    else if (slice_eq_str(word, "error"))
        stream_printf(f->stream, "%.*s ERROR", SLICE_ARG(rest));
    else
        stream_printf(f->stream, "%.*s: OK", SLICE_ARG(path));
    stream_write(f->stream, &f->end, 1);
}

/* "15.0/5.0" */
static bool is_score(struct slice s)
{
    ptrdiff_t bar = slice_index(s, '/');
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.' || s.p[i] == '-' || s.p[i] == '/'))
            return false;
    return bar > 0 && (size_t)bar + 1 < s.n;
}

bool scan_text_ok(enum proto proto, struct slice text)
{
    struct slice word = {0}, next = {0};
    slice_word(&text, &word);
    slice_word(&text, &next);
    uint64_t n;
    if (proto == PROTO_CLAMD)
        return (slice_eq_str(word, "clean") && !next.n) ||
               ((slice_eq_str(word, "found") || slice_eq_str(word, "error")) && next.n);
    if (slice_eq_str(word, "error"))
        return slice_number(next, 255, &n) && slice_trim(text).n;
    return (slice_eq_str(word, "spam") || slice_eq_str(word, "ham")) && is_score(next);
}
