/* incoming.h - a message on its way from DATA to the mailboxes. */
#ifndef REFERENCE_MDA_INCOMING_H
#define REFERENCE_MDA_INCOMING_H

#include "base/buf.h"
#include "reference/message/header_scan.h"
#include "reference/smtpd/data_reader.h"
#include "reference/store/spill.h"

struct incoming {
    struct data_reader reader;
    struct spill text;         /* LF line ends, no Return-Path */
    uint64_t limit;            /* octets; 0: none */
    uint64_t octets;           /* as they came (RFC 1870 5) */
    bool too_big;
    bool in_header;
    bool dropping;             /* the current field is not kept */
    struct buf line;           /* of the header, until its end comes */
    struct header_scan scan;
    int kept_fields;
    bool in_trace;             /* in the topmost field, and it is Received */
    char id[64];               /* the queue's, from there; "" when none */
};

/* `dir` holds large messages for a moment (borrowed). */
void incoming_init(struct incoming *m, const char *dir, uint64_t limit);
void incoming_free(struct incoming *m);
/* Takes some of what came after DATA; the octets used. Ends with m->reader.state == DATA_END. */
size_t incoming_feed(struct incoming *m, struct slice bytes);
/* Why the message is refused now that it has come to its end, as "code enhanced text"; NULL: it
 * is not. */
const char *incoming_refusal(const struct incoming *m);

#endif
