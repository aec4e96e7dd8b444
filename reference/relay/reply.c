/* reply.c - reading replies. */
#include "reference/relay/reply.h"

#include "base/timing.h"

#include <ctype.h>
#include <stdio.h>

void reply_free(struct reply *r)
{
    buf_free(&r->text);
    *r = (struct reply){0};
}

static bool no_reply(struct reply *r, const char *status, const char *text)
{
    r->code = 0;
    snprintf(r->status, sizeof r->status, "%s", status);
    buf_clear(&r->text);
    buf_add_str(&r->text, text);
    return false;
}

static bool lost(struct reply *r, struct stream *s, enum io result)
{
    if (result == IO_TIMEOUT)
        return no_reply(r, "4.4.2", "timed out waiting for the reply");
    if (result == IO_TOO_LONG)
        return no_reply(r, "4.5.0", "reply line too long");
    if (result == IO_EOF || !*stream_error(s))
        return no_reply(r, "4.4.2", "connection closed without a reply");
    no_reply(r, "4.4.2", "connection lost: ");
    buf_add_str(&r->text, stream_error(s));
    return false;
}

/* Reply-code "-" text, Reply-code SP text, or the code alone (RFC 5321 4.2: clients must take it
 * so). Only the first digit has a meaning for certain, so the others may be any digit. */
static bool read_code(struct slice line, int *code, bool *more)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !isdigit((unsigned char)line.p[1])
        || !isdigit((unsigned char)line.p[2]))
        return false;
    *code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
    *more = line.n > 3 && line.p[3] == '-';
    return line.n == 3 || line.p[3] == ' ' || line.p[3] == '-';
}

/* class "." subject "." detail, the class being the reply's (RFC 2034 4). */
static void read_status(struct reply *r)
{
    struct slice text = buf_slice(&r->text), word = {0}, part;
    uint64_t number;
    int parts = 0;
    r->status[0] = 0;
    for (size_t n = 0; n <= text.n; n++)
        if (n == text.n || text.p[n] == ' ' || text.p[n] == '\n') {
            word = slice_sub(text, 0, n);
            break;
        }
    if (word.n < 5 || word.n >= sizeof r->status || word.p[0] != '0' + r->code / 100
        || word.p[1] != '.')
        return;
    for (struct slice rest = word; slice_next(&rest, '.', &part); parts++)
        if (part.n > 3 || !slice_number(part, 999, &number))
            return;
    if (parts == 3) {
        memcpy(r->status, word.p, word.n);
        r->status[word.n] = 0;
    }
}

bool reply_read(struct stream *s, int64_t timeout_ms, struct reply *r)
{
    struct buf line = {0};
    bool more = true;
    enum io result = IO_OK;
    r->code = 0;
    r->status[0] = 0;
    buf_clear(&r->text);
    /* A deadline for the whole, or a server could send a line every four minutes for ever. */
    stream_set_timeout(s, timeout_ms);
    stream_set_deadline(s, timeout_ms > 0 ? mono_ms() + timeout_ms : 0);
    for (int lines = 0; more; lines++) {
        enum line_end end = LINE_CRLF;
        int code = 0;
        result = stream_read_line(s, &line, REPLY_LINE_MAX, &end);
        if (result != IO_OK)
            break;
        if (end != LINE_CRLF || lines == REPLY_LINES_MAX
            || !read_code(buf_slice(&line), &code, &more)
            || (lines > 0 && code != r->code)) { /* 4.2.1: the same code on each line */
            no_reply(r, "4.5.0", "what the server sent is not a reply");
            break;
        }
        r->code = code;
        if (lines > 0)
            buf_add_byte(&r->text, '\n');
        if (line.len > 4)
            buf_add(&r->text, line.data + 4, line.len - 4);
    }
    stream_set_deadline(s, 0);
    buf_free(&line);
    if (result != IO_OK)
        return lost(r, s, result);
    if (r->code == 0)
        return false;
    read_status(r);
    return true;
}

void reply_add_line(struct buf *b, const struct reply *r)
{
    if (r->code)
        buf_printf(b, "%d ", r->code);
    for (size_t i = 0; i < r->text.len; i++) {
        char c = r->text.data[i];
        bool control = (unsigned char)c < 0x20 || c == 0x7f;
        buf_add_byte(b, c == '\n' || c == '\t' ? ' ' : control ? '?' : c);
    }
}
