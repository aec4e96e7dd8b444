/* bdat.c - BDAT (RFC 3030): content in chunks of a known length, without dots and without an end to
 * be looked for. */
#include "reference/smtpd/content.h"
#include "reference/smtpd/data_reader.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

struct chunked {                 /* a message of which at least one chunk has come */
    struct content *content;
    struct content_faults faults;
    bool after_cr;               /* the last octet was CR */
    size_t line_octets;
    int64_t deadline;            /* mono_ms */
};

/* RFC 3030 2: text has CRLF line ends in chunks, too. BODY=BINARYMIME promises nothing. */
static void look_at_text(struct chunked *m, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        m->faults.bare_cr |= m->after_cr && c != '\n';
        m->faults.bare_lf |= !m->after_cr && c == '\n';
        m->faults.nul |= c == 0;
        m->faults.line_too_long |= ++m->line_octets > DATA_LINE_MAX;
        if (c == '\n')
            m->line_octets = 0;
        m->after_cr = c == '\r';
    }
}

static void chunked_end(struct session *s)
{
    free(s->chunked);
    s->chunked = NULL;
}

void smtpd_chunks_abandon(struct session *s)
{
    if (s->chunked == NULL)
        return;
    content_abandon(s->chunked->content);
    chunked_end(s);
}

/* Reads the octets that follow the command; they are the message's, or nobody's (m NULL). */
static enum io read_chunk(struct session *s, uint64_t left, struct chunked *m)
{
    enum io r = IO_OK;
    uint64_t thrown = 0;
    struct slice bytes;
    stream_set_deadline(s->io, m != NULL ? m->deadline : mono_ms() + CONTENT_TIME_MAX_MS);
    while (left > 0 && (r = stream_peek(s->io, &bytes)) == IO_OK) {
        bytes = slice_sub(bytes, 0, left < bytes.n ? (size_t)left : bytes.n);
        if (m != NULL && !s->envelope.binary)
            look_at_text(m, bytes);
        if (m != NULL)
            content_add(m->content, bytes, &m->faults);
        else
            thrown += bytes.n;
        left -= bytes.n;
        stream_consume(s->io, bytes.n);
        if (m != NULL ? content_is_endless(m->content) : thrown > CONTENT_DISCARD_MAX)
            break;
    }
    stream_set_deadline(s->io, 0);
    /* IO_OK with something left: endless. */
    if (r != IO_OK || left > 0)
        smtpd_lost_in_content(s, r);
    return left > 0 && r == IO_OK ? IO_ERROR : r;
}

/* RFC 3030 2: the chunk of a refused BDAT is read and dropped before the refusal is said, or its
 * octets would be taken for commands. */
static bool drop_chunk(struct session *s, uint64_t octets)
{
    return read_chunk(s, octets, NULL) == IO_OK;
}

static bool parse(struct slice argument, uint64_t *octets, bool *last)
{
    struct slice word;
    *last = false;
    if (!slice_word(&argument, &word) || !slice_number(word, INT64_MAX, octets))
        return false;
    if (!slice_word(&argument, &word))
        return true;
    *last = slice_ieq_str(word, "LAST");
    return *last && !slice_word(&argument, &word);
}

/* The size alone, when something else is wrong. */
static bool parse_size_only(struct slice argument, uint64_t *octets)
{
    struct slice word;
    return slice_word(&argument, &word) && slice_number(word, INT64_MAX, octets);
}

static void refuse_syntax(struct session *s, struct slice argument)
{
    uint64_t octets;
    bool known = parse_size_only(argument, &octets);
    smtpd_chunks_abandon(s);
    if (known && !drop_chunk(s, octets))
        return;
    smtpd_refuse(s, 501, "5.5.4", "bdat-syntax", "RFC 3030 2", "write BDAT <octets> [LAST]");
    smtpd_transaction_reset(s);
    if (!known) {                /* where its octets end and commands begin nobody knows */
        s->closing = true;
        s->end = "bdat-syntax";
    }
}

/* True when a chunk is legal now; else its octets are dropped and it is refused. */
static bool is_in_order(struct session *s, uint64_t octets)
{
    if (s->phase == PHASE_RCPT || s->phase == PHASE_CHUNKS)
        return true;
    if (!drop_chunk(s, octets))
        return false;
    if (s->phase == PHASE_MAIL)
        smtpd_refuse(s, 554, "5.5.1", "no-recipients", "RFC 5321 3.3, RFC 3030 4.2",
                     "no valid recipients");
    else
        smtpd_refuse(s, 503, "5.5.1", "sequence", "RFC 5321 4.1.4, RFC 3030 2",
                     "no transaction is open for this chunk: send MAIL and RCPT first");
    return false;
}

/* The first chunk. False: refused. */
static bool begin(struct session *s, uint64_t octets)
{
    struct content *content = content_begin(s);
    if (content == NULL) {
        /* Answered, as a 4yz; its octets come all the same. */
        smtpd_transaction_reset(s);
        drop_chunk(s, octets);
        return false;
    }
    s->chunked = xcalloc(1, sizeof *s->chunked);
    s->chunked->content = content;
    s->chunked->deadline = mono_ms() + CONTENT_TIME_MAX_MS;
    s->phase = PHASE_CHUNKS;
    return true;
}

static void last_chunk(struct session *s)
{
    struct chunked *m = s->chunked;
    m->faults.bare_cr |= m->after_cr;
    content_add(m->content, SLICE(""), &m->faults);
    content_finish(m->content);
    chunked_end(s);
    smtpd_transaction_reset(s);
}

void smtpd_bdat(struct session *s, struct slice argument)
{
    uint64_t octets;
    bool last;
    if (!parse(argument, &octets, &last)) {
        refuse_syntax(s, argument);
        return;
    }
    if (!is_in_order(s, octets) || (s->chunked == NULL && !begin(s, octets)))
        return;
    if (read_chunk(s, octets, s->chunked) != IO_OK) {
        smtpd_transaction_reset(s);
    } else if (last) {
        last_chunk(s);
    } else if (content_refused(s->chunked->content)) {
        smtpd_transaction_reset(s);
    } else {
        smtpd_reply(s, 250, "2.0.0", "%llu octets taken", (unsigned long long)octets);
    }
}
