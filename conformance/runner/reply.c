/* reply.c - reading replies off the wire, and what makes them invalid. */
#include "conformance/runner/match.h"

#include "base/mem.h"
#include "conformance/runner/run.h"

#include <stdlib.h>

void answer_free(struct reply *r)
{
    for (size_t i = 0; i < r->count; i++)
        buf_free(&r->lines[i]);
    free(r->lines);
    buf_free(&r->raw);
    free(r->error);
    *r = (struct reply){0};
}

/* The next line as a new one of r. False when none came: r->kind says why. */
static bool next_line(struct stream *s, struct reply *r)
{
    struct buf line = {0};
    enum line_end end = LINE_CRLF;
    enum io io = stream_read_line(s, &line, LINE_MAX_OCTETS, &end);
    if (io == IO_OK) {
        r->kind = REPLY_LINES;
        /* RFC 5321 2.3.8, RFC 1939 3, RFC 9051 2.2: lines end in CRLF. */
        if (end == LINE_LF && !r->fault)
            r->fault = "a line ends in a bare LF";
        if (memchr(line.data ? line.data : "", '\r', line.len) && !r->fault)
            r->fault = "there is a bare CR in a line";
        buf_add_slice(&r->raw, buf_slice(&line));
        buf_add_str(&r->raw, end == LINE_LF ? "\n" : "\r\n");
        r->lines = xreallocarray(r->lines, r->count + 1, sizeof *r->lines);
        r->lines[r->count++] = line;
        return true;
    }
    if (io == IO_TOO_LONG) {
        r->kind = REPLY_LINES;
        r->fault = "a line of more than a megabyte";
    } else if (r->count) {
        r->fault = io == IO_TIMEOUT ? "it stops in the middle" : "closed in the middle of a reply";
    } else if (io == IO_TIMEOUT) {
        r->kind = REPLY_NOTHING;
    } else if (io == IO_EOF || line.len == 0) {
        r->kind = REPLY_CLOSED;
        if (io == IO_ERROR)
            r->error = xstrdup(stream_error(s));
    } else {
        r->kind = REPLY_BROKEN;
        buf_add_slice(&r->raw, buf_slice(&line));
        r->fault = "closed in the middle of a line";
    }
    buf_free(&line);
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* RFC 5321 4.2: three digits, then "-" in all lines but the last, SP or nothing in it. */
static void read_smtp(struct stream *s, struct reply *r)
{
    while (r->count < REPLY_LINES_MAX && next_line(s, r)) {
        const struct buf *line = &r->lines[r->count - 1];
        const char *p = line->data ? line->data : "";
        if (line->len < 3 || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) ||
            (line->len > 3 && p[3] != ' ' && p[3] != '-')) {
            r->fault = "a line that is not CODE, blank or hyphen, text";
            return;
        }
        if (r->count == 1)
            memcpy(r->code, p, 3);
        else if (memcmp(r->code, p, 3) != 0 && !r->fault)
            r->fault = "the lines of the reply have different codes";
        if (line->len == 3 || p[3] == ' ')
            return;
    }
}

/* RFC 1939 3: up to a line with a dot only; a dot before another dot goes away. */
static void read_pop3_lines(struct stream *s, struct reply *r)
{
    while (r->count < REPLY_LINES_MAX * 100 && next_line(s, r)) {
        struct buf *line = &r->lines[r->count - 1];
        if (line->len == 1 && line->data[0] == '.') {
            buf_free(line);
            r->count--;
            return;
        }
        if (line->len && line->data[0] == '.')
            buf_drop(line, 1);
    }
    if (!r->fault)
        r->fault = "the response does not end with a line of one dot";
}

/* The size of the literal that the line announces at its end, or -1. */
static int64_t literal_at_end(const struct buf *line)
{
    ptrdiff_t open = slice_rindex(buf_slice(line), '{');
    uint64_t n;
    if (open < 0 || line->len < 3 || line->data[line->len - 1] != '}' ||
        !slice_number(slice_sub(buf_slice(line), (size_t)open + 1, line->len - 1), MESSAGE_MAX, &n))
        return -1;
    return (int64_t)n;
}

/* A response with its literals becomes one line, line ends of the literals inside. */
static void read_imap(struct stream *s, struct reply *r)
{
    if (!next_line(s, r))
        return;
    struct buf whole = {0};
    buf_add_slice(&whole, buf_slice(&r->lines[0]));
    for (int64_t n; (n = literal_at_end(&r->lines[r->count - 1])) >= 0;) {
        char *bytes = xmalloc((size_t)n + 1);
        if (stream_read_exact(s, bytes, (size_t)n) != IO_OK) {
            r->fault = "a literal shorter than it says";
            free(bytes);
            break;
        }
        buf_add_str(&whole, "\r\n");
        buf_add(&whole, bytes, (size_t)n);
        buf_add(&r->raw, bytes, (size_t)n);
        free(bytes);
        if (whole.len > MESSAGE_MAX || !next_line(s, r))
            break;
        buf_add_slice(&whole, buf_slice(&r->lines[r->count - 1]));
    }
    for (size_t i = 0; i < r->count; i++)
        buf_free(&r->lines[i]);
    r->lines[0] = whole;
    r->count = 1;
}

void answer_read(struct stream *s, enum proto proto, bool lines, struct reply *out)
{
    if (proto == PROTO_SMTP || proto == PROTO_LMTP) {
        read_smtp(s, out);
    } else if (proto == PROTO_IMAP) {
        read_imap(s, out);
    } else if (next_line(s, out) && lines && proto == PROTO_POP3 &&
               slice_starts(buf_slice(&out->lines[0]), SLICE("+OK"))) {
        read_pop3_lines(s, out);
    }
}
