/* data.c - DATA (RFC 5321 4.1.1.4): from the stream through the automaton into the spool. */
#include "reference/smtpd/content.h"
#include "reference/smtpd/data_reader.h"

#include "base/timing.h"

static struct content_faults faults_of(const struct data_reader *r)
{
    return (struct content_faults){r->bare_cr, r->bare_lf, r->nul, r->line_too_long};
}

/* To the end of the message. IO_OK, or what happened to the connection. */
static enum io read_message(struct stream *io, struct data_reader *reader, struct content *in)
{
    enum io r;
    struct slice bytes, text;
    stream_set_deadline(io, mono_ms() + CONTENT_TIME_MAX_MS);
    while ((r = stream_peek(io, &bytes)) == IO_OK) {
        size_t taken = data_reader_feed(reader, bytes, &text);
        const struct content_faults faults = faults_of(reader);
        content_add(in, text, &faults);
        stream_consume(io, taken);
        if (reader->state == DATA_END || content_is_endless(in))
            break;
    }
    stream_set_deadline(io, 0);
    return r;
}

/* May DATA come now? RFC 5321 3.3, RFC 2920 3.2 (3): 354 only when there is a recipient. */
static bool is_in_order(struct session *s)
{
    if (s->phase == PHASE_MAIL)
        smtpd_refuse(s, 554, "5.5.1", "no-recipients", "RFC 5321 3.3, RFC 2920 3.2",
                     "no valid recipients");
    else if (s->phase == PHASE_CHUNKS)
        smtpd_refuse(s, 503, "5.5.1", "data-after-bdat", "RFC 3030 2",
                     "BDAT has begun the message: go on with it, or send RSET");
    else if (s->phase != PHASE_RCPT)
        smtpd_refuse(s, 503, "5.5.1", "sequence", "RFC 5321 4.1.4", "send MAIL and RCPT first");
    else if (s->envelope.binary)
        smtpd_refuse(s, 503, "5.5.1", "data-with-binary", "RFC 3030 3",
                     "a message with BODY=BINARYMIME is sent by BDAT");
    else
        return true;
    return false;
}

void smtpd_data(struct session *s, struct slice argument)
{
    (void)argument;
    if (!is_in_order(s))
        return;
    struct content *in = content_begin(s);
    if (in == NULL)
        return;
    struct data_reader reader = {0};
    smtpd_reply(s, 354, NULL, "send the message, end it with a line of one dot");
    enum io r = read_message(s->io, &reader, in);
    if (r == IO_OK && reader.state == DATA_END) {
        content_finish(in);
    } else {
        /* RFC 5321 4.1.1.10: as if nothing had been sent. */
        content_abandon(in);
        smtpd_lost_in_content(s, r);
    }
    smtpd_transaction_reset(s);
}
