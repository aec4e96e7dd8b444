/* incoming.c - a message on its way from DATA to the mailboxes. */
#include "reference/mda/incoming.h"

#include <errno.h>

void incoming_init(struct incoming *m, const char *dir, uint64_t limit)
{
    *m = (struct incoming){.limit = limit, .in_header = true};
    spill_init(&m->text, dir);
}

void incoming_free(struct incoming *m)
{
    spill_free(&m->text);
    buf_free(&m->line);
}

static bool is_broken(const struct incoming *m)
{
    const struct data_reader *r = &m->reader;
    return r->bare_cr || r->bare_lf || r->nul || r->line_too_long;
}

/* "id <queue id>" of our own server's Received field (RFC 5321 4.4), for the event log. */
static void find_id(struct incoming *m, struct slice line)
{
    struct slice word, before = {0};
    while (!m->id[0] && slice_word(&line, &word)) {
        if (slice_eq_str(before, "id")) {
            ptrdiff_t semicolon = slice_index(word, ';');
            if (semicolon >= 0)
                word = slice_sub(word, 0, (size_t)semicolon);
            if (word.n < sizeof m->id)
                memcpy(m->id, word.p, word.n);
        }
        before = word;
    }
}

/* A whole line of the header, LF included. */
static void header_line(struct incoming *m, struct slice line)
{
    bool folded = m->scan.any_field && (line.p[0] == ' ' || line.p[0] == '\t');
    int received = m->scan.received;
    m->in_header = header_scan_line(&m->scan, slice_sub(line, 0, line.n - 1)) == HEADER_FIELD;
    if (!folded) {
        ptrdiff_t colon = slice_index(line, ':');
        struct slice name = slice_trim(slice_sub(line, 0, colon < 0 ? 0 : (size_t)colon));
        /* RFC 5321 4.4: the server that makes final delivery removes what is there. */
        m->dropping = m->in_header && slice_ieq_str(name, "Return-Path");
        m->in_trace = m->kept_fields == 0 && m->scan.received > received;
        m->kept_fields += !m->dropping;
    }
    if (m->in_trace)
        find_id(m, slice_trim(line));
    if (!m->dropping)
        spill_add(&m->text, line.p, line.n);
}

/* Text without CR, in any portions. */
static void add_text(struct incoming *m, struct slice text)
{
    while (m->in_header && text.n > 0) {
        ptrdiff_t lf = slice_index(text, '\n');
        size_t n = lf < 0 ? text.n : (size_t)lf + 1;
        buf_add(&m->line, text.p, n);
        text = slice_sub(text, n, text.n);
        if (lf >= 0) {
            header_line(m, buf_slice(&m->line));
            buf_clear(&m->line);
        }
    }
    spill_add(&m->text, text.p, text.n);
}

size_t incoming_feed(struct incoming *m, struct slice bytes)
{
    struct slice text;
    size_t used = data_reader_feed(&m->reader, bytes, &text);
    m->octets += text.n;
    m->too_big = m->too_big || (m->limit > 0 && m->octets > m->limit);
    /* What will be refused is read to its end, which alone ends it, but not kept. A failed write
     * shows in m->text.error. */
    if (m->too_big || is_broken(m) || m->text.error)
        return used;
    while (text.n > 0) {
        /* Every CR that is not before a LF is a reason to refuse: so all of them go. */
        ptrdiff_t cr = slice_index(text, '\r');
        size_t n = cr < 0 ? text.n : (size_t)cr;
        add_text(m, slice_sub(text, 0, n));
        text = slice_sub(text, n + 1, text.n);
    }
    return used;
}

const char *incoming_refusal(const struct incoming *m)
{
    const struct data_reader *r = &m->reader;
    if (r->bare_lf || r->bare_cr)
        return "554 5.6.0 a line does not end in CRLF";   /* RFC 5321 2.3.8 */
    if (r->nul)
        return "554 5.6.0 the message has a NUL octet";
    if (r->line_too_long)
        return "554 5.6.0 the message has a line that is too long";
    if (m->too_big)
        return "552 5.3.4 the message is larger than this server takes";   /* RFC 1870 6.3 */
    if (m->text.error == ENOSPC || m->text.error == EDQUOT || m->text.error == EFBIG)
        return "452 4.3.1 no room for the message, try later";
    if (m->text.error)
        return "451 4.3.0 the message cannot be kept, try later";
    return NULL;
}
